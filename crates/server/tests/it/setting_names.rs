//! Checks that every setting that the sources of the server name, in messages or comments, exists in the
//! configuration.

use std::path::{Path, PathBuf};

use pixaven::runtime::config;

/// All Rust files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the sources can be read");
    let paths = entries.map(|entry| entry.expect("the sources can be read").path());
    let (directories, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(directories.iter().flat_map(|path| sources(path))).collect()
}

/// The texts between two grave accents that look like a setting: a section, a dot and a name.
fn named<'a>(text: &'a str, sections: &'a [config::Section]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let quoted = text.split('`').filter_map(|part| part.split_once('.'));
    quoted.filter(|(section, key)| {
        let key = key.split(" = ").next().unwrap_or(key);
        let is_name = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_name && sections.iter().any(|known| known.name == *section)
    })
}

#[test]
fn every_setting_that_a_message_or_comment_of_the_server_names_exists() {
    let sections = config::sections();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut n_named, mut unknown) = (0, Vec::new());
    for path in sources(&src) {
        let text = std::fs::read_to_string(&path).expect("the sources can be read");
        for line in text.lines() {
            for (section, key) in named(line, &sections) {
                n_named += 1;
                let key = key.split(" = ").next().unwrap_or(key);
                let settings =
                    sections.iter().find(|known| known.name == section).map(|known| &known.settings);
                if !settings.is_some_and(|settings| settings.iter().any(|setting| setting.key == key)) {
                    unknown.push(format!("{}: {section}.{key}", path.display()));
                }
            }
        }
    }
    assert!(n_named >= 15, "the names are found, got {n_named}");
    assert_eq!(unknown, Vec::<String>::new());
}
