//! Finds the part of a frame that differs from the previous frame of an animation. The encoders of GIF and
//! APNG write only this part.

use super::canvas::Area;
use crate::Image;

/// The smallest rectangle that contains all pixels in which the two images differ. If the images are equal,
/// the result is the rectangle that contains only the upper left pixel. Both images must have the same size
/// and channels.
pub(super) fn changed_area(before: &Image, after: &Image) -> Area {
    debug_assert_eq!((before.width(), before.channels()), (after.width(), after.channels()));
    let n_bytes = after.channels().count();
    let stride = after.width() as usize * n_bytes;
    let rows = || before.data().chunks_exact(stride).zip(after.data().chunks_exact(stride));
    let Some(top) = rows().position(|(a, b)| a != b) else {
        return Area { left: 0, top: 0, width: 1, height: 1 };
    };
    let bottom = rows().rposition(|(a, b)| a != b).expect("at least the row `top` differs");
    let (mut left, mut right) = (stride, 0);
    for (a, b) in rows().take(bottom + 1).skip(top) {
        let differs = |&i: &usize| a[i] != b[i];
        if let Some(first) = (0..left).find(differs) {
            left = first;
        }
        if let Some(last) = (right..stride).rfind(differs) {
            right = last;
        }
    }
    let (left, right) = (left / n_bytes, right / n_bytes);
    Area { left, top, width: right - left + 1, height: bottom - top + 1 }
}

/// Iterates over the rows of the rectangle `area`. Each row is the bytes of its pixels.
pub(super) fn rows_of(image: &Image, area: Area) -> impl Iterator<Item = &[u8]> {
    let n_bytes = image.channels().count();
    image
        .data()
        .chunks_exact(image.width() as usize * n_bytes)
        .skip(area.top)
        .take(area.height)
        .map(move |row| &row[area.left * n_bytes..(area.left + area.width) * n_bytes])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    #[test]
    fn changed_area_between_two_animation_frames_is_the_smallest_rectangle_with_all_changed_pixels() {
        let before = Image::new(9, 7, Channels::Rgb, vec![5; 9 * 7 * 3]);
        for (points, expected) in [
            (&[][..], (0, 0, 1, 1)),
            (&[(3, 2)][..], (3, 2, 1, 1)),
            (&[(0, 0), (8, 6)][..], (0, 0, 9, 7)),
            (&[(5, 1), (2, 4)][..], (2, 1, 4, 4)),
            (&[(2, 4), (2, 1), (7, 2)][..], (2, 1, 6, 4)),
        ] {
            let mut after = before.clone();
            for &(x, y) in points {
                after.data_mut()[(y * 9 + x) * 3 + 1] = 6;
            }
            let (left, top, width, height) = expected;
            assert_eq!(changed_area(&before, &after), Area { left, top, width, height }, "{points:?}");
        }
    }
}
