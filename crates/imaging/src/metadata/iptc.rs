//! Author and copyright in the form that press agencies write: IPTC-IIM (version 4.2) within Photoshop's image
//! resources, which JPEG has in an APP13 segment. It is read and never written: EXIF and XMP say the same.

/// The resource that holds IPTC-IIM.
const IPTC_RESOURCE: u16 = 0x0404;

/// Data sets of the second record.
const BY_LINE: u8 = 80;
const COPYRIGHT_NOTICE: u8 = 116;

/// Author and copyright.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) author: Option<String>,
    pub(crate) copyright: Option<String>,
}

/// Reads image resources, as they follow the `Photoshop 3.0\0` of a segment. What is broken or cut off ends it.
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

/// The first resource: its number, its data and what follows it.
fn resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let (id, rest) = rest.split_first_chunk()?;
    // A name of its own, with its length before it, together an even number of bytes.
    let n_name = usize::from(*rest.first()?) + 1;
    let rest = rest.get(n_name.next_multiple_of(2)..)?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let data = rest.get(..length)?;
    Some((u16::from_be_bytes(*id), data, rest.get(length.checked_next_multiple_of(2)?..).unwrap_or_default()))
}

/// Takes the first text of each of the two kinds.
fn read_records(mut bytes: &[u8], rights: &mut Rights) {
    while let [0x1c, record, number, high, low, rest @ ..] = bytes {
        // A set bit announces a length of more than 32,767 bytes; none of ours is so long.
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

/// UTF-8 where it can be, as its marker is often forgotten; else Latin-1, whose codes are those of Unicode.
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
    fn both_texts_are_found_behind_other_resources() {
        let rights = rights(&resources());
        assert_eq!(rights.author.as_deref(), Some("Ada"));
        assert_eq!(rights.copyright.as_deref(), Some("© Ada"), "Latin-1");
    }

    #[test]
    fn what_is_cut_off_or_altered_is_read_as_far_as_it_goes() {
        let whole = resources();
        for n in 0..whole.len() {
            assert_eq!(rights(&whole[..n]).copyright, None, "the resource is as long as it says");
            for value in [0, 0x7f, 0xff] {
                let mut altered = whole.clone();
                altered[n] = value;
                let _answer = rights(&altered);
            }
        }
    }
}
