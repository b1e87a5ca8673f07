//! The five filters of PNG, undone (ISO/IEC 15948, 9.2).
//!
//! Paeth is the one that costs: a pixel waits for the one before it. Four rows of it are therefore undone
//! side by side, each one pixel behind the row above, whose last pixel is just what it needs.

use wide::u8x16;

/// Rows that are undone together.
const N_TOGETHER: usize = 4;

/// Undoes the filters of some rows of `n_bytes` bytes per pixel: `filtered` has the number of its filter
/// before each row, `above` is the row before the first. An error in words.
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
            one::<N>(filtered[0], &filtered[1..=stride], above, now)?;
        } else {
            four_of_paeth::<N>(filtered, above, now);
        }
        above = &now[(n_done - 1) * stride..];
        filtered = &filtered[n_done * (stride + 1)..];
        rows = rest;
    }
    Ok(())
}

/// Undoes the filter of one row.
fn one<const N: usize>(
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

/// Whichever of `left`, `above` and `above_left` is nearest to `left + above - above_left`, the earlier one
/// if two are: written as two comparisons, after Sean Barrett's `stb_image`.
fn paeth(left: i16, above: i16, above_left: i16) -> i16 {
    let threshold = above_left * 3 - (left + above);
    let (low, high) = (left.min(above), left.max(above));
    let nearest = if high <= threshold { low } else { above_left };
    if threshold <= low { high } else { nearest }
}

/// Where four rows are: their last pixels, and the pixels above those, four bytes each.
#[derive(Clone, Copy, Default)]
struct Front {
    left: u8x16,
    above_left: u8x16,
}

impl Front {
    /// Goes one pixel to the right in each row. `next_above` is the next pixel above the first row, `changes`
    /// are the filtered pixels of the four rows; those that come out are returned.
    ///
    /// Before its row begins, a lane is given zeros, and keeps to zero; what it does after the end of its row
    /// is not used.
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

/// The bytes of a pixel as one number, and zeros.
#[inline(always)]
fn word<const N: usize>(pixel: [u8; N]) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|i| if i < N { pixel[i] } else { 0 }))
}

/// Its inverse.
#[inline(always)]
fn pixel<const N: usize>(word: u32) -> [u8; N] {
    let bytes = word.to_ne_bytes();
    std::array::from_fn(|i| bytes[i])
}

/// [`paeth`] of sixteen bytes, without leaving bytes, after Luca Versari's `fpnge`: where `c` does not lie
/// between `a` and `b`, it is never the nearest; where it does, its distance is the difference of the other
/// two.
#[inline(always)]
fn paeth_lanes(a: u8x16, b: u8x16, c: u8x16) -> u8x16 {
    let distance_a = b.max(c) - b.min(c);
    let highest = a.max(c);
    let distance_b = highest - a.min(c);
    // All bits set where a ≥ c but not c ≥ b, or the other way round.
    let is_outside = highest.simd_eq(a) ^ b.min(c).simd_eq(b);
    let distance_c = (distance_a.max(distance_b) - distance_a.min(distance_b)) | is_outside;
    let smallest = distance_b.min(distance_c);
    let b_or_c = c ^ (smallest.simd_eq(distance_b) & (b ^ c));
    b_or_c ^ (distance_a.min(smallest).simd_eq(distance_a) & (a ^ b_or_c))
}

/// Undoes Paeth in four rows, each at least four pixels long.
fn four_of_paeth<const N: usize>(filtered: &[u8], above: &[u8], rows: &mut [u8]) {
    let stride = above.len();
    let above = above.as_chunks::<N>().0;
    let mut changes: [&[[u8; N]]; N_TOGETHER] = [&[]; N_TOGETHER];
    for (pixels, row) in changes.iter_mut().zip(filtered.chunks_exact(stride + 1)) {
        *pixels = row[1..].as_chunks().0;
    }
    let mut made = rows.chunks_exact_mut(stride).map(|row| row.as_chunks_mut::<N>().0);
    let mut made: [&mut [[u8; N]]; N_TOGETHER] =
        std::array::from_fn(|_| made.next().expect("four rows were asked for"));

    let n_columns = above.len();
    let mut front = Front::default();
    // The first row is at `column`, the last one three pixels behind.
    let at_edge = |front: &mut Front, made: &mut [&mut [[u8; N]]; N_TOGETHER], column: usize| {
        let inside = |row: usize| column.checked_sub(row).filter(|&column| column < n_columns);
        let change = |row| inside(row).map_or([0; N], |column: usize| changes[row][column]);
        let next_above = above.get(column).copied().unwrap_or([0; N]);
        let pixels = front.step(next_above, std::array::from_fn(change));
        for (row, (made, pixel)) in made.iter_mut().zip(pixels).enumerate() {
            if let Some(column) = inside(row) {
                made[column] = pixel;
            }
        }
    };
    let lag = N_TOGETHER - 1;
    (0..lag).for_each(|column| at_edge(&mut front, &mut made, column));
    let n_inner = n_columns - lag;
    {
        let above = &above[lag..];
        let [f0, f1, f2, f3] = changes;
        let (f0, f1, f2, f3) = (&f0[3..], &f1[2..][..n_inner], &f2[1..][..n_inner], &f3[..n_inner]);
        let [m0, m1, m2, m3] = made.each_mut();
        let (m0, m1, m2, m3) =
            (&mut m0[3..], &mut m1[2..][..n_inner], &mut m2[1..][..n_inner], &mut m3[..n_inner]);
        // A copy, which stays in registers.
        let mut inner = front;
        for i in 0..n_inner {
            [m0[i], m1[i], m2[i], m3[i]] = inner.step(above[i], [f0[i], f1[i], f2[i], f3[i]]);
        }
        front = inner;
    }
    (n_columns..n_columns + lag).for_each(|column| at_edge(&mut front, &mut made, column));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters a row, straight from the standard.
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

    fn round_trip(width: usize, n_bytes: usize, kinds: &[u8]) {
        let stride = width * n_bytes;
        let mut seed = 7u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Small and large steps: every branch of Paeth.
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
        let mut made = vec![0; rows.len()];
        unfilter(&filtered, &above, &mut made, n_bytes).unwrap();
        assert_eq!(made, rows, "{width} pixels of {n_bytes} bytes, filters {kinds:?}");
    }

    #[test]
    fn every_filter_is_undone_whatever_the_size() {
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
    fn an_unknown_filter_is_an_error() {
        assert!(unfilter(&[5, 1, 2, 3], &[0; 3], &mut [0; 3], 3).is_err());
    }
}
