//! The program `quanci`.
fn main() {}
