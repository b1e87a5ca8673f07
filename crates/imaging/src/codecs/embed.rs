//! Metadata into finished files. The encoders of JPEG, PNG, APNG and WebP know nothing of it: what they wrote is opened
//! once more here. An encoder of another format that takes metadata gets it through its own arguments.

use super::{Encode, Encoded, jpeg, png, webp};
use crate::metadata::Metadata;
use crate::plan::Format;
use crate::{Error, Image, Scratch};

/// Whether files of a format that we write can have metadata: those below, and others whose encoders take them.
pub(crate) fn takes_metadata(format: Format) -> bool {
    use Format as F;
    matches!(format, F::Jpeg | F::Png | F::Apng | F::Webp | F::Tiff | F::Heic | F::Avif | F::Jxl | F::Jp2)
}

/// Puts what is kept of the metadata into a file of one of the four formats; does nothing to others.
pub(super) fn embed(encoded: &mut Encoded, metadata: &Metadata) {
    if metadata.is_empty() {
        return;
    }
    match encoded.description.format {
        Format::Jpeg => jpeg::embed(&mut encoded.bytes, metadata),
        Format::Png | Format::Apng => png::embed(&mut encoded.bytes, metadata),
        Format::Webp => webp::embed(&mut encoded.bytes, metadata),
        _ => {}
    }
}

/// A sink whose file gets metadata when it is finished.
pub(super) struct WithMetadata<E> {
    pub(super) sink: E,
    pub(super) metadata: Metadata,
}

impl<E: Encode> Encode for WithMetadata<E> {
    fn push(&mut self, image: Image, delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        self.sink.push(image, delay_ms, scratch)
    }

    fn finish(self: Box<Self>, scratch: &mut Scratch) -> Result<Encoded, Error> {
        let Self { sink, metadata } = *self;
        let mut encoded = Box::new(sink).finish(scratch)?;
        embed(&mut encoded, &metadata);
        Ok(encoded)
    }
}
