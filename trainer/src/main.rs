//! The program `quanci-train`.

fn main() {}
