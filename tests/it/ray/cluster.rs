//! A Ray cluster on this machine, shared by the tests: two nodes, `a` with the head, and `b`, which may be killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use integration_tests::root;

use crate::signal;

/// It goes with this process: its standard input ends then.
pub(super) struct Cluster {
    _child: Child,
    names: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(super) address: String,
    raylets: BTreeMap<&'static str, u64>,
}

static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// The cluster, for one test at a time; none where there is no Ray.
pub(super) struct Lent(MutexGuard<'static, Option<Cluster>>);

impl std::ops::Deref for Lent {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0.as_ref().unwrap()
    }
}

impl std::ops::DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Cluster {
        self.0.as_mut().unwrap()
    }
}

/// A Python that has Ray, if there is one; says so if not.
pub(super) fn python() -> Option<PathBuf> {
    let ours = root().join(".venv-ray/bin/python");
    let python = std::env::var_os("QUANCI_RAY_PYTHON").map_or(ours, PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    println!("skipped: {} is missing; tests/run.sh makes it, if pip can fetch Ray", python.display());
    None
}

/// The cluster with both its nodes.
pub(super) fn cluster() -> Option<Lent> {
    let python = python()?;
    let mut lent = Lent(CLUSTER.lock().unwrap_or_else(PoisonError::into_inner));
    lent.0.get_or_insert_with(|| Cluster::start(&python));
    for node in ["a", "b"] {
        if !lent.raylets.contains_key(node) {
            lent.add(node);
        }
    }
    Some(lent)
}

impl Cluster {
    fn start(python: &PathBuf) -> Cluster {
        let mut command = Command::new(python);
        command.arg(root().join("tests/it/ray/cluster.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (names, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Cluster { _child: child, names, answers, address: String::new(), raylets: BTreeMap::new() }
    }

    fn add(&mut self, node: &'static str) {
        writeln!(self.names, "{}", mark(node)).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&line).expect("no node of Ray was started");
        self.address = answer["address"].as_str().unwrap().to_owned();
        self.raylets.insert(node, answer["raylet"].as_u64().unwrap());
    }

    /// Kills a node's raylet, whose workers follow it in their own time. The next test gets a fresh node.
    pub(super) fn kill_raylet(&mut self, node: &str) {
        let raylet = self.raylets.remove(node).unwrap();
        assert!(signal("KILL", raylet), "the raylet was gone before it was killed");
    }

    /// Kills all of a node at once, as a power cut does: its raylet, Ray's workers and their tasks.
    pub(super) fn kill_node(&mut self, node: &str) {
        let processes: Vec<String> = processes(node).iter().map(u64::to_string).collect();
        Command::new("kill").arg("-KILL").args(processes).status().unwrap();
        self.raylets.remove(node).unwrap();
    }
}

/// Process ids of all that runs on a node: what its raylet has started has its environment.
fn processes(node: &str) -> Vec<u64> {
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let processes = entries.filter_map(|name| name.to_str()?.parse().ok());
    processes.filter(|process| is_on(*process, node)).collect()
}

/// True if a process runs on a node.
pub(super) fn is_on(process: u64, node: &str) -> bool {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let wanted = format!("QUANCI_TEST_NODE={}", mark(node));
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// What the environment of a node's processes calls it: clusters of other tests have other nodes.
pub(super) fn mark(node: &str) -> String {
    format!("{node}-of-{}", std::process::id())
}
