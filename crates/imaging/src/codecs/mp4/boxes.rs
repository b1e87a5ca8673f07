//! Writes the boxes of an MP4 file with one video track (ISO/IEC 14496-12; 14496-15 for H.264). The index of
//! the file is written before the data, so that a player can start before it has received the whole file.

use super::failed;
use crate::Error;

/// Number of ticks per second. All times in the file are counted in ticks. A tick is a millisecond, because
/// the delays of frames are whole milliseconds.
const TIMESCALE: u32 = 1_000;

/// The matrix that transforms pictures for display, in fixed-point numbers. This matrix is the identity,
/// which means no transformation.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The code point of BT.709 (ITU-T H.273). The same number stands for the colour primaries, the transfer
/// function and the matrix.
const BT_709: u16 = 1;

/// The parameter sets of H.264, which a decoder needs before the first picture.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) sequence: Vec<u8>,
    pub(super) picture: Vec<u8>,
}

/// An MP4 file that is built in memory by adding samples (coded frames).
pub(super) struct Movie {
    width: u16,
    height: u16,
    /// The bytes of all samples, which become the content of the box `mdat`.
    data: Vec<u8>,
    samples: Vec<Sample>,
    /// The offset in `data` at which the current sample begins.
    current_start: usize,
}

/// One coded frame.
struct Sample {
    n_bytes: u32,
    duration_ms: u32,
    /// Whether the frame is a key frame, which can be decoded without other frames.
    key: bool,
}

impl Movie {
    /// Creates a file without samples.
    ///
    /// # Panics
    /// When a side is longer than 65,535 pixels.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let side = |px: u32| u16::try_from(px).expect("the encoder refuses larger pictures");
        Self {
            width: side(width),
            height: side(height),
            data: Vec::new(),
            samples: Vec::new(),
            current_start: 0,
        }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width.into(), self.height.into())
    }

    pub(super) fn n_samples(&self) -> usize {
        self.samples.len()
    }

    /// Appends the length of a NAL unit and then the NAL unit to the current sample.
    pub(super) fn append(&mut self, unit: &[u8]) -> Result<(), Error> {
        let n_bytes = u32::try_from(unit.len()).map_err(|_| failed("a picture is too large"))?;
        self.data.extend(n_bytes.to_be_bytes());
        self.data.extend_from_slice(unit);
        Ok(())
    }

    /// Ends the current sample and begins the next sample.
    pub(super) fn end_sample(&mut self, key: bool, duration_ms: u32) -> Result<(), Error> {
        let n_bytes = u32::try_from(self.data.len() - self.current_start)
            .map_err(|_| failed("a picture is too large"))?;
        self.samples.push(Sample { n_bytes, duration_ms, key });
        self.current_start = self.data.len();
        Ok(())
    }

    /// Returns the whole file.
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
        // The index contains the offset of the data, which follow the index. Therefore the index is written
        // twice. The first index has the offset 0 and is only measured, because the length does not depend on
        // the offset. The second index has the real offset.
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
        self.samples.iter().map(|sample| u64::from(sample.duration_ms)).sum()
    }

    /// Appends the box `moov`, the index of the file.
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
                        // This is the code of the language "und", which means "undetermined".
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

    /// Appends creation time, modification time, timescale and duration. The creation time and the
    /// modification time are 0, so that the same pictures always give the same file.
    fn times(&self, out: &mut Vec<u8>) {
        out.extend([0; 16]);
        out.extend(TIMESCALE.to_be_bytes());
        out.extend(self.duration_ms().to_be_bytes());
    }

    fn track_header(&self, out: &mut Vec<u8>) {
        // The flags of the box `tkhd` state that the track is enabled, and that both the movie and its
        // preview use the track.
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
                // The flag 1 of the box `url ` states that the data are in this file.
                full_box(out, b"url ", 0, 1, |_| {});
            });
        });
        boxed(out, b"stbl", |out| {
            full_box(out, b"stsd", 0, 0, |out| {
                out.extend(1u32.to_be_bytes());
                self.sample_entry(out, parameters);
            });
            self.sample_durations(out);
            self.key_samples(out);
            full_box(out, b"stsc", 0, 0, |out| {
                // The box `stsc` has one entry. The entry states that chunk 1, the only chunk, contains all
                // samples, and that sample entry 1 describes the samples.
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
            // These fields are: horizontal and vertical resolution (72 dots per inch), reserved, number of
            // frames per sample (1), name of the encoder (empty), depth (24 bits), and colour table (none).
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
                // The byte 0 states that the samples have limited range: the luma 16 means black, and 235
                // means white.
                out.push(0);
            });
        });
    }

    /// Appends the box `stts`, which states the duration of each run of samples that have the same duration.
    fn sample_durations(&self, out: &mut Vec<u8>) {
        let runs: Vec<&[Sample]> = self.samples.chunk_by(|a, b| a.duration_ms == b.duration_ms).collect();
        full_box(out, b"stts", 0, 0, |out| {
            out.extend((runs.len() as u32).to_be_bytes());
            for run in runs {
                out.extend((run.len() as u32).to_be_bytes());
                out.extend(run[0].duration_ms.to_be_bytes());
            }
        });
    }

    /// Appends the box `stss`, which contains the numbers of the key frames, counted from 1.
    fn key_samples(&self, out: &mut Vec<u8>) {
        let keys: Vec<u32> = (1..).zip(&self.samples).filter(|(_, s)| s.key).map(|(n, _)| n).collect();
        full_box(out, b"stss", 0, 0, |out| {
            out.extend((keys.len() as u32).to_be_bytes());
            keys.iter().for_each(|n| out.extend(n.to_be_bytes()));
        });
    }
}

/// Appends the decoder configuration (ISO/IEC 14496-15, 5.3.3.1) for the H.264 profile High with 4:2:0 and
/// eight bits per sample.
fn decoder_configuration(out: &mut Vec<u8>, parameters: &Parameters) {
    let Parameters { sequence, picture } = parameters;
    out.push(1);
    // These bytes are the profile, the constraints and the level, copied from the sequence parameter set.
    out.extend(sequence.get(1..4).unwrap_or(&[100, 0, 52]));
    // These bytes state that the length field before each NAL unit has four bytes, and that one sequence
    // parameter set follows.
    out.extend([0xff, 0xe1]);
    out.extend((sequence.len() as u16).to_be_bytes());
    out.extend(sequence);
    out.push(1);
    out.extend((picture.len() as u16).to_be_bytes());
    out.extend(picture);
    out.extend([0xfd, 0xf8, 0xf8, 0]);
}

/// Appends a box of type `kind`. `content` appends the content of the box.
fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    content(out);
    let n_bytes = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&n_bytes.to_be_bytes());
}

/// Appends a "full box", a box whose content begins with a version and flags.
fn full_box(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u8, content: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.extend([version, 0, 0, flags]);
        content(out);
    });
}
