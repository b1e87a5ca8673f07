//! Tests the sub-command `pixaven process` of the real binary, which processes files and folders without a
//! server.

use std::path::Path;

use pixaven_imaging::plan::Format;
use pixaven_testkit::process::{Signal, send_signal};
use tempfile::TempDir;

use crate::binary::run;
use crate::image_workers::{cpu_ticks_of_children, heavy_request};
use crate::test_images::test_image;

fn temporary_directory() -> TempDir {
    TempDir::new().expect("a temporary directory can be created")
}

/// Writes a file, and creates the folders above it if they do not exist.
fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().expect("the path has a parent folder"))
        .expect("the directory is writable");
    std::fs::write(path, bytes).expect("the directory is writable");
}

/// Returns all files below a folder as relative paths, sorted.
fn relative_paths(folder: &Path) -> Vec<String> {
    fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("the folder is readable") {
            let path = entry.expect("the directory entry is readable").path();
            if path.is_dir() {
                collect(root, &path, names);
            } else {
                names
                    .push(path.strip_prefix(root).expect("the path is below the root").display().to_string());
            }
        }
    }
    let mut names_found = Vec::new();
    collect(folder, folder, &mut names_found);
    names_found.sort();
    names_found
}

#[tokio::test]
async fn the_command_pixaven_process_mirrors_a_folder_tree_of_images_and_skips_files_of_other_types() {
    let dir = temporary_directory();
    for name in ["in/a.jpg", "in/deep/er/b.jpg", "in/deep/c.png"] {
        let format = if name.ends_with("png") { Format::Png } else { Format::Jpeg };
        write(dir.path(), name, test_image(120, 90, format));
    }
    write(dir.path(), "in/notes.txt", "no image");
    write(dir.path(), "spec.json", r#"{"resize": {"width": 40}, "output": {"format": "webp"}, "odd": 1}"#);
    let arguments = ["process", "in", "--spec", "spec.json", "--out", "in/out", "--jobs", "2"];
    let (succeeded, out, error) = run(dir.path(), &arguments, &[]).await;
    assert!(succeeded, "{out}{error}");
    assert_eq!(relative_paths(&dir.path().join("in/out")), ["a.webp", "deep/c.webp", "deep/er/b.webp"]);
    assert!(out.starts_with("3 files in ") && out.contains(" saved"), "{out}");
    assert!(out.contains("1 file skipped, which are no images"), "{out}");
    assert!(error.contains("odd is unknown"), "{error}");
    let made = std::fs::read(dir.path().join("in/out/a.webp")).expect("the file exists");
    assert_eq!(pixaven_imaging::sniff(&made), Some(Format::Webp));

    // The next run of the command does not read the outputs of the first run as inputs, and overwrites them
    // only with `--force`.
    let (succeeded, _, error) = run(dir.path(), &arguments, &[]).await;
    assert!(!succeeded && error.contains("3 files failed:") && error.contains("exists already"), "{error}");
    let (succeeded, out, error) = run(dir.path(), &[&arguments[..], &["--force"]].concat(), &[]).await;
    assert!(succeeded && out.starts_with("3 files in "), "{out}{error}");
}

#[tokio::test]
async fn the_command_pixaven_process_processes_the_other_files_although_one_image_file_is_broken() {
    let dir = temporary_directory();
    write(dir.path(), "good.png", test_image(60, 40, Format::Png));
    write(dir.path(), "cut.png", &test_image(60, 40, Format::Png)[..80]);
    write(dir.path(), "empty.jpg", "");
    write(dir.path(), "large.png", test_image(300, 300, Format::Png));
    let arguments = [
        "process",
        "good.png",
        "cut.png",
        "empty.jpg",
        "large.png",
        "--out",
        "o",
        "--set",
        "limits.pixels=50000",
    ];
    let (succeeded, out, error) = run(dir.path(), &arguments, &[]).await;
    assert!(!succeeded && out.starts_with("1 file in "), "{out}{error}");
    assert_eq!(relative_paths(&dir.path().join("o")), ["good.png"]);
    for part in [
        "3 files failed:",
        "cut.png: the PNG image is corrupt",
        "empty.jpg: it is empty",
        "large.png: the number of pixels over all frames is limited to 50000, got 90000",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn output_files_that_would_have_equal_names_keep_the_file_extensions_of_their_input_files() {
    let dir = temporary_directory();
    write(dir.path(), "in/a.jpg", test_image(30, 20, Format::Jpeg));
    write(dir.path(), "in/a.png", test_image(30, 20, Format::Png));
    write(dir.path(), "in/b.png", test_image(30, 20, Format::Png));
    write(dir.path(), "spec.json", r#"{"output": {"format": "webp"}}"#);
    let (succeeded, _, error) =
        run(dir.path(), &["process", "in", "--spec", "spec.json", "--out", "o"], &[]).await;
    assert!(succeeded, "{error}");
    assert_eq!(relative_paths(&dir.path().join("o")), ["a.jpg.webp", "a.png.webp", "b.webp"]);

    write(dir.path(), "other/a.jpg", test_image(30, 20, Format::Jpeg));
    let (succeeded, _, error) = run(dir.path(), &["process", "in", "other", "--out", "p"], &[]).await;
    assert!(!succeeded && error.contains("would have the same result"), "{error}");
}

#[tokio::test]
async fn the_command_pixaven_process_never_overwrites_an_input_file_with_an_output_file() {
    let dir = temporary_directory();
    let bytes = test_image(30, 20, Format::Png);
    write(dir.path(), "in/a.png", &bytes);
    for flags in [&["--force"][..], &[]] {
        let arguments = [&["process", "in/a.png", "--out", "in"][..], flags].concat();
        let (succeeded, _, error) = run(dir.path(), &arguments, &[]).await;
        assert!(!succeeded && (error.contains("is an input") || error.contains("exists already")), "{error}");
        assert_eq!(std::fs::read(dir.path().join("in/a.png")).expect("the file exists"), bytes);
    }
    assert_eq!(relative_paths(dir.path()), ["in/a.png"], "no unfinished file is left");
}

#[tokio::test]
async fn the_command_pixaven_process_refuses_server_only_attributes_and_invalid_arguments() {
    let dir = temporary_directory();
    write(dir.path(), "a.png", test_image(30, 20, Format::Png));
    for (spec, part) in [
        (r#"{"webhook": {"url": "http://h/"}}"#, "webhook is for requests to a server"),
        (r#"{"watermark": {"opacity": 50}}"#, "--watermark FILE"),
        (r#"{"resize": {"width": -5}}"#, "resize.width must be an integer from 1 to 20000, got -5"),
        ("{", "--spec"),
    ] {
        write(dir.path(), "spec.json", spec);
        let (succeeded, _, error) =
            run(dir.path(), &["process", "a.png", "--spec", "spec.json", "--out", "o"], &[]).await;
        assert!(!succeeded && error.contains(part), "{spec}: {error}");
    }
    let (succeeded, _, error) = run(dir.path(), &["process", ".", "--out", "."], &[]).await;
    assert!(!succeeded && error.contains("they need one of their own"), "{error}");
    let (succeeded, _, error) = run(dir.path(), &["process", "nothing.png", "--out", "o"], &[]).await;
    assert!(!succeeded && error.contains("there is no nothing.png"), "{error}");
    let (succeeded, _, error) =
        run(dir.path(), &["process", "a.png", "--out", "o", "--watermark", "no"], &[]).await;
    assert!(!succeeded && error.contains("--watermark"), "{error}");
}

#[tokio::test]
async fn the_option_watermark_of_the_command_pixaven_process_accepts_the_path_of_an_image_file() {
    let dir = temporary_directory();
    write(dir.path(), "a.png", test_image(30, 20, Format::Png));
    write(dir.path(), "mark.png", test_image(8, 8, Format::Png));
    let plain = ["process", "a.png", "--out", "plain"];
    let marked = ["process", "a.png", "--out", "marked", "--watermark", "mark.png"];
    for arguments in [&plain[..], &marked[..]] {
        let (succeeded, _, error) = run(dir.path(), arguments, &[]).await;
        assert!(succeeded, "{error}");
    }
    let made = |folder: &str| std::fs::read(dir.path().join(folder).join("a.png")).expect("the file exists");
    assert_ne!(made("plain"), made("marked"));
    write(dir.path(), "broken.png", &test_image(8, 8, Format::Png)[..60]);
    let (succeeded, _, error) =
        run(dir.path(), &["process", "a.png", "--out", "c", "--watermark", "broken.png"], &[]).await;
    assert!(!succeeded && error.contains("a.png: watermark: the PNG image is corrupt"), "{error}");
}

#[tokio::test]
async fn the_command_pixaven_process_prints_its_summary_when_sigint_stops_it() {
    let dir = temporary_directory();
    write(dir.path(), "a.png", test_image(30, 20, Format::Png));
    write(dir.path(), "spec.json", heavy_request().to_string());
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_pixaven"))
        .args(["process", "a.png", "--spec", "spec.json", "--out", "o", "--jobs", "1"])
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let pid = child.id().expect("the process runs");
    while cpu_ticks_of_children(pid) < 20 {
        assert!(matches!(child.try_wait(), Ok(None)), "the process exited before the signal");
        tokio::task::yield_now().await;
    }
    send_signal(pid, Signal::INT).expect("the process can be signalled");
    let output = child.wait_with_output().await.expect("the process exits");
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{out}");
    assert!(out.starts_with("0 files in ") && out.contains("interrupted: 1 file not done"), "{out}");
    assert_eq!(relative_paths(&dir.path().join("o")), Vec::<String>::new());
}
