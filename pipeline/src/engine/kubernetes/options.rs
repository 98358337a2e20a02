//! `--kubernetes KEY=VALUE` arguments.

use std::path::{Component, Path};

use crate::engine::options::pairs;
use crate::error::Error;

/// The folder of the settings file in every pod.
pub const SETTINGS_FOLDER: &str = "/etc/quanci";
/// Its name, whatever it is called here: keys of a ConfigMap are ASCII.
pub const SETTINGS_FILE: &str = "settings.toml";

/// What the user wants of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The image that has `quanci`.
    pub image: String,
    /// The namespace; the one that kubectl is set to, if none.
    pub namespace: Option<String>,
    /// Processors of a pod.
    pub cpu: String,
    /// Memory of a pod.
    pub memory: String,
    /// Persistent volume claims and where they are mounted.
    pub volumes: Vec<(String, String)>,
    /// Secrets whose keys become environment variables: an object store's credentials.
    pub secrets: Vec<String>,
    /// The service account of the pods.
    pub service_account: Option<String>,
    /// The user and group that pods run as, who own what is written.
    pub user: u32,
}

const KEYS: &str = "image, namespace, cpu, memory, volume, secret, service-account, user";

impl Options {
    /// Checks `--kubernetes KEY=VALUE` arguments; every problem at once.
    ///
    /// # Errors
    /// [`Error::Settings`] with every problem.
    pub fn parse(arguments: &[String]) -> Result<Options, Error> {
        let mut options = Options {
            image: String::new(),
            namespace: None,
            cpu: "2".to_owned(),
            memory: "4Gi".to_owned(),
            volumes: Vec::new(),
            secrets: Vec::new(),
            service_account: None,
            user: 10001,
        };
        let mut problems: Vec<String> = Vec::new();
        for (key, value) in pairs("kubernetes", arguments)? {
            if let Err(problem) = options.set(&key, value) {
                problems.push(format!("--kubernetes {key}: {problem}"));
            }
        }
        if options.image.is_empty() {
            problems.push(
                "--kubernetes image=… is missing: the image that has quanci (a Containerfile is written)"
                    .to_owned(),
            );
        }
        if problems.is_empty() { Ok(options) } else { Err(Error::Settings(problems)) }
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "image" if value.contains(char::is_whitespace) => {
                return Err(format!("{value:?} is no image's name"));
            }
            "image" => self.image = value,
            "namespace" => self.namespace = Some(named(value)?),
            "cpu" => self.cpu = quantity(value, &["m"], "4 or 500m")?,
            "memory" => self.memory = quantity(value, &["Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"], "16Gi")?,
            "volume" => self.volumes.push(volume(&value)?),
            "secret" => self.secrets.push(named(value)?),
            "service-account" => self.service_account = Some(named(value)?),
            "user" => match value.parse() {
                Ok(user) if user > 0 => self.user = user,
                _ => return Err(format!("{value:?} is no number of a user other than root")),
            },
            _ => return Err(format!("no such key; there are {KEYS}")),
        }
        Ok(())
    }

    /// Threads of a pod.
    pub fn threads(&self) -> u32 {
        // Kubernetes counts in thousandths: 500m is half a core.
        let cores = match self.cpu.strip_suffix('m') {
            Some(thousandths) => thousandths.parse().map(|cores: f64| cores / 1000.0),
            None => self.cpu.parse(),
        };
        // Rounded up: a thread too many waits for the CPU quota, a core without a thread is lost.
        cores.map_or(1, |cores| (cores.ceil() as u32).max(1))
    }

    /// True if a path lies in a volume, so that it outlives the pod.
    pub fn is_in_volume(&self, path: &Path) -> bool {
        self.volumes.iter().any(|(_, mount)| path.starts_with(mount))
    }
}

/// `CLAIM:/MOUNT`.
fn volume(value: &str) -> Result<(String, String), String> {
    let wrong = || format!("{value:?}: write CLAIM:/MOUNT, such as volume=corpora:/data");
    let (claim, mount) = value.split_once(':').ok_or_else(wrong)?;
    let is_plain =
        Path::new(mount).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    // The API server refuses a colon in a mount's path.
    if !mount.starts_with('/') || mount == "/" || mount.contains(':') || !is_plain {
        return Err(wrong());
    }
    if Path::new(SETTINGS_FOLDER).starts_with(mount) {
        return Err(format!(
            "{mount} would hide {SETTINGS_FOLDER}, where the settings lie: mount it elsewhere"
        ));
    }
    Ok((named(claim.to_owned())?, mount.trim_end_matches('/').to_owned()))
}

/// A DNS subdomain, as objects are named.
fn named(value: String) -> Result<String, String> {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        // RFC 1123: lower-case letters, digits and hyphens, which do not begin or end a label.
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if value.len() <= 253 && value.split('.').all(is_label) {
        return Ok(value);
    }
    Err(format!("{value:?} is no object's name: lower-case letters, digits, - and ."))
}

fn quantity(value: String, suffixes: &[&str], example: &str) -> Result<String, String> {
    let number = suffixes.iter().find_map(|suffix| value.strip_suffix(suffix)).unwrap_or(&value);
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if digits && number.parse().is_ok_and(|number: f64| number > 0.0) {
        return Ok(value);
    }
    Err(format!("{value:?} is no quantity: write it like {example}"))
}
