//! The names of files that somebody else chose, made harmless: they become part of URLs, headers and answers.

/// Longest name handed on, in bytes.
const MAX_BYTES: usize = 150;

/// The last segment of a file name as clients send it, without what has no place in a URL path or a header;
/// `None` when nothing is left.
pub fn clean(raw: &str) -> Option<String> {
    let last = raw.rsplit(['/', '\\']).next().unwrap_or(raw);
    let kept: String = last.chars().filter(|c| !c.is_control()).collect();
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
    fn names_are_cleaned() {
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
