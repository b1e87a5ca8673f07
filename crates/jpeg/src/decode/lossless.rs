//! Decodes lossless scans (T.81 annex H). Each sample is the sum of a prediction from its neighbours and a
//! stored difference. Samples have up to 16 bits while they are decoded; the results have 8 bits.

use std::sync::Arc;

use super::bits::BitReader;
use super::huffman::HuffmanTable;
use super::layout::{ComponentSizes, Layout};
use super::markers;
use super::pixel_writer::PixelWriter;
use super::restart::Restarts;
use super::samples::Samples;

/// How the samples of a scan are predicted, and how they become samples of 8 bits.
pub(super) struct Prediction {
    /// The number of the predictor in T.81 table H.1, 1–7.
    selection: u8,
    /// The prediction of the first sample of the scan.
    first: u16,
    /// For each decoded value, its sample of 8 bits.
    bytes: Vec<u8>,
}

impl Prediction {
    pub(super) fn new(rule: markers::Prediction, precision: u8) -> Self {
        let n_bits = u32::from(precision) - rule.n_low_bits;
        let max = (1_u32 << precision) - 1;
        let byte = |value: u32| ((value << rule.n_low_bits) * 255 + max / 2) / max;
        Self {
            selection: rule.selection,
            first: 1 << (n_bits - 1),
            bytes: (0..1 << n_bits).map(|value| byte(value).min(255) as u8).collect(),
        }
    }

    /// Predicts a sample from the samples to the left, above, and above to the left (T.81 table H.1).
    fn predict(&self, left: u16, above: u16, corner: u16) -> i32 {
        let (a, b, c) = (i32::from(left), i32::from(above), i32::from(corner));
        match self.selection {
            1 => a,
            2 => b,
            3 => c,
            4 => a + b - c,
            5 => a + ((b - c) >> 1),
            6 => b + ((a - c) >> 1),
            _ => (a + b) >> 1,
        }
    }

    /// Returns the sample of 8 bits for a decoded value. A value that is too large for the precision occurs
    /// only in invalid data, and gives the largest sample.
    fn byte(&self, value: u16) -> u8 {
        self.bytes.get(usize::from(value)).copied().unwrap_or(255)
    }
}

/// The decoder of one component of a scan.
pub(super) struct LosslessComponent {
    table: Arc<HuffmanTable>,
    /// The number of samples of the component in one MCU, horizontally and vertically.
    horizontal: usize,
    vertical: usize,
    /// The number of columns of `rows`.
    n_columns: usize,
    /// The row above the current row of MCUs, and then the rows of the current row of MCUs.
    rows: Vec<u16>,
}

/// The place of the first MCU after the start of the scan or after a restart marker, in the current row of
/// MCUs. No sample of the row above is used for predictions in this row of MCUs.
type Start = Option<usize>;

impl LosslessComponent {
    /// Creates the decoder of one component. If a scan has a single component, an MCU is one sample.
    pub(super) fn new(
        table: Arc<HuffmanTable>,
        sizes: &ComponentSizes,
        layout: &Layout,
        is_only_component: bool,
    ) -> Self {
        let n_columns = layout.mcus_wide * sizes.horizontal;
        let (horizontal, vertical) =
            if is_only_component { (1, 1) } else { (sizes.horizontal, sizes.vertical) };
        Self { table, horizontal, vertical, n_columns, rows: vec![0; n_columns * (vertical + 1)] }
    }

    /// Keeps the last row as the row above the next row of MCUs, and sets all samples of the next row of MCUs
    /// to `value`.
    fn begin_row(&mut self, value: u16) {
        self.rows.copy_within(self.n_columns * self.vertical.., 0);
        self.rows[self.n_columns..].fill(value);
    }

    /// Decodes the samples of the MCU with the index `x` in its row.
    fn decode_mcu(&mut self, bits: &mut BitReader<'_>, prediction: &Prediction, x: usize, start: Start) {
        for (v, h) in (0..self.vertical).flat_map(|v| (0..self.horizontal).map(move |h| (v, h))) {
            let column = x * self.horizontal + h;
            let at = (v + 1) * self.n_columns + column;
            let above = at - self.n_columns;
            let predicted = match start {
                Some(first) if v == 0 && column == first * self.horizontal => prediction.first.into(),
                Some(_) if v == 0 => self.rows[at - 1].into(),
                _ if column == 0 => self.rows[above].into(),
                _ => prediction.predict(self.rows[at - 1], self.rows[above], self.rows[above - 1]),
            };
            let difference = difference(&self.table, bits);
            self.rows[at] = predicted.wrapping_add(difference) as u16;
        }
    }

    /// Converts the current row of MCUs to samples of 8 bits, and stores them from the row `y` on.
    fn store(&self, prediction: &Prediction, samples: &mut Samples, y: usize) {
        for (v, row) in self.rows.chunks_exact(self.n_columns).skip(1).enumerate() {
            let (out, _) = samples.at(0, y + v);
            out.iter_mut().zip(row).for_each(|(to, &value)| *to = prediction.byte(value));
        }
    }
}

/// Decodes a difference (T.81 H.1.2.2). The symbol 16 has no value after it and means 32,768.
fn difference(table: &HuffmanTable, bits: &mut BitReader<'_>) -> i32 {
    let (run, size) = table.symbol(bits);
    match run << 4 | size {
        0 => 0,
        n_bits @ 1..=15 => {
            let value = bits.take(n_bits).cast_signed();
            if value >> (n_bits - 1) == 0 { value - (1 << n_bits) + 1 } else { value }
        }
        _ => 1 << 15,
    }
}

/// Decodes a scan. `samples` has one element for each component of the scan. If `writer` is `Some`, each
/// element holds one row of MCUs, whose pixels are written before the next row is decoded. If `writer` is
/// `None`, each element holds the whole component.
pub(super) fn decode_scan(
    bits: &mut BitReader<'_>,
    restarts: &mut Restarts,
    components: &mut [LosslessComponent],
    prediction: &Prediction,
    (mcus_wide, mcus_high): (usize, usize),
    samples: &mut [Samples],
    mut writer: Option<&mut PixelWriter<'_>>,
) {
    let mut start = Some(0);
    for y in 0..mcus_high {
        components.iter_mut().for_each(|component| component.begin_row(prediction.first));
        for x in 0..mcus_wide {
            let index = y * mcus_wide + x;
            restarts.before_mcu(bits, index, || start = Some(x));
            if !restarts.is_lost() {
                for component in &mut *components {
                    component.decode_mcu(bits, prediction, x, start);
                }
                restarts.after_mcu(bits, index);
            }
        }
        start = None;
        for (component, samples) in components.iter().zip(&mut *samples) {
            let row = if writer.is_some() { 0 } else { y * component.vertical };
            component.store(prediction, samples, row);
        }
        if let Some(writer) = &mut writer {
            writer.write_rows(samples);
            samples.iter_mut().for_each(Samples::advance);
        }
    }
}
