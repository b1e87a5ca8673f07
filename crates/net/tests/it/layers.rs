//! Checks that the modules of this crate do not import each other in a cycle.

use std::path::Path;

use pixaven_testkit::module_graph::ModuleGraph;

#[test]
fn the_imports_between_the_modules_of_the_net_crate_form_no_cycle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let graph = ModuleGraph::read(&src).expect("the sources can be read");
    assert!(graph.imports().len() > 10, "the imports are found");
    assert_eq!(graph.cycles(), Vec::<String>::new());
}
