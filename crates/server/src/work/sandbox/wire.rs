//! The frames that the server and a worker exchange through pipes. A frame consists of two lengths, a JSON
//! head and a body of raw bytes.

use std::io::{self, Read, Write};

use pixaven_imaging::FileInfo;
use pixaven_imaging::fonts::{FontQuery, FontSource};
use pixaven_imaging::geometry::Rect;
use pixaven_imaging::{Input, Limits, Plan};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::work::error::ImageError;

/// The number of bytes of the two lengths at the start of a frame: the length of the head (u32), then the
/// length of the body (u64), both little-endian.
pub(super) const LENGTHS_BYTES: usize = 12;
/// The largest head that is accepted, in bytes. A head contains the plan for an image or the properties of a
/// result, and both are much smaller than this limit.
const HEAD_MAX_BYTES: u32 = 4 << 20;

/// The head of a frame from the server to a worker. The body is the input image, followed by the watermark's
/// image if there is one.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) plan: Plan,
    pub(super) limits: Limits,
    /// The length of the watermark's image at the end of the body, in bytes. `None` if there is no watermark.
    pub(super) watermark_bytes: Option<u64>,
    /// Whether the image is so large that the worker should return every buffer to the system when it is freed.
    pub(super) is_large: bool,
}

impl Task {
    /// Splits the body of a frame into the image and the watermark. `fonts` is where the text of documents gets
    /// its fonts.
    pub(super) fn split<'a>(
        &self,
        body: &'a [u8],
        fonts: Option<&'a dyn FontSource>,
    ) -> io::Result<Input<'a>> {
        let Some(n_bytes) = self.watermark_bytes else {
            return Ok(Input { image: body, watermark: None, fonts });
        };
        let n_image = usize::try_from(n_bytes).ok().and_then(|n_bytes| body.len().checked_sub(n_bytes));
        let (image, watermark) = n_image.map(|n_image| body.split_at(n_image)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a watermark that is longer than all of the body")
        })?;
        Ok(Input { image, watermark: Some(watermark), fonts })
    }
}

/// The head of a frame from a worker to the server. Only the frame of [`Reply::Done`] has a body, which is the
/// output image. A worker may send several messages and queries before the reply that ends an image.
#[derive(Serialize, Deserialize)]
pub(super) enum Reply {
    Done {
        input: FileInfo,
        output: FileInfo,
        faces: Option<Vec<Rect>>,
        warnings: Vec<String>,
    },
    Failed(ImageError),
    /// A message for the log of the server: a decoder panicked.
    Message(String),
    /// The worker needs a font and waits for a frame with the head [`FontReply`].
    Font(FontQuery),
}

/// The head of the frame that answers [`Reply::Font`]. The body is the font file.
#[derive(Serialize, Deserialize)]
pub(super) struct FontReply {
    /// The number of the font in its file. `None` if there is no such font.
    pub(super) index: Option<u32>,
}

/// The largest number of messages that a worker sends for one image.
pub(super) const MAX_MESSAGES: usize = 16;

/// Serialises the lengths and the head of a frame. The caller writes the body after the head.
pub(super) fn head(value: &impl Serialize, body_bytes: usize) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let mut head = Vec::with_capacity(LENGTHS_BYTES + json.len());
    head.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend_from_slice(&(body_bytes as u64).to_le_bytes());
    head.extend_from_slice(&json);
    Ok(head)
}

/// Decodes the two lengths at the start of a frame: the length of the head and the length of the body.
pub(super) fn lengths(bytes: [u8; LENGTHS_BYTES]) -> io::Result<(usize, usize)> {
    let [h0, h1, h2, h3, body @ ..] = bytes;
    let head = u32::from_le_bytes([h0, h1, h2, h3]);
    if head > HEAD_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame's head is too long"));
    }
    let body = usize::try_from(u64::from_le_bytes(body)).map_err(io::Error::other)?;
    Ok((head as usize, body))
}

/// Reads the frame of one task or of one font. Only a worker calls this function. The frame's body replaces the
/// content of the buffer `body`. Returns `None` at the end of the pipe.
pub(super) fn read_frame<T: DeserializeOwned>(
    pipe: &mut impl Read,
    body: &mut Vec<u8>,
) -> io::Result<Option<T>> {
    let mut raw = [0; LENGTHS_BYTES];
    match pipe.read_exact(&mut raw) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (head_bytes, body_bytes) = lengths(raw)?;
    let mut head = vec![0; head_bytes];
    pipe.read_exact(&mut head)?;
    body.clear();
    if pipe.take(body_bytes as u64).read_to_end(body)? < body_bytes {
        return Ok(None);
    }
    serde_json::from_slice(&head).map(Some).map_err(io::Error::from)
}

/// Writes one frame of a worker. Only a worker calls this function.
pub(super) fn write_reply(pipe: &mut impl Write, reply: &Reply, body: &[u8]) -> io::Result<()> {
    pipe.write_all(&head(reply, body.len())?)?;
    pipe.write_all(body)?;
    pipe.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_a_task_for_an_image_worker_is_split_into_the_image_and_the_watermark() {
        let task = |watermark_bytes| Task {
            plan: Plan::default(),
            limits: Limits::default(),
            watermark_bytes,
            is_large: false,
        };
        let split = |watermark_bytes| {
            let Input { image, watermark, .. } = task(watermark_bytes).split(b"imagemark", None).ok()?;
            Some((image, watermark))
        };
        assert_eq!(split(None), Some((b"imagemark".as_slice(), None)));
        assert_eq!(split(Some(4)), Some((b"image".as_slice(), Some(b"mark".as_slice()))));
        assert_eq!(split(Some(10)), None);
        assert_eq!(split(Some(u64::MAX)), None);
    }

    #[test]
    fn a_task_for_an_image_worker_that_was_written_to_a_pipe_is_read_back_unchanged() {
        let task = Task {
            plan: Plan::default(),
            limits: Limits::default(),
            watermark_bytes: Some(2),
            is_large: false,
        };
        let mut pipe = head(&task, 5).expect("a task can be written");
        pipe.extend_from_slice(b"12345");
        let mut body = b"old".to_vec();
        let read: Task =
            read_frame(&mut pipe.as_slice(), &mut body).expect("the frame is well formed").expect("a task");
        assert_eq!((read.watermark_bytes, body.as_slice()), (Some(2), b"12345".as_slice()));
    }
}
