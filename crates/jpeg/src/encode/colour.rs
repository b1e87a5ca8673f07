//! Converts red, green and blue to luma and chroma (JFIF 1.02), in 16-bit fixed point.

use crate::simd::multiversion;

const HALF: i32 = 1 << 15;

multiversion! {
    /// Converts a row of pixels to luma samples.
    pub(super) fn luma(pixels: &[u8], out: &mut [u8]) = luma_impl
}

multiversion! {
    /// Converts a row of pixels to chroma samples at full resolution.
    pub(super) fn chroma(pixels: &[u8], cb: &mut [u8], cr: &mut [u8]) = chroma_impl
}

multiversion! {
    /// Converts two rows of pixels to one row of chroma samples at half resolution. Each sample is the mean
    /// of 2 × 2 pixels. If the width is odd, the last column is used twice.
    pub(super) fn halved_chroma(above: &[u8], below: &[u8], cb: &mut [u8], cr: &mut [u8]) = halved_chroma_impl
}

#[inline(always)]
fn luma_impl(pixels: &[u8], out: &mut [u8]) {
    for (out, &[r, g, b]) in out.iter_mut().zip(pixels.as_chunks::<3>().0) {
        *out = ((19_595 * i32::from(r) + 38_470 * i32::from(g) + 7_471 * i32::from(b) + HALF) >> 16) as u8;
    }
}

#[inline(always)]
fn chroma_impl(pixels: &[u8], cb: &mut [u8], cr: &mut [u8]) {
    for ((cb, cr), &[r, g, b]) in cb.iter_mut().zip(cr).zip(pixels.as_chunks::<3>().0) {
        (*cb, *cr) = chroma_of_sum::<0>(i32::from(r), i32::from(g), i32::from(b));
    }
}

#[inline(always)]
fn halved_chroma_impl(above: &[u8], below: &[u8], cb: &mut [u8], cr: &mut [u8]) {
    let n = above.len() / 6;
    let ((above, last_above), (below, last_below)) = (above.as_chunks::<6>(), below.as_chunks::<6>());
    for (((cb, cr), above), below) in cb.iter_mut().zip(&mut *cr).zip(above).zip(below) {
        let sum = |i: usize| [above[i], above[i + 3], below[i], below[i + 3]].map(i32::from).iter().sum();
        (*cb, *cr) = chroma_of_sum::<2>(sum(0), sum(1), sum(2));
    }
    if let (Some(above), Some(below)) = (last_above.first_chunk::<3>(), last_below.first_chunk::<3>()) {
        let sum = |i: usize| 2 * (i32::from(above[i]) + i32::from(below[i]));
        (cb[n], cr[n]) = chroma_of_sum::<2>(sum(0), sum(1), sum(2));
    }
}

/// Computes the chroma of the mean of 2^`SHIFT` pixels from the sums of their red, green and blue values. The
/// rounding offset is smaller than one half by one unit of the fixed point, so that the result stays below
/// 256.
#[inline(always)]
fn chroma_of_sum<const SHIFT: u32>(r: i32, g: i32, b: i32) -> (u8, u8) {
    let centre = (128 << (16 + SHIFT)) + (HALF << SHIFT) - 1;
    let cb = (32_768 * b - 11_059 * r - 21_709 * g + centre) >> (16 + SHIFT);
    let cr = (32_768 * r - 27_439 * g - 5_329 * b + centre) >> (16 + SHIFT);
    (cb as u8, cr as u8)
}
