//! The manifests, as values with the keys that the API server knows.

use serde_json::{Value, json};

use super::options::{SETTINGS_FILE, SETTINGS_FOLDER};
use super::run::KubernetesRun;

/// How often an index is tried again.
const RETRIES: u32 = 5;
/// The most indexes that may fail before the Job does: several bad files are reported together, but a lost disk does
/// not cost every pod.
const FAILED_INDEXES: u32 = 10;
/// Finished Jobs are kept for three days, for people to look at.
const KEPT_SECONDS: u32 = 3 * 24 * 3600;
/// Pods of a Job are named after it and their index, within the 63 characters of a DNS label.
const MAX_STEM: usize = 32;

/// A name for the run's objects: from the settings file's name, and a hash of all that they hold, for a Job cannot be
/// changed once it is there.
pub fn name(stem: &str, contents: &str) -> String {
    let lower = stem.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // ASCII only by now, so characters are bytes.
    let stem: String = words.join("-").chars().take(MAX_STEM).collect();
    // A Job is immutable: other contents need another name.
    let hash = xxhash_rust::xxh3::xxh3_64(contents.as_bytes()) as u32;
    match stem.trim_end_matches('-') {
        "" => format!("quanci-{hash:08x}"),
        stem => format!("quanci-{stem}-{hash:08x}"),
    }
}

/// The name of a stage's Job.
pub(super) fn job_name(run: &KubernetesRun, stage: &str) -> String {
    format!("{}-{stage}", run.name)
}

/// The ConfigMap with the settings file.
pub(super) fn config_map(run: &KubernetesRun) -> Value {
    let data = json!({ SETTINGS_FILE: run.settings });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(run, &run.name), "data": data })
}

/// The Job that plans.
pub(super) fn plan(run: &KubernetesRun) -> Value {
    let settings = format!("{SETTINGS_FOLDER}/{SETTINGS_FILE}");
    let mut arguments = vec!["plan".to_owned(), settings, "--output".to_owned(), run.plan.clone()];
    arguments.extend_from_slice(&run.plan_arguments);
    job(run, "plan", 1, arguments.iter().map(|argument| literal(argument)).collect())
}

/// The Job of a stage: each of its pods does one of `pods` shares of the tasks.
pub(super) fn stage(run: &KubernetesRun, stage: &str, pods: u32) -> Value {
    let (plan, of) = (literal(&run.plan), pods.to_string());
    // The index is a variable of the container, which kubelet writes in.
    let index = "$(JOB_COMPLETION_INDEX)";
    let words = ["run-task", "--plan", &plan, "--stage", stage, "--index", index, "--of", &of];
    job(run, stage, pods, words.map(str::to_owned).to_vec())
}

/// An argument in which nothing is a variable.
fn literal(argument: &str) -> String {
    argument.replace('$', "$$")
}

fn metadata(run: &KubernetesRun, name: &str) -> Value {
    let labels = json!({ "app.kubernetes.io/name": "quanci", "app.kubernetes.io/instance": run.name });
    let mut metadata = json!({ "name": name, "labels": labels });
    if let Some(namespace) = &run.options.namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

fn job(run: &KubernetesRun, stage: &str, pods: u32, arguments: Vec<String>) -> Value {
    let name = job_name(run, stage);
    let metadata = metadata(run, &name);
    let labels = &metadata["labels"];
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            // Each pod gets its index, the share of the tasks that it does. `backoffLimitPerIndex` and `FailIndex` need
            // this mode.
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "backoffLimitPerIndex": RETRIES,
            "maxFailedIndexes": FAILED_INDEXES.min(pods),
            "podFailurePolicy": { "rules": failure_rules() },
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": { "metadata": { "labels": labels }, "spec": pod(run, arguments) },
        },
        "metadata": metadata,
    })
}

/// A pod that was evicted does not count. Wrong settings (2) and too many rejected records (4) end the Job; a bad file (3)
/// its index, while others go on. What is worth retrying (75), out of memory and all else are tried again.
fn failure_rules() -> Value {
    let exit_codes = |codes: &[u8]| json!({ "containerName": "quanci", "operator": "In", "values": codes });
    json!([
        { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
        { "action": "FailJob", "onExitCodes": exit_codes(&[2, 4]) },
        { "action": "FailIndex", "onExitCodes": exit_codes(&[3]) },
    ])
}

fn pod(run: &KubernetesRun, arguments: Vec<String>) -> Value {
    let options = &run.options;
    // One id for user, group and volume: what one stage writes, the next can read.
    let user = options.user;
    let mut pod = json!({
        // A pod failure policy requires it: the Job makes a new pod instead.
        "restartPolicy": "Never",
        "containers": [container(run, arguments)],
        "volumes": volumes(run),
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
    });
    if let Some(account) = &options.service_account {
        pod["serviceAccountName"] = json!(account);
    }
    pod
}

fn container(run: &KubernetesRun, mut arguments: Vec<String>) -> Value {
    let options = &run.options;
    arguments.extend(["--threads".to_owned(), options.threads().to_string()]);
    let mounts = options.volumes.iter().enumerate();
    let mut mounts: Vec<Value> =
        mounts.map(|(at, (_, path))| json!({ "name": volume_name(at), "mountPath": path })).collect();
    mounts.push(json!({ "name": "settings", "mountPath": SETTINGS_FOLDER, "readOnly": true }));
    let secrets = options.secrets.iter().map(|name| json!({ "secretRef": { "name": name } }));
    let mut container = json!({
        "name": "quanci",
        "image": options.image,
        "command": [literal(&run.program)],
        "args": arguments,
        "resources": {
            // Equal requests and limits give the QoS class Guaranteed: such pods are the last to be evicted.
            "requests": { "cpu": options.cpu, "memory": options.memory },
            "limits": { "cpu": options.cpu, "memory": options.memory },
        },
        "volumeMounts": mounts,
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
    });
    if !options.secrets.is_empty() {
        container["envFrom"] = secrets.collect();
    }
    container
}

fn volumes(run: &KubernetesRun) -> Vec<Value> {
    let claims = run.options.volumes.iter().enumerate();
    let mut volumes: Vec<Value> = claims
        .map(|(at, (claim, _))| json!({ "name": volume_name(at), "persistentVolumeClaim": { "claimName": claim } }))
        .collect();
    volumes.push(json!({ "name": "settings", "configMap": { "name": run.name } }));
    volumes
}

fn volume_name(at: usize) -> String {
    format!("volume-{at}")
}

#[cfg(test)]
mod tests {
    use super::{literal, name};

    #[test]
    fn names_are_dns_labels() {
        let long = "A settings file whose name goes on for ever and ever";
        for stem in ["prepare-quickstart", "Clue_128.v2", "语料", "", "--x--", long] {
            let name = name(stem, "contents");
            assert!(name.starts_with("quanci-") && name.len() + "-layout-100000".len() <= 63, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(!name.contains("--"), "{name}");
        }
        assert_ne!(name("a", "one"), name("a", "two"));
    }

    #[test]
    fn a_dollar_is_a_dollar() {
        assert_eq!(literal("/data/$(HOME)"), "/data/$$(HOME)");
    }
}
