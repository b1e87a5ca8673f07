//! An output stream of `openjp2` that writes to memory. `openjp2` writes by calling C callbacks; this module
//! implements the callbacks and offers a safe function.

use std::ffi::c_void;

use openjp2::Stream;
use openjp2::openjpeg::{
    opj_stream_create, opj_stream_set_seek_function, opj_stream_set_skip_function, opj_stream_set_user_data,
    opj_stream_set_write_function,
};

/// The size in bytes of the buffer that `openjp2` fills before it calls the write callback.
const BUFFER_BYTES: usize = 1 << 16;

/// The bytes that were written, and the offset at which the next byte is written.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    at: usize,
}

/// Creates an output stream, passes it to the function `write`, and returns the bytes that were written to
/// the stream.
pub(super) fn written(write: impl FnOnce(&mut Stream) -> Result<(), String>) -> Result<Vec<u8>, String> {
    let mut output = Output::default();
    // SAFETY: the argument 0 selects an output stream. The returned pointer comes from a `Box<Stream>`, and
    // no other code holds it.
    let mut stream = unsafe {
        let stream = opj_stream_create(BUFFER_BYTES, 0);
        opj_stream_set_write_function(stream, Some(on_write));
        opj_stream_set_skip_function(stream, Some(on_skip));
        opj_stream_set_seek_function(stream, Some(on_seek));
        // The stream points to `output`, so the stream is dropped first. Dropping the stream does not free
        // `output`.
        opj_stream_set_user_data(stream, (&raw mut output).cast(), None);
        Box::from_raw(stream.cast::<Stream>())
    };
    let result = write(&mut stream);
    drop(stream);
    result.map(|()| output.bytes)
}

/// The write callback: appends `length` bytes at the current offset.
///
/// # Safety
/// `data` points to `length` readable bytes, and `output` to an [`Output`] that no other code uses.
unsafe extern "C" fn on_write(data: *mut c_void, length: usize, output: *mut c_void) -> usize {
    // SAFETY: the caller guarantees what the section "Safety" of this function requires.
    let (data, output) =
        unsafe { (std::slice::from_raw_parts(data.cast::<u8>(), length), &mut *output.cast::<Output>()) };
    let end = output.at + length;
    if output.bytes.len() < end {
        output.bytes.resize(end, 0);
    }
    output.bytes[output.at..end].copy_from_slice(data);
    output.at = end;
    length
}

/// The skip callback: moves the offset by `n` bytes. Returns −1 when the result would be negative.
///
/// # Safety
/// `output` points to an [`Output`] that no other code uses.
unsafe extern "C" fn on_skip(n: i64, output: *mut c_void) -> i64 {
    // SAFETY: the caller guarantees what the section "Safety" of this function requires.
    let output = unsafe { &mut *output.cast::<Output>() };
    match isize::try_from(n).ok().and_then(|n| output.at.checked_add_signed(n)) {
        Some(at) => {
            output.at = at;
            n
        }
        None => -1,
    }
}

/// The seek callback: sets the offset. Returns 0 when the offset is negative.
///
/// # Safety
/// `output` points to an [`Output`] that no other code uses.
unsafe extern "C" fn on_seek(at: i64, output: *mut c_void) -> i32 {
    // SAFETY: the caller guarantees what the section "Safety" of this function requires.
    let output = unsafe { &mut *output.cast::<Output>() };
    match usize::try_from(at) {
        Ok(at) => {
            output.at = at;
            1
        }
        Err(_) => 0,
    }
}
