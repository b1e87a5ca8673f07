//! Tests with EXIF and XMP blocks in which bytes are altered.

use pixaven_imaging::plan::KeptMetadata;
use pixaven_imaging::{Format, Limits, Scratch, process};
use proptest::prelude::*;

use super::exif_builder::{ExifBuilder, exif_of, with_exif};
use super::{FORMATS_WITH_METADATA, XMP, keeping};
use crate::helpers::{encoded, photo, run};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// For any content of the metadata blocks, the output must be readable and shorter than 140,000 bytes.
    #[test]
    fn image_with_altered_exif_and_xmp_blocks_is_processed_without_an_error(
        big_endian: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        copyright: bool,
    ) {
        let mut block = ExifBuilder::of_a_camera(big_endian).bytes();
        let mut xmp = XMP.as_bytes().to_vec();
        for (place, value) in changes {
            let (in_block, in_xmp) = (place.index(block.len()), place.index(xmp.len()));
            block[in_block] = value;
            xmp[in_xmp] = value;
        }
        xmp.truncate(cut.index(xmp.len() * 2).max(1));
        block.truncate(cut.index(block.len() * 2).max(1));
        let input = with_exif(&encoded(&photo(8, 8), Format::Jpeg), &block, Some(&String::from_utf8_lossy(&xmp)));
        let kept = if copyright { KeptMetadata::Copyright } else { KeptMetadata::All };
        for format in FORMATS_WITH_METADATA {
            let done = process(&input, &keeping(format, kept), &Limits::default(), &mut Scratch::default());
            let done = done.expect("metadata must not cause an error");
            prop_assert!(done.bytes.len() < 140_000);
            let again = run(&done.bytes, &keeping(Format::Png, KeptMetadata::All));
            prop_assert_eq!(again.input.format, format);
            if let Some(written) = exif_of(format, &done.bytes) {
                prop_assert!(written.fields().all(|field| field.ifd_num == exif::In::PRIMARY));
            }
        }
    }
}
