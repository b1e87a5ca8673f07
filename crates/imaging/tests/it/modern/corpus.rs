//! Tests with real files of HEIC, AVIF, JPEG XL and JPEG 2000. No file may cause a panic, and the good files
//! must decode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use crate::corpus::Corpus;
use crate::helpers::plan_for;

/// For each class of good files, the largest number that may fail to decode, or decode with another size than the
/// manifest states. Seven of the JPEG 2000 files have invalid headers, and three use a feature that is not supported.
const MAX_MISSES: [(&str, u32); 4] = [("gold/", 0), ("jxl/conf", 0), ("jxl/fuzz", 3), ("jp2/conf", 10)];

#[test]
fn no_avif_heif_jxl_or_jp2_corpus_file_causes_a_panic_and_the_good_files_are_decoded() {
    let Some(corpus) = Corpus::open() else { return };
    let mut scratch = Scratch::default();
    let (mut n_missed, mut n_panicked) = ([0; MAX_MISSES.len()], 0);
    for entry in corpus.entries.iter().filter(|e| matches!(&*e.format, "avif" | "heif" | "jxl" | "jp2")) {
        let input = corpus.read(entry);
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            process(&input, &plan_for(Format::Png), &Limits::default(), &mut scratch)
        }));
        let ms = start.elapsed().as_millis();
        let class = MAX_MISSES.iter().position(|(class, _)| entry.kind.starts_with(class));
        let mut is_good = false;
        match result {
            Err(_) => {
                n_panicked += 1;
                eprintln!("PANIC {}", entry.file);
            }
            Ok(Ok(done)) => {
                let size = (done.input.width, done.input.height);
                is_good = entry.size.is_none_or(|expected| expected == size);
                if class.is_some() && !is_good {
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
        if let Some(class) = class
            && !is_good
        {
            n_missed[class] += 1;
        }
        if ms > 500 {
            eprintln!("slow  {}: {ms} ms", entry.file);
        }
    }
    assert_eq!(n_panicked, 0, "no file may make a decoder panic");
    for ((class, max_misses), n_missed) in MAX_MISSES.into_iter().zip(n_missed) {
        assert!(n_missed <= max_misses, "{n_missed} files of {class} do not decode");
    }
}
