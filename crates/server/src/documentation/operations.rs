//! Generates `docs/operations.md`: every attribute of every operation, with a picture before the operation
//! and a picture after the operation. The picture before the operation is a photograph of a person, and this
//! program then processes the photograph. The tests in this module check that all pictures exist and have the
//! sizes that the page gives. The tests of `imaging` check how the operations change pixels.

mod examples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use pixaven_imaging::plan::{Format, Output, Plan, TargetFormat};
use pixaven_imaging::{Channels, FileInfo, Image, Input, Limits, Scratch, encode, process};

use self::examples::EXAMPLES;
use super::NOTICE;
use crate::work::request::{self, Attribute, ObjectSchema, RequestKind};

/// The text above the generated tables.
const INTRODUCTION: &str = "\
# Operations

This page shows the effect of each operation of a [request](requests.md) on one photograph, a portrait of the astronaut
Eileen Collins by NASA (public domain). The program made all other pictures. The page about requests gives the order of
the operations and the accepted values of each attribute. The [formulas](#formulas) of the changes of tone and colour are
at the end. The watermark in the examples is an orange ring of 40 × 40 pixels.
";

/// The text below the generated tables: how each attribute computes a pixel.
const FORMULAS: &str = include_str!("operations/formulas.md");

/// The photograph before an operation: 216 × 144 pixels. `operations/README.md` names its origin.
const PHOTOGRAPH: &[u8] = include_bytes!("operations/astronaut.jpg");

/// The objects of a request that describe operations on pixels.
const OPERATIONS: [&str; 11] =
    ["flip", "crop", "resize", "scale", "auto", "adjust", "filter", "watermark", "mask", "border", "padding"];

/// The WebP quality of the pictures.
const QUALITY: u8 = 75;

/// A JPEG segment with the EXIF orientation 6: a viewer turns the image clockwise by 90 degrees.
const EXIF_ORIENTATION_6: &[u8] =
    b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

/// A request that shows the effect of one attribute.
struct Example {
    /// The dotted name of the attribute.
    attribute: &'static str,
    /// The JSON of the request.
    request: &'static str,
}

fn docs_directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

/// The picture before an operation, as a file. For the example of `auto.orient`, the file has an EXIF
/// orientation.
fn picture_before(has_orientation: bool) -> Vec<u8> {
    let mut file = PHOTOGRAPH.to_vec();
    if has_orientation {
        file.splice(2..2, EXIF_ORIENTATION_6.iter().copied());
    }
    file
}

/// The watermark of the examples: an orange ring of 40 × 40 pixels.
fn ring() -> Vec<u8> {
    const SIDE: i32 = 40;
    // Twice the offset of each pixel's centre from the centre of the ring, because twice the offset is an
    // integer.
    let offsets = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (2 * x + 1 - SIDE, 2 * y + 1 - SIDE)));
    let pixel = |(x, y): (i32, i32)| {
        let is_ring = (500..1500).contains(&(x * x + y * y));
        if is_ring { [255, 140, 0, 255] } else { [0; 4] }
    };
    let data: Vec<u8> = offsets.flat_map(pixel).collect();
    encode(Image::new(40, 40, Channels::Rgba, data), Format::Png, &Output::default()).unwrap()
}

/// Applies `request` to the photograph and returns the result as an image file for `docs/operations.md`. The
/// function uses `example` only to decide whether the photograph gets an EXIF orientation.
fn picture_after(example: &Example, request: &str) -> Result<(Vec<u8>, FileInfo), String> {
    let spec =
        request::parse(request.as_bytes(), RequestKind::Upload, false).map_err(|error| error.to_string())?;
    assert_eq!(spec.warnings, [] as [&str; 0], "{request}");
    let output =
        Output { format: TargetFormat::Format(Format::Webp), quality: Some(QUALITY), ..Output::default() };
    let plan = Plan { output, ..spec.plan };
    let (image, ring) = (picture_before(example.attribute == "auto.orient"), ring());
    let input = Input { image: &image, watermark: plan.watermark.map(|_| ring.as_slice()) };
    let result = process(input, &plan, &Limits::default(), &mut Scratch::default());
    result.map(|processed| (processed.bytes, processed.output)).map_err(|error| error.to_string())
}

/// Every example with its file name, which is the name of the attribute. From the second example of an
/// attribute on, the file name also contains the number of the example.
fn example_files() -> impl Iterator<Item = (&'static Example, String)> {
    EXAMPLES.iter().enumerate().map(|(i, example)| {
        let n_before = EXAMPLES[..i].iter().filter(|other| other.attribute == example.attribute).count();
        let number = if n_before == 0 { String::new() } else { format!("-{}", n_before + 1) };
        (example, format!("{}{number}.webp", example.attribute.replace(['.', '_'], "-")))
    })
}

/// Collects every attribute of an object and of the objects in it, with its dotted name.
fn collect_attributes(object: ObjectSchema, path: &str, attributes: &mut Vec<(String, Attribute)>) {
    for &attribute in object.attributes {
        let name = format!("{path}.{}", attribute.name);
        match attribute.schema.object_schema() {
            Some(nested) => collect_attributes(nested, &name, attributes),
            None => attributes.push((name, attribute)),
        }
    }
}

/// The operations of the page: the name, the schema and all attributes of each.
fn operations() -> impl Iterator<Item = (&'static str, ObjectSchema, Vec<(String, Attribute)>)> {
    OPERATIONS.into_iter().map(|name| {
        let attribute = request::REQUEST_SCHEMA.attributes.iter().find(|attribute| attribute.name == name);
        let object = attribute.and_then(|attribute| attribute.schema.object_schema());
        let object = object.expect("every operation is an object of the request");
        let mut attributes = Vec::new();
        collect_attributes(object, name, &mut attributes);
        (name, object, attributes)
    })
}

/// The text of the page, and its pictures with their paths.
pub(super) fn page_and_pictures() -> (String, Vec<(PathBuf, Vec<u8>)>) {
    let directory = docs_directory().join("operations");
    let mut page = format!("{NOTICE}\n\n{INTRODUCTION}");
    let unchanged = Example { attribute: "", request: "{}" };
    let mut pictures = vec![(directory.join("before.webp"), picture_after(&unchanged, "{}").unwrap().0)];
    for (name, object, attributes) in operations() {
        let text: Vec<&str> = object.doc.trim().lines().map(str::trim).collect();
        write!(page, "\n## `{name}`\n\n{}\n\n", text.join("\n")).unwrap();
        page += "| attribute | request | before | after |\n| --- | --- | --- | --- |\n";
        for (name, attribute) in attributes {
            for (example, file) in example_files().filter(|(example, _)| example.attribute == name) {
                let (bytes, info) = picture_after(example, example.request).unwrap();
                pictures.push((directory.join(&file), bytes));
                let (width, height) = (info.width, info.height);
                writeln!(
                    page,
                    "| `{name}`: {} | `{}` | {} | ![{width} × {height}](operations/{file}) |",
                    attribute.doc,
                    example.request,
                    if name == "auto.orient" {
                        "the same picture with an EXIF orientation that turns it by 90 degrees"
                    } else {
                        "![216 × 144](operations/before.webp)"
                    },
                )
                .unwrap();
            }
        }
    }
    page += FORMULAS;
    (page, pictures)
}

#[test]
fn every_attribute_of_an_operation_has_an_example_in_the_documentation() {
    let with_example: BTreeSet<&str> = EXAMPLES.iter().map(|example| example.attribute).collect();
    let declared: Vec<String> =
        operations().flat_map(|(_, _, attributes)| attributes).map(|(name, _)| name).collect();
    for name in &declared {
        assert!(with_example.contains(name.as_str()), "{name}");
    }
    for name in with_example {
        assert!(declared.iter().any(|known| known == name), "{name} is not an attribute");
    }
}

/// The JSON of a request after one attribute was removed. The object that contained the attribute is kept,
/// even if it becomes empty.
fn request_without(request: &str, attribute: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(request).unwrap();
    let (path, key) = attribute.rsplit_once('.').unwrap();
    let object = path.split('.').fold(&mut json, |json, name| &mut json[name]);
    let removed = object.as_object_mut().unwrap().shift_remove(key);
    assert!(removed.is_some(), "{request} has {attribute}");
    json.to_string()
}

#[test]
fn a_documented_example_without_the_attribute_that_it_shows_is_refused_or_yields_another_picture() {
    for example in EXAMPLES {
        let (picture, _) = picture_after(example, example.request).unwrap_or_else(|error| panic!("{error}"));
        // Without the attribute, the request must be refused or must yield another picture.
        if let Ok((without_attribute, _)) =
            picture_after(example, &request_without(example.request, example.attribute))
        {
            assert!(picture != without_attribute, "{}: {}", example.attribute, example.request);
        }
    }
}

#[test]
fn the_committed_pictures_of_the_documentation_have_the_sizes_of_the_generated_pictures() {
    let (_, pictures) = page_and_pictures();
    for (path, generated) in &pictures {
        let committed = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let format_and_size = |file: &[u8]| {
            let plan = Plan {
                output: Output { format: TargetFormat::Format(Format::Png), ..Output::default() },
                ..Plan::default()
            };
            let info =
                process(&file.to_vec(), &plan, &Limits::default(), &mut Scratch::default()).unwrap().input;
            (info.format, info.width, info.height)
        };
        assert_eq!(format_and_size(&committed), format_and_size(generated), "{}", path.display());
    }
    let expected: BTreeSet<&PathBuf> = pictures.iter().map(|(path, _)| path).collect();
    let existing: BTreeSet<PathBuf> = std::fs::read_dir(docs_directory().join("operations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(
        expected,
        existing.iter().collect(),
        "the directory contains exactly the pictures of the page"
    );
}
