//! What a request said in vain: collected while it is read, told in the answer.

use crate::runtime::spelling;

/// More are only counted: the list goes into a header too, which must stay below 16 KiB.
const MAX_WARNINGS: usize = 20;
/// Longer names are cut.
const MAX_NAME_CHARS: usize = 60;

/// The warnings so far.
#[derive(Default)]
pub(super) struct Warnings {
    list: Vec<String>,
    n_more: usize,
}

impl Warnings {
    pub(super) fn add(&mut self, warning: String) {
        if self.list.len() < MAX_WARNINGS {
            self.list.push(warning);
        } else {
            self.n_more += 1;
        }
    }

    /// Notes an attribute nobody knows in the hash at `path`, where `known` ones exist.
    pub(super) fn add_unknown<'a>(
        &mut self,
        path: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let shown: String = name.chars().take(MAX_NAME_CHARS).collect();
        let ignored = format!("{} is unknown and was ignored", join(path, &shown));
        self.add(match spelling::suggestion(name, known) {
            Some(meant) => format!("{ignored}; did you mean {}?", join(path, meant)),
            None => ignored,
        });
    }

    pub(super) fn into_list(mut self) -> Vec<String> {
        if self.n_more > 0 {
            self.list.push(format!("and {} more", self.n_more));
        }
        self.list
    }
}

/// The name of an attribute in messages: `resize.width`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
