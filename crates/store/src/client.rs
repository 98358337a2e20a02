//! Clients of object stores: one for each bucket, configured by the usual environment variables.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use object_store::{Error, ObjectStore};
use tokio::runtime::Runtime;

use crate::address::parse;

/// An object, or a folder of objects, and the client of its bucket.
pub(crate) struct Object {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) key: object_store::path::Path,
    /// `scheme://bucket`.
    pub(crate) root: String,
}

/// The object of a path.
pub(crate) fn object(path: &Path) -> io::Result<Object> {
    let (root, key) = parse(path)?;
    Ok(Object { store: client(root)?, key, root: root.to_owned() })
}

/// The client of a bucket, made once.
fn client(root: &str) -> io::Result<Arc<dyn ObjectStore>> {
    // A client holds connections and tokens, so one per bucket serves the whole process.
    static CLIENTS: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());
    let mut clients = CLIENTS.lock().expect("no thread panics while it holds this");
    if let Some(client) = clients.get(root) {
        return Ok(client.clone());
    }
    check_support(root)?;
    let url = root.parse().map_err(|error| invalid(format!("{root} is no address: {error}")))?;
    let options = options(root);
    // Without this check the client would ask the metadata service, and wait for minutes where there is none.
    if !names_credentials(root, &options) && !metadata_service_answers() {
        let message = format!("no credentials for {root}{CREDENTIALS}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let (store, _) =
        object_store::parse_url_opts(&url, options).map_err(|error| invalid(error.to_string()))?;
    let store: Arc<dyn ObjectStore> = Arc::from(store);
    clients.insert(root.to_owned(), store.clone());
    Ok(store)
}

/// An error for a store that this build leaves out.
fn check_support(root: &str) -> io::Result<()> {
    let (feature, is_built) = match root.split(':').next() {
        Some("s3") => ("s3", cfg!(feature = "s3")),
        Some("gs") => ("gcs", cfg!(feature = "gcs")),
        _ => ("azure", cfg!(feature = "azure")),
    };
    if is_built {
        return Ok(());
    }
    let message = format!("{root}: this program was built without the feature `{feature}`");
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// What to do where credentials are missing, or may not do what is asked.
const CREDENTIALS: &str = " (give credentials that may do this: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile; \
                           GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY)";

/// True if the options hold credentials, or say that none are needed.
fn names_credentials(root: &str, options: &[(String, String)]) -> bool {
    let names: &[&str] = match root.split(':').next() {
        Some("s3") => {
            &["access_key_id", "web_identity_token_file", "container_credentials", "skip_signature"]
        }
        Some("gs") => &["application_credentials", "service_account", "skip_signature"],
        _ => &["key", "token", "client", "azure_cli", "skip_signature", "emulator"],
    };
    let gcloud = || {
        let home = std::env::var_os("HOME").unwrap_or_default();
        Path::new(&home).join(".config/gcloud/application_default_credentials.json").exists()
    };
    let named =
        options.iter().any(|(key, _)| names.iter().any(|name| key.to_ascii_lowercase().contains(name)));
    named || (root.starts_with("gs:") && gcloud())
}

/// True on machines of a cloud, whose metadata service gives credentials. Elsewhere requests would wait for it for minutes.
fn metadata_service_answers() -> bool {
    let disabled = std::env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value == "true");
    let service = std::net::SocketAddr::from(([169, 254, 169, 254], 80));
    !disabled && std::net::TcpStream::connect_timeout(&service, METADATA_TIMEOUT).is_ok()
}

const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// True in a program of one file, which looks names up by itself (`Cargo.toml`).
const OWN_LOOKUP: bool = cfg!(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"));

/// Where the own look-up finds its name servers. Where this is missing, it would ask those of a company.
const NAME_SERVERS: &str = "/etc/resolv.conf";

/// Settings of the client, the later over the earlier: ours, those of the AWS profile, the environment's.
fn options(root: &str) -> Vec<(String, String)> {
    // A body may stall without an end; parts are small enough to be asked for again.
    let ours =
        [("connect_timeout", "10 seconds"), ("read_timeout", "30 seconds"), ("timeout", "120 seconds")];
    let mut options: Vec<(String, String)> =
        ours.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    if OWN_LOOKUP && Path::new(NAME_SERVERS).exists() {
        // Addresses in another order would come from the C library.
        options.push(("randomize_addresses".to_owned(), "false".to_owned()));
    }
    let prefix = match root.split(':').next() {
        Some("s3") => {
            options.extend(aws_profile());
            "AWS_"
        }
        Some("gs") => "GOOGLE_",
        _ => "AZURE_",
    };
    // The environment comes last, so it wins.
    options.extend(std::env::vars().filter(|(key, _)| key.starts_with(prefix)));
    options
}

/// The keys of `~/.aws/credentials` and `~/.aws/config`, for the profile `AWS_PROFILE`: object_store itself reads
/// variables, web identities and the metadata services of containers and machines.
fn aws_profile() -> Vec<(String, String)> {
    let home = std::env::var("HOME").unwrap_or_default();
    let profile = std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
    let file = |variable: &str, name: &str| {
        let path = std::env::var(variable).unwrap_or_else(|_| format!("{home}/.aws/{name}"));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let mut found = profile_of(&file("AWS_CONFIG_FILE", "config"), &profile);
    // The credentials file wins over the config file, as with the AWS tools.
    found.extend(profile_of(&file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), &profile));
    found
}

/// What an INI file of the AWS tools says of a profile.
fn profile_of(text: &str, profile: &str) -> Vec<(String, String)> {
    const KEYS: [(&str, &str); 5] = [
        ("aws_access_key_id", "aws_access_key_id"),
        ("aws_secret_access_key", "aws_secret_access_key"),
        ("aws_session_token", "aws_session_token"),
        ("region", "aws_region"),
        ("endpoint_url", "aws_endpoint"),
    ];
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            // Sections are `[name]` in `credentials` and `[profile name]` in `config`.
            inside = name.trim().trim_start_matches("profile ").trim() == profile;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
            let known = KEYS.iter().find(|(name, _)| *name == key.trim());
            found.extend(known.map(|(_, key)| ((*key).to_owned(), value.trim().to_owned())));
        }
    }
    found
}

/// Waits for requests, on a runtime that is there for them alone.
pub(crate) fn wait<T>(requests: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime()?.block_on(requests))
}

/// Attempts at a request beyond the client's own retries: it retries what is refused, but not every response that breaks
/// off.
const MAX_ATTEMPTS: u32 = 5;

/// Makes a request, and repeats it after failures of the network, with exponential backoff.
pub(crate) fn retry<T>(request: impl AsyncFn() -> object_store::Result<T>) -> io::Result<T> {
    wait(async {
        let mut attempts = 0;
        loop {
            let error = match request().await.map_err(as_io) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempts += 1;
            backoff(attempts, error).await?;
        }
    })?
}

/// Waits before another attempt, longer each time; returns the error if no other attempt is worth while.
pub(crate) async fn backoff(attempts: u32, error: io::Error) -> io::Result<()> {
    if error.kind() != io::ErrorKind::TimedOut || attempts == MAX_ATTEMPTS {
        return Err(error);
    }
    // Exponential backoff: 0.2 s, 0.4 s, 0.8 s, 1.6 s.
    tokio::time::sleep(Duration::from_millis(100 << attempts)).await;
    Ok(())
}

/// The runtime, started with the first request.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // Two threads: they only wait for the network.
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // Two threads may build one at the same time; the second is dropped.
    Ok(RUNTIME.get_or_init(|| made))
}

/// An error of the store as one of the system's.
pub(crate) fn as_io(error: Error) -> io::Error {
    let text = message(&error);
    let kind = match error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::InvalidPath { .. } | Error::UnknownConfigurationKey { .. } => io::ErrorKind::InvalidInput,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => io::ErrorKind::Unsupported,
        // Some stores wrap the status in a generic error, so the text has to do.
        _ if text.contains("404 Not Found") => io::ErrorKind::NotFound,
        _ if text.contains("403 Forbidden") => io::ErrorKind::PermissionDenied,
        // Anything else has been retried as often as it is worth.
        _ if text.contains("credential") || text.contains("169.254.169.254") => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::TimedOut,
    };
    let hint = if kind == io::ErrorKind::PermissionDenied { CREDENTIALS } else { "" };
    io::Error::new(kind, format!("{text}{hint}"))
}

/// The innermost causes say what the server answered; the outer ones repeat them.
fn message(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read() {
        let text = "[default]\naws_access_key_id = A\n[profile zh]\nregion=eu\naws_access_key_id=B \n; no\n[x]\nregion=y";
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        assert_eq!(profile_of(text, "zh"), owned(&[("aws_region", "eu"), ("aws_access_key_id", "B")]));
        assert_eq!(profile_of(text, "default"), owned(&[("aws_access_key_id", "A")]));
    }
}
