//! Real files of these formats: none may do harm, the good ones have to decode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use pixaven_imaging::{Error, Format, Limits, Scratch, process};

use crate::corpus::Corpus;
use crate::pictures::to;

#[test]
fn modern_files_are_answered_and_good_ones_decode() {
    let Some(corpus) = Corpus::open() else { return };
    let mut scratch = Scratch::default();
    let (mut n_good, mut n_decoded, mut n_panicked) = (0, 0, 0);
    for entry in corpus.entries.iter().filter(|e| matches!(&*e.format, "avif" | "heif" | "jxl" | "jp2")) {
        let input = corpus.read(entry);
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            process(&input, &to(Format::Png), &Limits::default(), &mut scratch)
        }));
        let ms = start.elapsed().as_millis();
        let good = entry.kind.starts_with("gold");
        n_good += u32::from(good);
        match result {
            Err(_) => {
                n_panicked += 1;
                eprintln!("PANIC {}", entry.file);
            }
            Ok(Ok(done)) => {
                let size = (done.input.width, done.input.height);
                let right = entry.size.is_none_or(|expected| expected == size);
                n_decoded += u32::from(good && right);
                if good && !right {
                    eprintln!("WRONG {}: {size:?}, not {:?}", entry.file, entry.size);
                }
                for warning in done.warnings {
                    eprintln!("warns {}: {warning}", entry.file);
                }
            }
            Ok(Err(error)) => {
                let whose = if matches!(error, Error::Limit { .. }) { "limit" } else { "miss " };
                if !entry.kind.starts_with("reject") {
                    eprintln!("{whose} {} ({}): {error}", entry.file, entry.kind);
                }
            }
        }
        if ms > 500 {
            eprintln!("slow  {}: {ms} ms", entry.file);
        }
    }
    eprintln!("{n_decoded} of {n_good} good files have the right size");
    assert_eq!(n_panicked, 0, "no file may make a decoder panic");
    assert!(f64::from(n_decoded) >= 0.95 * f64::from(n_good), "only {n_decoded} of {n_good}");
}
