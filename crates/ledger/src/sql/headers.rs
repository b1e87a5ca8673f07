//! A list of headers as one column of text: name and value on a line each, with line breaks and backslashes
//! escaped. Any two strings survive it, whether or not HTTP would take them.

use crate::error::Error;

pub(super) fn encode(headers: &[(String, String)]) -> String {
    let mut text = String::new();
    for part in headers.iter().flat_map(|(name, value)| [name, value]) {
        text.push_str(&part.replace('\\', "\\\\").replace('\n', "\\n"));
        text.push('\n');
    }
    text
}

pub(super) fn decode(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut lines = text.split_terminator('\n').map(unescape);
    let mut headers = Vec::new();
    while let Some(name) = lines.next() {
        let value = lines.next().ok_or_else(|| Error::Corrupt("a header has no value".to_owned()))?;
        headers.push((name, value));
    }
    Ok(headers)
}

fn unescape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next() == Some('n') => text.push('\n'),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    proptest! {
        #[test]
        fn any_headers_survive(
            headers in prop::collection::vec((".*|[\\\\n\n]*", ".*|[\\\\n\n]*"), 0..4),
        ) {
            prop_assert_eq!(decode(&encode(&headers)).unwrap(), headers);
        }
    }
}
