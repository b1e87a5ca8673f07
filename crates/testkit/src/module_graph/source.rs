//! Reads the source files of a crate and finds the paths and the re-exports in them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::ModulePath;

/// Reads every source file below a directory into `sources`. `module` is the path of the module that belongs
/// to the directory.
pub(super) fn read_directory(
    directory: &Path,
    module: &mut ModulePath,
    sources: &mut BTreeMap<ModulePath, String>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if stem == "tests" || stem == "main" {
            continue;
        }
        if path.is_dir() {
            module.push(stem);
            read_directory(&path, module, sources)?;
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut file_module = module.clone();
            if stem != "lib" {
                file_module.push(stem);
            }
            sources.insert(file_module, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Returns a source text without its line comments and without its test module, which must be the last item
/// of the file.
pub(super) fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Returns all paths in the code that begin with `crate`, `super` or `self`. Each group `{a, b}` is expanded
/// into one path for each element.
pub(super) fn paths_of(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for keyword in ["crate", "super", "self"] {
        for (at, _) in code.match_indices(keyword) {
            let before = code[..at].chars().next_back();
            let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_word && code[at + keyword.len()..].starts_with("::") {
                expand(&code[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Parses one path at the beginning of `text`, and appends the path to `paths`. A group in the path gives
/// several paths. Returns the rest of `text`.
fn expand<'a>(text: &'a str, prefix: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let n_prefix = prefix.len();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        prefix.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(after) => rest = after,
            None => break,
        }
    }
    if let Some(mut group) = rest.strip_prefix('{') {
        while !group.trim_start().starts_with('}') && !group.trim_start().is_empty() {
            let before = group;
            group = expand(group.trim_start(), prefix, paths);
            // The rest of a group's element, such as an alias or a glob, is skipped up to the comma or the
            // closing brace.
            let end = group.find([',', '}']).unwrap_or(group.len());
            group = group[end..].strip_prefix(',').unwrap_or(&group[end..]);
            if group.len() == before.len() {
                break;
            }
        }
        rest = group.trim_start().strip_prefix('}').unwrap_or("");
    } else if prefix.len() > n_prefix {
        paths.push(prefix.clone());
    }
    prefix.truncate(n_prefix);
    rest
}

/// Returns the names that a module re-exports with `pub use` or `pub(…) use`, each with its path relative to
/// the module.
pub(super) fn reexports_of(code: &str) -> BTreeMap<String, Vec<String>> {
    let mut reexports = BTreeMap::new();
    for statement in code.split(';') {
        let Some((visibility, path)) = statement.rsplit_once("use ") else { continue };
        if !visibility.trim_start().lines().last().unwrap_or_default().trim_start().starts_with("pub") {
            continue;
        }
        let mut paths = Vec::new();
        expand(path.trim(), &mut Vec::new(), &mut paths);
        for path in paths {
            if let Some(name) = path.last() {
                reexports.insert(name.clone(), path.clone());
            }
        }
    }
    reexports
}
