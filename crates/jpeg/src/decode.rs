//! Decoding: the way through a file from table to table and scan to scan. What happens in a scan is in `sequential`
//! and `progressive`.

mod bits;
mod huffman;
mod idct;
mod layout;
mod markers;
mod paint;
mod progressive;
mod restart;
mod samples;
mod sequential;

use std::sync::Arc;

pub use self::markers::{Coding, Component, Frame};
pub use self::paint::Colour;

use self::bits::Bits;
use self::huffman::Huffman;
use self::layout::Layout;
use self::markers::{Scan, Tables};
use self::paint::Painter;
use self::progressive::Store;
use self::restart::Restarts;
use self::samples::Samples;
use self::sequential::{Coder, Part};
use crate::Error;

/// How small a picture is made: to so many eighths of its size, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale(usize);

impl Scale {
    /// The size as it is.
    pub const FULL: Self = Self(8);

    /// All of them, the smallest first.
    pub const ALL: [Self; 7] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(8)];

    /// The smallest at which a picture of the size `full` is at least as large as `needed`, or else its full size.
    pub fn at_least(full: (u32, u32), needed: (u32, u32)) -> Self {
        let suffices = |scale: &Self| {
            let (width, height) = scale.of(full.0, full.1);
            width >= needed.0 && height >= needed.1
        };
        Self::ALL.into_iter().find(suffices).unwrap_or(Self::FULL)
    }

    /// 1–6 or 8.
    pub fn eighths(self) -> usize {
        self.0
    }

    /// The size that a picture is reduced to.
    pub fn of(self, width: u32, height: u32) -> (u32, u32) {
        let side = |side: u32| (u64::from(side) * self.0 as u64).div_ceil(8) as u32;
        (side(width), side(height))
    }
}

/// How decoding went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether data was missing or made no sense, so that parts of the picture are gray or wrong.
    pub damaged: bool,
}

/// A file whose frame header was read.
#[derive(Debug)]
pub struct Decoder<'a> {
    data: &'a [u8],
    /// Where the segments behind the frame header begin.
    at: usize,
    frame: Frame,
    tables: Tables,
}

impl<'a> Decoder<'a> {
    /// Reads a file up to its frame header. Allocates nothing that depends on the size of the picture.
    ///
    /// # Errors
    /// When there is no frame, or one that is not decoded here.
    pub fn new(data: &'a [u8]) -> Result<Self, Error> {
        let mut tables = Tables::new()?;
        let mut at = 0;
        while let Some((marker, end)) = markers::next_marker(data, at) {
            at = end;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            let Some(body) = markers::body(data, end) else { break };
            at = end + 2 + body.len();
            match marker {
                0xc4 => tables.read_huffman(body)?,
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    let frame = markers::read_frame(marker, body)?;
                    return Ok(Self { data, at, frame, tables });
                }
                0xdb => tables.read_quantisation(body)?,
                0xdd => tables.read_restart_interval(body),
                0xda | 0xd9 => break,
                _ => {}
            }
        }
        Err(Error::Corrupt("no frame header"))
    }

    /// What is in the frame header.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Decodes the picture, reduced by `scale`, into `pixels`: rows without padding, as many bytes per pixel as there
    /// are components. At most `max_scans` scans are read; the picture is as good as those.
    ///
    /// # Errors
    /// When there is nothing to be decoded. What goes wrong after the first scan is no error.
    ///
    /// # Panics
    /// When `pixels` has another length than [`Scale::of`] the frame's size, times the number of components.
    pub fn decode(
        self,
        scale: Scale,
        colour: Colour,
        max_scans: u32,
        pixels: &mut [u8],
    ) -> Result<Outcome, Error> {
        let layout = Layout::new(&self.frame, scale);
        let n_components = self.frame.components.len();
        assert_eq!(pixels.len(), layout.width * layout.height * n_components, "buffer and size disagree");
        let mut painter = Painter::new(&layout, colour, pixels);
        let mut run = Run {
            data: self.data,
            frame: &self.frame,
            layout: &layout,
            tables: self.tables,
            quantisation: vec![None; n_components],
            gathered: Gathered::Nothing,
            damaged: false,
        };
        let mut result = run.segments(self.at, max_scans, &mut painter);
        if matches!(run.gathered, Gathered::Nothing) {
            result = result.and(Err(Error::Corrupt("no picture data")));
            return result.map(|()| Outcome { damaged: true });
        }
        run.finish(&mut painter);
        Ok(Outcome { damaged: run.damaged || result.is_err() })
    }
}

/// What the scans so far have left.
enum Gathered {
    Nothing,
    /// The picture was painted by its only scan.
    Painted,
    /// Samples of all components, for scans that do not have all of them.
    Samples(Vec<Samples>),
    /// Coefficients, for scans that have parts of them.
    Coefficients(Vec<Store>),
}

/// A file on its way.
struct Run<'a> {
    data: &'a [u8],
    frame: &'a Frame,
    layout: &'a Layout,
    tables: Tables,
    /// Of each component, as it was when its first scan began.
    quantisation: Vec<Option<[u16; 64]>>,
    gathered: Gathered,
    damaged: bool,
}

impl Run<'_> {
    /// Goes from segment to segment, up to the end of the picture.
    fn segments(&mut self, mut at: usize, max_scans: u32, painter: &mut Painter<'_>) -> Result<(), Error> {
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
    fn finish(&mut self, painter: &mut Painter<'_>) {
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
