//! Tests with real files of HEIC, AVIF, JPEG XL and JPEG 2000. No file may cause a panic, and the conformance
//! files must decode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use crate::corpus::Corpus;
use crate::helpers::plan_for;

#[test]
fn no_avif_heif_jxl_or_jp2_corpus_file_causes_a_panic_and_all_conformance_files_are_decoded() {
    let Some(corpus) = Corpus::open() else { return };
    let mut scratch = Scratch::default();
    let (mut n_required, mut n_decoded, mut n_panicked) = (0, 0, 0);
    for entry in corpus.entries.iter().filter(|e| matches!(&*e.format, "avif" | "heif" | "jxl" | "jp2")) {
        let input = corpus.read(entry);
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch)
        }));
        let ms = start.elapsed().as_millis();
        let must_decode = entry.kind.starts_with("gold");
        n_required += u32::from(must_decode);
        match result {
            Err(_) => {
                n_panicked += 1;
                eprintln!("PANIC {}", entry.file);
            }
            Ok(Ok(done)) => {
                let size = (done.input.width, done.input.height);
                let has_right_size = entry.size.is_none_or(|expected| expected == size);
                n_decoded += u32::from(must_decode && has_right_size);
                if must_decode && !has_right_size {
                    eprintln!("WRONG {}: {size:?}, not {:?}", entry.file, entry.size);
                }
                for warning in done.warnings {
                    eprintln!("warns {}: {warning}", entry.file);
                }
            }
            Ok(Err(error)) => {
                let label = if matches!(error, Error::Limit { .. }) { "limit" } else { "miss " };
                if !entry.kind.starts_with("reject") {
                    eprintln!("{label} {} ({}): {error}", entry.file, entry.kind);
                }
            }
        }
        if ms > 500 {
            eprintln!("slow  {}: {ms} ms", entry.file);
        }
    }
    eprintln!("{n_decoded} of {n_required} good files have the right size");
    assert_eq!(n_panicked, 0, "no file may make a decoder panic");
    assert!(f64::from(n_decoded) >= 0.95 * f64::from(n_required), "only {n_decoded} of {n_required}");
}
