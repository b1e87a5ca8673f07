//! Tests of animations in HEIF: sequences of AV1 and HEVC pictures in tracks, and their recognition.

use pixaven_imaging::probe::{Probe, probe};
use pixaven_imaging::{Channels, Error, Format, Image, Limits, Scratch, TruncatedInput, process, sniff};

use crate::animation::{decoded_frames, moving_square};
use crate::helpers::{fading_photo, nearly_equal, plan_for, png_of, psnr_db, rgba, run};
use crate::modern::at_quality;

/// A box of type `kind`.
fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, &content].concat()
}

/// A box that begins with version 0, the given flags, and then numbers of four bytes.
fn numbers(kind: &[u8; 4], flags: u32, numbers: &[u32]) -> Vec<u8> {
    let numbers: Vec<[u8; 4]> = numbers.iter().map(|n| n.to_be_bytes()).collect();
    boxed(kind, &[&flags.to_be_bytes(), numbers.as_flattened()])
}

/// The content of the first box of a kind that a file of this crate has.
fn content<'a>(file: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = file.windows(4).position(|window| window == kind).unwrap();
    let length = u32::from_be_bytes(*file[at - 4..].first_chunk().unwrap()) as usize;
    &file[at + 4..at - 4 + length]
}

/// How a test sequence is built.
struct Sequence<'a> {
    /// The first brand of the file.
    brand: &'a [u8; 4],
    format: Format,
    /// Each frame with its duration in milliseconds.
    frames: &'a [(Image, u16)],
    /// Whether the second track has the alpha planes of the frames.
    alpha: bool,
    /// How many times the sequence plays. `None` means that it does not state a number.
    plays: Option<u32>,
    /// The numbers of the samples that are marked as independent of others. `None` means all.
    sync: Option<&'a [u32]>,
}

impl<'a> Sequence<'a> {
    fn new(brand: &'a [u8; 4], format: Format, frames: &'a [(Image, u16)]) -> Self {
        Self { brand, format, frames, alpha: false, plays: None, sync: None }
    }

    /// The coded pictures of a track and the content of the box with the configuration of its decoder.
    fn coded(&self, pictures: &[Image]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let kind = if self.format == Format::Avif { b"av1C" } else { b"hvcC" };
        let files: Vec<Vec<u8>> =
            pictures.iter().map(|image| run(&png_of(image), &at_quality(self.format, 90)).bytes).collect();
        let data = files.iter().map(|file| content(file, b"mdat").to_vec()).collect();
        (data, boxed(kind, &[content(&files[0], kind)]))
    }

    fn track(&self, id: u32, data: &[Vec<u8>], configuration: &[u8], at: u32) -> Vec<u8> {
        let (first, is_alpha) = (&self.frames[0].0, id == 2);
        let side = |px: u32| (px as u16).to_be_bytes();
        let kind = if self.format == Format::Avif { b"av01" } else { b"hvc1" };
        let color = boxed(b"colr", &[b"nclx", &[0, 1, 0, 13, 0, 6, 0x80]]);
        let entry = [&[0; 24][..], &side(first.width()), &side(first.height()), &[0; 50]].concat();
        let description = boxed(b"stsd", &[&[0; 7], &[1], &boxed(kind, &[&entry, configuration, &color])]);
        let sizes: Vec<u32> = data.iter().map(|sample| sample.len() as u32).collect();
        let n = sizes.len() as u32;
        let durations: Vec<u32> = self.frames.iter().flat_map(|(_, ms)| [1, u32::from(*ms)]).collect();
        let mut table = vec![
            description,
            numbers(b"stts", 0, &[&[n][..], &durations].concat()),
            numbers(b"stsz", 0, &[&[0, n][..], &sizes].concat()),
            // Two samples are in the first chunk, and each further chunk has one sample.
            numbers(b"stsc", 0, &[2, 1, 2, 1, 2, 1, 1]),
        ];
        let ends: Vec<u32> =
            sizes.iter().scan(at, |end, size| Some(std::mem::replace(end, *end + size))).collect();
        let offsets: Vec<u32> = ends.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, at)| *at).collect();
        table.push(numbers(b"stco", 0, &[&[offsets.len() as u32][..], &offsets].concat()));
        if let Some(sync) = self.sync {
            table.push(numbers(b"stss", 0, &[&[sync.len() as u32], sync].concat()));
        }
        let total: u32 = self.frames.iter().map(|(_, ms)| u32::from(*ms)).sum();
        let header = numbers(b"tkhd", 1, &[0, 0, id, 0, total * self.plays.unwrap_or(1)]);
        let edits = numbers(b"elst", 1, &[1, total, 0, 0x1_0000]);
        let edits = if self.plays.is_some() { boxed(b"edts", &[&edits]) } else { Vec::new() };
        let reference = if is_alpha { boxed(b"tref", &[&numbers(b"auxl", 1, &[])]) } else { Vec::new() };
        let handler = if is_alpha { b"auxv" } else { b"pict" };
        let media = [
            numbers(b"mdhd", 0, &[0, 0, 1000, total]),
            boxed(b"hdlr", &[&[0; 8], handler, &[0; 13]]),
            boxed(b"minf", &[&boxed(b"stbl", &[&table.concat()])]),
        ];
        boxed(b"trak", &[&header, &edits, &reference, &boxed(b"mdia", &[&media.concat()])])
    }

    fn file(&self) -> Vec<u8> {
        let alpha_of = |(image, _): &(Image, u16)| {
            let data = image.data().as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect();
            Image::new(image.width(), image.height(), Channels::Gray, data)
        };
        let opaque = |(image, _): &(Image, u16)| {
            let data = rgba(image).iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            Image::new(image.width(), image.height(), Channels::Rgb, data)
        };
        let (data, configuration) = self.coded(&self.frames.iter().map(opaque).collect::<Vec<_>>());
        let mut tracks = vec![(1, data, configuration)];
        if self.alpha {
            let (data, configuration) = self.coded(&self.frames.iter().map(alpha_of).collect::<Vec<_>>());
            tracks.push((2, data, configuration));
        }
        // The samples precede the tables, so that their offsets are known.
        let start = boxed(b"ftyp", &[self.brand, &[0; 4], self.brand, b"miaf"]);
        let mut at = start.len() as u32 + 8;
        let (mut samples, mut boxes) = (Vec::new(), Vec::new());
        for (id, data, configuration) in &tracks {
            boxes.push(self.track(*id, data, configuration, at));
            at += data.iter().map(|sample| sample.len() as u32).sum::<u32>();
            samples.extend(data.concat());
        }
        [start, boxed(b"mdat", &[&samples]), boxed(b"moov", &[&boxes.concat()])].concat()
    }
}

const CASES: [(&[u8; 4], Format); 2] = [(b"avis", Format::Avif), (b"hevc", Format::Heic)];

#[test]
fn every_frame_of_a_heif_sequence_is_read_with_its_delay() {
    let frames = moving_square(4, [30, 90, 160, 255]);
    for (brand, format) in CASES {
        let file = Sequence { plays: Some(3), ..Sequence::new(brand, format, &frames) }.file();
        let done = run(&file, &plan_for(Format::Webp));
        assert_eq!((done.input.format, done.input.frames, done.input.alpha), (format, 4, false));
        assert_eq!(done.warnings, Vec::<String>::new());
        assert_eq!(probe(&file), Some(Probe { format, width: 32, height: 24, n_frames: 4, n_scans: 1 }));
        let decoded = decoded_frames(&file);
        assert_eq!(decoded.len(), 4, "{format:?}");
        for (i, ((pixels, delay_ms), (image, expected_ms))) in decoded.iter().zip(&frames).enumerate() {
            assert_eq!(*delay_ms, u32::from(*expected_ms), "frame {i} in {format:?}");
            let db = psnr_db(pixels, &rgba(image));
            assert!(db > 24.0, "frame {i} in {format:?}: {db:.1} dB");
        }
        let apng = run(&file, &plan_for(Format::Apng)).bytes;
        let control = apng.windows(4).position(|window| window == b"acTL").unwrap();
        assert_eq!(apng[control + 8..control + 12], [0, 0, 0, 3], "{format:?} plays three times");
    }
}

#[test]
fn alpha_track_of_a_heif_sequence_becomes_the_alpha_channel() {
    let frames = vec![(fading_photo(32, 24), 50), (fading_photo(32, 24), 60)];
    for (brand, format) in CASES {
        let file = Sequence { alpha: true, ..Sequence::new(brand, format, &frames) }.file();
        let done = run(&file, &plan_for(Format::Png));
        assert!(done.input.alpha && done.output.alpha, "{format:?}");
        let (pixels, _) = &decoded_frames(&file)[1];
        let alphas = |pixels: &[[u8; 4]]| pixels.iter().map(|pixel| [pixel[3]; 4]).collect::<Vec<_>>();
        assert!(nearly_equal(&alphas(pixels), &alphas(&rgba(&frames[1].0)), 12), "{format:?}");
    }
}

#[test]
fn hevc_sequence_ends_before_the_first_frame_that_refers_to_others() {
    let frames = moving_square(4, [30, 90, 160, 255]);
    let file = Sequence { sync: Some(&[1, 2, 4]), ..Sequence::new(b"hevc", Format::Heic, &frames) }.file();
    let done = run(&file, &plan_for(Format::Webp));
    assert_eq!((done.input.frames, done.output.frames), (2, 2));
    assert!(done.warnings.iter().any(|warning| warning.contains("2 of 4 frames")), "{:?}", done.warnings);
}

#[test]
fn heif_sequence_that_is_cut_off_is_refused_or_read_up_to_the_last_whole_frame() {
    let frames = moving_square(3, [30, 90, 160, 255]);
    let mut file = Sequence::new(b"avis", Format::Avif, &frames).file();
    // The tables move to the beginning, and the end of the file cuts off the last sample.
    let (data, tables) = (content(&file, b"mdat").len() as u32 + 8, content(&file, b"moov").len() as u32 + 8);
    let start = file.len() as u32 - data - tables;
    let moved = file.split_off((start + data) as usize);
    file.splice(start as usize..start as usize, moved);
    let chunks = file.windows(4).position(|window| window == b"stco").unwrap() + 12;
    for at in [chunks, chunks + 4] {
        let offset = u32::from_be_bytes(*file[at..].first_chunk().unwrap()) + tables;
        file[at..at + 4].copy_from_slice(&offset.to_be_bytes());
    }
    assert_eq!(run(&file, &plan_for(Format::Webp)).output.frames, 3);
    file.pop();
    let open = |truncated| {
        let limits = Limits { truncated, ..Limits::default() };
        process(&file, &plan_for(Format::Webp), &limits, &mut Scratch::default())
    };
    assert!(matches!(open(TruncatedInput::Refuse), Err(Error::Truncated { .. })));
    let done = open(TruncatedInput::Warn).unwrap();
    assert_eq!(done.output.frames, 2);
    assert!(done.warnings.iter().any(|warning| warning.contains("33 %")), "{:?}", done.warnings);
}

#[test]
fn altered_tables_of_a_heif_sequence_never_cause_a_panic() {
    let frames = moving_square(2, [30, 90, 160, 255]);
    let original = Sequence::new(b"avis", Format::Avif, &frames).file();
    let mut scratch = Scratch::default();
    for kind in [b"moov", b"tkhd", b"mdhd", b"stbl", b"stsd", b"stts", b"stsz", b"stsc", b"stco", b"av1C"] {
        let at = original.windows(4).position(|window| window == kind).unwrap();
        for offset in (0..40).filter(|offset| at + offset < original.len()) {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut input = original.clone();
                input[at - 4 + offset] = byte;
                let _result = process(&input, &plan_for(Format::Webp), &Limits::default(), &mut scratch);
            }
        }
    }
}

#[test]
fn heif_file_with_unknown_brands_is_recognised_by_its_boxes() {
    let frames = moving_square(2, [30, 90, 160, 255]);
    for (_, format) in CASES {
        let sequence = Sequence::new(b"iso8", format, &frames).file();
        assert_eq!(sniff(&sequence), Some(format), "a sequence");
        let mut still = run(&png_of(&frames[0].0), &at_quality(format, 90)).bytes;
        let end = still.windows(4).position(|window| window == b"meta").unwrap() - 4;
        for brand in (8..end).step_by(4).filter(|at| *at != 12) {
            still[brand..brand + 4].copy_from_slice(b"xyzw");
        }
        assert_eq!(sniff(&still), Some(format), "a still picture");
        assert_eq!(run(&still, &plan_for(Format::Png)).input.width, 32);
        let mut general = still.clone();
        general[8..12].copy_from_slice(b"mif1");
        assert_eq!(sniff(&general), Some(format), "a still picture of a general brand");
    }
}
