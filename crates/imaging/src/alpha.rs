//! Arithmetic on pixels of four bytes: red, green, blue and alpha. Results are rounded to the nearest
//! integer.

/// Composites `from` over `under` by the operator "over" of Porter and Duff (1984). Both pixels and the
/// result have straight alpha.
#[inline]
pub(crate) fn over(from: [u8; 4], under: [u8; 4]) -> [u8; 4] {
    if from[3] == 255 || under[3] == 0 {
        return from;
    }
    if from[3] == 0 {
        return under;
    }
    let alpha = u32::from(from[3]) * 255;
    let rest = u32::from(under[3]) * (255 - u32::from(from[3]));
    let sum = alpha + rest;
    let mix = |i: usize| ((u32::from(from[i]) * alpha + u32::from(under[i]) * rest + sum / 2) / sum) as u8;
    [mix(0), mix(1), mix(2), ((sum + 127) / 255) as u8]
}

/// Converts a pixel from premultiplied to straight alpha. If the alpha of the pixel is 0, all four bytes of
/// the result are 0.
#[inline]
pub(crate) fn unpremultiply([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let divided = |v: u8| match u32::from(a) {
        0 => 0,
        alpha => ((u32::from(v) * 255 + alpha / 2) / alpha).min(255) as u8,
    };
    [divided(r), divided(g), divided(b), a]
}
