//! The binary `pixaven`. All code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pixaven::cli::main()
}
