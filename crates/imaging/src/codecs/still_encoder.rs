//! The encoder of a format that holds one picture: such a format implements a function that encodes a whole
//! file, and [`StillEncoder`] makes an [`Encode`] of it.

use super::codec::{Encode, Encoded};
use super::embed;
use super::quality_search::{self, Attempt};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// Encodes one picture as a whole file.
type EncodeStill = fn(&Image, &Output, &Metadata, &mut Scratch) -> Result<Encoded, Error>;

/// Encodes the only frame by a function. Searches for the highest quality that keeps within
/// `output.max_bytes`, if the output has that limit.
pub(super) struct StillEncoder {
    encode: EncodeStill,
    output: Output,
    metadata: Metadata,
    encoded: Option<Encoded>,
}

impl StillEncoder {
    /// An encoder without a frame.
    pub(super) fn new(encode: EncodeStill, output: &Output, metadata: Metadata) -> Self {
        Self { encode, output: *output, metadata, encoded: None }
    }
}

impl Encode for StillEncoder {
    fn push(&mut self, image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        let mut encode = |output: &Output| {
            let mut encoded = (self.encode)(&image, output, &self.metadata, scratch)?;
            embed::embed(&mut encoded, &self.metadata);
            Ok(encoded)
        };
        self.encoded = Some(match self.output.max_bytes {
            None => encode(&self.output)?,
            Some(max_bytes) => quality_search::highest_that_fits(&self.output, max_bytes, |output| {
                let encoded = encode(output)?;
                Ok(Attempt {
                    n_bytes: encoded.bytes.len() as u64,
                    lossy: encoded.info.quality.is_some(),
                    format: encoded.info.format.name(),
                    result: encoded,
                })
            })?,
        });
        scratch.give(image.into_data());
        Ok(())
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        Ok(self.encoded.expect("a frame was pushed before the end"))
    }
}
