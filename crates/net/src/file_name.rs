//! Cleans file names that clients or other servers chose. A cleaned name is safe in URLs, headers and JSON.

/// The largest length of a cleaned name, in bytes. Longer names are cut.
const MAX_BYTES: usize = 150;

/// Returns the last segment of the path `raw`, without control characters, leading dots and surrounding white
/// space.
///
/// Both `/` and `\` separate segments. A name of more than 150 bytes is cut at a character boundary. Returns
/// `None` if no character remains.
pub fn clean(raw: &str) -> Option<String> {
    let last_segment = raw.rsplit(['/', '\\']).next().unwrap_or(raw);
    let kept: String = last_segment.chars().filter(|c| !c.is_control()).collect();
    let kept = kept.trim().trim_start_matches('.');
    let mut end = kept.len().min(MAX_BYTES);
    while !kept.is_char_boundary(end) {
        end -= 1;
    }
    (end > 0).then(|| kept[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleaned_file_name_has_no_directories_control_characters_or_leading_dots() {
        for (raw, expected) in [
            ("image.jpg", Some("image.jpg")),
            ("C:\\photos\\a b.png", Some("a b.png")),
            ("../../etc/passwd", Some("passwd")),
            ("..", None),
            ("", None),
            (" \u{7} ", None),
            ("r\u{e9}sum\u{e9}\r\n.gif", Some("r\u{e9}sum\u{e9}.gif")),
        ] {
            assert_eq!(clean(raw).as_deref(), expected, "{raw:?}");
        }
        let long = "\u{e9}".repeat(200);
        assert!(clean(&long).is_some_and(|name| name.len() <= MAX_BYTES));
    }
}
