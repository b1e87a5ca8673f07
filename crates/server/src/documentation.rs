//! The pages of `docs/` that are generated from what the program itself reads: the settings, the requests and, with
//! pictures, the operations. A test fails when a committed page differs; the ignored one writes them:
//! `cargo test -p pixaven --lib -- --ignored write_the_generated_pages`.

mod operations;

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::runtime::config;
use crate::work::request::{self, ObjectSchema};

const NOTICE: &str =
    "<!-- Generated: `cargo test -p pixaven --lib -- --ignored write_the_generated_pages` writes it. -->";

const CONFIGURATION: &str = "\
# Configuration

Nothing needs to be configured. What is, comes from four places; each overrides single settings of those before it:

1. the defaults below ([`default.toml`](../crates/server/src/default.toml));
2. the configuration file: `--config FILE`, or else `pixaven.toml` in the working directory if it is there;
3. the environment: `PIXAVEN_SERVER_LISTEN` sets `listen` of `[server]`; lists are separated by commas;
4. the command line: `--set server.listen=0.0.0.0:80`, and flags of their own for the most common ones.

A name that is not below is an error that names the nearest one that is. `pixaven config` prints what is in force and
where each value comes from. In Kubernetes, a service called `pixaven` puts variables called `PIXAVEN_SERVICE_…` and
`PIXAVEN_PORT…` into every container; those are skipped.
";

const REQUESTS: &str = "\
# Requests

What the JSON of `POST /1.0/fetch` (the body) and of `POST /1.0/upload` (the part `data`) may say. Operations are done
in a fixed order, whatever the order in the JSON: EXIF orientation, `flip`, `crop`, `resize`, `scale`, `auto`, `adjust`,
`filter`, `watermark`, `mask`, `border`, `padding`. [Operations](operations.md) shows what each of them does.

Numbers may be written as strings, booleans also as `\"true\"`, `\"false\"`, `1` and `0`; `null` counts as absent. Colours
are hexadecimal, with or without `#`. A wrong value is answered with 422 and a message that names it. An unknown name
is ignored and named in the `warnings` of the answer.

A request with the header `Idempotency-Key` (1 to 255 printable ASCII characters of your choice) is done once: asked for
again within 24 hours it is answered as it was, with `Idempotency-Replayed: true`. While it is still being processed, and
for another request under the same name, the answer is 409. A request that failed gives its name back. Not together with a
binary response.
";

fn configuration() -> String {
    let mut page = format!("{NOTICE}\n\n{CONFIGURATION}");
    for section in config::sections() {
        write!(page, "\n## `[{}]`\n\n{}\n\n", section.name, section.doc).expect("a String takes everything");
        page += "| setting | default | accepts | meaning |\n| --- | --- | --- | --- |\n";
        for setting in section.settings {
            let config::Setting { key, doc, default, accepted } = setting;
            writeln!(page, "| `{key}` | `{default}` | {accepted} | {doc} |")
                .expect("a String takes everything");
        }
    }
    page
}

fn requests() -> String {
    let mut page = format!("{NOTICE}\n\n{REQUESTS}");
    describe(request::REFERENCE, "", &mut page, &mut Vec::new());
    page
}

/// Describes a hash and those in it, each form of hash once.
fn describe(hash: ObjectSchema, name: &str, page: &mut String, described: &mut Vec<&'static str>) {
    if described.contains(&hash.doc) {
        return;
    }
    described.push(hash.doc);
    let title = if name.is_empty() { "The request".to_owned() } else { format!("`{name}`") };
    let text: Vec<&str> = hash.doc.trim().lines().map(str::trim).collect();
    write!(page, "\n## {title}\n\n{}\n\n", text.join("\n")).expect("a String takes everything");
    *page += "| attribute | accepts | default | meaning |\n| --- | --- | --- | --- |\n";
    for attribute in hash.attributes {
        let request::Attribute { name, kind, default, doc } = attribute;
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        writeln!(page, "| `{name}` | {} | {default} | {doc} |", kind.accepts())
            .expect("a String takes everything");
    }
    if !hash.unsupported.is_empty() {
        let names: Vec<String> = hash.unsupported.iter().map(|name| format!("`{name}`")).collect();
        writeln!(page, "\nNot supported by this build: {}.", names.join(", "))
            .expect("a String takes everything");
    }
    for attribute in hash.attributes {
        if let Some(nested) = attribute.kind.nested() {
            let name = if name.is_empty() {
                attribute.name.to_owned()
            } else {
                format!("{name}.{}", attribute.name)
            };
            describe(nested, &name, page, described);
        }
    }
}

/// Every generated page: where it lies and what it says.
fn pages() -> [(PathBuf, String); 3] {
    let docs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    [
        (docs.join("configuration.md"), configuration()),
        (docs.join("requests.md"), requests()),
        (docs.join("operations.md"), operations::page().0),
    ]
}

#[test]
fn committed_pages_say_what_the_program_reads() {
    for (path, page) in pages() {
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "{} is out of date; see the top of this file", path.display());
    }
}

#[test]
#[ignore = "writes to docs/"]
fn write_the_generated_pages() {
    for (path, page) in pages() {
        std::fs::write(path, page).unwrap();
    }
    let pictures = operations::page().1;
    let directory = pictures[0].0.parent().unwrap();
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    std::fs::create_dir_all(directory).unwrap();
    for (path, picture) in pictures {
        std::fs::write(path, picture).unwrap();
    }
}
