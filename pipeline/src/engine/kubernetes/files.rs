//! Writes a run as files.

use super::manifests::{config_map, job_name, plan, stage};
use super::run::KubernetesRun;
use crate::engine::shell::line;
use crate::error::Error;

const APPLY: &str = include_str!("apply.sh");
const CONTAINERFILE: &str = include_str!("Containerfile");

/// A file by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// All files, in the order in which they are used.
///
/// # Errors
/// If the settings file cannot be written as YAML.
pub fn files(run: &KubernetesRun) -> Result<Vec<ManifestFile>, Error> {
    let mut jobs = vec![("plan", plan(run))];
    jobs.extend(run.stages.iter().map(|&(name, pods)| (name, stage(run, name, pods))));
    let mut files = vec![file("00-settings.yaml".to_owned(), yaml(&config_map(run))?)];
    let mut apply = opening(run, &files[0].name);
    for (number, (name, manifest)) in jobs.iter().enumerate() {
        let path = format!("{:02}-{name}.yaml", number + 1);
        apply += &format!("{}\n", line(["run", &path, &job_name(run, name)]));
        files.push(file(path, yaml(manifest)?));
    }
    files.push(file("apply.sh".to_owned(), apply));
    files.push(file("Containerfile".to_owned(), CONTAINERFILE.to_owned()));
    Ok(files)
}

fn file(name: String, text: String) -> ManifestFile {
    ManifestFile { name, text }
}

/// What is before the Jobs in `apply.sh`.
fn opening(run: &KubernetesRun, settings: &str) -> String {
    let namespace = run.options.namespace.iter().flat_map(|name| ["--namespace", name.as_str()]);
    let kubectl = line(std::iter::once("kubectl").chain(namespace));
    let title = format!("#!/usr/bin/env bash\n# Runs {}, a stage after the other.\n", run.name);
    format!("{title}{APPLY}kubectl=({kubectl})\n\"${{kubectl[@]}}\" apply --filename {settings}\n")
}

/// YAML with settings files as they are: lines are not folded.
fn yaml(value: &serde_json::Value) -> Result<String, Error> {
    // Folding would change the line breaks of the settings file.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: 100_000 };
    let failed = |error| Error::settings(format!("the settings cannot be written as YAML: {error}"));
    serde_saphyr::to_string_with_options(value, options).map_err(failed)
}
