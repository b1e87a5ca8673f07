//! Inserts metadata into finished JPEG, PNG, APNG and WebP files, because the encoders of these four formats
//! write no metadata. The encoders of other formats write the metadata themselves if the format can contain
//! metadata.

use super::codec::{Encode, Encoded};
use super::{jpeg, png, webp};
use crate::format::Format;
use crate::metadata::Metadata;
use crate::{Error, Image, Scratch};

/// Inserts the metadata into a JPEG, PNG, APNG or WebP file. Returns a file of another format unchanged.
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

/// An encoder that passes all frames to another encoder and inserts metadata into the finished file.
pub(super) struct WithMetadata<E> {
    encoder: E,
    metadata: Metadata,
}

impl<E> WithMetadata<E> {
    /// Wraps an encoder that has not received a frame yet.
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
