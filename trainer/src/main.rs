//! The program `quanci-train`.

use std::process::ExitCode;

fn main() -> ExitCode {
    quanci_trainer::cli::main(quanci_commit::commit!())
}
