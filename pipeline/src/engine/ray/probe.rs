//! Whether all nodes can do the work, asked before the first task: a node that cannot see what the others see would fail
//! its tasks hours later, or write where nobody reads.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::messages::error_text;
use crate::error::Error;
use crate::work;

/// For a file that a node wrote to be seen here.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(5);

/// How `quanci probe` ended on a node.
#[derive(Debug, Deserialize)]
pub(super) struct NodeReport {
    node: String,
    host: Option<String>,
    exit_code: i32,
    out: String,
    err: String,
}

/// What `quanci probe` says where all is well.
#[derive(Debug, Deserialize)]
struct ProbeResult {
    file: String,
}

/// An error that names every node that cannot do the work, and why. `folder` is the job's.
pub(super) fn check(nodes: &[NodeReport], folder: &Path) -> Result<(), Error> {
    let (mut problems, mut passing) = (Vec::new(), true);
    for node in nodes {
        if let Some(problem) = problem(node, folder)? {
            let host = node.host.as_ref().map(|host| format!(" ({host})")).unwrap_or_default();
            problems.push(format!("node {}{host}: {problem}", node.node));
            // Worth retrying only if every problem is.
            passing &= node.exit_code == 75;
        }
    }
    let message = match &problems[..] {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("{} of {} nodes cannot work:\n  {}", many.len(), nodes.len(), many.join("\n  ")),
    };
    Err(Error::Remote { message, exit_code: if passing { 75 } else { 3 } })
}

fn problem(node: &NodeReport, folder: &Path) -> Result<Option<String>, Error> {
    if node.exit_code != 0 {
        let said = error_text(&node.err, node.exit_code);
        // clap's messages for a command that an older version does not have.
        let other = said.contains("unrecognized subcommand") || said.contains("unexpected argument");
        let hint = if other { "\n  its quanci is of another version: put this one there" } else { "" };
        return Ok(Some(format!("{said}{hint}")));
    }
    let last = node.out.lines().last().unwrap_or_default();
    let Ok(ProbeResult { file }) = serde_json::from_str(last) else {
        return Ok(Some(format!("what answered there is not quanci: {last:?}; see --program")));
    };
    Ok((!found(&folder.join(file))?).then(|| {
        let folder = folder.display();
        format!(
            "cannot see the work folder of this machine: what it wrote to {folder} is not there; put `output.work` on \
             storage that all nodes share, at the same path"
        )
    }))
}

/// Waits for the file and removes it.
fn found(file: &Path) -> Result<bool, Error> {
    let begun = Instant::now();
    while !work::exists(file)? {
        if begun.elapsed() > VISIBILITY_TIMEOUT {
            return Ok(false);
        }
        sleep(VISIBILITY_TIMEOUT / 50);
    }
    work::remove_file(file).map(|()| true)
}

#[cfg(test)]
mod tests {
    use quanci_cli::ProgramError;

    use super::*;

    fn said(exit_code: i32, out: &str, err: &str) -> String {
        let (node, host) = ("10.0.0.7".to_owned(), Some("seven".to_owned()));
        let answer = NodeReport { node, host, exit_code, out: out.to_owned(), err: err.to_owned() };
        let error = check(&[answer], Path::new("work")).unwrap_err();
        format!("{} {error}", error.exit_code())
    }

    #[test]
    fn nodes_are_named_with_what_is_wrong() {
        let old = said(2, "", "error: unrecognized subcommand 'probe'\n");
        assert!(old.starts_with("3 node 10.0.0.7 (seven): ") && old.ends_with("put this one there"), "{old}");
        assert!(said(0, "hello\n", "").contains("is not quanci: \"hello\""));
        assert!(said(75, "", "did not answer").starts_with("75 "));
        assert!(said(-9, "", "").contains("killed by signal 9"));
        assert!(check(&[], Path::new("work")).is_ok());
    }
}
