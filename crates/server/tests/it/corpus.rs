//! Sends every image of the corpus, a collection of real and hostile image files, to a complete server. The
//! server must return a result or an error envelope for each image, and must work normally afterwards. If no
//! corpus is found, the test prints that it is skipped.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::test_app::TestApp;
use crate::test_images::documented_jpeg;

const FORMATS: [&str; 14] =
    ["jpeg", "png", "gif", "webp", "heic", "heif", "avif", "jxl", "jp2", "tiff", "ico", "psd", "bmp", "svg"];

#[tokio::test]
async fn every_image_of_the_corpus_is_processed_or_refused_with_an_error_envelope() {
    let Some(corpus) = corpus() else { return };
    let app = TestApp::start_with(&[("images.workers", "2")]).await;
    let (mut n_served, mut n_refused, mut wrong) = (0, 0, Vec::new());
    for path in files(&corpus) {
        let bytes = std::fs::read(&path).expect("the corpus file is readable");
        let response = app.upload("file", &bytes, &json!({"resize": {"width": 64}})).await;
        match response.status {
            200 => n_served += 1,
            400..500 if response.json()["success"] == false => n_refused += 1,
            status => wrong.push(format!("{}: {status} {}", path.display(), response.json())),
        }
    }
    eprintln!("corpus: {n_served} served, {n_refused} refused, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_served > 500, "only {n_served} files were served");
    let response = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(response.status, 200, "the server works normally afterwards: {}", response.json());
}

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("PIXAVEN_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.join("manifest.tsv").exists() {
        return Some(corpus);
    }
    let required = std::env::var_os("PIXAVEN_REQUIRE_CORPUS").is_some();
    assert!(!required, "{} is not a corpus", corpus.display());
    eprintln!("SKIPPED: the corpus of real pictures. Set PIXAVEN_CORPUS to a directory with a manifest.tsv.");
    None
}

/// Returns all files of the corpus whose format this server supports, from every class (top-level directory)
/// of the corpus, sorted by path.
fn files(corpus: &Path) -> Vec<PathBuf> {
    let classes = std::fs::read_dir(corpus).expect("the corpus directory is readable");
    let folders = classes.flat_map(|class| {
        let class = class.expect("the corpus directory is readable").path();
        FORMATS.map(|format| class.join(format))
    });
    let mut files: Vec<PathBuf> = folders
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).expect("the corpus directory is readable"))
        .map(|file| file.expect("the corpus directory is readable").path())
        .collect();
    files.sort();
    files
}
