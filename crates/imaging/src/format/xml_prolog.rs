//! Reads the prolog of an XML document, the part before the root element (XML 1.0, 2.8): finds the name of
//! the root element and declarations in the document type. This code does not check the syntax; the XML
//! parser refuses malformed documents later.

/// The properties of an XML prolog.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Prolog<'a> {
    /// The name of the root element without its namespace prefix. The name is empty when the document has no
    /// root element.
    pub(crate) root: &'a [u8],
    /// Whether the document type contains declarations, for example of entities.
    pub(crate) declares: bool,
}

/// Reads the prolog of an XML document.
pub(crate) fn read(text: &[u8]) -> Prolog<'_> {
    let mut prolog = Prolog::default();
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    loop {
        rest = rest.trim_ascii_start();
        let next = if let Some(comment) = rest.strip_prefix(b"<!--") {
            after(comment, b"-->")
        } else if let Some(instruction) = rest.strip_prefix(b"<?") {
            after(instruction, b"?>")
        } else if let Some(doctype) = strip_doctype(rest) {
            let (declares, next) = document_type(doctype);
            prolog.declares |= declares;
            next
        } else {
            prolog.root = rest.strip_prefix(b"<").map(local_name).unwrap_or_default();
            return prolog;
        };
        let Some(next) = next else { return prolog };
        rest = next;
    }
}

/// Returns the text after the first occurrence of `end` in `text`.
fn after<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(text, end).map(|at| &text[at + end.len()..])
}

/// Returns the text after the keyword `DOCTYPE`, or `None` when the text does not begin with this keyword.
fn strip_doctype(text: &[u8]) -> Option<&[u8]> {
    const DOCTYPE: &[u8] = b"<!DOCTYPE";
    let (head, rest) = text.split_at_checked(DOCTYPE.len())?;
    head.eq_ignore_ascii_case(DOCTYPE).then_some(rest)
}

/// Returns whether a document type contains declarations, and the text after the document type. Brackets
/// inside quotes do not count.
fn document_type(text: &[u8]) -> (bool, Option<&[u8]>) {
    let (mut quote, mut inside, mut declares) = (None, false, false);
    for (i, &byte) in text.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[') => (inside, declares) = (true, true),
            (None, b']') => inside = false,
            (None, b'>') if !inside => return (declares, Some(&text[i + 1..])),
            (None, _) => {}
        }
    }
    (declares, None)
}

/// The name of an XML tag without its namespace prefix.
fn local_name(tag: &[u8]) -> &[u8] {
    let is_end = |&byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'<');
    let name = &tag[..tag.iter().position(is_end).unwrap_or(tag.len())];
    name.iter().position(|&byte| byte == b':').map_or(name, |colon| &name[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_root_element_is_found_after_the_xml_declaration_comments_and_document_type() {
        let cases: [(&str, &str, bool); 10] = [
            ("<svg>", "svg", false),
            ("\u{feff}  <?xml version='1.0'?>\n<!-- a > b --> <svg/>", "svg", false),
            ("<s:svg xmlns:s='x'>", "svg", false),
            ("<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://x/[svg].dtd\"><svg >", "svg", false),
            ("<!doctype svg [<!ENTITY a \"]>\">]><svg>", "svg", true),
            ("<!DOCTYPE svg [ ] ><svg>", "svg", true),
            ("<html>", "html", false),
            ("<!-- <svg> -->", "", false),
            ("<!-- <svg>", "", false),
            ("", "", false),
        ];
        for (text, root, declares) in cases {
            assert_eq!(read(text.as_bytes()), Prolog { root: root.as_bytes(), declares }, "{text}");
        }
    }
}
