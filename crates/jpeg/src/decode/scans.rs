//! Decodes one scan: selects the decoder for the coding process of the frame, and gives it the tables that
//! apply to the scan and the buffers for its results.

use std::sync::Arc;

use super::arithmetic::{self, ArithmeticBlocks, ArithmeticReader};
use super::bits::BitReader;
use super::coefficients::Coefficients;
use super::entropy::EntropyReader;
use super::frame::{Coding, EntropyCoding};
use super::huffman::HuffmanTable;
use super::huffman_blocks::{HuffmanBlocks, HuffmanComponent, ScanSteps};
use super::idct::Weights;
use super::layout::ComponentSizes;
use super::lossless::{self, LosslessComponent, Prediction};
use super::markers::{Scan, ScanComponent};
use super::pixel_writer::PixelWriter;
use super::progressive;
use super::restart::Restarts;
use super::samples::Samples;
use super::segments::{Decoded, SegmentDecoder};
use super::sequential::{self, ComponentTransform, DecodeMcus};
use super::unstuffed::UnstuffedReader;
use crate::Error;

impl SegmentDecoder<'_> {
    /// Decodes a scan whose data begins at offset `at`. Returns an offset at or before the marker after the
    /// scan.
    pub(super) fn decode_scan(
        &mut self,
        scan: &Scan,
        at: usize,
        writer: &mut PixelWriter<'_>,
    ) -> Result<usize, Error> {
        if self.frame.coding != Coding::Lossless {
            self.capture_quantisation(scan)?;
        }
        let mut restarts = Restarts::new(self.tables.restart_interval);
        let position = match self.frame.entropy_coding {
            EntropyCoding::Huffman if self.frame.coding == Coding::Sequential => {
                let mut reader = UnstuffedReader::new(self.data, at);
                self.decode_sequential_huffman(scan, &mut reader, &mut restarts, writer)?;
                reader.position()
            }
            EntropyCoding::Huffman => {
                let mut bits = BitReader::new(self.data, at);
                match self.frame.coding {
                    Coding::Lossless => self.decode_lossless(scan, &mut bits, &mut restarts, writer)?,
                    _ => self.decode_progressive(scan, &mut bits, &mut restarts)?,
                }
                bits.position()
            }
            EntropyCoding::Arithmetic => {
                let mut reader = ArithmeticReader::new(self.data, at);
                self.decode_arithmetic(scan, &mut reader, &mut restarts, writer);
                reader.position()
            }
        };
        self.damaged |= restarts.damaged();
        self.is_cut_off |= restarts.n_before_cut().is_some();
        let (wide, high) = self.mcus(scan);
        let n_delivered = restarts.n_before_cut().unwrap_or(wide * high);
        self.received.add(scan, n_delivered as f64 / (wide * high).max(1) as f64);
        Ok(position)
    }

    /// Copies the quantisation tables that apply to the components of a scan, except those of components that
    /// an earlier scan contained.
    fn capture_quantisation(&mut self, scan: &Scan) -> Result<(), Error> {
        for component in &scan.components {
            let table = usize::from(self.frame.components[component.index].table);
            let captured = &mut self.quantisation[component.index];
            *captured = captured.or(self.tables.quantisation.get(table).copied().flatten());
            if captured.is_none() {
                return Err(Error::Corrupt("a quantisation table is missing"));
            }
        }
        Ok(())
    }

    /// Returns how many MCUs a scan has horizontally and vertically. If a scan has a single component, an MCU
    /// is one block.
    fn mcus(&self, scan: &Scan) -> (usize, usize) {
        if let [only] = &scan.components[..] {
            let sizes = &self.layout.components[only.index];
            (sizes.blocks_wide, sizes.blocks_high)
        } else {
            (self.layout.mcus_wide, self.layout.mcus_high)
        }
    }

    /// Decodes a sequential scan with Huffman codes.
    fn decode_sequential_huffman(
        &mut self,
        scan: &Scan,
        reader: &mut UnstuffedReader<'_>,
        restarts: &mut Restarts,
        writer: &mut PixelWriter<'_>,
    ) -> Result<(), Error> {
        let mut components = Vec::new();
        for component in &scan.components {
            let dc = required_table(&self.tables.dc, component.dc)?;
            let ac = required_table(&self.tables.ac, component.ac)?;
            let sizes = &self.layout.components[component.index];
            components.push(HuffmanComponent::new(dc, ac, sizes));
        }
        let sizes = self.scan_sizes(scan);
        let steps = ScanSteps::are_useful(&sizes).then(|| ScanSteps::new(&components));
        let blocks = HuffmanBlocks::new(components, &sizes, steps.as_ref());
        self.decode_sequential(scan, blocks, reader, restarts, writer);
        Ok(())
    }

    /// Decodes a scan with arithmetic codes.
    fn decode_arithmetic(
        &mut self,
        scan: &Scan,
        reader: &mut ArithmeticReader<'_>,
        restarts: &mut Restarts,
        writer: &mut PixelWriter<'_>,
    ) {
        let (layout, conditioning) = (self.layout, self.tables.conditioning);
        if self.frame.coding != Coding::Progressive {
            let sizes = self.scan_sizes(scan);
            let blocks = ArithmeticBlocks::new(&scan.components, &conditioning, &sizes);
            return self.decode_sequential(scan, blocks, reader, restarts, writer);
        }
        let Some(stores) = self.coefficients() else { return };
        if scan.first == 0 {
            return arithmetic::decode_dc(reader, restarts, scan, &conditioning, layout, stores);
        }
        let index = scan.components[0].index;
        let (sizes, store) = (&layout.components[index], &mut stores[index]);
        if scan.high == 0 {
            arithmetic::decode_ac_first(reader, restarts, scan, &conditioning, sizes, store);
        } else {
            arithmetic::decode_ac_refine(reader, restarts, scan, sizes, store);
        }
    }

    /// Returns the sizes of the components of a scan. If a scan has a single component, an MCU is one block,
    /// even if the component has larger sampling factors (T.81 A.2.2).
    fn scan_sizes(&self, scan: &Scan) -> Vec<ComponentSizes> {
        let mut sizes: Vec<ComponentSizes> =
            scan.components.iter().map(|c| self.layout.components[c.index].clone()).collect();
        if let [only] = &mut sizes[..] {
            (only.horizontal, only.vertical) = (1, 1);
        }
        sizes
    }

    /// Decodes a sequential scan with `decoder`.
    fn decode_sequential<R: EntropyReader>(
        &mut self,
        scan: &Scan,
        mut decoder: impl DecodeMcus<R>,
        reader: &mut R,
        restarts: &mut Restarts,
        writer: &mut PixelWriter<'_>,
    ) {
        let mcus = self.mcus(scan);
        let precision = self.layout.precision;
        let transform = |(component, sizes): (&ScanComponent, &ComponentSizes)| {
            let table = self.quantisation[component.index].unwrap_or([1; 64]);
            let weights = Weights::new(&table, sizes.block_width, sizes.block_height, precision);
            ComponentTransform::new(weights, sizes)
        };
        let transforms: Vec<_> = scan.components.iter().zip(&self.scan_sizes(scan)).map(transform).collect();
        self.decode_samples(scan, writer, |samples, writer| {
            sequential::decode_scan(reader, restarts, &mut decoder, &transforms, mcus, samples, writer);
        });
    }

    /// Calls `decode` with the sample buffers of the components of a scan. If the scan contains all components
    /// of the image, each buffer holds one row of MCUs, and `decode` gets `writer` to write the pixels of the
    /// row. If not, each buffer holds a whole component.
    fn decode_samples(
        &mut self,
        scan: &Scan,
        writer: &mut PixelWriter<'_>,
        decode: impl FnOnce(&mut [Samples], Option<&mut PixelWriter<'_>>),
    ) {
        let layout = self.layout;
        let new_samples = |n_mcus: usize| -> Vec<Samples> {
            layout.components.iter().map(|sizes| Samples::new(sizes, layout.mcus_wide, n_mcus)).collect()
        };
        let in_order = scan.components.iter().map(|component| component.index).eq(0..layout.components.len());
        if in_order && matches!(self.decoded, Decoded::Nothing) {
            decode(&mut new_samples(1), Some(writer));
            self.decoded = Decoded::Pixels;
            return;
        }
        if matches!(self.decoded, Decoded::Nothing) {
            self.decoded = Decoded::Samples(new_samples(layout.mcus_high));
        }
        let Decoded::Samples(all) = &mut self.decoded else { return };
        let mut samples: Vec<Samples> =
            scan.components.iter().map(|component| std::mem::take(&mut all[component.index])).collect();
        decode(&mut samples, None);
        for (component, samples) in scan.components.iter().zip(samples) {
            all[component.index] = samples;
        }
    }

    /// Returns the stored coefficients of all components, which are zero before the first scan.
    fn coefficients(&mut self) -> Option<&mut [Coefficients]> {
        let layout = self.layout;
        if matches!(self.decoded, Decoded::Nothing) {
            let new_store = |sizes| Coefficients::new(sizes, layout);
            self.decoded = Decoded::Coefficients(layout.components.iter().map(new_store).collect());
        }
        match &mut self.decoded {
            Decoded::Coefficients(stores) => Some(stores.as_mut_slice()),
            _ => None,
        }
    }

    /// Decodes a progressive scan with Huffman codes.
    fn decode_progressive(
        &mut self,
        scan: &Scan,
        bits: &mut BitReader<'_>,
        restarts: &mut Restarts,
    ) -> Result<(), Error> {
        let (layout, tables) = (self.layout, self.tables.clone());
        let Some(stores) = self.coefficients() else { return Ok(()) };
        if scan.first == 0 {
            let mut dc = Vec::new();
            if scan.high == 0 {
                for component in &scan.components {
                    dc.push(required_table(&tables.dc, component.dc)?);
                }
            }
            progressive::decode_dc(bits, restarts, scan, &dc, layout, stores);
            return Ok(());
        }
        let component = scan.components[0];
        let table = required_table(&tables.ac, component.ac)?;
        let (sizes, store) = (&layout.components[component.index], &mut stores[component.index]);
        if scan.high == 0 {
            progressive::decode_ac_first(bits, restarts, scan, &table, sizes, store);
        } else {
            progressive::decode_ac_refine(bits, restarts, scan, &table, sizes, store);
        }
        Ok(())
    }

    /// Decodes a lossless scan with Huffman codes.
    fn decode_lossless(
        &mut self,
        scan: &Scan,
        bits: &mut BitReader<'_>,
        restarts: &mut Restarts,
        writer: &mut PixelWriter<'_>,
    ) -> Result<(), Error> {
        let prediction = Prediction::new(scan.prediction, self.frame.precision);
        let is_only_component = scan.components.len() == 1;
        let mut components = Vec::new();
        for component in &scan.components {
            let table = required_table(&self.tables.dc, component.dc)?;
            let sizes = &self.layout.components[component.index];
            components.push(LosslessComponent::new(table, sizes, self.layout, is_only_component));
        }
        let mcus = self.mcus(scan);
        self.decode_samples(scan, writer, |samples, writer| {
            lossless::decode_scan(bits, restarts, &mut components, &prediction, mcus, samples, writer);
        });
        Ok(())
    }
}

/// Returns the Huffman table with this number. Fails if the file does not define the table.
fn required_table(
    tables: &[Option<Arc<HuffmanTable>>; 4],
    number: usize,
) -> Result<Arc<HuffmanTable>, Error> {
    tables.get(number).cloned().flatten().ok_or(Error::Corrupt("a Huffman table is missing"))
}
