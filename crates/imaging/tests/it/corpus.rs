//! Tests with real files of public test suites. The tests are skipped if the files are not present; see
//! [`Corpus`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pixaven_imaging::plan::{Gravity, Kernel, Light, Resize, ResizeMode};
use pixaven_imaging::{Limits, Plan, Scratch, process};

/// A folder with a `manifest.tsv` whose columns are file, origin, bytes, format, class, set, width, height
/// and frames. The environment variable `PIXAVEN_CORPUS` names the folder; the default is a folder next to
/// the repository's folder.
pub(crate) struct Corpus {
    root: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

/// One line of the manifest of the corpus, which describes one file.
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) format: String,
    /// The class and the set of the file, joined by a slash, for example `gold/conf`.
    pub(crate) kind: String,
    /// The width and the height in pixels. `None` if the manifest states no size for the file.
    pub(crate) size: Option<(u32, u32)>,
}

impl Corpus {
    /// Opens the corpus. If the corpus is missing, the function prints that the test is skipped and returns
    /// `None`.
    pub(crate) fn open() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "the environment names the folder of the test data")]
        let named = std::env::var("PIXAVEN_CORPUS").map(PathBuf::from);
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
        let root = named.unwrap_or_else(|_| beside());
        let Ok(manifest) = std::fs::read_to_string(root.join("manifest.tsv")) else {
            let required = std::env::var_os("PIXAVEN_REQUIRE_CORPUS").is_some();
            assert!(!required, "{} is no corpus", root.display());
            eprintln!("SKIPPED: no corpus at {} (set PIXAVEN_CORPUS)", root.display());
            return None;
        };
        let entries = manifest.lines().skip(1).map(entry).collect();
        Some(Self { root, entries })
    }

    pub(crate) fn read(&self, entry: &Entry) -> Vec<u8> {
        std::fs::read(self.root.join(&entry.file)).expect("the manifest names files that exist")
    }
}

fn entry(line: &str) -> Entry {
    let columns: Vec<&str> = line.split('\t').collect();
    let side = |i: usize| columns.get(i).and_then(|text| text.parse().ok());
    Entry {
        file: columns[0].to_owned(),
        format: columns[3].to_owned(),
        kind: format!("{}/{}", columns[4], columns[5]),
        size: side(6).zip(side(7)),
    }
}

/// For each format, the largest number of good files of the corpus that may fail to decode, or decode with another
/// size than the manifest states. The manifest has no sizes of PSD files, so only decoding is checked.
///
/// Of the JPEG files that fail, one has no picture data, and two exceed the default limits. The WebP file exceeds
/// a limit, too. The manifest has the size of the TIFF file before its orientation is applied.
const MAX_MISSES: &[(&str, u32)] =
    &[("jpeg", 3), ("png", 0), ("gif", 0), ("webp", 1), ("tiff", 1), ("bmp", 0), ("ico", 0), ("psd", 0)];

#[derive(Default)]
struct Row {
    n: u32,
    n_ok: u32,
    n_wrong_size: u32,
    n_refused: u32,
    n_panicked: u32,
    slowest: Duration,
}

fn plan_with_width_64() -> Plan {
    let resize = Resize {
        mode: ResizeMode::Landscape,
        width: Some(64),
        height: None,
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
        light: Light::Srgb,
    };
    Plan { resize: Some(resize), ..Plan::default() }
}

#[test]
fn no_image_file_of_the_test_corpus_causes_a_panic_and_all_good_files_but_five_are_decoded() {
    let Some(corpus) = Corpus::open() else { return };
    let plan = plan_with_width_64();
    let mut scratch = Scratch::default();
    let mut table: BTreeMap<(String, String), Row> = BTreeMap::new();
    let mut report = String::new();
    let mut times = Vec::new();
    let is_read = |entry: &&Entry| MAX_MISSES.iter().any(|(format, _)| *format == entry.format);
    for entry in corpus.entries.iter().filter(is_read) {
        let input = corpus.read(entry);
        let start = Instant::now();
        let result =
            catch_unwind(AssertUnwindSafe(|| process(&input, &plan, &Limits::default(), &mut scratch)));
        let elapsed = start.elapsed();
        times.push((elapsed, entry.file.as_str()));
        let row = table.entry((entry.format.clone(), entry.kind.clone())).or_default();
        row.n += 1;
        row.slowest = row.slowest.max(elapsed);
        let must_decode = is_good(&entry.kind);
        let failure = match result {
            Err(_) => {
                row.n_panicked += 1;
                Some("PANIC".to_owned())
            }
            Ok(Err(error)) => {
                row.n_refused += 1;
                must_decode.then(|| error.to_string())
            }
            Ok(Ok(done))
                if must_decode
                    && entry.size.is_some_and(|size| size != (done.input.width, done.input.height)) =>
            {
                row.n_wrong_size += 1;
                Some(format!("{}x{}, not {:?}", done.input.width, done.input.height, entry.size))
            }
            Ok(Ok(_)) => {
                row.n_ok += 1;
                None
            }
        };
        if let Some(failure) = failure {
            writeln!(report, "  {} {}: {failure}", entry.kind, entry.file)
                .expect("writing to a string cannot fail");
        }
    }
    print_table(&table, &report, times);
    let panicked: u32 = table.values().map(|row| row.n_panicked).sum();
    assert_eq!(panicked, 0, "no file may make a decoder panic");
    for (name, max_misses) in MAX_MISSES {
        let good = table.iter().filter(|((format, kind), _)| format == name && is_good(kind));
        let n_missed: u32 = good.map(|(_, row)| row.n - row.n_ok).sum();
        assert!(n_missed <= *max_misses, "{n_missed} good files of {name} do not decode");
    }
}

/// Whether files with the class and set `kind` are good files, which every decoder must be able to read.
fn is_good(kind: &str) -> bool {
    kind.starts_with("gold/") || kind == "psd/conf"
}

fn print_table(table: &BTreeMap<(String, String), Row>, report: &str, mut times: Vec<(Duration, &str)>) {
    eprintln!("format class        n    ok  wrong refused panic  slowest ms");
    for ((format, kind), row) in table {
        let Row { n, n_ok, n_wrong_size, n_refused, n_panicked, slowest } = row;
        let ms = slowest.as_secs_f64() * 1e3;
        eprintln!(
            "{format:6} {kind:11} {n:4} {n_ok:5} {n_wrong_size:6} {n_refused:7} {n_panicked:5} {ms:11.1}"
        );
    }
    eprintln!("misses:\n{report}slowest:");
    times.sort_by_key(|&(time, _)| std::cmp::Reverse(time));
    for (time, file) in times.iter().take(8) {
        eprintln!("  {:8.1} ms {file}", time.as_secs_f64() * 1e3);
    }
}
