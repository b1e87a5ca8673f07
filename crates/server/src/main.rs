//! The `pixaven` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    pixaven::cli::main()
}
