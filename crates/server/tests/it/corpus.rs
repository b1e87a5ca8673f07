//! Every real picture of the corpus, hostile ones included, through the whole server: a result or a clean refusal, and
//! a server that is as good as new afterwards. Without the corpus the test says that it was skipped.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::pictures::documented_jpeg;
use crate::test_app::TestApp;

const FORMATS: [&str; 14] =
    ["jpeg", "png", "gif", "webp", "heic", "heif", "avif", "jxl", "jp2", "tiff", "ico", "psd", "bmp", "svg"];

#[tokio::test]
async fn every_file_of_the_corpus_is_served_or_cleanly_refused() {
    let Some(corpus) = corpus() else { return };
    let app = TestApp::start_with(&[("images.workers", "2")]).await;
    let (mut n_served, mut n_refused, mut wrong) = (0, 0, Vec::new());
    for path in files(&corpus) {
        let bytes = std::fs::read(&path).expect("the corpus can be read");
        let reply = app.upload("file", &bytes, &json!({"resize": {"width": 64}})).await;
        match reply.status {
            200 => n_served += 1,
            400..500 if reply.json()["success"] == false => n_refused += 1,
            status => wrong.push(format!("{}: {status} {}", path.display(), reply.json())),
        }
    }
    eprintln!("corpus: {n_served} served, {n_refused} refused, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_served > 500, "only {n_served} files were served");
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "the server is as good as new: {}", reply.json());
}

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("PIXAVEN_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.join("manifest.tsv").exists() {
        return Some(corpus);
    }
    let required = std::env::var_os("PIXAVEN_REQUIRE_CORPUS").is_some();
    assert!(!required, "{} is no corpus", corpus.display());
    eprintln!("SKIPPED: the corpus of real pictures. Set PIXAVEN_CORPUS to a directory with a manifest.tsv.");
    None
}

/// Everything in the formats of this server, whatever class it belongs to.
fn files(corpus: &Path) -> Vec<PathBuf> {
    let classes = std::fs::read_dir(corpus).expect("the corpus can be listed");
    let folders = classes.flat_map(|class| {
        let class = class.expect("the corpus can be listed").path();
        FORMATS.map(|format| class.join(format))
    });
    let mut files: Vec<PathBuf> = folders
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).expect("the corpus can be listed"))
        .map(|file| file.expect("the corpus can be listed").path())
        .collect();
    files.sort();
    files
}
