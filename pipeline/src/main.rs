//! The program `quanci`.

use std::process::ExitCode;

fn main() -> ExitCode {
    quanci_pipeline::cli::main(quanci_commit::commit!())
}
