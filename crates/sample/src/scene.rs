//! The part of the landscape above the waterline: a sky with a low sun and clouds, and mountain ridges in
//! front of the sky.
//!
//! Coordinates are in units of the height of the picture. `x` grows to the right, `y` grows downwards from
//! the upper edge.

use super::light::Light;
use super::noise::{Coarse, Noise, hash, lerp, smoothstep, unit};

/// The `y` at which the land meets the lake.
pub(super) const WATERLINE: f32 = 0.61;

/// The `y` of the sun. The `x` of the sun is about a third of the width of the picture.
const SUN_Y: f32 = 0.36;

/// The colour of haze near the horizon.
const HAZE: Light = Light([0.86, 0.60, 0.46]);
/// The colour of sunlight.
const SUNLIGHT: Light = Light([1.55, 1.08, 0.66]);

/// A ridge of the scene: a mountain range or a line of trees.
struct Ridge {
    /// The `y` of the upper edge of the ridge, for every column.
    crest: Vec<f32>,
    /// The colour of the ridge in sunlight.
    lit: Light,
    /// The colour of the ridge in shade.
    shaded: Light,
    /// The fraction of the ridge's colour that haze replaces, 0–1.
    haze: f32,
    /// The frequency of the texture, in features per height of the picture. Trees have a higher frequency
    /// than rock.
    frequency: f32,
    /// The `y` above which the ridge has snow, except on steep rock. With 0, the ridge has no snow.
    snowline: f32,
}

/// The parts of the scene that are the same for all pixels.
pub(super) struct Scene {
    noise: Noise,
    sun_x: f32,
    /// The height of the picture in pixels.
    height: f32,
    /// The height of a pixel, as a fraction of the height of the picture.
    pixel: f32,
    n_octaves: u32,
    /// The ridges, the nearest one first.
    ridges: Vec<Ridge>,
    /// The `y` of the highest ridge in every column. Below this `y`, only land is visible.
    skyline: Vec<f32>,
}

/// The clouds in one row of pixels.
pub(super) struct CloudRow {
    y: f32,
    cover: Coarse,
}

impl Scene {
    /// Creates the scene from a seed, for a picture of `width` × `height` pixels.
    pub(super) fn new(width: u32, height: u32, seed: u64) -> Self {
        let height = height as f32;
        let pixel = 1.0 / height;
        let noise = Noise::new(seed);
        // The finest octave of the texture has about the size of a pixel. A finer octave would cause
        // aliasing; without this octave the picture would look out of focus.
        let n_octaves = ((height as u32).max(64).ilog2() - 3).min(9);
        let columns: Vec<f32> = (0..width).map(|column| (column as f32 + 0.5) * pixel).collect();
        let chain = |base: f32, rise: f32, frequency: f32, lane: f32| -> Vec<f32> {
            let crest = |&x: &f32| base - rise * noise.ridged(x * frequency + lane, lane * 1.7, n_octaves);
            columns.iter().map(crest).collect()
        };
        let forest = |base: f32, swell: f32, tree: f32, lane: u64| -> Vec<f32> {
            let ground = |x: f32| base + swell * noise.fractal(x * 2.3 + lane as f32 * 9.1, 3.3, 4);
            columns.iter().map(|&x| ground(x) - trees(x, tree, seed ^ lane)).collect()
        };
        let ridges = vec![
            wooded(forest(0.607, 0.030, 0.040, 1), [0.050, 0.052, 0.020], [0.008, 0.012, 0.009], 0.03),
            wooded(forest(0.590, 0.050, 0.026, 2), [0.075, 0.078, 0.030], [0.014, 0.022, 0.016], 0.10),
            wooded(forest(0.568, 0.075, 0.015, 3), [0.120, 0.110, 0.045], [0.026, 0.040, 0.034], 0.20),
            rocky(chain(0.60, 0.16, 2.6, 11.0), [0.24, 0.17, 0.11], [0.045, 0.055, 0.075], 0.22, 0.0),
            rocky(chain(0.60, 0.33, 1.7, 23.0), [0.36, 0.26, 0.19], [0.07, 0.09, 0.14], 0.32, 0.40),
            rocky(chain(0.58, 0.40, 1.2, 37.5), [0.40, 0.31, 0.25], [0.10, 0.13, 0.20], 0.55, 0.37),
        ];
        let highest = |column| ridges.iter().map(|ridge| ridge.crest[column]).fold(1.0, f32::min);
        let skyline = (0..width as usize).map(highest).collect();
        Self { noise, sun_x: width as f32 * pixel * 0.31, height, pixel, n_octaves, ridges, skyline }
    }

    /// The `x` of the centre of a pixel column.
    pub(super) fn x(&self, column: usize) -> f32 {
        (column as f32 + 0.5) * self.pixel
    }

    /// The distance, in columns, between two columns at which the values of a smooth function are computed.
    /// The distance is 1 in a small picture.
    pub(super) fn step(&self) -> usize {
        (self.height as usize / 750).clamp(1, 8)
    }

    /// Computes the clouds in the row of pixels at `y`.
    pub(super) fn row(&self, y: f32) -> CloudRow {
        let cover = Coarse::new(self.skyline.len(), self.step(), |column| {
            let hidden = self.skyline.get(column).is_some_and(|&skyline| y > skyline + 9.0 * self.pixel);
            if hidden { [0.0; 2] } else { self.clouds(self.x(column), y) }
        });
        CloudRow { y, cover }
    }

    /// The `x` of the sun.
    pub(super) fn sun_x(&self) -> f32 {
        self.sun_x
    }

    /// The noise that all textures use.
    pub(super) fn noise(&self) -> &Noise {
        &self.noise
    }

    /// Returns the colour of a pixel above the waterline.
    pub(super) fn at(&self, row: &CloudRow, column: usize) -> Light {
        let (x, y) = (self.x(column), row.y);
        let mut light = Light([0.0; 3]);
        let mut open = 1.0;
        for ridge in &self.ridges {
            let cover = ((y - ridge.crest[column]) * self.height + 0.5).clamp(0.0, 1.0) * open;
            if cover > 0.0 {
                light = light + self.ridge(ridge, ridge.crest[column], x, y) * cover;
                open -= cover;
            }
            if open <= 0.0 {
                return light;
            }
        }
        light + self.sky(row, column) * open
    }

    /// Returns the colour of a ridge at a point.
    fn ridge(&self, ridge: &Ridge, crest: f32, x: f32, y: f32) -> Light {
        let below = y - crest;
        let (u, v) = (x * ridge.frequency, (y * 1.3 + below * 0.4) * ridge.frequency);
        let n_octaves = self.n_octaves.clamp(3, 5);
        // The brightness depends on the slope of the surface towards the sun, so that every ridge is lit from
        // the side of the sun.
        let step = 0.05;
        let side = ((self.sun_x - x) * 2.5).clamp(-1.0, 1.0);
        let relief = self.noise.ridged(u, v, n_octaves);
        let slope = relief - self.noise.ridged(u + step * side, v - step, n_octaves - 1);
        let sunny = smoothstep(-0.10, 0.18, slope);
        let mut surface = ridge.shaded.mix(ridge.lit, sunny);
        if ridge.snowline > 0.0 {
            let above = ridge.snowline - y + (relief - 0.6) * 0.22;
            let colour = Light([0.24, 0.32, 0.50]).mix(Light([1.40, 1.08, 0.82]), sunny);
            surface = surface.mix(colour, smoothstep(-0.012, 0.030, above));
        }
        // The haze is denser near the water and glows around the sun.
        let low = smoothstep(0.20, 0.0, WATERLINE - y);
        let near_sun = glow(x - self.sun_x, y - SUN_Y, 11.0);
        let haze = (ridge.haze * (0.70 + 0.75 * low)).min(0.94);
        let air = Light([0.30, 0.38, 0.56]).mix(Light([1.02, 0.66, 0.44]), near_sun);
        surface.mix(air, haze)
    }

    /// Returns the colour of the sky at a pixel.
    fn sky(&self, row: &CloudRow, column: usize) -> Light {
        let (x, y) = (self.x(column), row.y);
        let low = (y / WATERLINE).clamp(0.0, 1.0);
        let zenith = Light([0.055, 0.15, 0.40]);
        let middle = Light([0.30, 0.46, 0.70]);
        let clear = zenith.mix(middle, smoothstep(0.0, 0.55, low)).mix(HAZE, smoothstep(0.35, 0.95, low));
        let (dx, dy) = (x - self.sun_x, y - SUN_Y);
        let distance = (dx * dx + dy * dy).sqrt();
        let halo = SUNLIGHT * (0.55 * glow(dx, dy, 30.0) + 0.9 * glow(dx, dy, 420.0));
        let disc = SUNLIGHT * (14.0 * smoothstep(0.0135, 0.0105, distance));
        let open = clear + halo;

        let [density, thickness] = row.cover.at(column);
        let near_sun = glow(dx, dy, 6.0);
        let bright = Light([0.98, 0.86, 0.78]).mix(Light([1.9, 1.30, 0.78]), near_sun);
        let dark = Light([0.27, 0.29, 0.38]).mix(Light([0.62, 0.42, 0.38]), near_sun);
        let cloud = bright.mix(dark, thickness).mix(open, 0.12 + 0.35 * smoothstep(0.5, 1.0, low));
        (open + disc * (1.0 - density)).mix(cloud, density)
    }

    /// Returns two properties of the clouds at a point, both 0–1: the fraction of the sky that the clouds
    /// hide, and the fraction of light that they absorb.
    fn clouds(&self, x: f32, y: f32) -> [f32; 2] {
        // The clouds are a flat layer seen from below. Near the horizon they are far away and look
        // compressed.
        let away = 0.30 / (0.74 - y);
        let (u, v) = ((x - 0.66) * away * 3.6 + 40.0, away * 8.0 + 9.0);
        let warp = self.noise.fractal(u * 0.7 + 31.0, v * 0.7, 3);
        let (u, v) = (u + warp * 0.9, v + warp * 0.5);
        let cover = self.noise.fractal(u, v, self.n_octaves.min(7)) + 0.28 * warp;
        let density = smoothstep(-0.02, 0.28, cover);
        if density <= 0.0 {
            return [0.0, 0.0];
        }
        let towards_sun = self.noise.fractal(u + (self.sun_x - x) * 0.5, v + 0.22, 4);
        let thickness = smoothstep(0.02, 0.44, cover * 0.8 + towards_sun * 0.55);
        [density * 0.95, thickness]
    }
}

/// Returns the brightness at a distance of `(dx, dy)` from a light. The brightness is 1 at the centre. A
/// larger `k` gives a faster decrease.
pub(super) fn glow(dx: f32, dy: f32, k: f32) -> f32 {
    1.0 / (1.0 + k * (dx * dx + dy * dy))
}

/// Creates a mountain range.
fn rocky(crest: Vec<f32>, lit: [f32; 3], shaded: [f32; 3], haze: f32, snowline: f32) -> Ridge {
    Ridge { crest, lit: Light(lit), shaded: Light(shaded), haze, frequency: 7.0, snowline }
}

/// Creates a line of trees.
fn wooded(crest: Vec<f32>, lit: [f32; 3], shaded: [f32; 3], haze: f32) -> Ridge {
    Ridge { crest, lit: Light(lit), shaded: Light(shaded), haze, frequency: 46.0, snowline: 0.0 }
}

/// Returns the height of the treetops at `x`. The trees are overlapping spruces of at most the height
/// `height`.
fn trees(x: f32, height: f32, seed: u64) -> f32 {
    let spacing = height * 0.30;
    let cell = (x / spacing) as i64;
    let mut top: f32 = 0.0;
    for neighbour in cell - 2..=cell + 2 {
        let bits = hash(seed.wrapping_mul(31).wrapping_add(neighbour as u64));
        let (place, size) = (unit(bits as u32), unit((bits >> 32) as u32));
        let tall = height * lerp(0.35, 1.0, size * size);
        let distance = (x - (neighbour as f32 + place) * spacing).abs();
        // Draws branches: from the top to the ground, the outline moves outwards and back five times.
        let down = distance / (tall * 0.24);
        let branch = (down * 5.0 - ((down * 5.0) as i32) as f32) * 0.13;
        top = top.max(tall * (1.0 - down - branch * down));
    }
    top
}
