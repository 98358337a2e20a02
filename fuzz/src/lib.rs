//! Fuzz targets: what reads bytes that quanci did not write, or that may be damaged. A target must return, with or without
//! an error: no panic, no endless loop, no memory without bound.

mod inputs;
#[cfg(feature = "trainer")]
mod labelled_sets;
mod pipeline;
mod readers;
mod shards;
#[cfg(feature = "trainer")]
mod trainer;

/// Without libtorch there is nothing of the trainer to read.
#[cfg(not(feature = "trainer"))]
mod labelled_sets {
    pub(crate) fn targets() -> Vec<crate::Target> {
        Vec::new()
    }
}

/// The same.
#[cfg(not(feature = "trainer"))]
mod trainer {
    pub(crate) fn targets() -> Vec<crate::Target> {
        Vec::new()
    }
}

/// A target: its name, inputs to start from, and what it does with bytes.
#[derive(Clone)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Inputs that are valid, or nearly so.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads the bytes.
    pub run: fn(&[u8]),
}

/// All targets of this build.
pub fn targets() -> Vec<Target> {
    [shards::targets(), pipeline::targets(), readers::targets(), trainer::targets(), labelled_sets::targets()]
        .concat()
}

/// Runs the target `name`.
///
/// # Panics
/// If there is none, or if the target panics.
pub fn run(name: &str, bytes: &[u8]) {
    let targets = targets();
    let target = targets.iter().find(|target| target.name == name).expect("the target is in the list");
    (target.run)(bytes);
}
