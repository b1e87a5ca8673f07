//! A stream of openjp2 that writes to memory. The library writes through C callbacks; this module makes a
//! safe thing of them.

use std::ffi::c_void;

use openjp2::Stream;
use openjp2::openjpeg::{
    opj_stream_create, opj_stream_set_seek_function, opj_stream_set_skip_function, opj_stream_set_user_data,
    opj_stream_set_write_function,
};

/// Bytes that the library collects before it hands them over.
const BUFFER_BYTES: usize = 1 << 16;

/// What was written, and where the next byte goes.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    at: usize,
}

/// Lets `write` write to a stream; what was written.
pub(super) fn written(write: impl FnOnce(&mut Stream) -> Result<(), String>) -> Result<Vec<u8>, String> {
    let mut sink = Sink::default();
    // SAFETY: 0 makes an output; the result is a `Box<Stream>` turned into a pointer, which nobody else
    // knows.
    let mut stream = unsafe {
        let stream = opj_stream_create(BUFFER_BYTES, 0);
        opj_stream_set_write_function(stream, Some(on_write));
        opj_stream_set_skip_function(stream, Some(on_skip));
        opj_stream_set_seek_function(stream, Some(on_seek));
        // The stream is dropped before the sink, and does not free it.
        opj_stream_set_user_data(stream, (&raw mut sink).cast(), None);
        Box::from_raw(stream.cast::<Stream>())
    };
    let result = write(&mut stream);
    drop(stream);
    result.map(|()| sink.bytes)
}

/// Takes `length` bytes over.
///
/// # Safety
/// `data` points to `length` bytes that can be read, `sink` to a [`Sink`] that nobody else uses.
unsafe extern "C" fn on_write(data: *mut c_void, length: usize, sink: *mut c_void) -> usize {
    // SAFETY: as the caller promises.
    let (data, sink) =
        unsafe { (std::slice::from_raw_parts(data.cast::<u8>(), length), &mut *sink.cast::<Sink>()) };
    let end = sink.at + length;
    if sink.bytes.len() < end {
        sink.bytes.resize(end, 0);
    }
    sink.bytes[sink.at..end].copy_from_slice(data);
    sink.at = end;
    length
}

/// Goes on `n` bytes later; −1 when there is no such place.
///
/// # Safety
/// `sink` points to a [`Sink`] that nobody else uses.
unsafe extern "C" fn on_skip(n: i64, sink: *mut c_void) -> i64 {
    // SAFETY: as the caller promises.
    let sink = unsafe { &mut *sink.cast::<Sink>() };
    match isize::try_from(n).ok().and_then(|n| sink.at.checked_add_signed(n)) {
        Some(at) => {
            sink.at = at;
            n
        }
        None => -1,
    }
}

/// Goes on at a place; 0 when there is no such place.
///
/// # Safety
/// `sink` points to a [`Sink`] that nobody else uses.
unsafe extern "C" fn on_seek(at: i64, sink: *mut c_void) -> i32 {
    // SAFETY: as the caller promises.
    let sink = unsafe { &mut *sink.cast::<Sink>() };
    match usize::try_from(at) {
        Ok(at) => {
            sink.at = at;
            1
        }
        Err(_) => 0,
    }
}
