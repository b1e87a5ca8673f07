//! The boxes of an MP4 file with one video track (ISO/IEC 14496-12; 14496-15 for H.264), the index before the data, so
//! that a player can start while the file still arrives.

use super::failed;
use super::h264::Parameters;
use crate::Error;

/// Ticks per second of every time in the file: delays are whole milliseconds.
const TIMESCALE: u32 = 1_000;

/// The unit matrix in fixed-point numbers.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The code points of BT.709 (ITU-T H.273) for primaries, transfer and matrix.
const BT_709: u16 = 1;

/// A file being collected.
pub(super) struct Movie {
    width: u16,
    height: u16,
    /// All samples, one after the other.
    data: Vec<u8>,
    samples: Vec<Sample>,
    /// Where the open sample begins in `data`.
    open: usize,
}

struct Sample {
    n_bytes: u32,
    shown_ms: u32,
    /// Whether it can be decoded by itself.
    key: bool,
}

impl Movie {
    /// A movie without samples. The sides are below 65,536.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let side = |px: u32| u16::try_from(px).expect("the encoder refuses larger pictures");
        Self { width: side(width), height: side(height), data: Vec::new(), samples: Vec::new(), open: 0 }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width.into(), self.height.into())
    }

    pub(super) fn n_samples(&self) -> usize {
        self.samples.len()
    }

    /// Adds a unit to the open sample, its length in front.
    pub(super) fn append(&mut self, unit: &[u8]) -> Result<(), Error> {
        let n_bytes = u32::try_from(unit.len()).map_err(|_| failed("a picture is too large"))?;
        self.data.extend(n_bytes.to_be_bytes());
        self.data.extend_from_slice(unit);
        Ok(())
    }

    /// Ends the open sample.
    pub(super) fn end_sample(&mut self, key: bool, shown_ms: u32) -> Result<(), Error> {
        let n_bytes =
            u32::try_from(self.data.len() - self.open).map_err(|_| failed("a picture is too large"))?;
        self.samples.push(Sample { n_bytes, shown_ms, key });
        self.open = self.data.len();
        Ok(())
    }

    /// The whole file.
    pub(super) fn finish(self, parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let n_data = u32::try_from(self.data.len() + 8).map_err(|_| failed("the file is too large"))?;
        let mut file = Vec::new();
        boxed(&mut file, b"ftyp", |out| {
            out.extend(b"isom");
            out.extend(0x200u32.to_be_bytes());
            out.extend(b"isomiso2avc1mp41");
        });
        let mut index = Vec::new();
        self.index(&mut index, parameters, 0);
        // The index says where the data begin, behind the index: its length does not depend on what it says.
        let start =
            u32::try_from(file.len() + index.len() + 8).map_err(|_| failed("the index is too large"))?;
        file.reserve(index.len() + self.data.len() + 8);
        self.index(&mut file, parameters, start);
        file.extend(n_data.to_be_bytes());
        file.extend(b"mdat");
        file.extend(self.data);
        Ok(file)
    }

    fn duration_ms(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.shown_ms)).sum()
    }

    fn index(&self, out: &mut Vec<u8>, parameters: &Parameters, data_start: u32) {
        boxed(out, b"moov", |out| {
            full_box(out, b"mvhd", 1, 0, |out| {
                self.times(out);
                out.extend(0x1_0000u32.to_be_bytes());
                out.extend(0x100u16.to_be_bytes());
                out.extend([0; 10]);
                MATRIX.iter().for_each(|v| out.extend(v.to_be_bytes()));
                out.extend([0; 24]);
                out.extend(2u32.to_be_bytes());
            });
            boxed(out, b"trak", |out| {
                self.track_header(out);
                boxed(out, b"mdia", |out| {
                    full_box(out, b"mdhd", 1, 0, |out| {
                        self.times(out);
                        // "und": no language.
                        out.extend(0x55c4u16.to_be_bytes());
                        out.extend([0; 2]);
                    });
                    full_box(out, b"hdlr", 0, 0, |out| {
                        out.extend([0; 4]);
                        out.extend(b"vide");
                        out.extend([0; 13]);
                    });
                    boxed(out, b"minf", |out| self.media(out, parameters, data_start));
                });
            });
        });
    }

    /// Creation and modification (none: the same picture gives the same file), timescale, duration.
    fn times(&self, out: &mut Vec<u8>) {
        out.extend([0; 16]);
        out.extend(TIMESCALE.to_be_bytes());
        out.extend(self.duration_ms().to_be_bytes());
    }

    fn track_header(&self, out: &mut Vec<u8>) {
        // Enabled, part of the movie and of its preview.
        full_box(out, b"tkhd", 1, 7, |out| {
            out.extend([0; 16]);
            out.extend(1u32.to_be_bytes());
            out.extend([0; 4]);
            out.extend(self.duration_ms().to_be_bytes());
            out.extend([0; 16]);
            MATRIX.iter().for_each(|v| out.extend(v.to_be_bytes()));
            [self.width, self.height]
                .iter()
                .for_each(|side| out.extend((u32::from(*side) << 16).to_be_bytes()));
        });
    }

    fn media(&self, out: &mut Vec<u8>, parameters: &Parameters, data_start: u32) {
        full_box(out, b"vmhd", 0, 1, |out| out.extend([0; 8]));
        boxed(out, b"dinf", |out| {
            full_box(out, b"dref", 0, 0, |out| {
                out.extend(1u32.to_be_bytes());
                // The data are in this file.
                full_box(out, b"url ", 0, 1, |_| {});
            });
        });
        boxed(out, b"stbl", |out| {
            full_box(out, b"stsd", 0, 0, |out| {
                out.extend(1u32.to_be_bytes());
                self.sample_entry(out, parameters);
            });
            self.times_of_samples(out);
            self.key_samples(out);
            full_box(out, b"stsc", 0, 0, |out| {
                // One chunk, all samples in it, described by entry 1.
                [1, 1, self.samples.len() as u32, 1u32].iter().for_each(|v| out.extend(v.to_be_bytes()));
            });
            full_box(out, b"stsz", 0, 0, |out| {
                out.extend([0; 4]);
                out.extend((self.samples.len() as u32).to_be_bytes());
                self.samples.iter().for_each(|sample| out.extend(sample.n_bytes.to_be_bytes()));
            });
            full_box(out, b"stco", 0, 0, |out| {
                out.extend(1u32.to_be_bytes());
                out.extend(data_start.to_be_bytes());
            });
        });
    }

    fn sample_entry(&self, out: &mut Vec<u8>, parameters: &Parameters) {
        boxed(out, b"avc1", |out| {
            out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            out.extend([0; 16]);
            out.extend(self.width.to_be_bytes());
            out.extend(self.height.to_be_bytes());
            // 72 dots per inch, twice; one frame per sample; no name; 24 bits; no colour table.
            out.extend(0x48_0000u32.to_be_bytes());
            out.extend(0x48_0000u32.to_be_bytes());
            out.extend([0; 4]);
            out.extend(1u16.to_be_bytes());
            out.extend([0; 32]);
            out.extend(24u16.to_be_bytes());
            out.extend([0xff; 2]);
            boxed(out, b"avcC", |out| decoder_configuration(out, parameters));
            boxed(out, b"colr", |out| {
                out.extend(b"nclx");
                [BT_709; 3].iter().for_each(|v| out.extend(v.to_be_bytes()));
                // Studio range.
                out.push(0);
            });
        });
    }

    /// Runs of samples that are shown equally long.
    fn times_of_samples(&self, out: &mut Vec<u8>) {
        let runs: Vec<&[Sample]> = self.samples.chunk_by(|a, b| a.shown_ms == b.shown_ms).collect();
        full_box(out, b"stts", 0, 0, |out| {
            out.extend((runs.len() as u32).to_be_bytes());
            for run in runs {
                out.extend((run.len() as u32).to_be_bytes());
                out.extend(run[0].shown_ms.to_be_bytes());
            }
        });
    }

    /// The numbers of the samples that can be decoded by themselves, from 1 on.
    fn key_samples(&self, out: &mut Vec<u8>) {
        let keys: Vec<u32> = (1..).zip(&self.samples).filter(|(_, s)| s.key).map(|(n, _)| n).collect();
        full_box(out, b"stss", 0, 0, |out| {
            out.extend((keys.len() as u32).to_be_bytes());
            keys.iter().for_each(|n| out.extend(n.to_be_bytes()));
        });
    }
}

/// ISO/IEC 14496-15, 5.3.3.1, for profile High: 4:2:0 and eight bits.
fn decoder_configuration(out: &mut Vec<u8>, parameters: &Parameters) {
    let Parameters { sequence, picture } = parameters;
    out.push(1);
    // Profile, constraints and level, as in the sequence parameters.
    out.extend(sequence.get(1..4).unwrap_or(&[100, 0, 52]));
    // Lengths of four bytes; one set of each kind.
    out.extend([0xff, 0xe1]);
    out.extend((sequence.len() as u16).to_be_bytes());
    out.extend(sequence);
    out.push(1);
    out.extend((picture.len() as u16).to_be_bytes());
    out.extend(picture);
    out.extend([0xfd, 0xf8, 0xf8, 0]);
}

/// A box of this kind around what `content` writes.
fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    content(out);
    let n_bytes = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&n_bytes.to_be_bytes());
}

/// A box that has a version and flags.
fn full_box(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u8, content: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.extend([version, 0, 0, flags]);
        content(out);
    });
}
