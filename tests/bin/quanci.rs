//! The program under test: a twin of `quanci`, so that Cargo builds it for the tests and hands over its path.

use std::process::ExitCode;

fn main() -> ExitCode {
    quanci_pipeline::cli::main(quanci_commit::commit!())
}
