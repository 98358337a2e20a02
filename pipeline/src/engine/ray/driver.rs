//! The driver process: a Python that holds the connection to the cluster, for which Ray has only a Python client. It ends
//! when this process ends.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use serde::{Deserialize, Serialize};

use super::probe::NodeReport;
use crate::error::Error;
use crate::stop::Stop;

const PROGRAM: &str = include_str!("driver.py");

/// How often a request to stop is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// For the driver to cancel its tasks and to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines kept of what Ray and Python say beside events.
const MAX_LOG_LINES: usize = 20;

/// The configuration of the driver, passed as an argument.
#[derive(Debug, Serialize)]
pub(super) struct DriverConfig<'a> {
    pub(super) address: &'a str,
    #[serde(serialize_with = "quanci_store::path_text::serialize")]
    pub(super) program: &'a Path,
    #[serde(serialize_with = "quanci_store::path_text::serialize")]
    pub(super) plan: &'a Path,
    pub(super) token: &'a str,
    pub(super) threads: usize,
}

/// Tasks of a stage to run.
#[derive(Debug, Serialize)]
pub(super) struct StageOrder<'a> {
    pub(super) stage: &'a str,
    pub(super) tasks: &'a [u32],
}

/// An event of the driver: a line of JSON on its standard output.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum DriverEvent {
    /// It has joined the cluster, and each node has answered.
    Probed { nodes: Vec<NodeReport> },
    /// A task is done.
    Done,
    /// A task was lost, or may succeed at another time: it is tried again.
    Again,
    /// All tasks of the order are done.
    Ended,
    /// A task failed for good, or nothing can be run at all. What ran beside it is cancelled.
    Failed(Failed),
}

/// A failure, in the words of the process that failed.
#[derive(Debug, Deserialize)]
pub(super) struct Failed {
    pub(super) exit_code: i32,
    pub(super) message: String,
    pub(super) task: Option<u32>,
    pub(super) host: Option<String>,
    pub(super) attempts: Option<u32>,
}

/// A driver that runs. Dropping it ends it, and its tasks.
pub(super) struct Driver {
    child: Child,
    /// The driver takes its end for ours.
    orders: Option<ChildStdin>,
    events: Receiver<DriverEvent>,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Driver {
    /// Starts a driver with a Python. In a process group of its own: Ctrl-C is for us, and we end it.
    pub(super) fn start(python: &Path, job: &DriverConfig) -> Result<Driver, Error> {
        let job = serde_json::to_string(job).expect("our own types have string keys only");
        let mut command = Command::new(python);
        // A group of its own, so that Ctrl-C on the terminal reaches this process alone.
        command.args(["-c", PROGRAM, &job]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let python = python.display();
            Error::settings(format!("--python: cannot start {python}: {error}; name a Python that has Ray"))
        })?;
        let (sender, events) = unbounded();
        let said = Arc::new(Mutex::default());
        // A thread drains each pipe: a full pipe would block the driver, and with it the tasks.
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            let kept = Arc::clone(&said);
            thread::spawn(move || read_events(stdout, &sender));
            thread::spawn(move || keep_latest(stderr, &kept));
        }
        let orders = child.stdin.take();
        Ok(Driver { child, orders, events, said })
    }

    /// Sends an order.
    pub(super) fn order(&mut self, order: &StageOrder) -> Result<(), Error> {
        let order = serde_json::to_string(order).expect("our own types have string keys only");
        match self.orders.as_mut().map(|orders| writeln!(orders, "{order}")) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.lost()),
        }
    }

    /// Waits for the next event; an error if we are asked to stop, or if the driver is gone.
    pub(super) fn next(&mut self, stop: &Stop) -> Result<DriverEvent, Error> {
        loop {
            stop.check()?;
            match self.events.recv_timeout(POLL_INTERVAL) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost()),
            }
        }
    }

    fn lost(&mut self) -> Error {
        let status = self.wait().map_or("does not end".to_owned(), |status| status.to_string());
        let said = self.said.lock().map(|lines| Vec::from(lines.clone()).join("\n  ")).unwrap_or_default();
        Error::Retry(format!(
            "the driver of the Ray tasks is gone ({status}); is the cluster still there? Run the same command again to \
             resume. Its last words:\n  {said}"
        ))
    }

    /// Ends it, by force if it does not end within [`SHUTDOWN_TIMEOUT`].
    fn wait(&mut self) -> Option<std::process::ExitStatus> {
        // The end of its standard input makes the driver cancel its tasks and end.
        drop(self.orders.take());
        let begun = Instant::now();
        while begun.elapsed() < SHUTDOWN_TIMEOUT {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(POLL_INTERVAL / 4);
        }
        self.child.kill().ok();
        self.child.wait().ok()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.wait();
    }
}

fn read_events(stdout: impl Read, events: &Sender<DriverEvent>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        // A line that is no event ends the channel, and `next` then reports the driver as lost.
        let Ok(event) = serde_json::from_str(&line) else { return };
        if events.send(event).is_err() {
            return;
        }
    }
}

fn keep_latest(stderr: impl Read, kept: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let Ok(mut kept) = kept.lock() else { return };
        kept.push_back(line);
        if kept.len() > MAX_LOG_LINES {
            kept.pop_front();
        }
    }
}
