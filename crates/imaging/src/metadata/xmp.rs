//! XMP (ISO 16684-1) as text: single properties found by their usual names and replaced, or taken into a packet of our
//! own. No XML is interpreted: what is not found in the form that all common programs write is left alone, and nothing
//! a packet says can make this do more than look at each byte a few times.

use std::borrow::Cow;

use super::Changed;

/// Longest packet kept: a JPEG segment of 65,533 bytes less the name that marks XMP in it. Longer ones would have to be
/// split over segments, which few programs read.
pub(super) const MAX_BYTES: usize = 65_504;

/// Longest text taken out of a packet, and how many creators.
const MAX_TEXT_BYTES: usize = 8_192;
const MAX_CREATORS: usize = 16;

/// A packet as text; `None` for what is no XML, and for those in UTF-16 and UTF-32, which may exist outside of JPEG but
/// hardly do.
fn text(packet: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(packet).ok()?;
    text.contains('<').then_some(text)
}

/// The whole packet, made true again for the new picture: orientation, size and colour space are replaced, thumbnails
/// and the padding left out.
pub(super) fn of_the_changed(packet: &[u8], changed: Changed) -> Option<Vec<u8>> {
    let mut packet = Cow::Borrowed(text(packet)?);
    let (width, height) = (changed.size.width.to_string(), changed.size.height.to_string());
    if changed.upright {
        set(&mut packet, "tiff:Orientation", "1");
    }
    for (property, value) in [
        ("tiff:ImageWidth", width.as_str()),
        ("tiff:ImageLength", &height),
        ("exif:PixelXDimension", &width),
        ("exif:PixelYDimension", &height),
        ("exif:ColorSpace", "1"),
        ("photoshop:ICCProfile", "sRGB IEC61966-2.1"),
    ] {
        set(&mut packet, property, value);
    }
    remove(&mut packet, "xmp:Thumbnails");
    remove(&mut packet, "xap:Thumbnails");
    Some(without_padding(&packet).into_bytes())
}

/// A packet with nothing but `dc:rights` (in its default language) and `dc:creator`; `None` when there is neither.
pub(super) fn rights(packet: &[u8]) -> Option<Vec<u8>> {
    let packet = text(packet)?;
    let rights = items(packet, "dc:rights").into_iter().next();
    let creators = items(packet, "dc:creator");
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

/// Replaces the value of a simple property wherever it stands, as an attribute or as an element.
fn set(packet: &mut Cow<'_, str>, property: &str, value: &str) {
    for (open, close) in
        [(format!("{property}=\""), "\""), (format!("{property}='"), "'"), (format!("<{property}>"), "<")]
    {
        if !packet.contains(&open) {
            continue;
        }
        let mut made = String::with_capacity(packet.len() + 16);
        let mut rest = &**packet;
        while let Some(start) = rest.find(&open) {
            let (before, after) = rest.split_at(start + open.len());
            let Some(end) = after.find(close) else { break };
            made.push_str(before);
            made.push_str(value);
            rest = &after[end..];
        }
        made.push_str(rest);
        *packet = Cow::Owned(made);
    }
}

/// Takes an element with all that is in it out, if it is there.
fn remove(packet: &mut Cow<'_, str>, element: &str) {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    if let Some((before, after)) = packet.split_once(&open)
        && let Some((_, rest)) = after.split_once(&close)
    {
        *packet = Cow::Owned([before, rest].concat());
    }
}

/// Writers leave some kilobytes of blanks at the end, for programs that change a packet in place.
fn without_padding(packet: &str) -> String {
    match packet.rsplit_once("<?xpacket end") {
        Some((before, end)) => format!("{}\n<?xpacket end{end}", before.trim_end()),
        None => packet.trim_end().to_owned(),
    }
}

/// The texts of the list that a property consists of.
fn items(packet: &str, property: &str) -> Vec<String> {
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

/// Text with XML's five entities and character numbers resolved; `None` when there are others.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut made = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';')?;
        made.push(match name {
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
        made.push_str(rest);
    }
    Some(made)
}

fn escaped(text: &str) -> String {
    let printable: String = text.chars().filter(|c| !c.is_control()).collect();
    printable.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
