//! Reads author and copyright from IPTC-IIM (version 4.2), the metadata format of press agencies. A JPEG file
//! contains IPTC-IIM in an APP13 segment, as one of Photoshop's image resources. This crate never writes
//! IPTC-IIM, because EXIF and XMP can contain the same texts.

/// Identifier of the image resource whose data is IPTC-IIM.
const IPTC_RESOURCE: u16 = 0x0404;

/// Numbers of the two data sets that are read: by-line (author) and copyright notice, both in record 2.
const BY_LINE: u8 = 80;
const COPYRIGHT_NOTICE: u8 = 116;

/// The author and the copyright notice that IPTC-IIM states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) author: Option<String>,
    pub(crate) copyright: Option<String>,
}

/// Reads author and copyright from the image resources of a segment, without the prefix `Photoshop 3.0\0`.
/// Reading ends at a broken or truncated resource.
pub(crate) fn rights(resources: &[u8]) -> Rights {
    let mut rights = Rights::default();
    let mut rest = resources;
    while let Some((id, data, after)) = resource(rest) {
        if id == IPTC_RESOURCE {
            read_records(data, &mut rights);
        }
        rest = after;
    }
    rights
}

/// Splits the bytes into the identifier of the first resource, the data of this resource, and the bytes after
/// the resource. `None` if the resource is broken or truncated.
fn resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let (id, rest) = rest.split_first_chunk()?;
    // Skip the name of the resource. The name begins with a length byte and is padded to an even number of
    // bytes.
    let n_name = usize::from(*rest.first()?) + 1;
    let rest = rest.get(n_name.next_multiple_of(2)..)?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let data = rest.get(..length)?;
    Some((u16::from_be_bytes(*id), data, rest.get(length.checked_next_multiple_of(2)?..).unwrap_or_default()))
}

/// Reads the first by-line and the first copyright notice into `rights`, unless `rights` already has them.
fn read_records(mut bytes: &[u8], rights: &mut Rights) {
    while let [0x1c, record, number, high, low, rest @ ..] = bytes {
        // A length of 0x8000 or more means that the data set is longer than 32,767 bytes. Reading ends at
        // such a data set, because neither author nor copyright is that long.
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((data, after)) = rest.split_at_checked(length).filter(|_| length < 0x8000) else { return };
        let slot = match (record, *number) {
            (2, BY_LINE) => Some(&mut rights.author),
            (2, COPYRIGHT_NOTICE) => Some(&mut rights.copyright),
            _ => None,
        };
        if let Some(slot) = slot {
            slot.get_or_insert_with(|| text(data));
        }
        bytes = after;
    }
}

/// Decodes the text as UTF-8 if it is valid UTF-8, because files often lack the marker for UTF-8. All other
/// texts are decoded as Latin-1, whose bytes are Unicode code points.
fn text(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(text) => text.to_owned(),
        Err(_) => data.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources() -> Vec<u8> {
        let records = b"\x1c\x01\x5a\0\x03\x1b%G\x1c\x02\x50\0\x03Ada\x1c\x02\x74\0\x05\xa9 Ada";
        let other = b"8BIM\x03\xed\x03abc\0\0\0\x01x\0";
        let length = (records.len() as u32).to_be_bytes();
        [&other[..], b"8BIM\x04\x04\0\0", &length, records].concat()
    }

    #[test]
    fn iptc_author_and_copyright_are_found_after_another_photoshop_image_resource() {
        let rights = rights(&resources());
        assert_eq!(rights.author.as_deref(), Some("Ada"));
        assert_eq!(rights.copyright.as_deref(), Some("© Ada"), "Latin-1");
    }

    #[test]
    fn truncated_and_altered_iptc_resources_never_cause_a_panic() {
        let whole = resources();
        for n in 0..whole.len() {
            assert_eq!(rights(&whole[..n]).copyright, None, "a truncated resource has no copyright");
            for value in [0, 0x7f, 0xff] {
                let mut altered = whole.clone();
                altered[n] = value;
                let _result = rights(&altered);
            }
        }
    }
}
