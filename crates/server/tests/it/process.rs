//! `pixaven process`: files and folders through the real binary.

use std::path::Path;

use pixaven_imaging::plan::Format;
use pixaven_testkit::process::{Signal, send_signal};
use tempfile::TempDir;

use crate::binary::run;
use crate::pictures::picture;
use crate::workers::cpu_ticks_of_children;

fn directory() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    std::fs::write(path, bytes).expect("writable");
}

/// Every file below a folder, by its path from there, in order.
fn names(folder: &Path) -> Vec<String> {
    fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(root, &path, names);
            } else {
                names.push(path.strip_prefix(root).expect("below").display().to_string());
            }
        }
    }
    let mut names_found = Vec::new();
    collect(folder, folder, &mut names_found);
    names_found.sort();
    names_found
}

#[tokio::test]
async fn folders_are_mirrored_and_what_is_no_image_is_passed_by() {
    let dir = directory();
    for name in ["in/a.jpg", "in/deep/er/b.jpg", "in/deep/c.png"] {
        let format = if name.ends_with("png") { Format::Png } else { Format::Jpeg };
        write(dir.path(), name, picture(120, 90, format));
    }
    write(dir.path(), "in/notes.txt", "no image");
    write(dir.path(), "spec.json", r#"{"resize": {"width": 40}, "output": {"format": "webp"}, "odd": 1}"#);
    let arguments = ["process", "in", "--spec", "spec.json", "--out", "in/out", "--jobs", "2"];
    let (fine, out, error) = run(dir.path(), &arguments, &[]).await;
    assert!(fine, "{out}{error}");
    assert_eq!(names(&dir.path().join("in/out")), ["a.webp", "deep/c.webp", "deep/er/b.webp"]);
    assert!(out.starts_with("3 files in ") && out.contains(" saved"), "{out}");
    assert!(out.contains("1 file skipped, which are no images"), "{out}");
    assert!(error.contains("odd is unknown"), "{error}");
    let made = std::fs::read(dir.path().join("in/out/a.webp")).expect("it is there");
    assert_eq!(pixaven_imaging::sniff(&made), Some(Format::Webp));

    // What was made is no input of the next run, and is not overwritten unless that is asked for.
    let (fine, _, error) = run(dir.path(), &arguments, &[]).await;
    assert!(!fine && error.contains("3 files failed:") && error.contains("exists already"), "{error}");
    let (fine, out, error) = run(dir.path(), &[&arguments[..], &["--force"]].concat(), &[]).await;
    assert!(fine && out.starts_with("3 files in "), "{out}{error}");
}

#[tokio::test]
async fn a_bad_file_costs_itself_alone() {
    let dir = directory();
    write(dir.path(), "good.png", picture(60, 40, Format::Png));
    write(dir.path(), "cut.png", &picture(60, 40, Format::Png)[..80]);
    write(dir.path(), "empty.jpg", "");
    write(dir.path(), "large.png", picture(300, 300, Format::Png));
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
    let (fine, out, error) = run(dir.path(), &arguments, &[]).await;
    assert!(!fine && out.starts_with("1 file in "), "{out}{error}");
    assert_eq!(names(&dir.path().join("o")), ["good.png"]);
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
async fn names_that_would_meet_keep_their_extension() {
    let dir = directory();
    write(dir.path(), "in/a.jpg", picture(30, 20, Format::Jpeg));
    write(dir.path(), "in/a.png", picture(30, 20, Format::Png));
    write(dir.path(), "in/b.png", picture(30, 20, Format::Png));
    write(dir.path(), "spec.json", r#"{"output": {"format": "webp"}}"#);
    let (fine, _, error) =
        run(dir.path(), &["process", "in", "--spec", "spec.json", "--out", "o"], &[]).await;
    assert!(fine, "{error}");
    assert_eq!(names(&dir.path().join("o")), ["a.jpg.webp", "a.png.webp", "b.webp"]);

    write(dir.path(), "other/a.jpg", picture(30, 20, Format::Jpeg));
    let (fine, _, error) = run(dir.path(), &["process", "in", "other", "--out", "p"], &[]).await;
    assert!(!fine && error.contains("would have the same result"), "{error}");
}

#[tokio::test]
async fn an_input_is_never_overwritten() {
    let dir = directory();
    let bytes = picture(30, 20, Format::Png);
    write(dir.path(), "in/a.png", &bytes);
    for flags in [&["--force"][..], &[]] {
        let arguments = [&["process", "in/a.png", "--out", "in"][..], flags].concat();
        let (fine, _, error) = run(dir.path(), &arguments, &[]).await;
        assert!(!fine && (error.contains("is an input") || error.contains("exists already")), "{error}");
        assert_eq!(std::fs::read(dir.path().join("in/a.png")).expect("it is there"), bytes);
    }
    assert_eq!(names(dir.path()), ["in/a.png"], "nothing half done is left");
}

#[tokio::test]
async fn what_only_a_server_can_do_is_refused_before_anything_is_done() {
    let dir = directory();
    write(dir.path(), "a.png", picture(30, 20, Format::Png));
    for (spec, part) in [
        (r#"{"webhook": {"url": "http://h/"}}"#, "webhook is for requests to a server"),
        (r#"{"watermark": {"opacity": 50}}"#, "--watermark FILE"),
        (r#"{"resize": {"width": -5}}"#, "resize.width must be an integer from 1 to 20000, got -5"),
        ("{", "--spec"),
    ] {
        write(dir.path(), "spec.json", spec);
        let (fine, _, error) =
            run(dir.path(), &["process", "a.png", "--spec", "spec.json", "--out", "o"], &[]).await;
        assert!(!fine && error.contains(part), "{spec}: {error}");
    }
    let (fine, _, error) = run(dir.path(), &["process", ".", "--out", "."], &[]).await;
    assert!(!fine && error.contains("they need one of their own"), "{error}");
    let (fine, _, error) = run(dir.path(), &["process", "nothing.png", "--out", "o"], &[]).await;
    assert!(!fine && error.contains("there is no nothing.png"), "{error}");
    let (fine, _, error) =
        run(dir.path(), &["process", "a.png", "--out", "o", "--watermark", "no"], &[]).await;
    assert!(!fine && error.contains("--watermark"), "{error}");
}

#[tokio::test]
async fn a_watermark_is_a_file() {
    let dir = directory();
    write(dir.path(), "a.png", picture(30, 20, Format::Png));
    write(dir.path(), "mark.png", picture(8, 8, Format::Png));
    let plain = ["process", "a.png", "--out", "plain"];
    let marked = ["process", "a.png", "--out", "marked", "--watermark", "mark.png"];
    for arguments in [&plain[..], &marked[..]] {
        let (fine, _, error) = run(dir.path(), arguments, &[]).await;
        assert!(fine, "{error}");
    }
    let made = |folder: &str| std::fs::read(dir.path().join(folder).join("a.png")).expect("it is there");
    assert_ne!(made("plain"), made("marked"));
    write(dir.path(), "broken.png", &picture(8, 8, Format::Png)[..60]);
    let (fine, _, error) =
        run(dir.path(), &["process", "a.png", "--out", "c", "--watermark", "broken.png"], &[]).await;
    assert!(!fine && error.contains("a.png: watermark: the PNG image is corrupt"), "{error}");
}

#[tokio::test]
async fn a_signal_ends_it_with_what_was_done() {
    let dir = directory();
    write(dir.path(), "a.png", picture(30, 20, Format::Png));
    write(dir.path(), "spec.json", crate::workers::heavy().to_string());
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_pixaven"))
        .args(["process", "a.png", "--spec", "spec.json", "--out", "o", "--jobs", "1"])
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let pid = child.id().expect("it runs");
    while cpu_ticks_of_children(pid) < 20 {
        assert!(matches!(child.try_wait(), Ok(None)), "it ended by itself");
        tokio::task::yield_now().await;
    }
    send_signal(pid, Signal::INT).expect("the process can be signalled");
    let output = child.wait_with_output().await.expect("it ends");
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{out}");
    assert!(out.starts_with("0 files in ") && out.contains("interrupted: 1 file not done"), "{out}");
    assert_eq!(names(&dir.path().join("o")), Vec::<String>::new());
}
