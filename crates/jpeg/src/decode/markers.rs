//! Parses the segments with tables and the scan headers (T.81 annex B), and searches for the next marker. The
//! module `frame` parses frame headers.

use std::sync::Arc;

use super::arithmetic::Conditioning;
use super::frame::{Coding, Frame};
use super::huffman::HuffmanTable;
use crate::Error;
use crate::tables::{HuffmanSpec, STANDARD_AC, STANDARD_DC, natural_index};

/// One component of a scan: its index in the frame and the numbers of its tables of the entropy coding, 0–15.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanComponent {
    pub(super) index: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// The content of a scan header.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// The first and last coefficient of the scan, in zigzag order.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The successive approximation bit positions `Ah` and `Al` (T.81 G.1.1.1.2). `Ah` is the bit position of
    /// the previous scan of the same coefficients, or 0 for their first scan; `Al` is the bit position of
    /// this scan.
    pub(super) high: u32,
    pub(super) low: u32,
    /// The prediction of samples in a lossless scan.
    pub(super) prediction: Prediction,
}

/// The prediction of samples in a lossless scan (T.81 H.1.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Prediction {
    /// The number of the predictor in T.81 table H.1.
    pub(super) selection: u8,
    /// The number of low bits of each sample that the scan leaves out (the point transform).
    pub(super) n_low_bits: u32,
}

/// The quantisation tables, the tables of the entropy coding and the restart interval that apply at the current
/// position in the file.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    /// The quantisation tables, in natural (row-major) order.
    pub(super) quantisation: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Arc<HuffmanTable>>; 4],
    pub(super) ac: [Option<Arc<HuffmanTable>>; 4],
    pub(super) conditioning: Conditioning,
    /// The number of MCUs between restart markers; 0 if there are no restart markers.
    pub(super) restart_interval: usize,
}

impl Tables {
    /// Creates the tables that apply before a segment of the file defines a table.
    pub(super) fn new() -> Result<Self, Error> {
        let table =
            |codes: &HuffmanSpec<'static>| HuffmanTable::new(*codes).map(|table| Some(Arc::new(table)));
        Ok(Self {
            quantisation: [None; 4],
            dc: [table(&STANDARD_DC[0])?, table(&STANDARD_DC[1])?, None, None],
            ac: [table(&STANDARD_AC[0])?, table(&STANDARD_AC[1])?, None, None],
            conditioning: Conditioning::default(),
            restart_interval: 0,
        })
    }

    /// Reads the body of a DQT segment, which contains quantisation tables.
    pub(super) fn read_quantisation(&mut self, mut body: &[u8]) -> Result<(), Error> {
        while let Some((&head, rest)) = body.split_first() {
            let wide = head >> 4 != 0;
            let (values, rest) = rest
                .split_at_checked(if wide { 128 } else { 64 })
                .ok_or(Error::Corrupt("a quantisation table is cut off"))?;
            let mut table = [0; 64];
            for k in 0..64 {
                table[natural_index(k)] = if wide {
                    u16::from_be_bytes([values[2 * k], values[2 * k + 1]])
                } else {
                    u16::from(values[k])
                };
            }
            let slot = self.quantisation.get_mut(usize::from(head & 15));
            *slot.ok_or(Error::Corrupt("a quantisation table has a number above 3"))? = Some(table);
            body = rest;
        }
        Ok(())
    }

    /// Reads the body of a DHT segment, which contains Huffman tables.
    pub(super) fn read_huffman(&mut self, mut body: &[u8]) -> Result<(), Error> {
        while let Some((&[head, ref counts @ ..], rest)) = body.split_first_chunk::<17>() {
            let n_symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) =
                rest.split_at_checked(n_symbols).ok_or(Error::Corrupt("a Huffman table is cut off"))?;
            let table = HuffmanTable::new(HuffmanSpec { counts: *counts, symbols })?;
            let class = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = class.get_mut(usize::from(head & 15));
            *slot.ok_or(Error::Corrupt("a Huffman table has a number above 3"))? = Some(Arc::new(table));
            body = rest;
        }
        Ok(())
    }

    /// Reads the body of a DRI segment, which states the restart interval.
    pub(super) fn read_restart_interval(&mut self, body: &[u8]) {
        if let Some(&[high, low]) = body.first_chunk() {
            self.restart_interval = u16::from_be_bytes([high, low]).into();
        }
    }
}

/// Reads the body of an SOS segment (scan header).
pub(super) fn read_scan(frame: &Frame, body: &[u8]) -> Result<Scan, Error> {
    const SHORT: Error = Error::Corrupt("a scan header is too short");
    let (&n_components, rest) = body.split_first().ok_or(SHORT)?;
    let (entries, rest) = rest.split_at_checked(2 * usize::from(n_components)).ok_or(SHORT)?;
    let &[first, last, planes, ..] = rest else { return Err(SHORT) };
    let mut components: Vec<ScanComponent> = Vec::new();
    for &[id, tables] in entries.as_chunks::<2>().0 {
        // Two components may have the same identifier. The parser takes the first component with this
        // identifier that is not in the scan yet.
        let is_unused = |index: &usize| components.iter().all(|c| c.index != *index);
        let index = (0..frame.components.len())
            .filter(is_unused)
            .find(|&index| frame.components[index].id == id)
            .ok_or(Error::Corrupt("a scan has a component that the frame has not"))?;
        components.push(ScanComponent { index, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) });
    }
    if components.is_empty() {
        return Err(Error::Corrupt("a scan has no component"));
    }
    let (high, low) = ((planes >> 4).into(), (planes & 15).into());
    let prediction = Prediction { selection: first, n_low_bits: low };
    match frame.coding {
        Coding::Progressive => {}
        Coding::Sequential => {
            return Ok(Scan { components, first: 0, last: 63, high: 0, low: 0, prediction });
        }
        Coding::Lossless if (1..=7).contains(&first) && low < u32::from(frame.precision) => {
            return Ok(Scan { components, first: 0, last: 63, high: 0, low: 0, prediction });
        }
        Coding::Lossless => return Err(Error::Corrupt("a lossless scan has no valid prediction")),
    }
    let scan = Scan { components, first: first.into(), last: last.into(), high, low, prediction };
    let is_valid = if scan.first == 0 { scan.last == 0 } else { scan.components.len() == 1 };
    if !is_valid || scan.first > scan.last || scan.last > 63 || scan.low > 13 {
        return Err(Error::Corrupt("a scan of coefficients that do not exist"));
    }
    Ok(scan)
}

/// Finds the next marker at or after offset `at`. Returns its code and the offset after it. Skips bytes that
/// do not belong to a marker.
pub(super) fn next_marker(data: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        let start = at + memchr::memchr(0xff, data.get(at..)?)?;
        match *data.get(start + 1)? {
            0x00 => at = start + 2,
            0xff => at = start + 1,
            marker => return Some((marker, start + 2)),
        }
    }
}

/// Returns the body of the segment whose marker ends at offset `at`, without the length field. Returns `None`
/// if the file ends before the body does. A length that does not even include the length field counts as an
/// empty body, as in other JPEG libraries.
pub(super) fn body(data: &[u8], at: usize) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*data.get(at..)?.first_chunk()?);
    data.get(at + 2..at + usize::from(length.max(2)))
}
