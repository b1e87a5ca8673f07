//! EXIF, XMP and the texts of a PNG: what of them gets from which format to which, and what does not.

mod blocks;

use pixaven_imaging::plan::{Crop, CropAt, KeptMetadata, Plan, Scale};
use pixaven_imaging::{Format, Limits, Scratch, process};
use proptest::prelude::*;

use self::blocks::{Block, exif_of, with_exif, xmp_of};
use crate::corpus::Corpus;
use crate::pictures::{file, photo, png_of, png_with, run, to};

/// The formats that take metadata.
const TAKERS: [Format; 4] = [Format::Jpeg, Format::Png, Format::Apng, Format::Webp];

const XMP: &str = "<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
<rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\" \
tiff:Orientation=\"6\" exif:PixelXDimension='4000' photoshop:City=\"Lausanne\">\
<exif:PixelYDimension>3000</exif:PixelYDimension><xmp:Thumbnails><rdf:Alt>AAAA</rdf:Alt></xmp:Thumbnails>\
<dc:rights><rdf:Alt><rdf:li xml:lang=\"x-default\">© Mot &amp; Söhne</rdf:li></rdf:Alt></dc:rights>\
<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Bo &#x26; Cy</rdf:li></rdf:Seq></dc:creator>\
</rdf:Description></rdf:RDF></x:xmpmeta>                                             \n<?xpacket end=\"w\"?>";

fn keeping(format: Format, metadata: KeptMetadata) -> Plan {
    let mut plan = to(format);
    plan.output.metadata = metadata;
    plan
}

/// A JPEG of 40 × 24 pixels that has to be turned by a quarter, with everything a camera writes.
fn camera_file() -> Vec<u8> {
    with_exif(&file(&photo(40, 24), Format::Jpeg), &Block::of_a_camera(true).bytes(), Some(XMP))
}

/// The same in every format that takes metadata, made by taking everything over.
fn files_of_all_formats() -> Vec<(Format, Vec<u8>)> {
    let mut as_stored = Plan { keep_orientation: true, ..Plan::default() };
    TAKERS
        .map(|format| {
            as_stored.output = keeping(format, KeptMetadata::All).output;
            (format, run(&camera_file(), &as_stored).bytes)
        })
        .to_vec()
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    for (from, input) in files_of_all_formats() {
        for into in TAKERS {
            let done = run(&input, &to(into));
            assert!(exif_of(into, &done.bytes).is_none(), "{from:?} to {into:?}");
            assert_eq!(xmp_of(into, &done.bytes), None, "{from:?} to {into:?}");
            let text = String::from_utf8_lossy(&done.bytes).into_owned();
            assert!(!text.contains("Ada") && !text.contains("Exif"), "{from:?} to {into:?}");
        }
    }
}

#[test]
fn all_means_everything_that_is_still_true() {
    for (from, input) in files_of_all_formats() {
        for into in TAKERS {
            let what = format!("{from:?} to {into:?}");
            let done = run(&input, &keeping(into, KeptMetadata::All));
            assert_eq!((done.output.width, done.output.height), (24, 40), "{what}: it was turned");
            let exif = exif_of(into, &done.bytes).expect(&what);
            let shown = |tag: exif::Tag| {
                exif.get_field(tag, exif::In::PRIMARY).map(|field| field.display_value().to_string())
            };
            assert_eq!(shown(exif::Tag::Make).as_deref(), Some("\"Pinhole Ltd\""), "{what}");
            assert_eq!(shown(exif::Tag::Artist).as_deref(), Some("\"Ada\""), "{what}");
            assert_eq!(shown(exif::Tag::Copyright).as_deref(), Some("\"(c) Ada 2026\""), "{what}");
            assert_eq!(shown(exif::Tag::ExposureTime).as_deref(), Some("1/250"), "{what}");
            assert_eq!(shown(exif::Tag::GPSLatitudeRef).as_deref(), Some("N"), "{what}");
            assert_eq!(shown(exif::Tag::Orientation).as_deref(), Some("row 0 at top and column 0 at left"));
            assert_eq!(shown(exif::Tag::PixelXDimension).as_deref(), Some("24"), "{what}");
            assert_eq!(shown(exif::Tag::PixelYDimension).as_deref(), Some("40"), "{what}");
            assert_eq!(shown(exif::Tag::ColorSpace).as_deref(), Some("sRGB"), "{what}");
            assert_eq!(shown(exif::Tag::MakerNote), None, "{what}: offsets in it would be wrong");
            assert_eq!(shown(exif::Tag::Compression), None, "{what}");
            assert!(exif.fields().all(|field| field.ifd_num == exif::In::PRIMARY), "{what}: no thumbnail");
            let xmp = xmp_of(into, &done.bytes).expect(&what);
            for part in [
                "tiff:Orientation=\"1\"",
                "exif:PixelXDimension='24'",
                "<exif:PixelYDimension>40<",
                "photoshop:City=\"Lausanne\"",
                "© Mot &amp; Söhne",
            ] {
                assert!(xmp.contains(part), "{what}: {part} in {xmp}");
            }
            assert!(!xmp.contains("Thumbnails") && !xmp.contains("    "), "{what}: {xmp}");
        }
    }
}

#[test]
fn the_orientation_stays_where_the_picture_is_not_turned() {
    for (from, input) in files_of_all_formats() {
        let done = run(&input, &Plan { keep_orientation: true, ..keeping(Format::Webp, KeptMetadata::All) });
        assert_eq!((done.output.width, done.output.height), (40, 24), "{from:?}");
        let exif = exif_of(Format::Webp, &done.bytes).unwrap();
        let orientation = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).unwrap();
        assert_eq!(orientation.value.get_uint(0), Some(6), "{from:?}");
        assert!(xmp_of(Format::Webp, &done.bytes).unwrap().contains("tiff:Orientation=\"6\""));
    }
}

#[test]
fn sizes_are_those_of_the_result() {
    let crop = Crop::Rect { width: 7, height: 5, at: CropAt::Point { x: 1, y: 1 } };
    let done = run(&camera_file(), &Plan { crop: Some(crop), ..keeping(Format::Jpeg, KeptMetadata::All) });
    let exif = exif_of(Format::Jpeg, &done.bytes).unwrap();
    let number = |tag| exif.get_field(tag, exif::In::PRIMARY).unwrap().value.get_uint(0);
    assert_eq!(number(exif::Tag::PixelXDimension), Some(7));
    assert_eq!(number(exif::Tag::PixelYDimension), Some(5));
}

#[test]
fn copyright_means_author_and_terms_alone() {
    for (from, input) in files_of_all_formats() {
        for into in TAKERS {
            let what = format!("{from:?} to {into:?}");
            let done = run(&input, &keeping(into, KeptMetadata::Copyright));
            let exif = exif_of(into, &done.bytes).expect(&what);
            let tags: Vec<exif::Tag> = exif.fields().map(|field| field.tag).collect();
            assert_eq!(tags, [exif::Tag::Artist, exif::Tag::Copyright], "{what}");
            let xmp = xmp_of(into, &done.bytes).expect(&what);
            assert!(xmp.contains(">© Mot &amp; Söhne<"), "{xmp}");
            assert!(xmp.contains("<rdf:li>Ada</rdf:li><rdf:li>Bo &amp; Cy</rdf:li>"), "{xmp}");
            assert!(!xmp.contains("Lausanne") && !xmp.contains("tiff:"), "{xmp}");
        }
    }
}

#[test]
fn both_byte_orders_are_read() {
    for big_endian in [true, false] {
        let block = Block::of_a_camera(big_endian).bytes();
        let input = with_exif(&file(&photo(8, 8), Format::Jpeg), &block, None);
        let done = run(&input, &keeping(Format::Png, KeptMetadata::All));
        let exif = exif_of(Format::Png, &done.bytes).unwrap();
        assert_eq!(exif.fields().count(), 12, "big-endian: {big_endian}");
        assert_eq!(exif.little_endian(), !big_endian);
    }
}

#[test]
fn texts_of_a_png_become_exif() {
    let text = |keyword: &str, text: &str| png::text_metadata::TEXtChunk::new(keyword, text);
    let packed = png::text_metadata::ZTXtChunk::new("Copyright", "© Ada, 2026");
    let input = png_with(&photo(8, 8), |info| {
        info.uncompressed_latin1_text = vec![text("Author", "Ada"), text("Comment", "private")];
        info.compressed_latin1_text = vec![packed];
    });
    for kept in [KeptMetadata::Copyright, KeptMetadata::All] {
        let done = run(&input, &keeping(Format::Jpeg, kept));
        let exif = exif_of(Format::Jpeg, &done.bytes).unwrap();
        let bytes = |tag| match &exif.get_field(tag, exif::In::PRIMARY).unwrap().value {
            exif::Value::Ascii(texts) => String::from_utf8(texts[0].clone()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(bytes(exif::Tag::Artist), "Ada");
        assert_eq!(bytes(exif::Tag::Copyright), "© Ada, 2026");
        assert!(!String::from_utf8_lossy(&done.bytes).contains("private"));
    }
}

#[test]
fn the_by_line_of_a_press_photo_becomes_exif() {
    let records = b"\x1c\x02\x50\0\x03Ada\x1c\x02\x74\0\x08(c) 2026";
    let resource = [b"8BIM\x04\x04\0\0\0\0\0", &[records.len() as u8][..], records].concat();
    let body = [b"Photoshop 3.0\0", &resource[..]].concat();
    let bare = file(&photo(8, 8), Format::Jpeg);
    let segment = [b"\xff\xed", &((body.len() + 2) as u16).to_be_bytes()[..], &body].concat();
    let input = [&bare[..2], &segment, &bare[2..]].concat();
    let done = run(&input, &keeping(Format::Webp, KeptMetadata::Copyright));
    let exif = exif_of(Format::Webp, &done.bytes).unwrap();
    let shown = |tag| exif.get_field(tag, exif::In::PRIMARY).unwrap().display_value().to_string();
    assert_eq!(
        (shown(exif::Tag::Artist), shown(exif::Tag::Copyright)),
        ("\"Ada\"".into(), "\"(c) 2026\"".into())
    );
}

#[test]
fn xmp_in_a_png_may_be_packed() {
    let mut chunk = png::text_metadata::ITXtChunk::new("XML:com.adobe.xmp", XMP);
    chunk.compressed = true;
    let input = png_with(&photo(8, 8), |info| info.utf8_text = vec![chunk]);
    assert!(!String::from_utf8_lossy(&input).contains("Lausanne"), "it is packed");
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert!(xmp_of(Format::Jpeg, &done.bytes).unwrap().contains("Lausanne"));
}

#[test]
fn what_does_not_fit_a_segment_is_left_out() {
    let mut block = Block::of_a_camera(true);
    block.add_comment(&[b'x'; 60_000]);
    let much = "y".repeat(70_000);
    let input = with_exif(&file(&photo(8, 8), Format::Jpeg), &block.bytes(), None);
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert_eq!(exif_of(Format::Jpeg, &done.bytes).unwrap().fields().count(), 13, "with the comment");
    let mut texts = vec![png::text_metadata::TEXtChunk::new("Author", "a".repeat(8_000))];
    texts.push(png::text_metadata::TEXtChunk::new("Copyright", "c".repeat(9_000)));
    let input = png_with(&photo(8, 8), |info| {
        block.add_comment(&[b'x'; 60_000]);
        info.exif_metadata = Some(block.bytes().into());
        info.uncompressed_latin1_text = texts;
    });
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert!(done.bytes.len() < 70_000);
    assert_eq!(done.warnings, ["EXIF has lost 1 of its values: together they are too long"]);
    let chunk = png::text_metadata::ITXtChunk::new("XML:com.adobe.xmp", XMP.replace("Lausanne", &much));
    let input = png_with(&photo(8, 8), |info| info.utf8_text = vec![chunk]);
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert_eq!(xmp_of(Format::Jpeg, &done.bytes), None);
    assert_eq!(done.warnings, ["XMP was left out: it is too long"]);
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::Copyright));
    assert!(xmp_of(Format::Jpeg, &done.bytes).unwrap().contains("Ada"));
}

#[test]
fn a_file_that_can_hold_no_metadata_is_as_it_would_be_without() {
    let gif = run(&camera_file(), &keeping(Format::Gif, KeptMetadata::All));
    assert_eq!(gif.bytes, run(&camera_file(), &to(Format::Gif)).bytes);
    assert_eq!(gif.warnings, ["the metadata were left out: this build writes none into GIF"]);
    let nothing_to_keep = run(&png_of(&photo(8, 8)), &keeping(Format::Gif, KeptMetadata::All));
    assert_eq!(nothing_to_keep.warnings, Vec::<String>::new());
}

#[test]
fn the_pixels_of_a_file_do_not_depend_on_its_metadata() {
    for format in TAKERS {
        let bare = run(&camera_file(), &to(format));
        let full = run(&camera_file(), &keeping(format, KeptMetadata::All));
        assert!(full.output.bytes > bare.output.bytes, "{format:?}");
        let bare_as_png = run(&bare.bytes, &to(Format::Png)).bytes;
        let full_as_png = run(&full.bytes, &to(Format::Png)).bytes;
        assert!(bare_as_png == full_as_png, "{format:?}");
        let mut again = run(&full.bytes, &to(Format::Png)).input;
        again.quality = full.output.quality;
        assert_eq!(again, full.output, "{format:?}");
    }
}

#[test]
fn the_metadata_of_real_files_come_through() {
    let Some(corpus) = Corpus::open() else { return };
    let (mut n_files, mut n_values) = (0, 0);
    let small = Scale { size: 0.05, ratio: 1.0 };
    let wanted = ["jpeg", "png", "webp"];
    for entry in corpus.entries.iter().filter(|entry| wanted.contains(&entry.format.as_str())) {
        let input = corpus.read(entry);
        let plan = Plan { scale: Some(small), ..keeping(Format::Jpeg, KeptMetadata::All) };
        let Ok(done) = process(&input, &plan, &Limits::default(), &mut Scratch::default()) else { continue };
        // What the other reader objects to, ours may read or not.
        let read = |file: &[u8]| exif::Reader::new().read_from_container(&mut std::io::Cursor::new(file));
        let Ok(before) = read(&input) else { continue };
        n_files += 1;
        let after = read(&done.bytes).ok();
        for tag in [exif::Tag::Artist, exif::Tag::Copyright, exif::Tag::Model, exif::Tag::DateTimeOriginal] {
            let value = |exif: &exif::Exif| {
                let field = exif.get_field(tag, exif::In::PRIMARY);
                field.map(|field| field.display_value().to_string()).filter(|text| text != "\"\"")
            };
            if let Some(expected) = value(&before) {
                n_values += 1;
                assert_eq!(after.as_ref().and_then(value), Some(expected), "{tag} of {}", entry.file);
            }
        }
    }
    println!("{n_values} values of {n_files} files");
    assert!(n_values > 0, "the corpus has files with metadata");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a block says, the file it ends up in can be read and is not much larger.
    #[test]
    fn altered_blocks_do_no_harm(
        big_endian: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        copyright: bool,
    ) {
        let mut block = Block::of_a_camera(big_endian).bytes();
        let mut xmp = XMP.as_bytes().to_vec();
        for (place, value) in changes {
            let (in_block, in_xmp) = (place.index(block.len()), place.index(xmp.len()));
            block[in_block] = value;
            xmp[in_xmp] = value;
        }
        xmp.truncate(cut.index(xmp.len() * 2).max(1));
        block.truncate(cut.index(block.len() * 2).max(1));
        let input = with_exif(&file(&photo(8, 8), Format::Jpeg), &block, Some(&String::from_utf8_lossy(&xmp)));
        let kept = if copyright { KeptMetadata::Copyright } else { KeptMetadata::All };
        for format in TAKERS {
            let done = process(&input, &keeping(format, kept), &Limits::default(), &mut Scratch::default());
            let done = done.expect("metadata are no reason to fail");
            prop_assert!(done.bytes.len() < 140_000);
            let again = run(&done.bytes, &keeping(Format::Png, KeptMetadata::All));
            prop_assert_eq!(again.input.format, format);
            if let Some(written) = exif_of(format, &done.bytes) {
                prop_assert!(written.fields().all(|field| field.ifd_num == exif::In::PRIMARY));
            }
        }
    }
}
