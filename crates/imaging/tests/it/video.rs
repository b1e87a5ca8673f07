//! Tests of MP4 and WebM: the parsers in this module read the output, whose timestamps must match the delays
//! of the input animation. The module `second_decoders` tests that independent decoders can read the files.

use pixaven_imaging::{Channels, Colorspace, Error, Format, Image, Limits, Processed, Scratch, process};

use crate::animation::apng;
use crate::animation::quirks::gif_with_delays;
use crate::helpers::{photo, plan_for, png_of, run, sizes_at_qualities};

/// The properties that the parsers read from a video.
#[derive(Debug, PartialEq)]
struct Video {
    size: (u32, u32),
    /// For each frame, the time at which the frame starts in milliseconds, and whether the frame is a key
    /// frame.
    frames: Vec<(u64, bool)>,
    duration_ms: u64,
}

/// Splits a part of an MP4 file into its boxes. Returns the kind and the content of each box.
fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut all = Vec::new();
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let n_bytes = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        all.push((head[4..].try_into().unwrap(), &bytes[8..n_bytes]));
        bytes = &bytes[n_bytes..];
    }
    assert!(bytes.is_empty(), "the boxes must fill the data");
    all
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> &'a [u8] {
    path.iter().fold(bytes, |bytes, kind| boxes(bytes).iter().find(|(k, _)| k == *kind).unwrap().1)
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|&four| u32::from_be_bytes(four)).collect()
}

fn read_mp4(file: &[u8]) -> Video {
    let order: Vec<[u8; 4]> = boxes(file).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(order, [*b"ftyp", *b"moov", *b"mdat"], "the index comes before the data");
    let table = find(file, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"]);
    let header = u32s(find(file, &[b"moov", b"trak", b"mdia", b"mdhd"]));
    assert_eq!(header[5], 1000, "milliseconds");
    let track = u32s(find(file, &[b"moov", b"trak", b"tkhd"]));
    let keys = u32s(&find(table, &[b"stss"])[8..]);
    let sizes = u32s(&find(table, &[b"stsz"])[12..]);
    let mut frames = Vec::new();
    let mut now_ms = 0u64;
    for pair in u32s(&find(table, &[b"stts"])[8..]).as_chunks::<2>().0 {
        for _ in 0..pair[0] {
            frames.push((now_ms, keys.contains(&(frames.len() as u32 + 1))));
            now_ms += u64::from(pair[1]);
        }
    }
    assert_eq!(sizes.len(), frames.len());
    let entry = &find(table, &[b"stsd"])[8..];
    assert_eq!(entry[4..8], *b"avc1");
    let inner = boxes(&entry[8 + 78..]);
    assert_eq!(inner.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [*b"avcC", *b"colr"]);
    assert_eq!(inner[0].1[1], 100, "the profile must be High");
    // The samples must fill the `mdat` box without gaps, and each sample must consist of whole NAL units.
    let mut at = u32s(&find(table, &[b"stco"])[8..])[0] as usize;
    assert_eq!(&file[at - 4..at], b"mdat");
    for size in sizes {
        let end = at + size as usize;
        while at < end {
            let n_bytes = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
            assert!(matches!(file[at + 4] & 0x1f, 1 | 5), "each NAL unit must be a slice");
            at += 4 + n_bytes;
        }
        assert_eq!(at, end);
    }
    assert_eq!(at, file.len());
    Video { size: (track[22] >> 16, track[23] >> 16), frames, duration_ms: u64::from(header[7]) }
}

/// Splits a part of a WebM file into its elements. Returns the identifier and the content of each element.
fn elements(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut all = Vec::new();
    while let Some(&first) = bytes.first() {
        let n_id = first.leading_zeros() as usize + 1;
        let id = bytes[..n_id].iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
        assert_eq!(bytes[n_id], 1, "element lengths must have eight bytes");
        let n_bytes = number(&bytes[n_id + 1..n_id + 8]) as usize;
        let start = n_id + 8;
        all.push((id, &bytes[start..start + n_bytes]));
        bytes = &bytes[start + n_bytes..];
    }
    all
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn element<'a>(bytes: &'a [u8], path: &[u32]) -> &'a [u8] {
    path.iter().fold(bytes, |bytes, id| elements(bytes).iter().find(|(i, _)| i == id).unwrap().1)
}

fn read_webm(file: &[u8]) -> Video {
    assert_eq!(element(file, &[0x1a45_dfa3, 0x4282]), b"webm");
    let segment = element(file, &[0x1853_8067]);
    assert_eq!(number(element(segment, &[0x1549_a966, 0x2a_d7b1])), 1_000_000, "milliseconds");
    let duration = f64::from_be_bytes(element(segment, &[0x1549_a966, 0x4489]).try_into().unwrap());
    let track = element(segment, &[0x1654_ae6b, 0xae]);
    assert_eq!(element(track, &[0x86]), b"V_VP8");
    let side = |id| number(element(track, &[0xe0, id])) as u32;
    let mut frames = Vec::new();
    for (_, cluster) in elements(segment).iter().filter(|(id, _)| *id == 0x1f43_b675) {
        let start = number(element(cluster, &[0xe7]));
        for (id, content) in elements(cluster) {
            let block = match id {
                0xa3 => content,
                0xa0 => element(content, &[0xa1]),
                _ => continue,
            };
            let offset = i16::from_be_bytes([block[1], block[2]]);
            let key = block[4] & 1 == 0;
            assert!(
                id == 0xa0 || (block[3] & 0x80 != 0) == key,
                "the key frame flag must match the bitstream"
            );
            frames.push((start + u64::try_from(offset).unwrap(), key));
        }
    }
    // Each entry of the WebM index must point to a cluster, and the time of the entry must be that of a key
    // frame.
    for (_, point) in elements(element(segment, &[0x1c53_bb6b])) {
        let time = number(element(point, &[0xb3]));
        let position = number(element(point, &[0xb7, 0xf1])) as usize;
        assert_eq!(segment[position..position + 4], [0x1f, 0x43, 0xb6, 0x75]);
        assert!(frames.contains(&(time, true)), "{time} ms");
    }
    Video { size: (side(0xb0), side(0xba)), frames, duration_ms: duration as u64 }
}

fn read(format: Format, file: &[u8]) -> Video {
    if format == Format::Mp4 { read_mp4(file) } else { read_webm(file) }
}

const VIDEOS: [Format; 2] = [Format::Mp4, Format::Webm];

/// Creates frames that all differ, with the given delays in milliseconds.
fn frames(width: u32, height: u32, delays: &[u16]) -> Vec<(Image, u16)> {
    let frame = |(i, &delay): (usize, &u16)| {
        let picture = photo(width + i as u32, height);
        let row = |row: &[u8]| row[i * 3..].to_vec();
        let data = picture.data().chunks_exact((width as usize + i) * 3).flat_map(row).collect();
        (Image::new(width, height, Channels::Rgb, data), delay)
    };
    delays.iter().enumerate().map(frame).collect()
}

fn video(format: Format, frames: &[(Image, u16)]) -> Processed {
    run(&apng(frames, 0), &plan_for(format))
}

#[test]
fn timestamps_of_video_frames_match_the_delays_of_the_animation() {
    for format in VIDEOS {
        let done = video(format, &frames(64, 48, &[40, 40, 100, 10, 700, 33]));
        let video_info = read(format, &done.bytes);
        let times: Vec<u64> = video_info.frames.iter().map(|frame| frame.0).collect();
        assert_eq!(times, [0, 40, 80, 180, 190, 890], "{format:?}");
        assert_eq!((video_info.size, video_info.duration_ms), ((64, 48), 923));
        assert!(video_info.frames[0].1);
        let facts = done.output;
        assert_eq!((facts.format, facts.width, facts.height, facts.frames), (format, 64, 48, 6));
        assert_eq!((facts.colorspace, facts.depth, facts.alpha), (Colorspace::YCbCr, 24, false));
        assert_eq!(facts.sampling.as_deref(), Some("4:2:0"));
    }
}

#[test]
fn animation_frame_with_delay_0_lasts_100_ms_in_a_video() {
    for format in VIDEOS {
        let video_info = read(format, &video(format, &frames(32, 32, &[0, 0])).bytes);
        assert_eq!((video_info.frames[1].0, video_info.duration_ms), (100, 200), "{format:?}");
    }
}

#[test]
fn video_of_a_gif_with_delays_of_1_hundredth_of_a_second_lasts_as_long_as_in_browsers() {
    for format in VIDEOS {
        let done = run(&gif_with_delays(&[1; 20]), &plan_for(format));
        assert_eq!(read(format, &done.bytes).duration_ms, 2000, "{format:?}");
    }
}

#[test]
fn still_image_becomes_a_video_with_one_frame() {
    for format in VIDEOS {
        let done = run(&png_of(&photo(40, 30)), &plan_for(format));
        assert_eq!(done.output.frames, 1);
        assert_eq!(read(format, &done.bytes).frames, [(0, true)], "{format:?}");
    }
}

#[test]
fn reported_width_and_height_of_an_output_video_equal_those_in_the_video_file() {
    for (size, mp4) in [((33, 21), (34, 22)), ((1, 1), (16, 16)), ((300, 7), (300, 16)), ((16, 16), (16, 16))]
    {
        let input = png_of(&photo(size.0, size.1));
        for format in VIDEOS {
            let done = run(&input, &plan_for(format));
            let expected = if format == Format::Mp4 { mp4 } else { size };
            assert_eq!((done.output.width, done.output.height), expected, "{format:?}");
            assert_eq!(read(format, &done.bytes).size, expected, "{format:?}");
        }
    }
}

#[test]
fn video_frame_equal_to_the_previous_frame_takes_only_few_bytes() {
    let picture = photo(160, 120);
    let still: Vec<(Image, u16)> = (0..20).map(|_| (picture.clone(), 50)).collect();
    for format in VIDEOS {
        let one = run(&png_of(&picture), &plan_for(format)).bytes.len();
        let done = video(format, &still);
        let video_info = read(format, &done.bytes);
        assert_eq!(video_info.frames.len(), 20, "{format:?}");
        assert_eq!(video_info.frames.iter().filter(|frame| frame.1).count(), 1, "{format:?}");
        assert!(done.bytes.len() < one + 20 * 100, "{format:?}: {} after {one}", done.bytes.len());
    }
}

#[test]
fn timestamps_of_video_frames_are_exact_even_if_a_frame_is_shown_for_a_minute() {
    // The delays exceed the range of the 16-bit timestamp offsets in a WebM cluster. The test runs once with
    // frames that all differ, and once with equal frames.
    for repeated in [false, true] {
        let mut frames = frames(16, 16, &[40_000, 65_000, 3, 4_999, 1, 6_000]);
        if repeated {
            let first = frames[0].0.clone();
            frames.iter_mut().for_each(|frame| frame.0 = first.clone());
        }
        for format in VIDEOS {
            let video_info = read(format, &video(format, &frames).bytes);
            let times: Vec<u64> = video_info.frames.iter().map(|frame| frame.0).collect();
            assert_eq!(times, [0, 40_000, 105_000, 105_003, 110_002, 110_003], "{format:?}");
            assert_eq!(video_info.duration_ms, 116_003);
        }
    }
}

#[test]
fn video_encoded_at_a_higher_quality_has_a_larger_file() {
    let input = apng(&frames(96, 64, &[50; 5]), 0);
    for format in VIDEOS {
        let sizes = sizes_at_qualities(&input, format, [1, 40, 70, 100]);
        assert!(sizes.is_sorted() && sizes[3] > 3 * sizes[0], "{format:?}: {sizes:?}");
    }
}

#[test]
fn video_output_of_an_image_larger_than_mp4_or_webm_allows_is_refused() {
    let wide = png_of(&Image::new(3_900, 4, Channels::Gray, vec![9; 3_900 * 4]));
    let error =
        process(&wide, &plan_for(Format::Mp4), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(&error, Error::Plan(text) if text.contains("an MP4 has at most 3840x2160")), "{error}");
    let wider = png_of(&Image::new(16_400, 1, Channels::Gray, vec![9; 16_400]));
    let error =
        process(&wider, &plan_for(Format::Webm), &Limits::default(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(&error, Error::Plan(text) if text.contains("a WebM has at most 16383")), "{error}");
}

#[test]
fn error_for_an_input_that_is_a_video_names_the_format_of_the_video() {
    for (format, name) in [(Format::Mp4, "an MP4 video"), (Format::Webm, "a Matroska or WebM video")] {
        let file = video(format, &frames(32, 32, &[50])).bytes;
        let error =
            process(&file, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()).unwrap_err();
        assert_eq!(error, Error::UnknownFormat { sniffed: Some(name) });
    }
}

#[test]
fn encoding_an_animation_twice_gives_identical_video_files() {
    let input = apng(&frames(50, 40, &[30, 40, 50]), 0);
    for format in VIDEOS {
        assert_eq!(run(&input, &plan_for(format)).bytes, run(&input, &plan_for(format)).bytes, "{format:?}");
    }
}
