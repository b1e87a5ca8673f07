//! The encoder of formats whose files hold one picture. The module of such a format has a function that
//! encodes a picture as a complete file. [`StillEncoder`] implements [`Encode`] with that function.

use super::codec::{Encode, Encoded};
use super::quality_search::{self, Attempt, Found};
use super::{embed, hidden_color};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// The type of a function that encodes one picture and returns the complete file.
type EncodeStill = fn(&Image, &Output, &Metadata, &mut Scratch) -> Result<Encoded, Error>;

/// Encodes the only frame by calling a function. If `output.max_bytes` is set, lowers the quality until the
/// file has at most that many bytes.
pub(super) struct StillEncoder {
    encode: EncodeStill,
    output: Output,
    metadata: Metadata,
    /// Whether the colours of visible pixels are extended into transparent areas before encoding.
    extends_colors: bool,
    encoded: Option<Found<Encoded>>,
}

impl StillEncoder {
    /// Creates an encoder that has not received its frame yet.
    pub(super) fn new(encode: EncodeStill, output: &Output, metadata: Metadata) -> Self {
        Self { encode, output: *output, metadata, extends_colors: false, encoded: None }
    }

    /// States whether the encoder is lossy with these settings and stores alpha. If so, the colours of
    /// visible pixels are extended into transparent areas.
    pub(super) fn lossy(self, is_lossy: bool) -> Self {
        Self { extends_colors: is_lossy, ..self }
    }
}

impl Encode for StillEncoder {
    fn push(&mut self, mut image: Image, _delay_ms: u32, scratch: &mut Scratch) -> Result<(), Error> {
        if self.extends_colors {
            hidden_color::extend(&mut image, scratch);
        }
        let mut encode = |output: &Output| {
            let mut encoded = (self.encode)(&image, output, &self.metadata, scratch)?;
            embed::embed(&mut encoded, &self.metadata);
            Ok(encoded)
        };
        self.encoded = Some(match self.output.max_bytes {
            None => Found { result: encode(&self.output)?, warning: None },
            Some(max_bytes) => quality_search::search(&self.output, max_bytes, |output| {
                let encoded = encode(output)?;
                Ok(Attempt {
                    n_bytes: encoded.bytes.len() as u64,
                    quality: encoded.info.quality,
                    format: encoded.info.format.name(),
                    result: encoded,
                })
            })?,
        });
        scratch.give(image.into_data());
        Ok(())
    }

    fn warning(&mut self) -> Option<String> {
        self.encoded.as_mut()?.warning.take()
    }

    fn finish(self: Box<Self>, _scratch: &mut Scratch) -> Result<Encoded, Error> {
        Ok(self.encoded.expect("a frame was pushed before the end").result)
    }
}
