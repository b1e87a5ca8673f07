//! Converts CIE L*a*b* to sRGB. The white point is D50, the usual white point of files for print.

/// The XYZ values of the white point D50 (ICC.1, 6.3.4.3).
const D50: [f32; 3] = [0.9642, 1.0, 0.8249];

/// The matrix that converts XYZ values relative to D50 to linear sRGB: the matrix of IEC 61966-2-1 with
/// Bradford adaptation.
const XYZ_TO_RGB: [[f32; 3]; 3] = [
    [3.133_856, -1.616_867, -0.490_615],
    [-0.978_768, 1.916_142, 0.033_454],
    [0.071_945, -0.228_991, 1.405_243],
];

/// The number of entries of the table that converts linear light to sRGB. The number is so large that every
/// sRGB value occurs in the table, even the darkest values.
const N_STEPS: usize = 1 << 14;

/// The conversion from CIE L*a*b* to sRGB, with a precomputed table of the sRGB curve.
pub(crate) struct CielabToSrgb {
    /// The sRGB value for every step of linear light, from black to full intensity.
    curve: Vec<u8>,
}

impl CielabToSrgb {
    /// Creates the conversion and computes the table of the sRGB curve.
    pub(crate) fn new() -> Self {
        let curve = (0..=N_STEPS).map(|i| {
            let light = i as f32 / N_STEPS as f32;
            let v = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
            (v * 255.0 + 0.5) as u8
        });
        Self { curve: curve.collect() }
    }

    /// Converts a colour with L* from 0 to 100 and with signed a* and b*, which are 0 for gray (CIE 15,
    /// 8.2.1). A colour outside of sRGB is clipped in each channel.
    pub(crate) fn color(&self, [l, a, b]: [f32; 3]) -> [u8; 3] {
        let fy = (l + 16.0) / 116.0;
        let linear = |f: f32| if f > 6.0 / 29.0 { f * f * f } else { (f - 4.0 / 29.0) * (108.0 / 841.0) };
        let [x, y, z] = [fy + a / 500.0, fy, fy - b / 200.0].map(linear);
        let xyz = [x * D50[0], y * D50[1], z * D50[2]];
        XYZ_TO_RGB.map(|[wx, wy, wz]| {
            let light = (wx * xyz[0] + wy * xyz[1] + wz * xyz[2]).clamp(0.0, 1.0);
            self.curve[(light * N_STEPS as f32 + 0.5) as usize]
        })
    }
}
