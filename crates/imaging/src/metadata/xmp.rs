//! Edits XMP (ISO 16684-1) as text: searches for certain properties by their usual names and replaces their
//! values, or copies them into a new packet. The module does not parse XML, so that every packet is processed
//! in linear time. A property that has an unusual prefix or is written in an unusual form is not found, and
//! stays unchanged.

use std::borrow::Cow;

use super::Changed;

/// Maximum size in bytes of a packet that is kept: the 65,533 bytes of a JPEG segment minus the XMP
/// identifier. A longer packet would need several segments, which few programs can read.
pub(super) const MAX_BYTES: usize = 65_504;

/// The maximum size in bytes of a text that is read from a packet (`MAX_TEXT_BYTES`), and the maximum number
/// of creators that are read (`MAX_CREATORS`).
const MAX_TEXT_BYTES: usize = 8_192;
const MAX_CREATORS: usize = 16;

/// Returns the packet as text, or `None` if the packet is not XML in UTF-8. XMP outside of JPEG may also be
/// in UTF-16 or UTF-32, but hardly any program writes these encodings.
fn text(packet: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(packet).ok()?;
    text.contains('<').then_some(text)
}

/// Updates the packet for the new image: replaces orientation, size and colour space, and removes thumbnails
/// and padding.
pub(super) fn updated_for(packet: &[u8], changed: Changed) -> Option<Vec<u8>> {
    let mut packet = Cow::Borrowed(text(packet)?);
    let (width, height) = (changed.size.width.to_string(), changed.size.height.to_string());
    if changed.upright {
        set_property(&mut packet, "tiff:Orientation", "1");
    }
    for (property, value) in [
        ("tiff:ImageWidth", width.as_str()),
        ("tiff:ImageLength", &height),
        ("exif:PixelXDimension", &width),
        ("exif:PixelYDimension", &height),
        ("exif:ColorSpace", "1"),
        ("photoshop:ICCProfile", "sRGB IEC61966-2.1"),
    ] {
        set_property(&mut packet, property, value);
    }
    remove_element(&mut packet, "xmp:Thumbnails");
    remove_element(&mut packet, "xap:Thumbnails");
    Some(without_padding(&packet).into_bytes())
}

/// Creates a packet that contains only `dc:creator` and `dc:rights`. If `dc:rights` has texts in several
/// languages, only the first text is copied, because XMP puts the default language first. `None` if the old
/// packet has neither property.
pub(super) fn rights_only(packet: &[u8]) -> Option<Vec<u8>> {
    let packet = text(packet)?;
    let rights = list_items(packet, "dc:rights").into_iter().next();
    let creators = list_items(packet, "dc:creator");
    if rights.is_none() && creators.is_empty() {
        return None;
    }
    let rights = rights.map(|text| {
        format!(
            "<dc:rights><rdf:Alt><rdf:li xml:lang=\"x-default\">{}</rdf:li></rdf:Alt></dc:rights>",
            escaped(&text)
        )
    });
    let creators = (!creators.is_empty()).then(|| {
        let items: String =
            creators.iter().map(|text| format!("<rdf:li>{}</rdf:li>", escaped(text))).collect();
        format!("<dc:creator><rdf:Seq>{items}</rdf:Seq></dc:creator>")
    });
    let packet = format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">{}{}</rdf:Description>\
         </rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>",
        rights.unwrap_or_default(),
        creators.unwrap_or_default()
    );
    Some(packet.into_bytes())
}

/// Replaces each value of a property. The property may be written as an attribute or as an element.
fn set_property(packet: &mut Cow<'_, str>, property: &str, value: &str) {
    for (open, close) in
        [(format!("{property}=\""), "\""), (format!("{property}='"), "'"), (format!("<{property}>"), "<")]
    {
        if !packet.contains(&open) {
            continue;
        }
        let mut result = String::with_capacity(packet.len() + 16);
        let mut rest = &**packet;
        while let Some(start) = rest.find(&open) {
            let (before, after) = rest.split_at(start + open.len());
            let Some(end) = after.find(close) else { break };
            result.push_str(before);
            result.push_str(value);
            rest = &after[end..];
        }
        result.push_str(rest);
        *packet = Cow::Owned(result);
    }
}

/// Removes the first element with the name `element`, including its content. If the packet has no such
/// element, it stays unchanged.
fn remove_element(packet: &mut Cow<'_, str>, element: &str) {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    if let Some((before, after)) = packet.split_once(&open)
        && let Some((_, rest)) = after.split_once(&close)
    {
        *packet = Cow::Owned([before, rest].concat());
    }
}

/// Removes the padding before the end of a packet. Programs write some kilobytes of blanks as padding, so
/// that a packet can grow in place.
fn without_padding(packet: &str) -> String {
    match packet.rsplit_once("<?xpacket end") {
        Some((before, end)) => format!("{}\n<?xpacket end{end}", before.trim_end()),
        None => packet.trim_end().to_owned(),
    }
}

/// The texts of the list items (`rdf:li`) of a property.
fn list_items(packet: &str, property: &str) -> Vec<String> {
    let (open, close) = (format!("<{property}>"), format!("</{property}>"));
    let Some(list) = packet.split_once(&open).and_then(|(_, after)| after.split_once(&close)) else {
        return Vec::new();
    };
    let item = |after: &str| {
        let (_, content) = after.split_once('>')?;
        let (text, _) = content.split_once('<')?;
        (text.len() <= MAX_TEXT_BYTES)
            .then(|| unescaped(text.trim()))
            .flatten()
            .filter(|text| !text.is_empty())
    };
    list.0.split("<rdf:li").skip(1).filter_map(item).take(MAX_CREATORS).collect()
}

/// Replaces the five named XML entities and numeric character references by their characters. `None` if the
/// text has any other entity.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut result = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';')?;
        result.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code).filter(|c| !c.is_control())?
            }
        });
        result.push_str(rest);
    }
    Some(result)
}

fn escaped(text: &str) -> String {
    let printable: String = text.chars().filter(|c| !c.is_control()).collect();
    printable.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
