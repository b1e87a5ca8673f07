//! Tests that no modules of this crate depend on each other in a cycle.

use std::path::Path;

use pixaven_testkit::module_graph::ModuleGraph;

#[test]
fn imports_between_the_modules_of_the_imaging_crate_form_no_cycle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let graph = ModuleGraph::read(&src).expect("the sources can be read");
    assert!(graph.imports().len() > 100, "the imports are found");
    assert_eq!(graph.cycles(), Vec::<String>::new());
}
