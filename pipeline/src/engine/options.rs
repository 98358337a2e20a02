//! `KEY=VALUE` arguments of the cluster engines.

use crate::error::Error;

/// The keys and values of `--FLAG KEY=VALUE` arguments, in their order.
///
/// # Errors
/// If arguments are not written like that; all of them are named.
pub(super) fn pairs(flag: &str, arguments: &[String]) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Vec::new();
    let mut problems = Vec::new();
    for argument in arguments {
        match argument.split_once('=') {
            // A newline in a value would begin another line of a script or a manifest, and a terminal obeys other controls.
            Some((key, value)) if is_key(key) && !value.is_empty() && !value.contains(char::is_control) => {
                pairs.push((key.to_owned(), value.to_owned()));
            }
            _ => problems
                .push(format!("--{flag} {argument:?}: write --{flag} KEY=VALUE, such as {}", example(flag))),
        }
    }
    if problems.is_empty() { Ok(pairs) } else { Err(Error::Settings(problems)) }
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn example(flag: &str) -> String {
    match flag {
        "kubernetes" => "--kubernetes image=registry.example.org/quanci:0.1".to_owned(),
        _ => "--slurm partition=cpu".to_owned(),
    }
}
