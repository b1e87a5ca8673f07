//! An encoder for the tests of coding processes that other encoders do not offer: arithmetic codes, lossless
//! coding, and 12 bits per sample. The encoder writes coefficients without quantisation loss, so that a
//! decoded image must equal the original up to rounding.

mod arithmetic;
#[path = "../../src/decode/arithmetic/estimates.rs"]
mod estimates;
mod huffman;

pub(crate) use self::arithmetic::{Conditioning, progressive, sequential};
pub(crate) use self::huffman::{extended, lossless};

/// The natural (row-major) index of each coefficient in zigzag order.
pub(crate) fn zigzag() -> [usize; 64] {
    let mut order: Vec<usize> = (0..64).collect();
    order.sort_by_key(|&i| {
        let (x, y) = (i % 8, i / 8);
        (x + y, if (x + y) % 2 == 0 { x } else { y })
    });
    order.try_into().unwrap()
}

/// One component: its sampling factors and its samples.
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) factors: (usize, usize),
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) samples: Vec<u16>,
}

impl Plane {
    /// Returns the sample in column `x` of row `y`. Outside of the plane, repeats the nearest sample.
    pub(crate) fn sample(&self, x: usize, y: usize) -> u16 {
        self.samples[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Transforms a block to coefficients in zigzag order. Samples have `precision` bits.
    fn coefficients(&self, column: usize, row: usize, precision: u32) -> [i32; 64] {
        let basis = |k: usize, n: usize| {
            let scale = if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            0.5 * scale * ((2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        zigzag().map(|place| {
            let (u, v) = (place % 8, place / 8);
            let term = |i: usize| {
                let sample = f64::from(self.sample(column * 8 + i % 8, row * 8 + i / 8));
                (sample - f64::from(1 << (precision - 1))) * basis(u, i % 8) * basis(v, i / 8)
            };
            (0..64).map(term).sum::<f64>().round() as i32
        })
    }
}

/// An image to encode.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) precision: u32,
    pub(crate) planes: Vec<Plane>,
    /// The number of MCUs between restart markers; 0 for none.
    pub(crate) restart_interval: usize,
}

impl Picture {
    /// Creates a gray image whose samples have `precision` bits.
    pub(crate) fn gray(width: usize, height: usize, precision: u32) -> Self {
        let pixels = crate::helpers::photo(width as u32, height as u32);
        let max = (1_u32 << precision) - 1;
        let sample = |pixel: &[u8; 3]| ((u32::from(pixel[1]) * max / 255) ^ u32::from(pixel[0] & 1)) as u16;
        let samples = pixels.as_chunks::<3>().0.iter().map(sample).collect();
        let plane = Plane { factors: (1, 1), width, height, samples };
        Self { precision, planes: vec![plane], restart_interval: 0 }
    }

    /// Creates an image of three components. The first has 2 × 2 samples for each sample of the others.
    pub(crate) fn subsampled(width: usize, height: usize, precision: u32) -> Self {
        let mut picture = Self::gray(width, height, precision);
        picture.planes[0].factors = (2, 2);
        let half = Self::gray(width.div_ceil(2), height.div_ceil(2), precision).planes;
        picture.planes.extend([half[0].clone(), half[0].clone()]);
        picture
    }

    /// The samples of the first component, scaled to 8 bits.
    pub(crate) fn expected(&self) -> Vec<u8> {
        let max = (1_u32 << self.precision) - 1;
        self.planes[0].samples.iter().map(|&v| ((u32::from(v) * 255 + max / 2) / max) as u8).collect()
    }

    /// How many MCUs an interleaved scan has horizontally and vertically, if a block has `unit` × `unit`
    /// samples.
    fn mcus(&self, unit: usize) -> (usize, usize) {
        let Plane { width, height, factors: (h, v), .. } = self.planes[0];
        if self.planes.len() == 1 {
            return (width.div_ceil(unit), height.div_ceil(unit));
        }
        (width.div_ceil(unit * h), height.div_ceil(unit * v))
    }

    /// The places of all blocks of an interleaved scan, MCU by MCU: component, column and row.
    fn interleaved(&self, unit: usize) -> Vec<Vec<(usize, usize, usize)>> {
        let (wide, high) = self.mcus(unit);
        let single = self.planes.len() == 1;
        let mcu = |x: usize, y: usize| {
            let planes = self.planes.iter().enumerate();
            planes
                .flat_map(|(i, plane)| {
                    let (h, v) = if single { (1, 1) } else { plane.factors };
                    (0..v).flat_map(move |row| (0..h).map(move |column| (i, x * h + column, y * v + row)))
                })
                .collect()
        };
        (0..high).flat_map(|y| (0..wide).map(move |x| mcu(x, y))).collect()
    }

    /// The places of the blocks of a scan of one component.
    fn blocks_of(&self, i: usize) -> Vec<Vec<(usize, usize, usize)>> {
        let Plane { width, height, .. } = self.planes[i];
        let rows = 0..height.div_ceil(8);
        rows.flat_map(|y| (0..width.div_ceil(8)).map(move |x| vec![(i, x, y)])).collect()
    }

    /// The segments before the first scan. All quantisation steps are 1.
    fn headers(&self, frame_marker: u8) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
        file.extend([1; 64]);
        let n = self.planes.len() as u8;
        let side = |side: usize| (side as u16).to_be_bytes();
        file.extend([0xff, frame_marker, 0, 8 + 3 * n, self.precision as u8]);
        file.extend([side(self.planes[0].height), side(self.planes[0].width)].concat());
        file.push(n);
        for (i, plane) in (1..).zip(&self.planes) {
            file.extend([i, (plane.factors.0 << 4 | plane.factors.1) as u8, 0]);
        }
        file.extend([0xff, 0xdd, 0, 4]);
        file.extend((self.restart_interval as u16).to_be_bytes());
        file
    }
}

/// Appends a scan header. `components` are indices; `selection` is the first coefficient or the predictor.
fn push_scan_header(file: &mut Vec<u8>, components: &[usize], [selection, last, planes]: [u8; 3]) {
    let n = components.len() as u8;
    file.extend([0xff, 0xda, 0, 6 + 2 * n, n]);
    components.iter().for_each(|&i| file.extend([i as u8 + 1, 0]));
    file.extend([selection, last, planes]);
}

/// Appends entropy-coded data, with a zero byte after each 0xff byte.
fn push_stuffed(file: &mut Vec<u8>, data: &[u8]) {
    for &byte in data {
        file.push(byte);
        if byte == 0xff {
            file.push(0);
        }
    }
}
