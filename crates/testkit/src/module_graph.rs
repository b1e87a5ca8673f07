//! Reads the sources of a crate, and finds out which modules of the crate import from which other modules.
//! Tests use this graph to check the layers of the crate.
//!
//! An import is any path that begins with `crate::`, `super::` or `self::`, in a `use` or in an expression. A
//! re-exported name counts as an import from the module that declares the name. Test modules are not read.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use self::source::{code_of, paths_of, read_directory, reexports_of};

/// The path of a module inside its crate. The path of the crate's root module is empty.
type ModulePath = Vec<String>;

/// The largest number of re-exports that are followed for one path. Without this limit, a name that
/// re-exports itself would be followed for ever.
const MAX_FOLLOWED: usize = 8;

/// The imports between the modules of one crate.
pub struct ModuleGraph {
    sources: BTreeMap<ModulePath, String>,
    /// The re-exports of each module: the re-exported names, each with its path relative to the module.
    reexports: BTreeMap<ModulePath, BTreeMap<String, Vec<String>>>,
}

/// An import: one module imports a name from another module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The path of the importing module, such as `work::pipeline`.
    pub from: String,
    /// The path of the module that declares the imported name.
    pub to: String,
}

impl ModuleGraph {
    /// Reads the source files below `src`, which is the directory of the crate's `lib.rs`. `main.rs` is not
    /// read.
    ///
    /// # Errors
    ///
    /// Fails when a directory or a file cannot be read.
    pub fn read(src: &Path) -> io::Result<Self> {
        let mut sources = BTreeMap::new();
        read_directory(src, &mut Vec::new(), &mut sources)?;
        Ok(Self::of_sources(sources))
    }

    fn of_sources(sources: BTreeMap<ModulePath, String>) -> Self {
        let sources: BTreeMap<_, _> =
            sources.into_iter().map(|(module, text)| (module, code_of(&text))).collect();
        let reexports = sources.iter().map(|(module, code)| (module.clone(), reexports_of(code))).collect();
        Self { sources, reexports }
    }

    /// Returns every import of the crate, except imports between a module and its own ancestors or
    /// descendants.
    pub fn imports(&self) -> BTreeSet<Import> {
        self.edges()
            .into_iter()
            .map(|(from, to)| Import { from: from.join("::"), to: to.join("::") })
            .collect()
    }

    /// Returns a sentence for each import between top-level modules that `allowed` does not list. `allowed`
    /// contains every top-level module, with the top-level modules from which it may import. A top-level
    /// module that `allowed` does not contain is reported as well.
    pub fn violations(&self, allowed: &[(&str, &[&str])]) -> Vec<String> {
        let top = |path: &ModulePath| path.first().cloned().unwrap_or_default();
        let mut violations = Vec::new();
        for module in self.sources.keys().filter(|path| path.len() == 1) {
            if !allowed.iter().any(|(name, _)| *name == module[0]) {
                violations.push(format!("{} is not in the list of modules", module[0]));
            }
        }
        for (from, to) in self.edges() {
            let (from_top, to_top) = (top(&from), top(&to));
            let is_listed =
                allowed.iter().any(|(name, targets)| *name == from_top && targets.contains(&to_top.as_str()));
            if from_top != to_top && !from_top.is_empty() && !is_listed {
                violations.push(format!("{} must not import from {}", from.join("::"), to.join("::")));
            }
        }
        violations
    }

    /// Returns the import cycles between sibling modules at any depth, each as a list of module names. An
    /// import of a descendant counts as an import of the module itself.
    pub fn cycles(&self) -> Vec<String> {
        let mut siblings: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (from, to) in self.edges() {
            let n_common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(n_common), to.get(n_common)) {
                let edges = siblings.entry(from[..n_common].to_vec()).or_default();
                edges.entry(a.clone()).or_default().insert(b.clone());
            }
        }
        siblings
            .iter()
            .filter_map(|(parent, edges)| {
                let cycle = find_cycle(edges)?;
                let parent = if parent.is_empty() { "the crate".to_owned() } else { parent.join("::") };
                Some(format!("in {parent}: {}", cycle.join(" > ")))
            })
            .collect()
    }

    /// Returns the modules whose code calls a method with one of the names in `methods`.
    pub fn callers_of(&self, methods: &[&str]) -> BTreeSet<String> {
        let calls = |code: &str| methods.iter().any(|method| code.contains(&format!(".{method}(")));
        self.sources.iter().filter(|(_, code)| calls(code)).map(|(module, _)| module.join("::")).collect()
    }

    fn edges(&self) -> BTreeSet<(ModulePath, ModulePath)> {
        let mut edges = BTreeSet::new();
        for (module, code) in &self.sources {
            for path in paths_of(code) {
                let Some(target) = self.resolve(module, &path, 0) else { continue };
                if !target.starts_with(module) && !module.starts_with(&target) {
                    edges.insert((module.clone(), target));
                }
            }
        }
        edges
    }

    /// Returns the module that declares the last name of a path, or `None` if the path leads out of the
    /// crate.
    fn resolve(&self, from: &ModulePath, path: &[String], n_followed: usize) -> Option<ModulePath> {
        let mut module = from.clone();
        for (at, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" => module.clear(),
                "super" => drop(module.pop()?),
                "self" => {}
                _ => {
                    module.push(name.clone());
                    if self.sources.contains_key(&module) {
                        continue;
                    }
                    module.pop();
                    let reexport = self.reexports.get(&module).and_then(|reexports| reexports.get(name));
                    let Some(reexport) = reexport.filter(|_| n_followed < MAX_FOLLOWED) else { break };
                    let path: Vec<String> = reexport.iter().chain(&path[at + 1..]).cloned().collect();
                    return self.resolve(&module, &path, n_followed + 1);
                }
            }
        }
        Some(module)
    }
}

/// Finds a cycle in a directed graph. Returns the nodes of the cycle in order, with the first node repeated
/// at the end, or `None` if the graph has no cycle.
fn find_cycle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        node: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = path.iter().position(|known| known == node) {
            let mut cycle = path[at..].to_vec();
            cycle.push(node.to_owned());
            return Some(cycle);
        }
        if done.contains(node) {
            return None;
        }
        path.push(node.to_owned());
        for next in edges.get(node).into_iter().flatten() {
            let cycle = visit(next, edges, path, done);
            if cycle.is_some() {
                return cycle;
            }
        }
        path.pop();
        done.insert(node.to_owned());
        None
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|node| visit(node, edges, &mut Vec::new(), &mut done))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> ModuleGraph {
        let module =
            |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        ModuleGraph::of_sources(files.iter().map(|(name, code)| (module(name), (*code).to_owned())).collect())
    }

    fn imports(files: &[(&str, &str)]) -> Vec<(String, String)> {
        graph(files).imports().into_iter().map(|Import { from, to }| (from, to)).collect()
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn the_module_graph_finds_imports_in_use_groups_in_expressions_and_in_relative_paths() {
        let files = [
            ("", "pub mod a;"),
            ("a", "use crate::{b::c::{Thing, Other as Alias}, d};\nfn f() { crate::e::run(); }"),
            ("a::x", "use super::super::b::Thing;"),
            ("b", ""),
            ("b::c", "// use crate::a::Nothing;"),
            ("d", "#[cfg(test)]\nmod tests {\n    use crate::a;\n}"),
            ("e", "use super::d::*;"),
        ];
        let expected = [pair("a", "b::c"), pair("a", "d"), pair("a", "e"), pair("a::x", "b"), pair("e", "d")];
        assert_eq!(imports(&files), expected);
    }

    #[test]
    fn a_reexported_name_counts_as_an_import_of_the_declaring_module() {
        let files = [
            ("", "pub mod a;\npub mod b;\npub use b::{Thing, deep::Deeper};"),
            ("a", "use crate::{Thing, Deeper};"),
            ("b", "pub(crate) use self::deep::Thing;"),
            ("b::deep", ""),
        ];
        assert_eq!(imports(&files), [pair("a", "b::deep")]);
    }

    #[test]
    fn an_import_that_the_list_of_allowed_imports_lacks_is_reported_as_a_violation() {
        let graph = graph(&[("api", "use crate::work::Thing;"), ("work", "use crate::api::Status;")]);
        assert_eq!(graph.violations(&[("api", &["work"]), ("work", &[])]), ["work must not import from api"]);
        assert_eq!(graph.violations(&[("api", &["work"])]).len(), 2, "work is not in the list");
    }

    #[test]
    fn an_import_cycle_of_sibling_modules_is_found_at_every_depth() {
        let flat = graph(&[("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "use crate::a;")]);
        assert_eq!(flat.cycles(), ["in the crate: a > b > c > a"]);
        let deep = graph(&[
            ("a", ""),
            ("a::x", "use super::y::Thing;"),
            ("a::y", ""),
            ("a::y::z", "use crate::a::x::Other;"),
        ]);
        assert_eq!(deep.cycles(), ["in a: x > y > x"]);
        assert!(graph(&[("a", "use crate::b;"), ("b", "")]).cycles().is_empty());
    }
}
