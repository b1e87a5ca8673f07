//! Generates three pages of `docs/` from the declarations in the code: `configuration.md`, `requests.md`, and
//! `operations.md` with its pictures. A test fails if a committed page differs from the generated page. This
//! command writes all generated pages: `cargo test -p pixaven --lib -- --ignored write_the_generated_pages`.

mod operations;

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::runtime::config;
use crate::work::request::{self, ObjectSchema};

/// The message of `expect` for every write to the `String` of a page.
const INFALLIBLE: &str = "writing to a String never fails";

/// The first line of every generated page of the documentation.
const NOTICE: &str =
    "<!-- Generated: `cargo test -p pixaven --lib -- --ignored write_the_generated_pages` writes it. -->";

/// The text that `docs/configuration.md` has above the generated tables of settings.
const CONFIGURATION_INTRODUCTION: &str = "\
# Configuration

Every setting has a default, so that no configuration is required. A value comes from one of four layers. Each layer
overrides single settings of the layers before it:

1. the defaults below ([`default.toml`](../crates/server/src/default.toml));
2. the configuration file: `--config FILE`, or else `pixaven.toml` in the working directory, if it exists;
3. the environment: `PIXAVEN_SERVER_LISTEN` sets `listen` of `[server]`; commas separate the items of a list;
4. the command line: `--set server.listen=0.0.0.0:80`; the most common settings also have their own flags.

An unknown name is an error, which names the most similar setting. `pixaven config` prints the effective value of
every setting and its layer. In Kubernetes, a service called `pixaven` adds variables called `PIXAVEN_SERVICE_…` and
`PIXAVEN_PORT…` to every container; the server ignores them.
";

/// The text that `docs/requests.md` has above the generated tables of attributes.
const REQUESTS_INTRODUCTION: &str = "\
# Requests

This page describes the JSON of a request: the body of `POST /1.0/fetch`, and the part `data` of `POST /1.0/upload`.
The order of the operations is fixed and does not depend on the order in the JSON: EXIF orientation, `flip`, `crop`,
`resize`, `scale`, `auto`, `adjust`, `filter`, `watermark`, `mask`, `border`, `padding`.
[Operations](operations.md) shows the effect of each operation.

Numbers may be written as strings. Booleans may be written as `\"true\"`, `\"false\"`, `1` and `0`. `null` counts as
absent, and an empty list counts as an empty object. A byte-order mark before the JSON is skipped. Colours are
hexadecimal, with or without `#`. A request with an invalid value is answered with 422, and the message names the
attribute. An unknown attribute is ignored, and the `warnings` of the answer name it.

With the header `Idempotency-Key` (1 to 255 printable ASCII characters of your choice), the server does a request only
once. If the same request arrives again within 24 hours, the server repeats the first answer with
`Idempotency-Replayed: true`. The answer is 409 while the first request is still being processed, and also if the key
belongs to another request. The key of a failed request can be used again. The header cannot be combined with a binary
response.
";

/// Generates the text of `docs/configuration.md`.
fn configuration_page() -> String {
    let mut page = format!("{NOTICE}\n\n{CONFIGURATION_INTRODUCTION}");
    for section in config::sections() {
        write!(page, "\n## `[{}]`\n\n{}\n\n", section.name, section.doc).expect(INFALLIBLE);
        page += "| setting | default | accepts | meaning |\n| --- | --- | --- | --- |\n";
        for setting in section.settings {
            let config::Setting { key, doc, default, accepted } = setting;
            writeln!(page, "| `{key}` | `{default}` | {accepted} | {doc} |").expect(INFALLIBLE);
        }
    }
    page
}

/// Generates the text of `docs/requests.md`.
fn requests_page() -> String {
    let mut page = format!("{NOTICE}\n\n{REQUESTS_INTRODUCTION}");
    describe_object(request::REQUEST_SCHEMA, "", &mut page, &mut Vec::new());
    page
}

/// Appends the description of a JSON object and of the objects in it to the page. Objects with the same
/// schema are described only once.
fn describe_object(object: ObjectSchema, name: &str, page: &mut String, described: &mut Vec<&'static str>) {
    if described.contains(&object.doc) {
        return;
    }
    described.push(object.doc);
    let title = if name.is_empty() { "The request".to_owned() } else { format!("`{name}`") };
    let text: Vec<&str> = object.doc.trim().lines().map(str::trim).collect();
    write!(page, "\n## {title}\n\n{}\n\n", text.join("\n")).expect(INFALLIBLE);
    *page += "| attribute | accepts | default | meaning |\n| --- | --- | --- | --- |\n";
    for attribute in object.attributes {
        let request::Attribute { name, schema, default, doc } = attribute;
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        writeln!(page, "| `{name}` | {} | {default} | {doc} |", schema.expected()).expect(INFALLIBLE);
    }
    for attribute in object.attributes {
        if let Some(nested) = attribute.schema.object_schema() {
            let name = if name.is_empty() {
                attribute.name.to_owned()
            } else {
                format!("{name}.{}", attribute.name)
            };
            describe_object(nested, &name, page, described);
        }
    }
}

/// Returns every generated page of the documentation with its path.
fn pages() -> [(PathBuf, String); 3] {
    let docs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    [
        (docs.join("configuration.md"), configuration_page()),
        (docs.join("requests.md"), requests_page()),
        (docs.join("operations.md"), operations::page_and_pictures().0),
    ]
}

#[test]
fn the_committed_pages_of_the_documentation_equal_the_generated_pages() {
    for (path, page) in pages() {
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page,
            "{} is out of date; the first lines of documentation.rs say how to write it",
            path.display()
        );
    }
}

#[test]
#[ignore = "this is a command, not a test: it writes to docs/"]
fn write_the_generated_pages() {
    for (path, page) in pages() {
        std::fs::write(path, page).unwrap();
    }
    let pictures = operations::page_and_pictures().1;
    let directory = pictures[0].0.parent().unwrap();
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    std::fs::create_dir_all(directory).unwrap();
    for (path, picture) in pictures {
        std::fs::write(path, picture).unwrap();
    }
}
