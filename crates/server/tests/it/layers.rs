//! Checks the layers of the server, which are its top-level modules. ARCHITECTURE.md has the same table of
//! layers; an import that the table below does not list fails this test.

use std::path::Path;

use pixaven_testkit::module_graph::ModuleGraph;

/// Every top-level module of the server, with the modules that it may import.
const LAYERS: &[(&str, &[&str])] = &[
    ("cli", &["app", "api", "delivery", "work", "runtime"]),
    ("app", &["api", "jobs", "node", "sweep", "delivery", "work", "runtime"]),
    ("api", &["delivery", "work", "runtime"]),
    ("jobs", &["work", "runtime"]),
    ("node", &["runtime"]),
    ("sweep", &["work", "runtime"]),
    ("delivery", &["runtime"]),
    ("work", &["runtime"]),
    ("runtime", &[]),
    // The module `documentation` generates pages of `docs/` and is compiled for tests only.
    ("documentation", &["work", "runtime"]),
];

/// The methods of the ledger that write to its database.
const LEDGER_WRITES: &[&str] = &[
    "abandon_webhook",
    "accept",
    "add_watermark",
    "begin_idempotent",
    "cancel_webhook",
    "claim_jobs",
    "claim_webhooks",
    "create_key",
    "delete_results",
    "delete_watermarks",
    "finish_job",
    "heartbeat",
    "join_nodes",
    "leave_nodes",
    "record_attempt",
    "record_result",
    "recover",
    "release_idempotency_key",
    "release_job",
    "release_webhook",
    "remove_watermark",
    "renew_job",
    "replace_request_secrets",
    "replace_stored_secret",
    "resend_webhook",
    "revoke_key",
    "rotate_secret",
    "start_bulk_resend",
    "stop_bulk_resend",
    "store_idempotent_answer",
    "sweep_history",
    "take_turn",
];

/// The modules that may write to the ledger: the API, the module that starts the server (`app`), the drivers,
/// the command line, the sweep, and the watermarks of accounts.
const LEDGER_WRITERS: &[&str] =
    &["api", "app", "cli", "delivery", "jobs", "node", "sweep", "work::watermarks"];

fn graph() -> ModuleGraph {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    ModuleGraph::read(&src).expect("the sources can be read")
}

#[test]
fn every_import_between_layers_of_the_server_is_permitted_by_the_layer_table() {
    assert_eq!(graph().violations(LAYERS), Vec::<String>::new());
}

#[test]
fn the_imports_between_the_modules_of_the_server_form_no_cycle() {
    assert_eq!(graph().cycles(), Vec::<String>::new());
}

#[test]
fn only_modules_listed_as_ledger_writers_call_methods_that_write_to_the_ledger() {
    let is_listed = |module: &str| {
        LEDGER_WRITERS.iter().any(|writer| module == *writer || module.starts_with(&format!("{writer}::")))
    };
    let writers = graph().callers_of(LEDGER_WRITES);
    assert!(writers.contains("jobs"), "the names of the methods are those of the ledger");
    assert_eq!(writers.iter().filter(|module| !is_listed(module)).collect::<Vec<_>>(), Vec::<&String>::new());
}
