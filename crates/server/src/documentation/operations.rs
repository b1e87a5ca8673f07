//! `docs/operations.md`: every operation and attribute with a picture before and after, made by the program itself of
//! the landscape that is painted by code. The pictures beside the page are written together with it; whether they look
//! as they should is tested in `imaging`, here whether they are there and have the size that the page says.

mod examples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use pixaven_imaging::plan::{Format, Output, Plan, TargetFormat};
use pixaven_imaging::{Channels, FileInfo, Image, Input, Limits, Scratch, encode, process};

use self::examples::EXAMPLES;
use super::NOTICE;
use crate::work::request::{self, Attribute, ObjectSchema, RequestKind};

const OPERATIONS: &str = "\
# Operations

What the operations of a [request](requests.md) do to one picture, made by this program. They are done in a fixed order,
whatever the order in the JSON; that page says which, and what each attribute accepts. The watermark is an orange ring,
40 pixels across.
";

/// The hashes that say what is done to pixels.
const HASHES: [&str; 11] =
    ["flip", "crop", "resize", "scale", "auto", "adjust", "filter", "watermark", "mask", "border", "padding"];

/// Attributes that a landscape cannot show.
const WITHOUT_PICTURE: [&str; 1] = ["crop.padding"];

/// Size of the picture in pixels.
const SIZE: (u32, u32) = (216, 144);

/// The quality of the pictures in the page.
const QUALITY: u8 = 75;

/// The value 6 of the EXIF orientation: to be turned clockwise by a quarter.
const SIDEWAYS: &[u8] =
    b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

/// What an example shows.
struct Example {
    /// The dotted name of the attribute that makes the difference.
    attribute: &'static str,
    /// The request's JSON.
    request: &'static str,
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

/// The picture before. `sideways`: with an EXIF orientation, for the attribute that is about it.
fn before(sideways: bool) -> Vec<u8> {
    let image = Image::new(SIZE.0, SIZE.1, Channels::Rgb, pixaven_sample::landscape(SIZE.0, SIZE.1, 7));
    if !sideways {
        return encode(image, Format::Png, &Output::default()).unwrap();
    }
    let output = Output { quality: Some(95), ..Output::default() };
    let mut file = encode(image, Format::Jpeg, &output).unwrap();
    file.splice(2..2, SIDEWAYS.iter().copied());
    file
}

/// The watermark of the examples: an orange ring, 40 pixels across.
fn ring() -> Vec<u8> {
    const SIDE: i32 = 40;
    let places = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (2 * x + 1 - SIDE, 2 * y + 1 - SIDE)));
    let pixel = |(x, y): (i32, i32)| {
        let is_ring = (500..1500).contains(&(x * x + y * y));
        if is_ring { [255, 140, 0, 255] } else { [0; 4] }
    };
    let data: Vec<u8> = places.flat_map(pixel).collect();
    encode(Image::new(40, 40, Channels::Rgba, data), Format::Png, &Output::default()).unwrap()
}

/// What a request makes of the picture, as a file for the page.
fn after(example: &Example, request: &str) -> Result<(Vec<u8>, FileInfo), String> {
    let spec = request::parse(request.as_bytes(), RequestKind::Upload, false)
        .map_err(|problem| problem.to_string())?;
    assert_eq!(spec.warnings, [] as [&str; 0], "{request}");
    let output =
        Output { format: TargetFormat::Format(Format::Webp), quality: Some(QUALITY), ..Output::default() };
    let plan = Plan { output, ..spec.plan };
    let (image, ring) = (before(example.attribute == "auto.orient"), ring());
    let input = Input { image: &image, watermark: plan.watermark.map(|_| ring.as_slice()) };
    let done = process(input, &plan, &Limits::default(), &mut Scratch::default());
    done.map(|done| (done.bytes, done.output)).map_err(|error| error.to_string())
}

/// A file name for each example: the attribute's, numbered from its second example on.
fn names() -> impl Iterator<Item = (&'static Example, String)> {
    EXAMPLES.iter().enumerate().map(|(i, example)| {
        let n_before = EXAMPLES[..i].iter().filter(|other| other.attribute == example.attribute).count();
        let number = if n_before == 0 { String::new() } else { format!("-{}", n_before + 1) };
        (example, format!("{}{number}.webp", example.attribute.replace(['.', '_'], "-")))
    })
}

/// Every attribute of a hash and of those in it, with its dotted name.
fn attributes(hash: ObjectSchema, path: &str, found: &mut Vec<(String, Attribute)>) {
    for &attribute in hash.attributes {
        let name = format!("{path}.{}", attribute.name);
        match attribute.kind.nested() {
            Some(nested) => attributes(nested, &name, found),
            None => found.push((name, attribute)),
        }
    }
}

/// The hashes of the page with their attributes.
fn hashes() -> impl Iterator<Item = (&'static str, ObjectSchema, Vec<(String, Attribute)>)> {
    HASHES.into_iter().map(|name| {
        let attribute = request::REFERENCE.attributes.iter().find(|attribute| attribute.name == name);
        let hash =
            attribute.and_then(|attribute| attribute.kind.nested()).expect("it is a hash of the request");
        let mut found = Vec::new();
        attributes(hash, name, &mut found);
        (name, hash, found)
    })
}

/// The page and its pictures.
pub(super) fn page() -> (String, Vec<(PathBuf, Vec<u8>)>) {
    let pictures = directory().join("operations");
    let mut page = format!("{NOTICE}\n\n{OPERATIONS}");
    let unchanged = Example { attribute: "", request: "{}" };
    let mut files = vec![(pictures.join("before.webp"), after(&unchanged, "{}").unwrap().0)];
    for (hash_name, hash, attributes) in hashes() {
        let text: Vec<&str> = hash.doc.trim().lines().map(str::trim).collect();
        write!(page, "\n## `{hash_name}`\n\n{}\n\n", text.join("\n")).unwrap();
        page += "| attribute | request | before | after |\n| --- | --- | --- | --- |\n";
        for (name, attribute) in attributes {
            for (example, file) in names().filter(|(example, _)| example.attribute == name) {
                let (bytes, facts) = after(example, example.request).unwrap();
                files.push((pictures.join(&file), bytes));
                let (width, height) = (facts.width, facts.height);
                writeln!(
                    page,
                    "| `{name}`: {} | `{}` | {} | ![{width} × {height}](operations/{file}) |",
                    attribute.doc,
                    example.request,
                    if name == "auto.orient" {
                        "the same, marked by EXIF as lying on its side"
                    } else {
                        "![216 × 144](operations/before.webp)"
                    },
                )
                .unwrap();
            }
        }
    }
    (page, files)
}

#[test]
fn every_attribute_of_an_operation_has_an_example() {
    let shown: BTreeSet<&str> = EXAMPLES.iter().map(|example| example.attribute).collect();
    let there: Vec<String> =
        hashes().flat_map(|(_, _, attributes)| attributes).map(|(name, _)| name).collect();
    for name in &there {
        assert!(shown.contains(name.as_str()) || WITHOUT_PICTURE.contains(&name.as_str()), "{name}");
    }
    for name in shown {
        assert!(there.iter().any(|known| known == name), "{name} is no attribute");
    }
}

/// The request without one attribute; empty hashes stay.
fn without(request: &str, attribute: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(request).unwrap();
    let (path, key) = attribute.rsplit_once('.').unwrap();
    let hash = path.split('.').fold(&mut json, |json, name| &mut json[name]);
    let removed = hash.as_object_mut().unwrap().shift_remove(key);
    assert!(removed.is_some(), "{request} has {attribute}");
    json.to_string()
}

#[test]
fn every_attribute_makes_a_difference() {
    for example in EXAMPLES {
        let (made, _) = after(example, example.request).unwrap_or_else(|problem| panic!("{problem}"));
        // Without the attribute the request is refused or makes another picture.
        if let Ok((bare, _)) = after(example, &without(example.request, example.attribute)) {
            assert!(made != bare, "{}: {}", example.attribute, example.request);
        }
    }
}

#[test]
fn committed_pictures_are_those_of_the_page() {
    let (_, files) = page();
    for (path, made) in &files {
        let committed = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let size = |file: &[u8]| {
            let plan = Plan {
                output: Output { format: TargetFormat::Format(Format::Png), ..Output::default() },
                ..Plan::default()
            };
            let facts =
                process(&file.to_vec(), &plan, &Limits::default(), &mut Scratch::default()).unwrap().input;
            (facts.format, facts.width, facts.height)
        };
        assert_eq!(size(&committed), size(made), "{}", path.display());
    }
    let named: BTreeSet<&PathBuf> = files.iter().map(|(path, _)| path).collect();
    let there: BTreeSet<PathBuf> = std::fs::read_dir(directory().join("operations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(named, there.iter().collect(), "no picture is left over");
}
