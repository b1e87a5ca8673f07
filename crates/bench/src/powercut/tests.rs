//! Tests of the model of a disk with made-up events, for which all possible disk images are known.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, FileSystem, Node};
use super::events::{Event, EventKind, EventReader};
use super::image::{Image, Survivors};
use crate::strace;

const POSIX: FileSystem = FileSystem::Posix;
const JOURNAL: FileSystem = FileSystem::Journal;

/// Makes the events of calls that run one after the other. Each call has a line of its own.
fn events(kinds: Vec<EventKind>) -> Vec<Event> {
    kinds.into_iter().enumerate().map(|(line, kind)| Event { begin: line, end: line, kind }).collect()
}

fn path(path: &str) -> PathBuf {
    PathBuf::from(path)
}

fn create(file: &str) -> EventKind {
    EventKind::Open { path: path(file), truncates: false }
}

fn write(file: &str, offset: u64, data: &[u8]) -> EventKind {
    EventKind::Write { path: path(file), offset, data: data.into() }
}

fn flush(file: &str) -> EventKind {
    EventKind::Flush { path: path(file) }
}

/// Returns a disk that was empty, after the last line in which one of the events began.
fn disk_after(file_system: FileSystem, events: &[Event]) -> Disk {
    let mut disk = Disk::new(file_system, vec![Node::Directory(Default::default())]);
    for (line, event) in events.iter().enumerate() {
        disk.begin(event).unwrap();
        disk.end_flushes(line);
    }
    disk
}

/// Makes many disk images, and returns all contents that a file has in them. `None` means that the file is
/// missing.
fn contents(disk: &Disk, survivors: Survivors, file: &str) -> HashSet<Option<Vec<u8>>> {
    let image = |seed| Image::new(disk, survivors, &mut fastrand::Rng::with_seed(seed));
    (0..500).map(|seed| image(seed).file(file).map(<[u8]>::to_vec)).collect()
}

fn only(content: Option<&[u8]>) -> HashSet<Option<Vec<u8>>> {
    HashSet::from([content.map(<[u8]>::to_vec)])
}

#[test]
fn a_power_cut_may_lose_a_flushed_file_in_an_unflushed_directory_unless_there_is_a_journal() {
    let flushed_file = events(vec![create("f"), write("f", 0, b"abc"), flush("f")]);
    let both_flushed = events(vec![create("f"), write("f", 0, b"abc"), flush("f"), flush("")]);
    let of =
        |file_system, events: &[Event]| contents(&disk_after(file_system, events), Survivors::Nothing, "f");
    assert_eq!(of(POSIX, &flushed_file), only(None));
    assert_eq!(of(JOURNAL, &flushed_file), only(Some(b"abc")));
    assert_eq!(of(POSIX, &both_flushed), only(Some(b"abc")));
}

#[test]
fn after_a_power_cut_an_unflushed_file_may_be_missing_or_empty_or_complete() {
    let disk = disk_after(POSIX, &events(vec![create("f"), write("f", 0, b"abc")]));
    assert_eq!(contents(&disk, Survivors::Nothing, "f"), only(None));
    assert_eq!(contents(&disk, Survivors::Everything, "f"), only(Some(b"abc")));
    assert_eq!(contents(&disk, Survivors::Names, "f"), only(Some(b"")), "a name without its content");
    assert_eq!(contents(&disk, Survivors::SomeChanges, "f").len(), 3, "missing, empty and complete");
}

#[test]
fn a_file_flush_that_begins_before_a_write_ends_does_not_make_the_write_durable() {
    let mut events = events(vec![create("f"), flush(""), write("f", 0, b"abc"), flush("f")]);
    events[2].end = 5;
    let disk = disk_after(POSIX, &events);
    assert_eq!(contents(&disk, Survivors::Nothing, "f"), only(Some(b"")));
    assert_eq!(disk.pending.len(), 1);
}

#[test]
fn a_file_write_becomes_durable_only_when_the_flush_of_the_file_ends() {
    let mut events = events(vec![create("f"), flush(""), write("f", 0, b"abc"), flush("f")]);
    events[3].end = 7;
    let mut disk = disk_after(POSIX, &events);
    assert_eq!(contents(&disk, Survivors::Nothing, "f"), only(Some(b"")));
    disk.end_flushes(7);
    assert_eq!(contents(&disk, Survivors::Nothing, "f"), only(Some(b"abc")));
}

#[test]
fn after_a_power_cut_each_512_byte_piece_of_an_overwritten_file_is_entirely_old_or_entirely_new() {
    let (old, new) = ([b'o'; 1024], [b'n'; 1024]);
    let disk = disk_after(
        POSIX,
        &events(vec![create("f"), flush(""), write("f", 0, &old), flush("f"), write("f", 0, &new)]),
    );
    let found = contents(&disk, Survivors::SomePieces { n_bytes: 512 }, "f");
    let mixed = |first: u8, second: u8| Some([[first; 512], [second; 512]].concat());
    let expected = [mixed(b'o', b'o'), mixed(b'o', b'n'), mixed(b'n', b'o'), mixed(b'n', b'n')];
    assert_eq!(found, HashSet::from(expected));
}

#[test]
fn a_power_cut_may_leave_a_hole_in_a_grown_file_unless_the_file_system_has_a_journal() {
    let grown = events(vec![create("f"), flush(""), write("f", 0, &[b'n'; 1024])]);
    let pieces = Survivors::SomePieces { n_bytes: 512 };
    let hole = Some([[0; 512], [b'n'; 512]].concat());
    let posix = contents(&disk_after(POSIX, &grown), pieces, "f");
    assert!(posix.contains(&hole) && posix.contains(&Some(Vec::new())), "{posix:?}");
    let journal = contents(&disk_after(JOURNAL, &grown), pieces, "f");
    assert_eq!(journal, HashSet::from([Some(Vec::new()), Some(vec![b'n'; 1024])]));
}

#[test]
fn after_a_power_cut_a_renamed_file_has_exactly_one_name_and_a_removed_file_may_exist_again() {
    let disk = disk_after(
        POSIX,
        &events(vec![
            create("f"),
            write("f", 0, b"abc"),
            flush("f"),
            flush(""),
            EventKind::Rename { from: path("f"), to: path("g") },
        ]),
    );
    for seed in 0..100 {
        let image = Image::new(&disk, Survivors::SomeChanges, &mut fastrand::Rng::with_seed(seed));
        assert!(image.file("f").is_some() != image.file("g").is_some());
    }
    let removed = events(vec![create("f"), flush("f"), flush(""), EventKind::Remove { path: path("f") }]);
    let found = contents(&disk_after(POSIX, &removed), Survivors::SomeChanges, "f");
    assert_eq!(found, HashSet::from([None, Some(Vec::new())]));
}

#[test]
fn disk_images_made_from_equal_random_seeds_are_equal() {
    let data: Vec<u8> = (0..=255).cycle().take(8192).collect();
    let disk = disk_after(POSIX, &events(vec![create("f"), flush(""), write("f", 0, &data)]));
    let image = |seed| {
        let pieces = Survivors::SomePieces { n_bytes: 512 };
        Image::new(&disk, pieces, &mut fastrand::Rng::with_seed(seed)).digest()
    };
    assert_eq!(image(7), image(7));
    assert!((0..9).map(image).collect::<HashSet<_>>().len() > 1);
}

/// Reads the events of a trace, in which `/r` is the recorded directory.
fn read(trace: &str) -> anyhow::Result<Vec<EventKind>> {
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    // Paths and data are written between braces, as `{…}`.
    let parts = trace.split(['{', '}']).enumerate();
    let trace: String =
        parts.map(|(n, part)| if n % 2 == 1 { escaped(part) } else { part.to_owned() }).collect();
    let calls = strace::parse_calls(&trace, 0)?;
    let events = EventReader::new(Path::new("/r")).read(&calls)?;
    Ok(events.into_iter().map(|event| event.kind).collect())
}

#[test]
fn file_writes_and_flushes_and_http_answers_are_read_from_an_strace_output() {
    let id = "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0";
    let trace = format!(
        "1 0.1 openat(AT_FDCWD<{{/}}>, \"{{/r/data/f#1}}\", O_RDWR|O_CREAT|O_EXCL, 0666) = 5<{{/r/data/f#1}}>\n\
         1 0.2 write(5<{{/r/data/f#1}}>, \"{{ab}}\", 2) = 2\n\
         1 0.3 write(5<{{/r/data/f#1}}>, \"{{cd}}\", 2) = 1\n\
         1 0.4 fsync(5<{{/r/data/f#1}}>) = 0\n\
         1 0.5 linkat(AT_FDCWD<{{/}}>, \"{{/r/data/f#1}}\", AT_FDCWD<{{/}}>, \"{{/r/data/f}}\", 0) = 0\n\
         1 0.6 unlink(\"{{/r/data/f#1}}\") = 0\n\
         1 0.7 fsync(6<{{/r/data}}>) = 0 (INJECTED)\n\
         1 0.8 pwrite64(7<{{/r/data/pixaven.db-shm}}>, \"{{x}}\", 1, 0) = 1\n\
         1 0.9 write(2<{{/r/data.log}}>, \"{{x}}\", 1) = 1\n\
         1 1.0 sendto(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"{{HTTP/1.1 202 Accepted\r\n\r\n\"id\":\"{id}\"}}\", 9, 0, \
         NULL, 0) = 9\n"
    );
    let staged = path("data/f#1");
    let data = |data: &[u8]| Arc::from(data);
    assert_eq!(
        read(&trace).unwrap(),
        [
            EventKind::Open { path: staged.clone(), truncates: false },
            EventKind::Write { path: staged.clone(), offset: 0, data: data(b"ab") },
            EventKind::Write { path: staged.clone(), offset: 2, data: data(b"c") },
            EventKind::Flush { path: staged.clone() },
            EventKind::Link { from: staged.clone(), to: path("data/f") },
            EventKind::Remove { path: staged },
            EventKind::Answer { id: id.parse().unwrap() },
        ]
    );
}

#[test]
fn a_system_call_that_the_disk_model_does_not_support_is_an_error() {
    for call in [
        "fallocate(5<{/r/data/f}>, 0, 0, 4096) = 0",
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5<{/r/data/pixaven.db}>, 0) = 0x7f0000000000",
        "rename(\"{/r/data/f}\", \"{/elsewhere}\") = 0",
        "write(5<{/r/data/f}>(deleted), \"{x}\", 1) = 1",
        "io_uring_setup(8, 0x7f) = 5",
    ] {
        assert!(read(&format!("1 0.1 {call}\n")).is_err(), "{call}");
    }
    let shared_index =
        "1 0.1 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5<{/r/data/pixaven.db-shm}>, 0) = 0x7f\n";
    assert_eq!(read(shared_index).unwrap(), []);
}
