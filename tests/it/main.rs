//! The programs from outside.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that skip say so")]

mod bad_input;
mod compat;
mod formats;
mod kills;
mod labels;
mod layers;
mod ray;
mod same_bytes;
mod settings;
mod tasks;
mod vocab;

use integration_tests::Place;

/// A fresh folder for `quanci`.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_quanci-under-test"))
}

/// `[[corpus]]` keys for the public-domain samples.
fn novels() -> String {
    format!(
        "name = \"novels\"\nformat = \"paragraphs\"\npaths = [{:?}]",
        integration_tests::samples().join("public-domain/*.txt")
    )
}
