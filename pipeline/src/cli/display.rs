//! Progress: a bar on a terminal, and one line per finished stage.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Stage;
use crate::progress::Progress;
use quanci_cli::Output;

/// Shows the progress of a job, stage by stage.
pub(super) struct Display<'a> {
    output: &'a Output,
    progress: Progress,
    input_bytes: u64,
    current: Option<Current>,
}

/// The running stage.
struct Current {
    name: &'static str,
    begun: Instant,
    // Bytes, documents and rows at the start of the stage: `Progress` counts over all stages.
    before: (u64, u64, u64),
    // None without a terminal, or with `--quiet`.
    ticker: Option<Ticker>,
}

/// A bar and the thread that redraws it.
struct Ticker {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

// About 8 redraws per second: smooth, and little traffic over ssh.
const TICK: Duration = Duration::from_millis(120);

impl<'a> Display<'a> {
    pub(super) fn new(output: &'a Output, progress: Progress, input_bytes: u64) -> Display<'a> {
        Display { output, progress, input_bytes, current: None }
    }

    /// Ends the previous stage and begins this one.
    pub(super) fn begin(&mut self, stage: &dyn Stage) {
        self.end();
        // In a log file, every redraw of a bar would be another line.
        let bar = !self.output.is_quiet() && std::io::stderr().is_terminal();
        let ticker = bar.then(|| Ticker::start(stage.name(), self.progress.clone(), self.input_bytes));
        self.current =
            Some(Current { name: stage.name(), begun: Instant::now(), before: self.progress.read(), ticker });
    }

    /// Ends the last stage.
    pub(super) fn end(&mut self) {
        let Some(current) = self.current.take() else { return };
        if let Some(ticker) = current.ticker {
            // Relaxed: the flag guards no other memory. Joining clears the bar before the line below is printed.
            ticker.ended.store(true, Ordering::Relaxed);
            ticker.thread.join().ok();
        }
        let seconds = current.begun.elapsed().as_secs_f64();
        let (bytes, documents, rows) = self.progress.read();
        let done = match (current.name, self.progress.tasks()) {
            // With Ray, documents and rows are counted in other processes; only tasks are counted here.
            (_, Some((done, _, retries))) => format!("{done} tasks{}", retried(retries)),
            ("map" | "count", None) => {
                let (bytes, documents) = (bytes - current.before.0, documents - current.before.1);
                format!("{documents} documents, {:.1} MB", bytes as f64 / 1e6)
            }
            ("reduce", None) => format!("{} rows", rows - current.before.2),
            _ => "done".to_owned(),
        };
        self.output.message(format_args!("{:>8}: {done} in {seconds:.1} s", current.name));
    }
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        // After an error: the bar must be gone before the message is printed. No line is printed for the stage.
        if let Some(ticker) = self.current.take().and_then(|current| current.ticker) {
            ticker.ended.store(true, Ordering::Relaxed);
            ticker.thread.join().ok();
        }
    }
}

impl Ticker {
    fn start(stage: &'static str, progress: Progress, input_bytes: u64) -> Ticker {
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let thread = thread::spawn(move || {
            let bar = bar(stage, input_bytes);
            let before = progress.read();
            while !end.load(Ordering::Relaxed) {
                match progress.tasks() {
                    Some(tasks) => show_tasks(&bar, tasks),
                    None => show_counts(&bar, stage, before, progress.read()),
                }
                // Redrawn on a timer, not by tasks: a slow terminal must not slow them down.
                thread::sleep(TICK);
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Ticker { ended, thread }
    }
}

/// Shows the progress of tasks that run in this process.
fn show_counts(bar: &ProgressBar, stage: &str, before: (u64, u64, u64), now: (u64, u64, u64)) {
    let (bytes, documents, rows) = now;
    // At least a millisecond: the first redraw must not divide by zero.
    let seconds = bar.elapsed().as_secs_f64().max(0.001);
    if matches!(stage, "map" | "count") {
        let rate = (documents - before.1) as f64 / seconds;
        bar.set_message(format!("{documents} documents, {rate:.0}/s"));
        bar.set_position(bytes - before.0);
    } else {
        bar.set_message(format!("{rows} rows, {:.0}/s", (rows - before.2) as f64 / seconds));
    }
}

/// Shows the progress of tasks that run in other processes.
fn show_tasks(bar: &ProgressBar, (done, all, retries): (u32, u32, u32)) {
    bar.set_style(style("{prefix:>8} {wide_bar} {pos}/{len} tasks{msg}, {elapsed}, {eta} left"));
    bar.set_length(u64::from(all));
    bar.set_position(u64::from(done));
    bar.set_message(retried(retries));
}

fn bar(stage: &'static str, input_bytes: u64) -> ProgressBar {
    // Only these stages read the inputs, whose size is known. The other stages have no total.
    let counted = matches!(stage, "map" | "count");
    let (bar, template) = if counted {
        let template = "{prefix:>8} {wide_bar} {percent:>3} % {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}, {msg}, {eta} left";
        (ProgressBar::new(input_bytes), template)
    } else {
        (ProgressBar::new_spinner(), "{prefix:>8} {spinner} {msg} {elapsed}")
    };
    bar.with_style(style(template)).with_prefix(stage)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The number of retries as the end of a sentence; empty for none.
fn retried(retries: u32) -> String {
    if retries == 0 { String::new() } else { format!(", {retries} retried") }
}
