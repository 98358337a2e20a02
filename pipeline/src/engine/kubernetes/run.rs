//! A run, as its manifests need to know it.

use super::options::Options;

/// A run to be written down as manifests.
#[derive(Debug, Clone)]
pub struct KubernetesRun {
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
