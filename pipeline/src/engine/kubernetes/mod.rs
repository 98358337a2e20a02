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
mod run;

pub use files::{ManifestFile, files};
pub use manifests::name;
pub use options::{Options, SETTINGS_FILE, SETTINGS_FOLDER};
pub use run::KubernetesRun;
