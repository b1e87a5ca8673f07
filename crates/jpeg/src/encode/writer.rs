//! Writes the segments (T.81 annex B) and the entropy-coded data of a file.

use super::blocks::ComponentBlocks;
use super::scans::Scan;
use super::tokens::{Tables, Tokens};
use crate::tables::natural_index;

/// A JPEG file that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    fn segment(&mut self, marker: u8, body: &[u8]) {
        self.bytes.extend_from_slice(&[0xff, marker]);
        self.bytes.extend_from_slice(&(body.len() as u16 + 2).to_be_bytes());
        self.bytes.extend_from_slice(body);
    }

    /// Writes the start-of-image marker (SOI) and a JFIF 1.02 header for square pixels.
    pub(super) fn start(&mut self) {
        self.bytes.extend_from_slice(&[0xff, 0xd8]);
        self.segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
    }

    /// Writes a DQT segment for each quantisation table.
    pub(super) fn quantisation(&mut self, tables: &[[u8; 64]]) {
        for (number, table) in (0..).zip(tables) {
            let mut body = vec![number];
            body.extend((0..64).map(|k| table[natural_index(k)]));
            self.segment(0xdb, &body);
        }
    }

    /// Writes the SOF segment, which is the frame header.
    pub(super) fn frame(
        &mut self,
        progressive: bool,
        width: u16,
        height: u16,
        components: &[ComponentBlocks],
    ) {
        let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
        let mut body = vec![8, h1, h0, w1, w0, components.len() as u8];
        for (i, component) in (0_u8..).zip(components) {
            body.extend_from_slice(&[i + 1, component.factor as u8 * 0x11, i.min(1)]);
        }
        self.segment(if progressive { 0xc2 } else { 0xc0 }, &body);
    }

    /// Writes a DHT segment with the Huffman tables that the scan uses.
    pub(super) fn huffman(&mut self, tables: &Tables) {
        let mut body = Vec::new();
        for (head, table) in [0x00, 0x01, 0x10, 0x11].into_iter().zip(tables) {
            if let Some(table) = table {
                body.push(head);
                body.extend_from_slice(&table.counts);
                body.extend_from_slice(&table.symbols);
            }
        }
        if !body.is_empty() {
            self.segment(0xc4, &body);
        }
    }

    /// Writes the SOS segment, which is the scan header.
    pub(super) fn scan(&mut self, scan: &Scan) {
        let mut body = vec![scan.components.len() as u8];
        for &component in scan.components {
            body.extend_from_slice(&[component as u8 + 1, component.min(1) as u8 * 0x11]);
        }
        body.extend_from_slice(&[scan.first as u8, scan.last as u8, (scan.high << 4 | scan.low) as u8]);
        self.segment(0xda, &body);
    }

    /// Writes the entropy-coded data of a scan. The remaining bits of the last byte are set to one.
    pub(super) fn tokens(&mut self, tokens: &Tokens, tables: &Tables) {
        let bytes = &mut self.bytes;
        let (mut window, mut n_waiting) = (0_u64, 0);
        tokens.write(tables, |bits, n| {
            window = window << n | u64::from(bits);
            n_waiting += n;
            if n_waiting >= 32 {
                n_waiting -= 32;
                put_stuffed(bytes, &((window >> n_waiting) as u32).to_be_bytes());
            }
        });
        let n_ones = (8 - n_waiting % 8) % 8;
        let rest = (window << n_ones | ((1 << n_ones) - 1)) << (64 - n_waiting - n_ones).min(63);
        let n_bytes = (n_waiting + n_ones) as usize / 8;
        if n_bytes > 0 {
            put_stuffed(bytes, &rest.to_be_bytes()[..n_bytes]);
        }
    }

    /// Writes the end-of-image marker (EOI) and returns the file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0xff, 0xd9]);
        self.bytes
    }
}

/// Appends entropy-coded data. A zero byte is stuffed after every byte 0xff.
#[inline(always)]
fn put_stuffed(bytes: &mut Vec<u8>, data: &[u8]) {
    if !data.contains(&0xff) {
        bytes.extend_from_slice(data);
        return;
    }
    for &byte in data {
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
}
