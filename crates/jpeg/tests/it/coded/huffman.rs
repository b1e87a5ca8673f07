//! Encodes with Huffman codes of equal length: extended sequential coding, which allows 12 bits per sample,
//! and lossless coding (T.81 annex H).

use super::{Picture, push_scan_header, push_stuffed};

/// The number of bits of each code of the DC table and of the AC table.
const DC_BITS: usize = 5;
const AC_BITS: usize = 9;

/// Writes bits, the highest bit first.
#[derive(Default)]
struct Bits(Vec<u8>);

impl Bits {
    fn push(&mut self, value: u32, n: usize) {
        self.0.extend((0..n).rev().map(|i| (value >> i & 1) as u8));
    }

    /// Writes the category of a value as a code of `n` bits after `run` zeros, and then the value.
    fn push_value(&mut self, run: u32, value: i32, n: usize) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        self.push(run << 4 | size, n);
        if size < 16 {
            let value = if value < 0 { value - 1 } else { value };
            self.push(value.cast_unsigned() & ((1 << size) - 1), size as usize);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(8), 1);
        self.0.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
    }
}

/// Appends a Huffman table in which the code of each symbol is the symbol itself.
fn push_table(file: &mut Vec<u8>, head: u8, n_bits: usize, n_symbols: usize) {
    file.extend([0xff, 0xc4]);
    file.extend((19 + n_symbols as u16).to_be_bytes());
    file.push(head);
    let mut counts = [0; 16];
    // The number of codes of one length is stored in a byte. The last symbol of a full table is left out; no
    // test needs it.
    counts[n_bits - 1] = n_symbols as u8;
    file.extend(counts);
    file.extend((0..n_symbols).map(|symbol| symbol as u8));
}

/// Encodes an image with extended sequential coding (SOF1).
pub(crate) fn extended(picture: &Picture) -> Vec<u8> {
    let mut file = picture.headers(0xc1);
    push_table(&mut file, 0x00, DC_BITS, 16);
    push_table(&mut file, 0x10, AC_BITS, 255);
    let components: Vec<usize> = (0..picture.planes.len()).collect();
    push_scan_header(&mut file, &components, [0, 63, 0]);
    let (mut bits, mut predicted) = (Bits::default(), [0; 3]);
    for (component, x, y) in picture.interleaved(8).into_iter().flatten() {
        let coefs = picture.planes[component].coefficients(x, y, picture.precision);
        bits.push_value(0, coefs[0] - predicted[component], DC_BITS);
        predicted[component] = coefs[0];
        let mut run = 0;
        for &coef in &coefs[1..] {
            if coef == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                bits.push(0xf0, AC_BITS);
                run -= 16;
            }
            bits.push_value(run, coef, AC_BITS);
            run = 0;
        }
        if run > 0 {
            bits.push(0, AC_BITS);
        }
    }
    push_stuffed(&mut file, &bits.finish());
    file.extend([0xff, 0xd9]);
    file
}

/// Encodes an image with lossless coding (SOF3). `n_low_bits` low bits of each sample are left out.
pub(crate) fn lossless(picture: &Picture, predictor: u8, n_low_bits: u32) -> Vec<u8> {
    let mut file = picture.headers(0xc3);
    push_table(&mut file, 0x00, DC_BITS, 17);
    let components: Vec<usize> = (0..picture.planes.len()).collect();
    push_scan_header(&mut file, &components, [predictor, 0, n_low_bits as u8]);
    let mcus = picture.interleaved(1);
    let n = if picture.restart_interval == 0 { mcus.len() } else { picture.restart_interval };
    for (i, mcus) in mcus.chunks(n).enumerate() {
        if i > 0 {
            file.extend([0xff, 0xd0 + (i as u8 - 1) % 8]);
        }
        let first = mcus[0].clone();
        let mut bits = Bits::default();
        for &(component, x, y) in mcus.iter().flatten() {
            let plane = &picture.planes[component];
            let sample = |x: usize, y: usize| i32::from(plane.sample(x, y) >> n_low_bits);
            let top = first.iter().find(|place| place.0 == component).unwrap().2;
            let predicted = match (x, y - top) {
                (0, 0) => 1 << (picture.precision - n_low_bits - 1),
                (x, 0) => sample(x - 1, y),
                (0, _) => sample(0, y - 1),
                (x, _) => predict(predictor, sample(x - 1, y), sample(x, y - 1), sample(x - 1, y - 1)),
            };
            let difference = sample(x, y) - predicted;
            // Differences are stored modulo 65,536, from −32,767 to 32,768.
            let difference = (difference + 32_767).rem_euclid(65_536) - 32_767;
            bits.push_value(0, difference, DC_BITS);
        }
        push_stuffed(&mut file, &bits.finish());
    }
    file.extend([0xff, 0xd9]);
    file
}

/// The predictors of T.81 table H.1.
fn predict(predictor: u8, a: i32, b: i32, c: i32) -> i32 {
    match predictor {
        1 => a,
        2 => b,
        3 => c,
        4 => a + b - c,
        5 => a + ((b - c) >> 1),
        6 => b + ((a - c) >> 1),
        _ => (a + b) >> 1,
    }
}
