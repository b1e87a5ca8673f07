//! The way through a file behind its frame header: from table to table and from scan to scan, and what is kept between
//! them.

use std::sync::Arc;

use super::bits::Bits;
use super::huffman::Huffman;
use super::layout::Layout;
use super::markers::{self, Coding, Frame, Scan, Tables};
use super::paint::Painter;
use super::progressive::{self, Store};
use super::restart::Restarts;
use super::samples::Samples;
use super::sequential::{self, Coder, Part};
use crate::Error;

/// What the scans so far have left.
pub(super) enum Gathered {
    Nothing,
    /// The picture was painted by its only scan.
    Painted,
    /// Samples of all components, for scans that do not have all of them.
    Samples(Vec<Samples>),
    /// Coefficients, for scans that have parts of them.
    Coefficients(Vec<Store>),
}

/// A file on its way.
pub(super) struct Run<'a> {
    pub(super) data: &'a [u8],
    pub(super) frame: &'a Frame,
    pub(super) layout: &'a Layout,
    pub(super) tables: Tables,
    /// Of each component, as it was when its first scan began.
    pub(super) quantisation: Vec<Option<[u16; 64]>>,
    pub(super) gathered: Gathered,
    pub(super) damaged: bool,
}

impl Run<'_> {
    /// Goes from segment to segment, up to the end of the picture.
    pub(super) fn segments(
        &mut self,
        mut at: usize,
        max_scans: u32,
        painter: &mut Painter<'_>,
    ) -> Result<(), Error> {
        let mut n_scans = 0;
        let mut wanted = self.wanted_scans(at, max_scans);
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
                0xda if n_scans == max_scans => break,
                0xda => {
                    n_scans += 1;
                    let scan = markers::read_scan(self.frame, body)?;
                    if wanted.next() != Some(false) {
                        at = self.scan(&scan, at, painter)?;
                    }
                    if matches!(self.gathered, Gathered::Painted) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        self.damaged = true;
        Ok(())
    }

    /// For each scan of a progressive file, whether the reduced picture needs it: because it has coefficients that are
    /// kept, or because a later one that is needed refines what it has.
    fn wanted_scans(&self, mut at: usize, max_scans: u32) -> std::vec::IntoIter<bool> {
        let mut scans = Vec::new();
        if self.frame.coding == Coding::Progressive {
            while let Some((marker, end)) = markers::next_marker(self.data, at) {
                at = end;
                if matches!(marker, 0x01 | 0xd0..=0xd8) {
                    continue;
                }
                let Some(body) = markers::body(self.data, end) else { break };
                at = end + 2 + body.len();
                if marker == 0xda && scans.len() < max_scans as usize {
                    let Ok(scan) = markers::read_scan(self.frame, body) else { break };
                    scans.push(scan);
                }
            }
        }
        let mut wanted = vec![true; scans.len()];
        for i in (0..scans.len()).rev() {
            let scan = &scans[i];
            let index = scan.components[0].index;
            let refined = |j: usize| {
                let later: &Scan = &scans[j];
                let overlap = later.first <= scan.last && scan.first <= later.last;
                wanted[j] && later.high > 0 && later.components[0].index == index && overlap
            };
            let keeps = progressive::keeps_of(&self.layout.components[index], scan);
            wanted[i] = scan.first == 0 || keeps || (i + 1..scans.len()).any(refined);
        }
        wanted.into_iter()
    }

    /// Decodes a scan whose data begins at `at`; gives the place where it ends.
    fn scan(&mut self, scan: &Scan, at: usize, painter: &mut Painter<'_>) -> Result<usize, Error> {
        for component in &scan.components {
            let table = usize::from(self.frame.components[component.index].table);
            let latched = &mut self.quantisation[component.index];
            *latched = latched.or(self.tables.quantisation.get(table).copied().flatten());
            if latched.is_none() {
                return Err(Error::Corrupt("a quantisation table is missing"));
            }
        }
        let mut bits = Bits::new(self.data, at);
        let mut restarts = Restarts::new(self.tables.restart_interval);
        match self.frame.coding {
            Coding::Sequential => self.sequential(scan, &mut bits, &mut restarts, painter)?,
            Coding::Progressive => self.progressive(scan, &mut bits, &mut restarts)?,
        }
        self.damaged |= restarts.damaged();
        Ok(bits.position())
    }

    fn sequential(
        &mut self,
        scan: &Scan,
        bits: &mut Bits<'_>,
        restarts: &mut Restarts,
        painter: &mut Painter<'_>,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let alone = scan.components.len() == 1;
        let mut parts = Vec::new();
        for (component, quantisation) in scan.components.iter().zip(self.tables_of(scan)) {
            let laid = &layout.components[component.index];
            let dc = table(&self.tables.dc, component.dc)?;
            let ac = table(&self.tables.ac, component.ac)?;
            parts.push(Part::new(Coder::new(dc, ac, laid), &quantisation, laid, alone));
        }
        let mcus = if let [only] = &scan.components[..] {
            let laid = &layout.components[only.index];
            (laid.blocks_wide, laid.blocks_high)
        } else {
            (layout.mcus_wide, layout.mcus_high)
        };
        let make = |n_mcus: usize| -> Vec<Samples> {
            layout.components.iter().map(|laid| Samples::new(laid, layout.mcus_wide, n_mcus)).collect()
        };
        let in_order = scan.components.iter().map(|component| component.index).eq(0..layout.components.len());
        if in_order && matches!(self.gathered, Gathered::Nothing) {
            sequential::decode(bits, restarts, &mut parts, mcus, &mut make(1), Some(painter));
            self.gathered = Gathered::Painted;
            return Ok(());
        }
        if matches!(self.gathered, Gathered::Nothing) {
            self.gathered = Gathered::Samples(make(layout.mcus_high));
        }
        let Gathered::Samples(all) = &mut self.gathered else { return Ok(()) };
        let mut samples: Vec<Samples> =
            scan.components.iter().map(|component| std::mem::take(&mut all[component.index])).collect();
        sequential::decode(bits, restarts, &mut parts, mcus, &mut samples, None);
        for (component, samples) in scan.components.iter().zip(samples) {
            all[component.index] = samples;
        }
        Ok(())
    }

    fn progressive(
        &mut self,
        scan: &Scan,
        bits: &mut Bits<'_>,
        restarts: &mut Restarts,
    ) -> Result<(), Error> {
        let layout = self.layout;
        if matches!(self.gathered, Gathered::Nothing) {
            let stores = layout.components.iter().map(|laid| Store::new(laid, layout)).collect();
            self.gathered = Gathered::Coefficients(stores);
        }
        let Gathered::Coefficients(stores) = &mut self.gathered else { return Ok(()) };
        if scan.first == 0 {
            let mut tables = Vec::new();
            if scan.high == 0 {
                for component in &scan.components {
                    tables.push(table(&self.tables.dc, component.dc)?);
                }
            }
            progressive::decode_dc(bits, restarts, scan, &tables, layout, stores);
            return Ok(());
        }
        let component = scan.components[0];
        let table = table(&self.tables.ac, component.ac)?;
        let (laid, store) = (&layout.components[component.index], &mut stores[component.index]);
        if scan.high == 0 {
            progressive::decode_ac_first(bits, restarts, scan, &table, laid, store);
        } else {
            progressive::decode_ac_refine(bits, restarts, scan, &table, laid, store);
        }
        Ok(())
    }

    /// The quantisation tables of a scan's components.
    fn tables_of(&self, scan: &Scan) -> Vec<[u16; 64]> {
        let latched = |index: usize| self.quantisation[index].unwrap_or([1; 64]);
        scan.components.iter().map(|component| latched(component.index)).collect()
    }

    /// Paints what is not painted yet.
    pub(super) fn finish(&mut self, painter: &mut Painter<'_>) {
        match &self.gathered {
            Gathered::Nothing | Gathered::Painted => {}
            Gathered::Samples(samples) => painter.paint(samples),
            Gathered::Coefficients(stores) => {
                // A component without a scan has no coefficients either.
                let latched = self.quantisation.iter().map(|table| table.unwrap_or([1; 64]));
                progressive::finish(stores, &latched.collect::<Vec<_>>(), self.layout, painter);
            }
        }
    }
}

/// A Huffman table that has to be there.
fn table(tables: &[Option<Arc<Huffman>>; 4], number: usize) -> Result<Arc<Huffman>, Error> {
    tables[number].clone().ok_or(Error::Corrupt("a Huffman table is missing"))
}
