//! Interprets the properties of an item: size, coding, colours, cropping, orientation and alpha.

use super::container::{Container, ItemId};
use super::hevc;
use super::planes::{Chroma, Cicp, UNSPECIFIED};
use crate::isobmff::Fields;
use crate::orientation::Orientation;

/// The largest allowed nesting of derived pictures. A picture that is nested more deeply gives an error.
pub(super) const MAX_NESTING: u32 = 4;

/// How the samples of a picture are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    /// Number of bits of a sample.
    pub(super) depth: u8,
    pub(super) chroma: Chroma,
}

/// What an item states about its colours.
#[derive(Debug)]
pub(super) struct Color<'a> {
    /// The ICC profile of the item.
    pub(super) profile: Option<&'a [u8]>,
    /// The code points of ITU-T H.273. A code point that the container does not state is "unspecified".
    pub(super) cicp: Cicp,
    /// Whether the container states if the samples have full range or limited range.
    pub(super) has_range: bool,
}

/// Returns the width and height of a picture from the property `ispe`, before cropping and rotation.
pub(super) fn coded_size(container: &Container<'_>, id: ItemId) -> Option<(u32, u32)> {
    let mut fields = Fields::new(container.property(id, b"ispe")?);
    fields.version_and_flags()?;
    let size = (fields.u32()?, fields.u32()?);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// Returns the width and height of a picture after cropping, before rotation.
pub(super) fn shown_size(container: &Container<'_>, id: ItemId) -> Option<(u32, u32)> {
    let size = coded_size(container, id)?;
    Some(crop(container, id, size).map_or(size, |[_, _, width, height]| (width, height)))
}

/// The rectangle of the property `clap` as left, top, width and height. `None` when the item has no such
/// property, or when the rectangle is not inside the picture: readers ignore such a rectangle. If the left or
/// top edge lies inside a pixel, the edge is rounded to the left or up.
pub(super) fn crop(container: &Container<'_>, id: ItemId, (width, height): (u32, u32)) -> Option<[u32; 4]> {
    let mut fields = Fields::new(container.property(id, b"clap")?);
    // The content of the property consists of four fractions: the width and the height of the rectangle, and
    // the horizontal and vertical offset of its centre from the centre of the picture.
    let mut fraction = || {
        let (numerator, denominator) = (fields.u32()?, fields.u32()?);
        (denominator != 0).then(|| f64::from(numerator.cast_signed()) / f64::from(denominator))
    };
    let (clean_width, clean_height) = (fraction()?, fraction()?);
    let (horizontal, vertical) = (fraction()?, fraction()?);
    let interval = |side: u32, clean: f64, offset: f64| {
        let start = (f64::from(side) - clean) / 2.0 + offset;
        let inside = clean >= 1.0 && start >= 0.0 && start + clean <= f64::from(side);
        inside.then_some((start as u32, clean as u32))
    };
    let (left, width) = interval(width, clean_width, horizontal)?;
    let (top, height) = interval(height, clean_height, vertical)?;
    Some([left, top, width, height])
}

/// Returns how the samples are stored, from the decoder configuration of the item. A derived picture has no
/// decoder configuration, so the function reads the configuration of its first source item.
pub(super) fn coding(container: &Container<'_>, id: ItemId) -> Option<Coding> {
    let mut id = id;
    for _ in 0..=MAX_NESTING {
        match &container.kind(id)? {
            b"av01" => return av1_coding(container.property(id, b"av1C")?),
            b"hvc1" | b"hev1" => {
                let configuration = hevc::Configuration::parse(container.property(id, b"hvcC")?)?;
                return Some(Coding { depth: configuration.depth, chroma: configuration.chroma });
            }
            b"grid" | b"iden" | b"iovl" => id = *container.references_from(id, b"dimg").first()?,
            _ => return None,
        }
    }
    None
}

/// Parses the property `av1C` (AV1 Codec ISO Media File Format Binding, 2.3.3).
pub(super) fn av1_coding(content: &[u8]) -> Option<Coding> {
    let flags = *content.get(2)?;
    let bit = |n: u8| flags >> n & 1 != 0;
    let depth = match (bit(6), bit(5)) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let chroma = match (bit(4), bit(3), bit(2)) {
        (true, _, _) => Chroma::None,
        (_, true, true) => Chroma::Both,
        (_, true, false) => Chroma::Columns,
        _ => Chroma::Full,
    };
    Some(Coding { depth, chroma })
}

/// Returns the colours of an item. If a derived picture states no colours, returns the colours of its first
/// source item.
pub(super) fn color<'a>(container: &Container<'a>, id: ItemId) -> Color<'a> {
    let mut color = Color::unspecified();
    let mut next = Some(id);
    for _ in 0..=MAX_NESTING {
        let Some(id) = next else { break };
        color.take_all(container.properties(id));
        if color.profile.is_some() || color.has_range {
            break;
        }
        if matches!(&container.kind(id), Some(kind) if matches!(kind, b"hvc1" | b"hev1")) {
            let configuration = container.property(id, b"hvcC").and_then(hevc::Configuration::parse);
            color.take_hevc(configuration.as_ref());
        }
        next = container.references_from(id, b"dimg").first().copied();
    }
    color
}

impl<'a> Color<'a> {
    /// The colours of an item or a track that states nothing about its colours.
    pub(super) fn unspecified() -> Self {
        let cicp =
            Cicp { primaries: UNSPECIFIED, transfer: UNSPECIFIED, matrix: UNSPECIFIED, full_range: false };
        Self { profile: None, cicp, has_range: false }
    }

    /// Stores the values from the properties `colr` among `boxes`.
    pub(super) fn take_all(&mut self, boxes: impl Iterator<Item = ([u8; 4], &'a [u8])>) {
        boxes.filter(|(kind, _)| kind == b"colr").for_each(|(_, content)| self.take(content));
    }

    /// Stores the primaries and the transfer function that the parameter sets of HEVC state.
    pub(super) fn take_hevc(&mut self, configuration: Option<&hevc::Configuration<'_>>) {
        if let Some((primaries, transfer)) = configuration.and_then(hevc::colors) {
            self.cicp = Cicp { primaries, transfer, ..self.cicp };
        }
    }

    /// Completes the code points by those that the coded picture states.
    pub(super) fn completed(&self, coded: Cicp) -> Cicp {
        let full_range = if self.has_range { self.cicp.full_range } else { coded.full_range };
        Cicp { full_range, ..self.cicp.or(coded) }
    }

    /// Stores the values from a property `colr`, unless an earlier `colr` property already stated the same
    /// kind of value.
    fn take(&mut self, content: &'a [u8]) {
        let Some((kind, content)) = content.split_first_chunk() else { return };
        match kind {
            b"prof" | b"rICC" => self.profile = self.profile.or(Some(content)),
            b"nclx" if !self.has_range => {
                let &[p1, p0, t1, t0, m1, m0, range] =
                    content.first_chunk().unwrap_or(&[0, 2, 0, 2, 0, 2, 0]);
                self.cicp = Cicp {
                    primaries: u16::from_be_bytes([p1, p0]),
                    transfer: u16::from_be_bytes([t1, t0]),
                    matrix: u16::from_be_bytes([m1, m0]),
                    full_range: range & 0x80 != 0,
                };
                self.has_range = true;
            }
            _ => {}
        }
    }
}

/// Returns how the picture must be rotated and mirrored: combines the properties `irot` and `imir` in the
/// order in which the item lists them.
pub(super) fn orientation(container: &Container<'_>, id: ItemId) -> Orientation {
    // The combined result of all properties so far: a number of counter-clockwise rotations by 90°, followed
    // by an optional mirroring.
    let (mut quarters, mut mirrored) = (0, None);
    for (kind, content) in container.properties(id) {
        let Some(&value) = content.first() else { continue };
        match &kind {
            // To rotate after mirroring has the same effect as to rotate in the opposite direction before
            // mirroring.
            b"irot" if mirrored.is_some() => quarters = (quarters + 4 - (value & 3)) % 4,
            b"irot" => quarters = (quarters + (value & 3)) % 4,
            b"imir" if mirrored.is_none() => mirrored = Some(value & 1),
            _ => {}
        }
    }
    // Axis 0 means that top and bottom are exchanged, axis 1 means that left and right are exchanged (ISO/IEC
    // 23008-12:2022, 6.5.12).
    match (quarters, mirrored) {
        (0, None) => Orientation::Upright,
        (1, None) => Orientation::Rotate270,
        (2, None) => Orientation::Rotate180,
        (_, None) => Orientation::Rotate90,
        (0, Some(0)) | (2, Some(1)) => Orientation::FlipVertical,
        (0 | 2, Some(_)) => Orientation::FlipHorizontal,
        (1, Some(0)) | (3, Some(1)) => Orientation::Transpose,
        (_, Some(_)) => Orientation::Transverse,
    }
}

/// Returns the item that contains the alpha plane of the item `id`.
pub(super) fn alpha(container: &Container<'_>, id: ItemId) -> Option<ItemId> {
    const NAMES: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];
    container.references_to(id, *b"auxl").find(|&aux| {
        container
            .property(aux, b"auxC")
            .and_then(|content| content.get(4..))
            .is_some_and(|name| NAMES.contains(&Fields::new(name).text()))
    })
}
