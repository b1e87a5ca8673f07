//! Decodes an AV1 picture with rav1d, which is dav1d in Rust. This module wraps the C interface of rav1d in a
//! safe function. The Rust interface of rav1d is not used, because it always logs to the standard error
//! stream.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rav1d::Dav1dResult;
use rav1d::include::dav1d::data::Dav1dData;
use rav1d::include::dav1d::dav1d::{Dav1dContext, Dav1dSettings};
use rav1d::include::dav1d::headers::{
    DAV1D_PIXEL_LAYOUT_I400, DAV1D_PIXEL_LAYOUT_I420, DAV1D_PIXEL_LAYOUT_I422,
};
use rav1d::include::dav1d::picture::Dav1dPicture;
use rav1d::src::lib as sys;

use super::planes::{Chroma, Cicp, Planes, Samples};

/// The result code of rav1d that means "needs more data" or "no more pictures": the negated number of
/// `EAGAIN`.
const AGAIN: c_int = -11;

/// Decodes the picture of an item. If the item has several layers, the picture of the last layer is returned.
/// Refuses a picture of more than `max_pixels`. The error is a message for the user of the API.
pub(super) fn decode(data: &[u8], operating_point: u8, max_pixels: u32) -> Result<Planes, &'static str> {
    let mut decoder = Decoder::open(operating_point, max_pixels)?;
    decoder.last_picture(data)?.to_planes()
}

/// Decodes the pictures of a track one after the other. A picture may refer to earlier pictures.
pub(super) struct Stream(Decoder);

impl Stream {
    /// Opens a decoder that refuses a picture of more than `max_pixels`.
    pub(super) fn open(max_pixels: u32) -> Result<Self, &'static str> {
        Decoder::open(0, max_pixels).map(Self)
    }

    /// Decodes the next sample of the track, which contains one visible picture. The error is a message for
    /// the user of the API.
    pub(super) fn picture(&mut self, sample: &[u8]) -> Result<Planes, &'static str> {
        self.0.last_picture(sample)?.to_planes()
    }
}

/// A decoder of rav1d, closed when dropped.
struct Decoder {
    raw: Option<Dav1dContext>,
    /// The bytes of the coded picture that the decoder has not consumed yet.
    data: Dav1dData,
}

impl Decoder {
    /// Opens a decoder for one picture, without threads.
    fn open(operating_point: u8, max_pixels: u32) -> Result<Self, &'static str> {
        let mut settings = MaybeUninit::<Dav1dSettings>::uninit();
        // SAFETY: `dav1d_default_settings` writes the whole struct to which its argument points.
        let mut settings = unsafe {
            sys::dav1d_default_settings(NonNull::from(&mut settings).cast());
            settings.assume_init()
        };
        settings.n_threads = 1;
        settings.max_frame_delay = 1;
        settings.all_layers = 0;
        settings.operating_point = c_int::from(operating_point);
        settings.frame_size_limit = max_pixels;
        // If rav1d has no log callback, it logs nothing.
        // SAFETY: the two arguments are `None`, so rav1d never calls a log function.
        settings.logger = unsafe { rav1d::include::dav1d::dav1d::Dav1dLogger::new(None, None) };
        let mut raw = None;
        // SAFETY: both pointers refer to local variables, which live until `dav1d_open` returns.
        let result =
            unsafe { sys::dav1d_open(Some(NonNull::from(&mut raw)), Some(NonNull::from(&mut settings))) };
        if result.0 != 0 || raw.is_none() {
            return Err("the decoder cannot be started");
        }
        Ok(Self { raw, data: Dav1dData::default() })
    }

    /// Decodes all pictures in `data` and returns the last one.
    fn last_picture(&mut self, data: &[u8]) -> Result<Picture, &'static str> {
        self.send(data)?;
        let mut last = None;
        while let Some(picture) = self.next_picture()? {
            last = Some(picture);
        }
        last.ok_or("there is no picture")
    }

    /// Copies the coded picture into a buffer that rav1d allocated. Discards data that the decoder did not
    /// consume.
    fn send(&mut self, data: &[u8]) -> Result<(), &'static str> {
        if data.is_empty() {
            return Err("there is no picture");
        }
        // SAFETY: `self.data` is empty or was created by an earlier call of this method.
        unsafe { sys::dav1d_data_unref(Some(NonNull::from(&mut self.data))) };
        // SAFETY: `self.data` is a valid struct without data, so nothing is lost when rav1d overwrites it.
        let copy = unsafe { sys::dav1d_data_create(Some(NonNull::from(&mut self.data)), data.len()) };
        if copy.is_null() {
            return Err("there is no memory for it");
        }
        // SAFETY: `copy` points to a new block of `data.len()` bytes, to which no other code refers.
        unsafe { copy.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Ok(())
    }

    /// Feeds the remaining data to the decoder and returns the next picture; `None` after the last picture.
    fn next_picture(&mut self) -> Result<Option<Picture>, &'static str> {
        loop {
            let left = self.data.sz;
            if left > 0 {
                // SAFETY: the decoder is open, and `self.data` was created by the method `send`.
                let sent = unsafe { sys::dav1d_send_data(self.raw, Some(NonNull::from(&mut self.data))) };
                check(sent)?;
            }
            let mut picture = Picture(Dav1dPicture::default());
            // SAFETY: the decoder is open, and `picture` is empty, so nothing is lost when rav1d overwrites
            // it.
            let got = unsafe { sys::dav1d_get_picture(self.raw, Some(NonNull::from(&mut picture.0))) };
            if got.0 == 0 {
                return Ok(Some(picture));
            }
            check(got)?;
            if self.data.sz == 0 || self.data.sz == left {
                return Ok(None);
            }
        }
    }
}

/// Converts a result code of rav1d to a `Result`. `EAGAIN` is not treated as an error.
fn check(result: Dav1dResult) -> Result<(), &'static str> {
    if matches!(result.0, 0 | AGAIN) { Ok(()) } else { Err("the AV1 data are broken or too large") }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: `self.data` is empty or was created by the method `send`. The decoder is open and is not
        // used after this call.
        unsafe {
            sys::dav1d_data_unref(Some(NonNull::from(&mut self.data)));
            sys::dav1d_close(Some(NonNull::from(&mut self.raw)));
        }
    }
}

/// A picture that rav1d allocated. It is released when this value is dropped.
struct Picture(Dav1dPicture);

impl Picture {
    /// Copies the planes from the picture of rav1d.
    fn to_planes(&self) -> Result<Planes, &'static str> {
        let parameters = &self.0.p;
        let (Ok(width), Ok(height)) = (usize::try_from(parameters.w), usize::try_from(parameters.h)) else {
            return Err("a side is negative");
        };
        let chroma = match parameters.layout {
            DAV1D_PIXEL_LAYOUT_I400 => Chroma::None,
            DAV1D_PIXEL_LAYOUT_I420 => Chroma::Both,
            DAV1D_PIXEL_LAYOUT_I422 => Chroma::Columns,
            _ => Chroma::Full,
        };
        let depth = u8::try_from(parameters.bpc).map_err(|_| "a strange depth")?;
        let (chroma_width, chroma_height) = chroma.size(width, height);
        let sizes = [(width, height), (chroma_width, chroma_height), (chroma_width, chroma_height)];
        let samples =
            if depth > 8 { Samples::Words(self.planes(sizes)?) } else { Samples::Bytes(self.planes(sizes)?) };
        let header = self.0.seq_hdr.ok_or("there is no header")?;
        // SAFETY: the header lives as long as the picture that points to it, and is only read.
        let header = unsafe { header.as_ref() };
        let cicp = Cicp {
            primaries: header.pri as u16,
            transfer: header.trc as u16,
            matrix: header.mtrx as u16,
            full_range: header.color_range != 0,
        };
        Ok(Planes { width, height, depth, chroma, samples, cicp })
    }

    /// Copies the three planes, whose sizes are given in columns and rows. `T` is the type of a sample: one byte if
    /// a sample has 8 bits, else two.
    fn planes<T: PlaneSample>(&self, sizes: [(usize, usize); 3]) -> Result<[Vec<T>; 3], &'static str> {
        assert_eq!(size_of::<T>() == 2, self.0.p.bpc > 8, "the type of a sample fits its depth");
        let mut planes = [const { Vec::new() }; 3];
        for (i, (plane, (columns, rows))) in planes.iter_mut().zip(sizes).enumerate() {
            if rows > 0 {
                *plane = self.plane(i, columns, rows)?;
            }
        }
        Ok(planes)
    }

    /// Copies a plane of `rows` rows with `columns` samples each.
    fn plane<T: PlaneSample>(&self, i: usize, columns: usize, rows: usize) -> Result<Vec<T>, &'static str> {
        let start = self.0.data[i].ok_or("a plane is missing")?;
        let stride = self.0.stride[i.min(1)];
        let mut samples = Vec::with_capacity(columns * rows);
        for y in 0..rows {
            let row = start.as_ptr().cast::<u8>().wrapping_offset(stride * y as isize);
            // SAFETY: a plane of the picture, which is live, has `rows` rows that begin `stride` bytes apart, at
            // addresses that are multiples of the size of a sample, and each has at least `columns` initialised
            // samples. `T` is `u8` or `u16`, for which every value is valid. `planes` checked its size.
            samples.extend_from_slice(unsafe { std::slice::from_raw_parts(row.cast::<T>(), columns) });
        }
        Ok(samples)
    }
}

/// The types of a sample in a plane of rav1d: `u8` and `u16`.
trait PlaneSample: Copy {}

impl PlaneSample for u8 {}
impl PlaneSample for u16 {}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the picture is empty or was written by `dav1d_get_picture`, and is not used afterwards.
        unsafe { sys::dav1d_picture_unref(Some(NonNull::from(&mut self.0))) };
    }
}
