//! Paints a landscape by code: mountains behind a lake at sunset.
//!
//! The demo, the load tools and the tests need photographs of any size, but the repository contains only small
//! photographs.
//! The landscape has smooth gradients, texture, hard edges and film grain at every size, so that codecs and
//! resampling do as much work as they do for a photograph from a camera.
//!
//! The result is deterministic: the same size and seed give the same pixels on every machine.

mod light;
mod noise;
mod scene;

use self::light::Light;
use self::noise::{Coarse, smoothstep};
use self::scene::{Scene, WATERLINE, glow};

/// The number of bytes per pixel: one byte each for red, green and blue.
const N_CHANNELS: usize = 3;

/// The colour of dark water without a reflection, in linear light.
const DEEP_WATER: Light = Light([0.010, 0.030, 0.045]);

/// Paints a landscape of `width` × `height` pixels. Another `seed` gives other mountains, clouds and grain.
///
/// Returns sRGB pixels of three bytes (red, green, blue), row by row from the top, without padding between
/// rows: `width * height * 3` bytes.
///
/// # Panics
/// When `width` or `height` is 0.
pub fn landscape(width: u32, height: u32, seed: u64) -> Vec<u8> {
    assert!(width > 0 && height > 0, "a landscape has at least one pixel, got {width}x{height}");
    let scene = Scene::new(width, height, seed);
    let stride = width as usize * N_CHANNELS;
    let mut pixels = vec![0; stride * height as usize];
    let n_rows_of_land = ((height as f32 * WATERLINE) as usize).clamp(1, height as usize);
    let (land, water) = pixels.split_at_mut(stride * n_rows_of_land);

    for (row, pixels) in land.chunks_exact_mut(stride).enumerate() {
        let row = scene.row((row as f32 + 0.5) / height as f32);
        for (column, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = scene.at(&row, column).to_pixel();
        }
    }
    for (row, pixels) in water.chunks_exact_mut(stride).enumerate() {
        reflect(&scene, land, pixels, row, height);
    }
    for (row, pixels) in pixels.chunks_exact_mut(stride).enumerate() {
        light::grain(pixels, row as u32, seed);
    }
    pixels
}

/// Paints a row of the lake: a mirror image of the land, distorted by waves that grow towards the viewer.
fn reflect(scene: &Scene, land: &[u8], water: &mut [u8], row: usize, height: u32) {
    let stride = water.len();
    let n_columns = stride / N_CHANNELS;
    let n_rows_of_land = land.len() / stride;
    let depth = (row as f32 + 0.5) / height as f32;
    let away = 1.0 / (depth + 0.035);
    let waves = Coarse::new(n_columns, scene.step(), |column| {
        let (u, v) = ((scene.x(column) - 0.66) * away * 4.5 + 60.0, away * 9.0);
        let swell = scene.noise().fractal(u * 0.35, v, 3);
        [swell, scene.noise().fractal(u * 1.6 + 5.0, v * 4.0, 3)]
    });
    for (column, pixel) in water.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let [swell, ripple] = waves.at(column);
        let wave = (swell * 0.6 + ripple * 0.4) * smoothstep(0.0, 0.09, depth);

        let dy = depth * (1.0 + 0.10 * wave) + wave * 0.035;
        let from_row = n_rows_of_land as f32 - 1.0 - (dy * height as f32).max(0.0);
        let from_row = (from_row.max(0.0) as usize).min(n_rows_of_land - 1);
        let from_column = column as f32 + ripple * depth * 0.05 * height as f32;
        let from_column = (from_column.max(0.0) as usize).min(n_columns - 1);
        let at = from_row * stride + from_column * N_CHANNELS;
        let mirrored = Light([land[at], land[at + 1], land[at + 2]].map(|c| {
            let value = f32::from(c) * (1.0 / 255.0);
            value * value
        }));

        // At pixels where the viewer looks steeply at the water, the water has the colour of deep water; at
        // other pixels it reflects the scene. The slope of a wave changes the angle of view.
        let mirror = (0.90 - 0.75 * depth - 0.22 * wave).clamp(0.25, 0.95);
        let path = glow((scene.x(column) - scene.sun_x()) / (0.35 + depth), 0.0, 160.0);
        let glint = path * smoothstep(0.12, 0.42, swell * 0.5 + ripple * 0.9) * smoothstep(0.0, 0.05, depth);
        let light = DEEP_WATER.mix(mirrored, mirror) + Light([1.9, 1.25, 0.70]) * glint;
        // Mist along the shore hides the line between land and water.
        let mist = 0.30 * smoothstep(0.018, 0.0, depth);
        *pixel = light.mix(Light([0.62, 0.50, 0.46]), mist).to_pixel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_pictures_generated_from_equal_seeds_have_equal_pixels() {
        assert_eq!(landscape(64, 48, 7), landscape(64, 48, 7));
        assert_ne!(landscape(64, 48, 7), landscape(64, 48, 8));
    }

    #[test]
    fn generated_sample_picture_of_any_size_has_three_bytes_per_pixel() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 2), (550, 412), (31, 300)] {
            let pixels = landscape(width, height, 1);
            assert_eq!(pixels.len(), (width * height * 3) as usize, "{width}x{height}");
        }
    }

    #[test]
    fn generated_sample_picture_has_dark_and_bright_tones_and_fine_detail_like_a_photograph() {
        let pixels = landscape(550, 412, 1);
        let luma: Vec<i32> = pixels.as_chunks::<3>().0.iter().map(|p| i32::from(p[1])).collect();
        let mut sorted = luma.clone();
        sorted.sort_unstable();
        let (dark, bright) = (sorted[sorted.len() / 50], sorted[sorted.len() * 49 / 50]);
        assert!(dark < 70 && bright > 200, "from {dark} to {bright}");
        let steps: i64 = luma.windows(2).map(|pair| i64::from((pair[0] - pair[1]).abs())).sum();
        let mean = steps as f64 / luma.len() as f64;
        assert!((2.0..12.0).contains(&mean), "neighbours differ by {mean:.1} on average");
    }
}
