//! What happens to an image: the request is parsed, the source is read, a worker processes the image, the result is
//! stored. No HTTP status and no word of an answer here: failures are [`error::WorkError`].

pub mod base62;
pub mod blobs;
pub mod error;
pub mod memory_budget;
pub mod payload;
pub mod pipeline;
pub mod redact;
pub mod request;
pub mod result_names;
pub mod sandbox;
pub mod source;
pub mod watermark_id;
pub mod watermarks;

/// Who waits for an image. It decides what happens when this server has no room: an interactive request is refused at once,
/// a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A client that waits for the answer.
    Interactive,
    /// An accepted job, or a file of the command line.
    Job,
}
