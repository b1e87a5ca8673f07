//! Processes images: parses the request, reads the image, processes the image in a worker process, and stores
//! the result. This layer contains no HTTP status and no error word of the API. Its functions return failures
//! as [`error::WorkError`].

pub mod base62;
pub mod blobs;
pub mod customer_bucket;
pub mod error;
pub mod fonts;
pub mod memory_budget;
pub mod payload;
pub mod pipeline;
pub mod redact;
pub mod request;
pub mod result_names;
pub mod sandbox;
pub mod source;
pub mod store_failure;
pub mod watermark_id;
pub mod watermarks;

/// Whether a client or a job waits for a processed image. If the server has no free capacity, an interactive
/// request is refused at once, but a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A client that waits for the answer.
    Interactive,
    /// A job of an accepted request, or a file on the command line.
    Job,
}
