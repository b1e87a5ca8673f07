//! The colours of an image with their frequencies, and the palette that represents them best.

use quantette::deps::palette::Oklab;

use super::{Color, Palette, distance, to_pixels, to_points};
use crate::Image;

/// The largest number of pixels that are counted. From a larger image, evenly spaced pixels are taken.
const MAX_SAMPLES: usize = 1 << 19;

/// The largest number of colours that are counted exactly. If there are more, colours that agree in the upper
/// bits of each channel are counted together.
const MAX_EXACT: usize = 1 << 13;

/// How many times k-means moves the colours.
const N_MOVES: usize = 4;

/// The share of a palette colour's pixels that one colour of the image must have to be taken unchanged. Areas
/// of one colour then keep this colour exactly, and need no dithering.
const DOMINANT_SHARE: f32 = 0.5;

/// One colour of the image, or several similar colours that are counted together.
#[derive(Clone, Copy)]
struct Entry {
    point: Color,
    /// Number of pixels.
    weight: f32,
    /// The index of the palette colour to which the entry belongs.
    nearest: u8,
}

/// The colours of an image with their frequencies. Transparent pixels are not counted.
pub(in crate::codecs) struct Histogram {
    entries: Vec<Entry>,
}

impl Histogram {
    /// Counts the colours of an RGBA image. Returns `None` if all pixels are transparent.
    pub(in crate::codecs) fn of(image: &Image) -> Option<Self> {
        let pixels = image.data().as_chunks::<4>().0;
        let step = pixels.len().div_ceil(MAX_SAMPLES);
        // An odd step does not meet the same column in every row of an image of even width.
        let step = if step > 1 { step | 1 } else { 1 };
        let samples = pixels.iter().step_by(step).copied().filter(|pixel| pixel[3] != 0);
        let mut keys: Vec<u32> = samples.map(u32::from_be_bytes).collect();
        if keys.is_empty() {
            // The samples can miss the few pixels that are not transparent.
            keys.extend(pixels.iter().find(|pixel| pixel[3] != 0).copied().map(u32::from_be_bytes));
        }
        keys.sort_unstable();
        let mut counted = count(&keys, |key| key);
        if counted.len() > MAX_EXACT {
            // Five bits of each channel. Opaque pixels are not counted together with others.
            let coarse = |key: u32| key & if key & 0xff == 0xff { 0xf8f8_f8ff } else { 0xf8f8_f8f8 };
            keys.sort_unstable_by_key(|&key| (coarse(key), key));
            counted = count(&keys, coarse);
        }
        let colors: Vec<[u8; 4]> = counted.iter().map(|&(color, _)| color).collect();
        let entries = to_points(&colors).into_iter().zip(&counted);
        let entries: Vec<Entry> =
            entries.map(|(point, &(_, n))| Entry { point, weight: n as f32, nearest: 0 }).collect();
        (!entries.is_empty()).then_some(Self { entries })
    }

    /// Makes the palette of at most `max_colors` colours, 1 to 256, that represents the image best.
    pub(in crate::codecs) fn palette(&mut self, max_colors: usize) -> Palette {
        let mut centers = boxes(&mut self.entries, max_colors);
        self.entries.iter_mut().for_each(|entry| entry.nearest = 0);
        for _ in 0..N_MOVES {
            let palette = Palette::new(to_pixels(&centers));
            self.assign(&palette);
            self.move_centers(&mut centers);
        }
        self.keep_dominant(&mut centers);
        let mut colors = to_pixels(&centers);
        colors.sort_by_key(|&[r, g, b, a]| (a, u32::from(r) + u32::from(g) + u32::from(b), r, g, b));
        colors.dedup();
        let mut palette = Palette::new(colors);
        self.entries.iter_mut().for_each(|entry| entry.nearest = 0);
        palette.error = self.assign(&palette);
        palette
    }

    /// The mean squared distance between the colours of the image and the nearest colours of a palette.
    pub(in crate::codecs) fn error(&self, palette: &Palette) -> f32 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for entry in &self.entries {
            let nearest = palette.nearest(entry.point, 0);
            sum += f64::from(distance(entry.point, palette.point(nearest)) * entry.weight);
            weights += f64::from(entry.weight);
        }
        (sum / weights) as f32
    }

    /// Finds the nearest palette colour of each entry. Returns the mean squared distance.
    fn assign(&mut self, palette: &Palette) -> f32 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for entry in &mut self.entries {
            entry.nearest = palette.nearest(entry.point, entry.nearest);
            sum += f64::from(distance(entry.point, palette.point(entry.nearest)) * entry.weight);
            weights += f64::from(entry.weight);
        }
        (sum / weights) as f32
    }

    /// Moves each center to the mean of its entries. A center without entries stays where it is.
    fn move_centers(&self, centers: &mut [Color]) {
        let mut sums = vec![([0.0f32; 4], 0.0f32); centers.len()];
        for entry in &self.entries {
            let (sum, weight) = &mut sums[usize::from(entry.nearest)];
            sum.iter_mut().zip(channels(entry.point)).for_each(|(sum, v)| *sum += v * entry.weight);
            *weight += entry.weight;
        }
        for (center, (sum, weight)) in centers.iter_mut().zip(sums) {
            if weight > 0.0 {
                *center = from_channels(sum.map(|v| v / weight));
            }
        }
    }

    /// Moves a center to an entry if the entry has most of the pixels of the center, and makes a center opaque
    /// if most of its pixels are opaque.
    fn keep_dominant(&self, centers: &mut [Color]) {
        let mut weights = vec![(0.0, 0.0); centers.len()];
        for entry in &self.entries {
            let (all, opaque) = &mut weights[usize::from(entry.nearest)];
            *all += entry.weight;
            *opaque += if entry.point.alpha == 1.0 { entry.weight } else { 0.0 };
        }
        for (center, (all, opaque)) in centers.iter_mut().zip(&weights) {
            if *opaque > all * DOMINANT_SHARE {
                let scale = 1.0 / center.alpha;
                *center = from_channels(channels(*center).map(|v| v * scale));
            }
        }
        for entry in &self.entries {
            let center = usize::from(entry.nearest);
            if entry.weight > weights[center].0 * DOMINANT_SHARE {
                centers[center] = entry.point;
            }
        }
    }
}

/// Counts the keys that agree in `group`. Keys of a group are next to each other. Returns the mean colour of
/// each group.
fn count(keys: &[u32], group: impl Fn(u32) -> u32) -> Vec<([u8; 4], u32)> {
    let mean = |keys: &[u32]| {
        let mut sums = [0u32; 4];
        for &key in keys {
            sums.iter_mut().zip(key.to_be_bytes()).for_each(|(sum, v)| *sum += u32::from(v));
        }
        let n = keys.len() as u32;
        (sums.map(|sum| ((sum + n / 2) / n) as u8), n)
    };
    keys.chunk_by(|&a, &b| group(a) == group(b)).map(mean).collect()
}

/// A range of the entries, with the sum of the squared distances of its entries to their mean.
struct Part {
    start: usize,
    end: usize,
    mean: [f32; 4],
    /// The channel in which the entries differ most.
    channel: usize,
    spread: f32,
}

/// Divides the entries into at most `n` boxes, and returns the mean of each box. The box with the largest
/// spread is divided at its mean, in the channel in which its entries differ most.
fn boxes(entries: &mut [Entry], n: usize) -> Vec<Color> {
    let mut boxes = vec![measure(entries, 0, entries.len())];
    while boxes.len() < n {
        let widest = (0..boxes.len()).max_by(|&a, &b| boxes[a].spread.total_cmp(&boxes[b].spread));
        let widest = widest.expect("there is at least one box");
        let Part { start, end, mean, channel, spread } = boxes[widest];
        if spread <= 0.0 {
            break;
        }
        let middle = start
            + partition(&mut entries[start..end], |entry| channels(entry.point)[channel] < mean[channel]);
        if middle == start || middle == end {
            // All entries are on one side of the rounded mean.
            boxes[widest].spread = 0.0;
            continue;
        }
        boxes[widest] = measure(entries, start, middle);
        boxes.push(measure(entries, middle, end));
    }
    boxes.iter().map(|part| from_channels(part.mean)).collect()
}

/// Moves the entries for which `first` holds before the others. Returns their number.
fn partition(entries: &mut [Entry], first: impl Fn(&Entry) -> bool) -> usize {
    let mut n = 0;
    for i in 0..entries.len() {
        if first(&entries[i]) {
            entries.swap(i, n);
            n += 1;
        }
    }
    n
}

fn measure(entries: &[Entry], start: usize, end: usize) -> Part {
    let (mut sum, mut squares, mut weight) = ([0.0f64; 4], [0.0f64; 4], 0.0f64);
    for entry in &entries[start..end] {
        let n = f64::from(entry.weight);
        weight += n;
        for (i, v) in channels(entry.point).into_iter().enumerate() {
            sum[i] += f64::from(v) * n;
            squares[i] += f64::from(v) * f64::from(v) * n;
        }
    }
    let spreads: [f64; 4] = std::array::from_fn(|i| squares[i] - sum[i] * sum[i] / weight);
    let channel = (0..4).max_by(|&a, &b| spreads[a].total_cmp(&spreads[b])).expect("there are four channels");
    let spread = if end - start > 1 { spreads.iter().sum::<f64>() as f32 } else { 0.0 };
    Part { start, end, mean: sum.map(|sum| (sum / weight) as f32), channel, spread }
}

fn channels(point: Color) -> [f32; 4] {
    [point.color.l, point.color.a, point.color.b, point.alpha]
}

fn from_channels([l, a, b, alpha]: [f32; 4]) -> Color {
    Color { color: Oklab::new(l, a, b), alpha }
}
