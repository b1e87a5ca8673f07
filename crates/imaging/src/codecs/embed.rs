//! Inserts metadata into finished files of JPEG, PNG, APNG and WebP, whose encoders write no metadata
//! themselves. The encoders of the other formats with metadata get the metadata as an argument.

use super::codec::{Encode, Encoded};
use super::{jpeg, png, webp};
use crate::format::Format;
use crate::metadata::Metadata;
use crate::{Error, Image, Scratch};

/// Inserts the metadata into a file of one of the four formats. Leaves files of other formats unchanged.
pub(super) fn embed(encoded: &mut Encoded, metadata: &Metadata) {
    if metadata.is_empty() {
        return;
    }
    match encoded.info.format {
        Format::Jpeg => jpeg::embed(&mut encoded.bytes, metadata),
        Format::Png | Format::Apng => png::embed(&mut encoded.bytes, metadata),
        Format::Webp => webp::embed(&mut encoded.bytes, metadata),
        _ => {}
    }
}

/// An encoder that inserts metadata into the file of another encoder.
pub(super) struct WithMetadata<E> {
    encoder: E,
    metadata: Metadata,
}

impl<E> WithMetadata<E> {
    /// Wraps an encoder without frames.
    pub(super) fn new(encoder: E, metadata: Metadata) -> Self {
        Self { encoder, metadata }
    }
}

impl<E: Encode> Encode for WithMetadata<E> {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        self.encoder.push(image, delay_ms, scratch)
    }

    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let Self { encoder, metadata } = *self;
        let mut encoded = Box::new(encoder).finish(scratch)?;
        embed(&mut encoded, &metadata);
        Ok(encoded)
    }
}
