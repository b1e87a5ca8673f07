//! Predicts how much memory an image needs, before a pixel is decoded, and refuses an image that needs more than
//! a worker has.

use crate::codecs::{Decode, DecoderMemory, Sequence, area, encoder_memory};
use crate::format::Format;
use crate::geometry::{self, Size, Stages};
use crate::info::Colorspace;
use crate::orientation::Orientation;
use crate::{Error, Limits, Plan, Scratch, operations};

/// The memory of a worker without an image: the program, the tables of the codecs and the allocator.
const PROGRAM_BYTES: u64 = 16 << 20;

/// An image with at most this need beyond the program and the files is never refused: the smallest limit that can be
/// configured has room for it.
const NEGLIGIBLE_BYTES: u64 = 4 << 20;

/// The facts about an image and its result that the prediction needs besides the decoder.
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    /// The size of the picture after its EXIF orientation was applied.
    pub(super) full_size: Size,
    pub(super) orientation: Orientation,
    /// The bytes of the image and of the watermark.
    pub(super) input_bytes: u64,
    pub(super) output_format: Option<Format>,
    pub(super) sequence: Sequence,
}

/// Refuses the image if it needs more memory than the limits allow. Frees spare buffers if the image and the
/// buffers together would need more.
///
/// # Errors
/// [`Error::Memory`].
pub(super) fn check(
    job: &Job<'_>,
    decoder: &dyn Decode,
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let max_bytes = limits.memory_bytes;
    let own_bytes = needed(job, decoder)?;
    if own_bytes <= NEGLIGIBLE_BYTES {
        return Ok(());
    }
    let needed_bytes = PROGRAM_BYTES + job.input_bytes + own_bytes;
    if needed_bytes > max_bytes {
        return Err(Error::Memory { needed_bytes, max_bytes });
    }
    if needed_bytes + scratch.spare_bytes() as u64 > max_bytes {
        *scratch = Scratch::default();
    }
    Ok(())
}

/// Refuses a watermark that alone needs more memory than the limits allow. `file_bytes` is the length of its file.
///
/// # Errors
/// [`Error::Memory`].
pub(super) fn check_watermark(decoder: &dyn Decode, file_bytes: usize, limits: &Limits) -> Result<(), Error> {
    let own_bytes = decoder.memory().decoding;
    let needed_bytes = PROGRAM_BYTES + file_bytes as u64 + own_bytes;
    if own_bytes > NEGLIGIBLE_BYTES && needed_bytes > limits.memory_bytes {
        return Err(Error::Memory { needed_bytes, max_bytes: limits.memory_bytes });
    }
    Ok(())
}

/// The memory that the pixels and the output need, in bytes.
fn needed(job: &Job<'_>, decoder: &dyn Decode) -> Result<u64, Error> {
    let &Job { plan, full_size, output_format, sequence, .. } = job;
    let memory = decoder.memory();
    let n_channels = channels(decoder, plan);
    // The size of a crop around faces is known only after decoding. The crop is at most the whole picture.
    let uncropped = Plan { crop: None, ..plan.clone() };
    let plan = if geometry::uses_faces(plan) { &uncropped } else { plan };
    let stages = Stages::of(full_size, plan)?;
    let of = |size: Size| area(size.width, size.height) * n_channels;
    let by_rows = decoder_delivers_rows(job, plan, &memory)?;
    let before = match by_rows {
        Some(rows) => rows + resampled_rows(full_size, stages.resized, n_channels) + of(stages.resized),
        None => until_resized(job, memory, &stages, n_channels),
    };
    let n_copies = if changes_pixels(plan) { 3 } else { 1 };
    let padded = if plan.padding.is_some() { of(stages.padded) } else { 0 };
    let after = of(stages.scaled).max(of(stages.resized)) * n_copies + padded;
    let encoding =
        of(stages.padded) + encoder_memory(output_format, &plan.output, stages.padded, n_channels, sequence);
    let kept = if by_rows.is_some() { 0 } else { memory.kept };
    Ok(before.max(after + kept).max(encoding + kept))
}

/// The need of the resampling of a picture that arrives row by row: the band of rows under the kernel, which may be
/// copied when it grows, and the rows of the vertical pass, which are kept until the horizontal pass.
fn resampled_rows(full: Size, resized: Size, n_channels: u64) -> u64 {
    let factor = (u64::from(full.height) / u64::from(resized.height.max(1))).max(1);
    let n_band_rows = (64 + 6 * factor).max(12 * factor).min(full.height.into());
    u64::from(full.width) * n_channels * (2 * n_band_rows + u64::from(resized.height))
}

/// The need of the decoder if the picture is processed row by row.
fn decoder_delivers_rows(job: &Job<'_>, plan: &Plan, memory: &DecoderMemory) -> Result<Option<u64>, Error> {
    let takes_rows = job.sequence.n_frames == 1
        && job.orientation == Orientation::Upright
        && !geometry::uses_faces(job.plan)
        && operations::takes_rows(job.full_size, plan)?;
    Ok(memory.rows.filter(|_| takes_rows))
}

/// The largest need from the decoding of a frame to its resizing, with the resized picture.
fn until_resized(job: &Job<'_>, memory: DecoderMemory, stages: &Stages, n_channels: u64) -> u64 {
    let DecoderMemory { frame, decoding, kept, .. } = memory;
    let &Job { plan, full_size, orientation, .. } = job;
    let rotated = if orientation == Orientation::Upright { 0 } else { frame };
    let is_resized = stages.resized != full_size || stages.scaled != stages.resized;
    // Colours are multiplied by alpha in a copy, and the result of the first pass is kept until the second.
    let premultiplied = if n_channels == 4 && is_resized { frame } else { 0 };
    let (first_pass, resized) = if is_resized {
        let rows = u64::from(stages.resized.height.max(stages.scaled.height));
        let of = |size: Size| area(size.width, size.height) * n_channels;
        let row_bytes = u64::from(full_size.width) * n_channels;
        ((row_bytes * rows).min(frame * 2), of(stages.resized).max(of(stages.scaled)))
    } else {
        (0, 0)
    };
    let is_copied = plan.flip.is_some() || plan.crop.is_some() || geometry::uses_faces(plan);
    let copied = if is_copied { frame } else { 0 };
    decoding.max(frame + kept + rotated.max(premultiplied + first_pass + resized).max(copied))
}

/// Whether an operation after the resizing changes pixels, for which it may need copies of the picture.
fn changes_pixels(plan: &Plan) -> bool {
    plan.filter.is_some()
        || plan.adjust.is_some()
        || plan.enhance
        || plan.watermark.is_some()
        || plan.mask.is_some()
        || plan.border.is_some()
        || plan.scale.is_some()
}

/// The number of bytes of a pixel of the result.
fn channels(decoder: &dyn Decode, plan: &Plan) -> u64 {
    let info = &decoder.header().info;
    let can_become_transparent =
        plan.mask.is_some() || plan.padding.is_some() || plan.watermark.is_some() || plan.border.is_some();
    match info.colorspace {
        _ if info.alpha || can_become_transparent => 4,
        Colorspace::Gray => 1,
        _ => 3,
    }
}
