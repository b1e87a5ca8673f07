//! Reads the segments after the frame header, which contain tables and scans, and keeps the intermediate
//! results between scans.

use super::coefficients::{self, Coefficients};
use super::frame::{Coding, Frame};
use super::layout::Layout;
use super::markers::{self, Scan, Tables};
use super::pixel_writer::PixelWriter;
use super::progressive;
use super::received::Received;
use super::samples::Samples;
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
                0xcc => self.tables.conditioning.read(body)?,
                _ if Frame::is_header(marker) => return Err(Error::Corrupt("a second frame")),
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
