//! Tells drawings from photographs.

/// The share of pixels with the colour of their left neighbour from which a picture counts as a drawing. Of 28
/// photographs, one has a larger share; of ten drawings, one has a smaller one.
const DRAWING_SHARE: f64 = 0.4;

/// Whether a picture has large areas of one colour. `data` has rows of `width` pixels with `n_channels` bytes each.
pub(super) fn is_drawing(data: &[u8], width: u32, n_channels: usize) -> bool {
    let n_equal: usize = data
        .chunks_exact(width as usize * n_channels)
        .map(|row| {
            let pairs = row.chunks_exact(n_channels).zip(row[n_channels..].chunks_exact(n_channels));
            pairs.filter(|(left, pixel)| left == pixel).count()
        })
        .sum();
    n_equal as f64 >= DRAWING_SHARE * (data.len() / n_channels) as f64
}
