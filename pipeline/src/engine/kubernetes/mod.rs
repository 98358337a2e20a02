//! Kubernetes: an Indexed Job for each stage, as manifests for people to read, keep and apply.
//!
//! ```text
//! 00-settings.yaml   ConfigMap: the settings file
//! 01-plan.yaml       Job: looks at the inputs, which only pods see, and writes the plan into the work folder
//! 02-map.yaml …      Job a stage: pod k of N does the tasks k, k + N, …
//! apply.sh           applies them in order, each once the one before it has succeeded
//! Containerfile      an image with quanci alone
//! ```
//!
//! We never talk to the cluster ourselves: the manifests are what would be said, and kubectl says it.

mod files;
mod manifests;
mod options;

pub use files::{ManifestFile, files};
pub use manifests::{SETTINGS_FILE, SETTINGS_FOLDER, name};
pub use options::Options;

/// A run to be written down as manifests.
#[derive(Debug, Clone)]
pub struct Run {
    /// What its objects are called, before the stage's name: a DNS label.
    pub name: String,
    /// Where `quanci` lies in the image.
    pub program: String,
    /// The settings file's text.
    pub settings: String,
    /// Arguments of `quanci plan` besides the settings file and the plan: `--set`s and `--out`.
    pub plan_arguments: Vec<String>,
    /// The plan file, where all pods see it.
    pub plan: String,
    /// The stages and how many pods each has.
    pub stages: Vec<(&'static str, u32)>,
    /// What the user wants of the cluster.
    pub options: Options,
}
