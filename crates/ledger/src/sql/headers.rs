//! Encodes a list of HTTP headers as the text of one column: one line for each name and one line for each
//! value. Line breaks and backslashes are escaped. Decoding restores any name and any value exactly, even if
//! HTTP forbids them.

use super::Row;
use super::row::FromRow;
use crate::error::Error;

impl FromRow for Vec<(String, String)> {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        decode(&row.take::<String>()?)
    }
}

pub(super) fn encode(headers: &[(String, String)]) -> String {
    let mut text = String::new();
    for part in headers.iter().flat_map(|(name, value)| [name, value]) {
        text.push_str(&part.replace('\\', "\\\\").replace('\n', "\\n"));
        text.push('\n');
    }
    text
}

fn decode(text: &str) -> Result<Vec<(String, String)>, Error> {
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
        fn decoding_restores_every_name_and_value_of_the_encoded_headers(
            headers in prop::collection::vec((".*|[\\\\n\n]*", ".*|[\\\\n\n]*"), 0..4),
        ) {
            prop_assert_eq!(decode(&encode(&headers)).unwrap(), headers);
        }
    }
}
