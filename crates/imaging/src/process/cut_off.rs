//! Files that are cut off: applies [`Limits::truncated`] to the frames that are used, and explains errors of
//! decoders.

use crate::codecs::{self, Header};
use crate::format::Format;
use crate::truncation::{MissingPart, Percentage, Truncation, permille};
use crate::{Error, Limits};

/// Returns how much is missing of the frames that are used. Missing later frames do not count if only the
/// first frame is used.
pub(super) fn of_used_frames(header: &Header, uses_all_frames: bool) -> Option<Truncation> {
    header.truncation.filter(|truncation| uses_all_frames || truncation.part != MissingPart::Frames)
}

/// Refuses a file if the frames that are used are cut off and the limits do not accept such files.
pub(super) fn check(header: &Header, uses_all_frames: bool, limits: &Limits) -> Result<(), Error> {
    limits.check_truncation(header.info.format.name(), of_used_frames(header, uses_all_frames))
}

/// Extends the error of a file that cannot be decoded. If the headers announce more bytes than the file has,
/// the new error says that the file is cut off.
pub(super) fn explained(error: Error, format: Format, input: &[u8]) -> Error {
    let n_bytes = input.len() as u64;
    match (error, codecs::announced_bytes(format, input)) {
        (Error::Corrupt { format, reason }, Some(n_announced)) if n_announced > n_bytes => {
            let missing = Percentage(permille(n_announced - n_bytes, n_announced));
            let reason =
                format!("{reason} (the file is cut off: at least {missing} of its bytes are missing)");
            Error::Corrupt { format, reason }
        }
        (error, _) => error,
    }
}
