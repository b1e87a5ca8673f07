//! Undoes the five filters of PNG (ISO/IEC 15948, 9.2).
//!
//! The Paeth filter is the slowest, because a pixel depends on the pixel to its left. Therefore four
//! consecutive Paeth rows are processed at the same time with SIMD. In each of the four rows, processing is
//! one pixel behind the row above, because a pixel also depends on the pixel above it.

use wide::u8x16;

/// The number of rows with the Paeth filter that are processed at the same time.
const N_TOGETHER: usize = 4;

/// Undoes the filters of rows of `n_bytes` bytes per pixel. In `filtered`, each row begins with the number of
/// its filter. `above` is the row above the first row. The error is a message for the user of the API.
pub(super) fn unfilter(
    filtered: &[u8],
    above: &[u8],
    rows: &mut [u8],
    n_bytes: usize,
) -> Result<(), &'static str> {
    match n_bytes {
        1 => unfilter_pixels::<1>(filtered, above, rows),
        3 => unfilter_pixels::<3>(filtered, above, rows),
        4 => unfilter_pixels::<4>(filtered, above, rows),
        _ => unreachable!("pixels have one, three or four bytes"),
    }
}

/// Undoes the filters of rows whose pixels have `N` bytes each.
fn unfilter_pixels<'a, const N: usize>(
    mut filtered: &[u8],
    mut above: &'a [u8],
    mut rows: &'a mut [u8],
) -> Result<(), &'static str> {
    let stride = above.len();
    while !rows.is_empty() {
        let n_paeth =
            filtered.chunks_exact(stride + 1).take(N_TOGETHER).take_while(|row| row[0] == 4).count();
        let n_done = if n_paeth == N_TOGETHER && stride >= N_TOGETHER * N { N_TOGETHER } else { 1 };
        let (now, rest) = rows.split_at_mut(n_done * stride);
        if n_done == 1 {
            unfilter_row::<N>(filtered[0], &filtered[1..=stride], above, now)?;
        } else {
            unfilter_four_paeth::<N>(filtered, above, now);
        }
        above = &now[(n_done - 1) * stride..];
        filtered = &filtered[n_done * (stride + 1)..];
        rows = rest;
    }
    Ok(())
}

/// Undoes the filter of one row.
fn unfilter_row<const N: usize>(
    filter: u8,
    filtered: &[u8],
    above: &[u8],
    row: &mut [u8],
) -> Result<(), &'static str> {
    let pixels = row.as_chunks_mut::<N>().0.iter_mut();
    let pixels = pixels.zip(filtered.as_chunks::<N>().0).zip(above.as_chunks::<N>().0);
    let mut left = [0; N];
    match filter {
        0 => row.copy_from_slice(filtered),
        1 => pixels.for_each(|((pixel, change), _)| {
            left = std::array::from_fn(|i| change[i].wrapping_add(left[i]));
            *pixel = left;
        }),
        2 => {
            for ((v, change), above) in row.iter_mut().zip(filtered).zip(above) {
                *v = change.wrapping_add(*above);
            }
        }
        3 => pixels.for_each(|((pixel, change), above)| {
            left = std::array::from_fn(|i| change[i].wrapping_add(left[i].midpoint(above[i])));
            *pixel = left;
        }),
        4 => {
            let mut above_left = [0; N];
            pixels.for_each(|((pixel, change), above)| {
                let predicted: [u8; N] = std::array::from_fn(|i| {
                    paeth(left[i].into(), above[i].into(), i16::from(above_left[i])) as u8
                });
                left = std::array::from_fn(|i| change[i].wrapping_add(predicted[i]));
                above_left = *above;
                *pixel = left;
            });
        }
        _ => return Err("a row has an unknown filter"),
    }
    Ok(())
}

/// The Paeth predictor: returns the value among `left`, `above` and `above_left` that is nearest to `left +
/// above - above_left`. If two distances are equal, the earlier value in this order is returned. The code
/// needs only two comparisons and follows `stb_image` by Sean Barrett.
fn paeth(left: i16, above: i16, above_left: i16) -> i16 {
    let threshold = above_left * 3 - (left + above);
    let (low, high) = (left.min(above), left.max(above));
    let nearest = if high <= threshold { low } else { above_left };
    if threshold <= low { high } else { nearest }
}

/// The state while four rows are processed: for each row, the pixel that was processed last and the pixel
/// above it. A pixel occupies four bytes.
#[derive(Clone, Copy, Default)]
struct Front {
    left: u8x16,
    above_left: u8x16,
}

impl Front {
    /// Undoes the filter of one pixel in each of the four rows and returns the four pixels. `next_above` is
    /// the next pixel above the first row; `changes` are the filtered pixels.
    ///
    /// Each group of four bytes in a SIMD register belongs to one of the four rows. Before the first pixel of
    /// its row is reached, a group gets zeros and therefore stays zero. After the last pixel of its row, the
    /// result of the group is not used.
    #[inline(always)]
    fn step<const N: usize>(
        &mut self,
        next_above: [u8; N],
        changes: [[u8; N]; N_TOGETHER],
    ) -> [[u8; N]; N_TOGETHER] {
        let [first, second, third, _]: [u32; N_TOGETHER] = bytemuck::cast(self.left);
        let above: u8x16 = bytemuck::cast([word(next_above), first, second, third]);
        let changes: u8x16 = bytemuck::cast(changes.map(word));
        self.left = changes + paeth_lanes(self.left, above, self.above_left);
        self.above_left = above;
        bytemuck::cast::<_, [u32; N_TOGETHER]>(self.left).map(pixel)
    }
}

/// Returns the bytes of a pixel as one 32-bit integer. If a pixel has fewer than four bytes, the missing
/// bytes are zero.
#[inline(always)]
fn word<const N: usize>(pixel: [u8; N]) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|i| if i < N { pixel[i] } else { 0 }))
}

/// Returns the bytes of a pixel from a 32-bit integer. This function is the inverse of [`word`].
#[inline(always)]
fn pixel<const N: usize>(word: u32) -> [u8; N] {
    let bytes = word.to_ne_bytes();
    std::array::from_fn(|i| bytes[i])
}

/// The predictor [`paeth`] for sixteen bytes at a time, in arithmetic of eight bits, after the encoder
/// `fpnge` by Luca Versari. `a` is the value to the left, `b` the value above, and `c` the value above left.
/// The predictor returns the value that has the smallest distance, which is the absolute difference from `a +
/// b − c`. If `c` does not lie between `a` and `b`, then `c` never has the smallest distance. If `c` lies
/// between them, the distance of `c` is the difference between the distances of `a` and `b`.
#[inline(always)]
fn paeth_lanes(a: u8x16, b: u8x16, c: u8x16) -> u8x16 {
    let distance_a = b.max(c) - b.min(c);
    let highest = a.max(c);
    let distance_b = highest - a.min(c);
    // All bits of a byte are set if `c` does not lie between `a` and `b`, because then exactly one of `a ≥ c`
    // and `c ≥ b` holds.
    let is_outside = highest.simd_eq(a) ^ b.min(c).simd_eq(b);
    let distance_c = (distance_a.max(distance_b) - distance_a.min(distance_b)) | is_outside;
    let smallest = distance_b.min(distance_c);
    let b_or_c = c ^ (smallest.simd_eq(distance_b) & (b ^ c));
    b_or_c ^ (distance_a.min(smallest).simd_eq(distance_a) & (a ^ b_or_c))
}

/// Undoes the Paeth filter in four rows of at least four pixels each.
fn unfilter_four_paeth<const N: usize>(filtered: &[u8], above: &[u8], rows: &mut [u8]) {
    let stride = above.len();
    let above = above.as_chunks::<N>().0;
    let mut changes: [&[[u8; N]]; N_TOGETHER] = [&[]; N_TOGETHER];
    for (pixels, row) in changes.iter_mut().zip(filtered.chunks_exact(stride + 1)) {
        *pixels = row[1..].as_chunks().0;
    }
    let mut output = rows.chunks_exact_mut(stride).map(|row| row.as_chunks_mut::<N>().0);
    let mut output: [&mut [[u8; N]]; N_TOGETHER] =
        std::array::from_fn(|_| output.next().expect("the caller passes four rows"));

    let n_columns = above.len();
    let mut front = Front::default();
    // Processes one pixel of each row at the left or right edge of the picture. The pixel of the first row is
    // at `column`. The pixel of each further row is one column more to the left, so that the pixel of the
    // fourth row is three columns to the left.
    let at_edge = |front: &mut Front, output: &mut [&mut [[u8; N]]; N_TOGETHER], column: usize| {
        let inside = |row: usize| column.checked_sub(row).filter(|&column| column < n_columns);
        let change = |row| inside(row).map_or([0; N], |column: usize| changes[row][column]);
        let next_above = above.get(column).copied().unwrap_or([0; N]);
        let pixels = front.step(next_above, std::array::from_fn(change));
        for (row, (output, pixel)) in output.iter_mut().zip(pixels).enumerate() {
            if let Some(column) = inside(row) {
                output[column] = pixel;
            }
        }
    };
    let lag = N_TOGETHER - 1;
    (0..lag).for_each(|column| at_edge(&mut front, &mut output, column));
    let n_inner = n_columns - lag;
    {
        let above = &above[lag..];
        let [f0, f1, f2, f3] = changes;
        let (f0, f1, f2, f3) = (&f0[3..], &f1[2..][..n_inner], &f2[1..][..n_inner], &f3[..n_inner]);
        let [m0, m1, m2, m3] = output.each_mut();
        let (m0, m1, m2, m3) =
            (&mut m0[3..], &mut m1[2..][..n_inner], &mut m2[1..][..n_inner], &mut m3[..n_inner]);
        // The loop uses a local copy of the state, because the compiler keeps a local copy in registers.
        let mut inner = front;
        for i in 0..n_inner {
            [m0[i], m1[i], m2[i], m3[i]] = inner.step(above[i], [f0[i], f1[i], f2[i], f3[i]]);
        }
        front = inner;
    }
    (n_columns..n_columns + lag).for_each(|column| at_edge(&mut front, &mut output, column));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters a row by the formulas of the PNG standard (ISO/IEC 15948, 9.2).
    fn filter(kind: u8, row: &[u8], above: &[u8], n_bytes: usize) -> Vec<u8> {
        let at = |bytes: &[u8], i: usize| i.checked_sub(n_bytes).map_or(0, |i| bytes[i]);
        let predicted = |i: usize| {
            let (a, b, c) = (i32::from(at(row, i)), i32::from(above[i]), i32::from(at(above, i)));
            match kind {
                0 => 0,
                1 => a,
                2 => b,
                3 => (a + b) / 2,
                _ => {
                    let p = a + b - c;
                    let distances = [(p - a).abs(), (p - b).abs(), (p - c).abs()];
                    let nearest = distances.iter().min().unwrap();
                    [a, b, c][distances.iter().position(|d| d == nearest).unwrap()]
                }
            }
        };
        (0..row.len()).map(|i| row[i].wrapping_sub(predicted(i) as u8)).collect()
    }

    /// Filters random rows and compares the result of [`unfilter`] with the original rows.
    fn round_trip(width: usize, n_bytes: usize, kinds: &[u8]) {
        let stride = width * n_bytes;
        let mut seed = 7u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // The samples mix small and large differences, so that the test reaches every branch of the Paeth
            // predictor.
            if seed >> 31 == 0 { (seed >> 24) as u8 } else { (seed >> 29) as u8 + 100 }
        };
        let above: Vec<u8> = (0..stride).map(|_| noise()).collect();
        let rows: Vec<u8> = (0..stride * kinds.len()).map(|_| noise()).collect();
        let mut filtered = Vec::new();
        for (i, &kind) in kinds.iter().enumerate() {
            let before = if i == 0 { &above[..] } else { &rows[(i - 1) * stride..i * stride] };
            filtered.push(kind);
            filtered.extend(filter(kind, &rows[i * stride..(i + 1) * stride], before, n_bytes));
        }
        let mut output = vec![0; rows.len()];
        unfilter(&filtered, &above, &mut output, n_bytes).unwrap();
        assert_eq!(output, rows, "{width} pixels of {n_bytes} bytes, filters {kinds:?}");
    }

    #[test]
    fn removing_png_filters_restores_the_original_rows_for_every_filter_type_and_image_width() {
        for n_bytes in [1, 3, 4] {
            for width in (1..12).chain([61]) {
                for kind in 0..=4 {
                    round_trip(width, n_bytes, &[kind]);
                }
                round_trip(width, n_bytes, &[4; 4]);
                round_trip(width, n_bytes, &[4, 4, 4, 1, 4, 4, 4, 4, 4, 4, 2, 3, 0, 4, 4, 4, 4]);
            }
        }
    }

    #[test]
    fn removing_a_png_row_filter_with_an_unknown_number_returns_an_error() {
        assert!(unfilter(&[5, 1, 2, 3], &[0; 3], &mut [0; 3], 3).is_err());
    }
}
