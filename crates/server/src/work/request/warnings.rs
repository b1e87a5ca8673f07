//! Warnings about parts of a request that have no effect. The parser collects them, and the answer lists
//! them.

use crate::runtime::spelling;

/// The most warnings in the list; the rest are only counted. The list is also sent in a header, which must
/// stay below 16 KiB.
const MAX_WARNINGS: usize = 20;
/// The longest name of an attribute in a warning; longer names are cut.
const MAX_NAME_CHARS: usize = 60;

/// The warnings about one request.
#[derive(Default)]
pub(super) struct Warnings {
    list: Vec<String>,
    n_more: usize,
}

impl Warnings {
    /// Adds a warning, or only counts the warning if the list is full.
    pub(super) fn add(&mut self, warning: String) {
        if self.list.len() < MAX_WARNINGS {
            self.list.push(warning);
        } else {
            self.n_more += 1;
        }
    }

    /// Warns about an unknown attribute of the object at `path`. The warning suggests the most similar of the
    /// `known` names.
    pub(super) fn add_unknown<'a>(
        &mut self,
        path: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let abbreviated: String = name.chars().take(MAX_NAME_CHARS).collect();
        let ignored = format!("{} is unknown and was ignored", attribute_path(path, &abbreviated));
        self.add(match spelling::suggestion(name, known) {
            Some(suggestion) => format!("{ignored}; did you mean {}?", attribute_path(path, suggestion)),
            None => ignored,
        });
    }

    /// The list for the answer. If some warnings were only counted, its last entry gives their number.
    pub(super) fn into_list(mut self) -> Vec<String> {
        if self.n_more > 0 {
            self.list.push(format!("and {} more", self.n_more));
        }
        self.list
    }
}

/// The name of an attribute in messages, such as `resize.width`. `path` is the object that has the attribute;
/// the path of the request itself is empty.
pub(super) fn attribute_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
