//! Reads the prolog of an XML document, the part before the root element (XML 1.0, 2.8), to find the name of
//! the root element. This code does not check the syntax; the XML parser refuses malformed documents later.

/// Returns the name of the root element without its namespace prefix. The name is empty when the document has
/// no root element.
pub(super) fn root_element(text: &[u8]) -> &[u8] {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    loop {
        rest = rest.trim_ascii_start();
        let next = if let Some(comment) = rest.strip_prefix(b"<!--") {
            after(comment, b"-->")
        } else if let Some(instruction) = rest.strip_prefix(b"<?") {
            after(instruction, b"?>")
        } else if let Some(doctype) = strip_doctype(rest) {
            after_document_type(doctype)
        } else {
            return rest.strip_prefix(b"<").map(local_name).unwrap_or_default();
        };
        let Some(next) = next else { return &[] };
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

/// Returns the text after a document type. Brackets inside quotes and comments do not count.
fn after_document_type(text: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut inside) = (text, false);
    loop {
        if let Some(comment) = rest.strip_prefix(b"<!--") {
            rest = after(comment, b"-->")?;
            continue;
        }
        let (&byte, next) = rest.split_first()?;
        rest = next;
        match byte {
            b'"' | b'\'' => rest = after(rest, &[byte])?,
            b'[' => inside = true,
            b']' => inside = false,
            b'>' if !inside => return Some(rest),
            _ => {}
        }
    }
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
        let cases = [
            ("<svg>", "svg"),
            ("\u{feff}  <?xml version='1.0'?>\n<!-- a > b --> <svg/>", "svg"),
            ("<s:svg xmlns:s='x'>", "svg"),
            ("<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://x/[svg].dtd\"><svg >", "svg"),
            ("<!doctype svg [<!ENTITY a \"]>\">]><svg>", "svg"),
            ("<!DOCTYPE svg [ ] ><svg>", "svg"),
            ("<!DOCTYPE svg [<!-- it's ]> --> <!ENTITY a 'b'>]><svg>", "svg"),
            ("<!DOCTYPE svg [<!ENTITY a 'b>]><svg>", ""),
            ("<html>", "html"),
            ("<!-- <svg> -->", ""),
            ("<!-- <svg>", ""),
            ("", ""),
        ];
        for (text, root) in cases {
            assert_eq!(root_element(text.as_bytes()), root.as_bytes(), "{text}");
        }
    }
}
