//! Warnings about parts of a request that have no effect. The parser collects the warnings, and the answer to
//! the client lists them.

use crate::runtime::spelling;

/// The largest number of warnings that an answer lists. Further warnings are only counted, because the list
/// is also sent in a header, which must stay below 16 KiB.
const MAX_WARNINGS: usize = 20;
/// The largest number of characters of an attribute's name in a warning. A longer name is cut.
const MAX_NAME_CHARS: usize = 60;

/// The warnings about one request, in the order in which they were found.
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

    /// Adds a warning about an unknown attribute of the object with the dotted name `path`. The warning
    /// suggests the most similar name in `known`.
    pub(super) fn add_unknown<'a>(
        &mut self,
        path: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        if self.list.len() == MAX_WARNINGS {
            // The comparison with all known names would cost several microseconds for each unknown name, and
            // a request may have 100,000 of them.
            self.n_more += 1;
            return;
        }
        let abbreviated: String = name.chars().take(MAX_NAME_CHARS).collect();
        let ignored = format!("{} is unknown and was ignored", attribute_path(path, &abbreviated));
        self.add(match spelling::suggestion(name, known) {
            Some(suggestion) => format!("{ignored}; did you mean {}?", attribute_path(path, suggestion)),
            None => ignored,
        });
    }

    /// Returns the list of warnings for the answer. If the list was full and further warnings were only
    /// counted, the last entry gives their number.
    pub(super) fn into_list(mut self) -> Vec<String> {
        if self.n_more > 0 {
            self.list.push(format!("and {} more", self.n_more));
        }
        self.list
    }
}

/// Returns the dotted name of an attribute for messages, such as `resize.width`. `path` is the dotted name of
/// the object that has the attribute. The dotted name of the whole request is empty.
pub(super) fn attribute_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
