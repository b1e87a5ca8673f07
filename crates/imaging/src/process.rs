//! The way of one image: recognise, read the header, check the limits, then frame by frame decode, operate, encode.

use crate::{Error, Facts, Limits, Plan, Scratch, format};

/// The result of [`process`].
#[derive(Debug, Clone)]
pub struct Processed {
    /// The facts about the input.
    pub input: Facts,
    /// The facts about `bytes`.
    pub output: Facts,
    /// The output file.
    pub bytes: Vec<u8>,
    /// What was ignored or replaced on the way, as sentences for the caller of the API.
    pub warnings: Vec<String>,
}

/// Decodes `input`, does what `plan` says and encodes the result.
///
/// Deterministic: the same arguments give the same bytes, whatever `scratch` holds.
pub fn process(
    input: &[u8],
    plan: &Plan,
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Processed, Error> {
    let _ = (plan, limits, scratch);
    Err(Error::UnknownFormat { sniffed: format::sniff_foreign(input) })
}
