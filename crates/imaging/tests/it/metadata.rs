//! Tests that check which metadata (EXIF, XMP, PNG texts) are kept when an image is converted to another
//! format.

mod altered;
mod exif_builder;

use pixaven_imaging::plan::{Crop, CropAt, KeptMetadata, Plan, Scale};
use pixaven_imaging::{Format, Limits, Scratch, process};

use self::exif_builder::{ExifBuilder, exif_of, with_exif, xmp_of};
use crate::corpus::Corpus;
use crate::helpers::{encoded, photo, plan_for, png_of, png_with, run};

/// Formats into which metadata can be written.
const FORMATS_WITH_METADATA: [Format; 4] = [Format::Jpeg, Format::Png, Format::Apng, Format::Webp];

const XMP: &str = "<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
<rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\" \
tiff:Orientation=\"6\" exif:PixelXDimension='4000' photoshop:City=\"Lausanne\">\
<exif:PixelYDimension>3000</exif:PixelYDimension><xmp:Thumbnails><rdf:Alt>AAAA</rdf:Alt></xmp:Thumbnails>\
<dc:rights><rdf:Alt><rdf:li xml:lang=\"x-default\">© Mot &amp; Söhne</rdf:li></rdf:Alt></dc:rights>\
<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Bo &#x26; Cy</rdf:li></rdf:Seq></dc:creator>\
</rdf:Description></rdf:RDF></x:xmpmeta>                                             \n<?xpacket end=\"w\"?>";

fn keeping(format: Format, metadata: KeptMetadata) -> Plan {
    let mut plan = plan_for(format);
    plan.output.metadata = metadata;
    plan
}

/// A JPEG of 40 × 24 pixels with orientation 6, and with the EXIF and XMP that a camera writes.
fn camera_jpeg() -> Vec<u8> {
    with_exif(&encoded(&photo(40, 24), Format::Jpeg), &ExifBuilder::of_a_camera(true).bytes(), Some(XMP))
}

/// The image of `camera_jpeg`, converted to each of the formats with metadata. All metadata are kept in these
/// conversions.
fn camera_files() -> Vec<(Format, Vec<u8>)> {
    let mut as_stored = Plan { keep_orientation: true, ..Plan::default() };
    FORMATS_WITH_METADATA
        .map(|format| {
            as_stored.output = keeping(format, KeptMetadata::All).output;
            (format, run(&camera_jpeg(), &as_stored).bytes)
        })
        .to_vec()
}

#[test]
fn exif_and_xmp_metadata_of_the_input_is_dropped_by_default() {
    for (source, input) in camera_files() {
        for target in FORMATS_WITH_METADATA {
            let done = run(&input, &plan_for(target));
            assert!(exif_of(target, &done.bytes).is_none(), "{source:?} to {target:?}");
            assert_eq!(xmp_of(target, &done.bytes), None, "{source:?} to {target:?}");
            let text = String::from_utf8_lossy(&done.bytes).into_owned();
            assert!(!text.contains("Ada") && !text.contains("Exif"), "{source:?} to {target:?}");
        }
    }
}

#[test]
fn metadata_option_all_drops_only_metadata_values_that_image_processing_made_invalid() {
    for (source, input) in camera_files() {
        for target in FORMATS_WITH_METADATA {
            let case = format!("{source:?} to {target:?}");
            let done = run(&input, &keeping(target, KeptMetadata::All));
            assert_eq!((done.output.width, done.output.height), (24, 40), "{case}: the image must be turned");
            let exif = exif_of(target, &done.bytes).expect(&case);
            let value_of = |tag: exif::Tag| {
                exif.get_field(tag, exif::In::PRIMARY).map(|field| field.display_value().to_string())
            };
            assert_eq!(value_of(exif::Tag::Make).as_deref(), Some("\"Pinhole Ltd\""), "{case}");
            assert_eq!(value_of(exif::Tag::Artist).as_deref(), Some("\"Ada\""), "{case}");
            assert_eq!(value_of(exif::Tag::Copyright).as_deref(), Some("\"(c) Ada 2026\""), "{case}");
            assert_eq!(value_of(exif::Tag::ExposureTime).as_deref(), Some("1/250"), "{case}");
            assert_eq!(value_of(exif::Tag::GPSLatitudeRef).as_deref(), Some("N"), "{case}");
            assert_eq!(
                value_of(exif::Tag::Orientation).as_deref(),
                Some("row 0 at top and column 0 at left")
            );
            assert_eq!(value_of(exif::Tag::PixelXDimension).as_deref(), Some("24"), "{case}");
            assert_eq!(value_of(exif::Tag::PixelYDimension).as_deref(), Some("40"), "{case}");
            assert_eq!(value_of(exif::Tag::ColorSpace).as_deref(), Some("sRGB"), "{case}");
            assert_eq!(
                value_of(exif::Tag::MakerNote),
                None,
                "{case}: the maker note would have wrong offsets"
            );
            assert_eq!(value_of(exif::Tag::Compression), None, "{case}");
            assert!(
                exif.fields().all(|field| field.ifd_num == exif::In::PRIMARY),
                "{case}: the output must have no thumbnail"
            );
            let xmp = xmp_of(target, &done.bytes).expect(&case);
            for part in [
                "tiff:Orientation=\"1\"",
                "exif:PixelXDimension='24'",
                "<exif:PixelYDimension>40<",
                "photoshop:City=\"Lausanne\"",
                "© Mot &amp; Söhne",
            ] {
                assert!(xmp.contains(part), "{case}: {part} in {xmp}");
            }
            assert!(!xmp.contains("Thumbnails") && !xmp.contains("    "), "{case}: {xmp}");
        }
    }
}

#[test]
fn exif_orientation_tag_is_kept_in_the_output_if_the_plan_does_not_rotate_the_image() {
    for (source, input) in camera_files() {
        let done = run(&input, &Plan { keep_orientation: true, ..keeping(Format::Webp, KeptMetadata::All) });
        assert_eq!((done.output.width, done.output.height), (40, 24), "{source:?}");
        let exif = exif_of(Format::Webp, &done.bytes).unwrap();
        let orientation = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).unwrap();
        assert_eq!(orientation.value.get_uint(0), Some(6), "{source:?}");
        assert!(xmp_of(Format::Webp, &done.bytes).unwrap().contains("tiff:Orientation=\"6\""));
    }
}

#[test]
fn kept_exif_width_and_height_equal_the_size_of_the_output_image() {
    let crop = Crop::Rect { width: 7, height: 5, at: CropAt::Point { x: 1, y: 1 } };
    let done = run(&camera_jpeg(), &Plan { crop: Some(crop), ..keeping(Format::Jpeg, KeptMetadata::All) });
    let exif = exif_of(Format::Jpeg, &done.bytes).unwrap();
    let number = |tag| exif.get_field(tag, exif::In::PRIMARY).unwrap().value.get_uint(0);
    assert_eq!(number(exif::Tag::PixelXDimension), Some(7));
    assert_eq!(number(exif::Tag::PixelYDimension), Some(5));
}

#[test]
fn metadata_option_copyright_keeps_only_the_author_and_the_copyright() {
    for (source, input) in camera_files() {
        for target in FORMATS_WITH_METADATA {
            let case = format!("{source:?} to {target:?}");
            let done = run(&input, &keeping(target, KeptMetadata::Copyright));
            let exif = exif_of(target, &done.bytes).expect(&case);
            let tags: Vec<exif::Tag> = exif.fields().map(|field| field.tag).collect();
            assert_eq!(tags, [exif::Tag::Artist, exif::Tag::Copyright], "{case}");
            let xmp = xmp_of(target, &done.bytes).expect(&case);
            assert!(xmp.contains(">© Mot &amp; Söhne<"), "{xmp}");
            assert!(xmp.contains("<rdf:li>Ada</rdf:li><rdf:li>Bo &amp; Cy</rdf:li>"), "{xmp}");
            assert!(!xmp.contains("Lausanne") && !xmp.contains("tiff:"), "{xmp}");
        }
    }
}

#[test]
fn exif_block_in_big_endian_or_little_endian_byte_order_is_read() {
    for big_endian in [true, false] {
        let block = ExifBuilder::of_a_camera(big_endian).bytes();
        let input = with_exif(&encoded(&photo(8, 8), Format::Jpeg), &block, None);
        let done = run(&input, &keeping(Format::Png, KeptMetadata::All));
        let exif = exif_of(Format::Png, &done.bytes).unwrap();
        assert_eq!(exif.fields().count(), 12, "big-endian: {big_endian}");
        assert_eq!(exif.little_endian(), !big_endian);
    }
}

#[test]
fn author_and_copyright_texts_in_a_png_become_exif_entries_of_the_output() {
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
fn iptc_by_line_and_copyright_of_the_input_become_exif_entries_of_the_output() {
    let records = b"\x1c\x02\x50\0\x03Ada\x1c\x02\x74\0\x08(c) 2026";
    let resource = [b"8BIM\x04\x04\0\0\0\0\0", &[records.len() as u8][..], records].concat();
    let body = [b"Photoshop 3.0\0", &resource[..]].concat();
    let bare = encoded(&photo(8, 8), Format::Jpeg);
    let segment = [b"\xff\xed", &((body.len() + 2) as u16).to_be_bytes()[..], &body].concat();
    let input = [&bare[..2], &segment, &bare[2..]].concat();
    let done = run(&input, &keeping(Format::Webp, KeptMetadata::Copyright));
    let exif = exif_of(Format::Webp, &done.bytes).unwrap();
    let value_of = |tag| exif.get_field(tag, exif::In::PRIMARY).unwrap().display_value().to_string();
    assert_eq!(
        (value_of(exif::Tag::Artist), value_of(exif::Tag::Copyright)),
        ("\"Ada\"".into(), "\"(c) 2026\"".into())
    );
}

#[test]
fn compressed_xmp_in_a_png_is_read() {
    let mut chunk = png::text_metadata::ITXtChunk::new("XML:com.adobe.xmp", XMP);
    chunk.compressed = true;
    let input = png_with(&photo(8, 8), |info| info.utf8_text = vec![chunk]);
    assert!(!String::from_utf8_lossy(&input).contains("Lausanne"), "the XMP must be compressed");
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert!(xmp_of(Format::Jpeg, &done.bytes).unwrap().contains("Lausanne"));
}

#[test]
fn metadata_too_long_for_a_jpeg_segment_is_dropped_with_a_warning() {
    let mut block = ExifBuilder::of_a_camera(true);
    block.add_comment(&[b'x'; 60_000]);
    let long_text = "y".repeat(70_000);
    let input = with_exif(&encoded(&photo(8, 8), Format::Jpeg), &block.bytes(), None);
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert_eq!(
        exif_of(Format::Jpeg, &done.bytes).unwrap().fields().count(),
        13,
        "12 entries and the comment"
    );
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
    let chunk = png::text_metadata::ITXtChunk::new("XML:com.adobe.xmp", XMP.replace("Lausanne", &long_text));
    let input = png_with(&photo(8, 8), |info| info.utf8_text = vec![chunk]);
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::All));
    assert_eq!(xmp_of(Format::Jpeg, &done.bytes), None);
    assert_eq!(done.warnings, ["XMP was left out: it is too long"]);
    let done = run(&input, &keeping(Format::Jpeg, KeptMetadata::Copyright));
    assert!(xmp_of(Format::Jpeg, &done.bytes).unwrap().contains("Ada"));
}

#[test]
fn gif_output_drops_metadata_with_a_warning() {
    let gif = run(&camera_jpeg(), &keeping(Format::Gif, KeptMetadata::All));
    assert_eq!(gif.bytes, run(&camera_jpeg(), &plan_for(Format::Gif)).bytes);
    assert_eq!(gif.warnings, ["the metadata were left out: this build writes none into GIF"]);
    let nothing_to_keep = run(&png_of(&photo(8, 8)), &keeping(Format::Gif, KeptMetadata::All));
    assert_eq!(nothing_to_keep.warnings, Vec::<String>::new());
}

#[test]
fn output_has_equal_pixels_with_and_without_kept_metadata() {
    for format in FORMATS_WITH_METADATA {
        let bare = run(&camera_jpeg(), &plan_for(format));
        let full = run(&camera_jpeg(), &keeping(format, KeptMetadata::All));
        assert!(full.output.bytes > bare.output.bytes, "{format:?}");
        let bare_as_png = run(&bare.bytes, &plan_for(Format::Png)).bytes;
        let full_as_png = run(&full.bytes, &plan_for(Format::Png)).bytes;
        assert!(bare_as_png == full_as_png, "{format:?}");
        let mut again = run(&full.bytes, &plan_for(Format::Png)).input;
        again.quality = full.output.quality;
        assert_eq!(again, full.output, "{format:?}");
    }
}

#[test]
fn exif_values_of_corpus_files_are_kept_if_all_metadata_is_requested() {
    let Some(corpus) = Corpus::open() else { return };
    let (mut n_files, mut n_values) = (0, 0);
    let small = Scale { size: 0.05, ratio: 1.0 };
    let wanted = ["jpeg", "png", "webp"];
    for entry in corpus.entries.iter().filter(|entry| wanted.contains(&entry.format.as_str())) {
        let input = corpus.read(entry);
        let plan = Plan { scale: Some(small), ..keeping(Format::Jpeg, KeptMetadata::All) };
        let Ok(done) = process(&input, &plan, &Limits::default(), &mut Scratch::default()) else { continue };
        // Files whose EXIF the crate `kamadak-exif` cannot read are skipped. The code under test can read
        // some of them.
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
    assert!(n_values > 0, "the corpus must have files with metadata");
}
