//! Decodes the segments after the frame header, which contain tables and scans, and keeps the intermediate
//! results between scans.

use std::sync::Arc;

use super::bits::BitReader;
use super::coefficients::{self, Coefficients};
use super::huffman::HuffmanTable;
use super::layout::Layout;
use super::markers::{self, Coding, Frame, Scan, Tables};
use super::pixel_writer::PixelWriter;
use super::progressive;
use super::received::Received;
use super::restart::Restarts;
use super::samples::Samples;
use super::sequential::{self, BlockDecoder, ComponentDecoder};
use crate::Error;

/// The result of decoding the scans that were read so far.
pub(super) enum Decoded {
    Nothing,
    /// All pixels are written. This form is used when the only scan of the file contains all components
    /// completely.
    Pixels,
    /// The samples of all components. This form is used when no scan contains all components.
    Samples(Vec<Samples>),
    /// The coefficients of all components. This form is used when a scan contains only a part of the
    /// coefficients.
    Coefficients(Vec<Coefficients>),
}

/// The state of the decoder between the segments of a file.
pub(super) struct SegmentDecoder<'a> {
    pub(super) data: &'a [u8],
    pub(super) frame: &'a Frame,
    pub(super) layout: &'a Layout,
    pub(super) tables: Tables,
    /// The quantisation table of each component, copied when the first scan of the component begins.
    pub(super) quantisation: Vec<Option<[u16; 64]>>,
    pub(super) decoded: Decoded,
    pub(super) damaged: bool,
    /// Whether the file ends before the end-of-image marker.
    pub(super) is_cut_off: bool,
    pub(super) received: Received,
}

impl SegmentDecoder<'_> {
    /// Decodes segment after segment until the end of the image.
    pub(super) fn decode_segments(
        &mut self,
        mut at: usize,
        max_scans: u32,
        writer: &mut PixelWriter<'_>,
    ) -> Result<(), Error> {
        let mut n_scans = 0;
        let mut is_needed = self.needed_scans(at, max_scans);
        while let Some((marker, end)) = markers::next_marker(self.data, at) {
            at = end;
            match marker {
                0x01 | 0xd0..=0xd8 => continue,
                0xd9 => return Ok(()),
                _ => {}
            }
            let Some(body) = markers::body(self.data, end) else { break };
            at = end + 2 + body.len();
            match marker {
                0xc4 => self.tables.read_huffman(body)?,
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(Error::Corrupt("a second frame"));
                }
                0xdb => self.tables.read_quantisation(body)?,
                0xdd => self.tables.read_restart_interval(body),
                0xda if n_scans == max_scans => {
                    self.damaged = true;
                    return Ok(());
                }
                0xda => {
                    n_scans += 1;
                    let scan = markers::read_scan(self.frame, body)?;
                    if is_needed.next() == Some(false) {
                        self.received.add(&scan, 1.0);
                    } else {
                        at = self.decode_scan(&scan, at, writer)?;
                    }
                    if matches!(self.decoded, Decoded::Pixels) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        (self.damaged, self.is_cut_off) = (true, true);
        Ok(())
    }

    /// Returns, for each scan of a progressive file, whether the reduced image needs the scan. A scan is
    /// needed if it contains coefficients that are stored, or if a needed later scan refines its
    /// coefficients. In a file without an end-of-image marker, all scans count as needed, because only
    /// decoding shows how much of the last scan is missing.
    fn needed_scans(&self, mut at: usize, max_scans: u32) -> std::vec::IntoIter<bool> {
        let (mut scans, mut has_end) = (Vec::new(), false);
        if self.frame.coding == Coding::Progressive {
            while let Some((marker, end)) = markers::next_marker(self.data, at) {
                at = end;
                match marker {
                    0x01 | 0xd0..=0xd8 => continue,
                    0xd9 => {
                        has_end = true;
                        break;
                    }
                    _ => {}
                }
                let Some(body) = markers::body(self.data, end) else { break };
                at = end + 2 + body.len();
                if marker == 0xda && scans.len() < max_scans as usize {
                    let Ok(scan) = markers::read_scan(self.frame, body) else { break };
                    scans.push(scan);
                }
            }
        }
        let mut is_needed = vec![true; scans.len()];
        for i in (0..scans.len()).rev() {
            let scan = &scans[i];
            let index = scan.components[0].index;
            let refined = |j: usize| {
                let later: &Scan = &scans[j];
                let overlap = later.first <= scan.last && scan.first <= later.last;
                is_needed[j] && later.high > 0 && later.components[0].index == index && overlap
            };
            let keeps = coefficients::keeps_any_of(&self.layout.components[index], scan);
            is_needed[i] = !has_end || scan.first == 0 || keeps || (i + 1..scans.len()).any(refined);
        }
        is_needed.into_iter()
    }

    /// Decodes a scan whose data begins at offset `at`. Returns an offset at or before the marker after the
    /// scan.
    fn decode_scan(&mut self, scan: &Scan, at: usize, writer: &mut PixelWriter<'_>) -> Result<usize, Error> {
        for component in &scan.components {
            let table = usize::from(self.frame.components[component.index].table);
            let captured = &mut self.quantisation[component.index];
            *captured = captured.or(self.tables.quantisation.get(table).copied().flatten());
            if captured.is_none() {
                return Err(Error::Corrupt("a quantisation table is missing"));
            }
        }
        let mut bits = BitReader::new(self.data, at);
        let mut restarts = Restarts::new(self.tables.restart_interval);
        match self.frame.coding {
            Coding::Sequential => self.decode_sequential(scan, &mut bits, &mut restarts, writer)?,
            Coding::Progressive => self.decode_progressive(scan, &mut bits, &mut restarts)?,
        }
        self.damaged |= restarts.damaged();
        self.is_cut_off |= restarts.n_before_cut().is_some();
        let n_mcus = self.n_mcus(scan);
        let n_delivered = restarts.n_before_cut().unwrap_or(n_mcus);
        self.received.add(scan, n_delivered as f64 / n_mcus.max(1) as f64);
        Ok(bits.position())
    }

    /// Returns the number of MCUs of a scan.
    fn n_mcus(&self, scan: &Scan) -> usize {
        let (wide, high) = self.mcus(scan);
        wide * high
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

    fn decode_sequential(
        &mut self,
        scan: &Scan,
        bits: &mut BitReader<'_>,
        restarts: &mut Restarts,
        writer: &mut PixelWriter<'_>,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let is_only_component = scan.components.len() == 1;
        let mut decoders = Vec::new();
        for (component, quantisation) in scan.components.iter().zip(self.quantisation_tables(scan)) {
            let sizes = &layout.components[component.index];
            let dc = required_table(&self.tables.dc, component.dc)?;
            let ac = required_table(&self.tables.ac, component.ac)?;
            decoders.push(ComponentDecoder::new(
                BlockDecoder::new(dc, ac, sizes),
                &quantisation,
                sizes,
                is_only_component,
            ));
        }
        let mcus = self.mcus(scan);
        let new_samples = |n_mcus: usize| -> Vec<Samples> {
            layout.components.iter().map(|sizes| Samples::new(sizes, layout.mcus_wide, n_mcus)).collect()
        };
        let in_order = scan.components.iter().map(|component| component.index).eq(0..layout.components.len());
        if in_order && matches!(self.decoded, Decoded::Nothing) {
            sequential::decode_scan(bits, restarts, &mut decoders, mcus, &mut new_samples(1), Some(writer));
            self.decoded = Decoded::Pixels;
            return Ok(());
        }
        if matches!(self.decoded, Decoded::Nothing) {
            self.decoded = Decoded::Samples(new_samples(layout.mcus_high));
        }
        let Decoded::Samples(all) = &mut self.decoded else { return Ok(()) };
        let mut samples: Vec<Samples> =
            scan.components.iter().map(|component| std::mem::take(&mut all[component.index])).collect();
        sequential::decode_scan(bits, restarts, &mut decoders, mcus, &mut samples, None);
        for (component, samples) in scan.components.iter().zip(samples) {
            all[component.index] = samples;
        }
        Ok(())
    }

    fn decode_progressive(
        &mut self,
        scan: &Scan,
        bits: &mut BitReader<'_>,
        restarts: &mut Restarts,
    ) -> Result<(), Error> {
        let layout = self.layout;
        if matches!(self.decoded, Decoded::Nothing) {
            let stores = layout.components.iter().map(|sizes| Coefficients::new(sizes, layout)).collect();
            self.decoded = Decoded::Coefficients(stores);
        }
        let Decoded::Coefficients(stores) = &mut self.decoded else { return Ok(()) };
        if scan.first == 0 {
            let mut tables = Vec::new();
            if scan.high == 0 {
                for component in &scan.components {
                    tables.push(required_table(&self.tables.dc, component.dc)?);
                }
            }
            progressive::decode_dc(bits, restarts, scan, &tables, layout, stores);
            return Ok(());
        }
        let component = scan.components[0];
        let table = required_table(&self.tables.ac, component.ac)?;
        let (sizes, store) = (&layout.components[component.index], &mut stores[component.index]);
        if scan.high == 0 {
            progressive::decode_ac_first(bits, restarts, scan, &table, sizes, store);
        } else {
            progressive::decode_ac_refine(bits, restarts, scan, &table, sizes, store);
        }
        Ok(())
    }

    /// Returns the quantisation tables of the components of a scan.
    fn quantisation_tables(&self, scan: &Scan) -> Vec<[u16; 64]> {
        let captured = |index: usize| self.quantisation[index].unwrap_or([1; 64]);
        scan.components.iter().map(|component| captured(component.index)).collect()
    }

    /// Writes the pixels that no scan has written yet.
    pub(super) fn write_remaining_pixels(&mut self, writer: &mut PixelWriter<'_>) {
        match &self.decoded {
            Decoded::Nothing | Decoded::Pixels => {}
            Decoded::Samples(samples) => writer.write_rows(samples),
            Decoded::Coefficients(stores) => {
                // If a component is in no scan, all its coefficients are zero, so any quantisation table
                // gives the same result.
                let captured = self.quantisation.iter().map(|table| table.unwrap_or([1; 64]));
                progressive::write_image(stores, &captured.collect::<Vec<_>>(), self.layout, writer);
            }
        }
    }
}

/// Returns the Huffman table with this number. Fails if the file does not define the table.
fn required_table(
    tables: &[Option<Arc<HuffmanTable>>; 4],
    number: usize,
) -> Result<Arc<HuffmanTable>, Error> {
    tables[number].clone().ok_or(Error::Corrupt("a Huffman table is missing"))
}
