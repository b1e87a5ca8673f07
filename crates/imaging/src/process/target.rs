//! Checks whether the score `output.target` can be searched for.

use crate::Error;
use crate::codecs::quality_scale::FORMATS;
use crate::format::Format;
use crate::plan::Output;

/// Checks that a result of `n_frames` frames can be scored. `format` is `None` for the format `auto`.
///
/// # Errors
/// [`Error::Plan`] if the output has a `target` and the result is an animation, or its format has no quality.
pub(super) fn check(output: &Output, format: Option<Format>, n_frames: u32) -> Result<(), Error> {
    if output.target.is_none() {
        return Ok(());
    }
    if let Some(format) = format.filter(|format| !FORMATS.contains(format)) {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.request_name()).collect();
        return Err(Error::Plan(format!(
            "output.target needs one of the formats {} and auto, and the result is a {}",
            names.join(", "),
            format.name()
        )));
    }
    if n_frames > 1 {
        return Err(Error::Plan(format!(
            "output.target needs a single picture, and the result has {n_frames} frames; output.quality works for \
             animations"
        )));
    }
    Ok(())
}
