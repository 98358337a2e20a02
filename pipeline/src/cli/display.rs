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
    pub(super) fn new(output: &'a Output, progress: Progress) -> Display<'a> {
        Display { output, progress, current: None }
    }

    /// Ends the previous stage and begins this one.
    pub(super) fn begin(&mut self, stage: &dyn Stage) {
        self.end();
        // Until the engine says how much there is to do, which may take a while.
        self.progress.begin_work(0);
        // In a log file, every redraw of a bar would be another line.
        let bar = !self.output.is_quiet() && std::io::stderr().is_terminal();
        let ticker = bar.then(|| Ticker::start(stage.name(), self.progress.clone()));
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
    fn start(stage: &'static str, progress: Progress) -> Ticker {
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let thread = thread::spawn(move || {
            let mut bar = StageBar::new(stage, &progress);
            while !end.load(Ordering::Relaxed) {
                bar.show(&progress);
                // Redrawn on a timer, not by tasks: a slow terminal must not slow them down.
                thread::sleep(TICK);
                bar.bar.tick();
            }
            bar.bar.finish_and_clear();
        });
        Ticker { ended, thread }
    }
}

/// The bar of a stage.
struct StageBar {
    bar: ProgressBar,
    stage: &'static str,
    // Bytes, documents and rows at the start of the stage.
    before: (u64, u64, u64),
    // Once the amount of work is known; until then a spinner turns.
    has_length: bool,
}

impl StageBar {
    fn new(stage: &'static str, progress: &Progress) -> StageBar {
        let bar = ProgressBar::new_spinner().with_style(style("{prefix:>8} {spinner} {msg} {elapsed}"));
        StageBar { bar: bar.with_prefix(stage), stage, before: progress.read(), has_length: false }
    }

    fn show(&mut self, progress: &Progress) {
        if let Some((done, all, retries)) = progress.tasks() {
            self.bar.set_message(retried(retries));
            self.set_length(u64::from(all), "{pos}/{len} tasks{msg}, {elapsed}, {eta} left");
            self.bar.set_position(u64::from(done));
            return;
        }
        let work = progress.work();
        // Before the template that has a place for it.
        self.bar.set_message(self.message(work, progress.read()));
        if let Some((done, all)) = work {
            let counts = match self.stage {
                "map" | "count" => {
                    "{percent:>3} % {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}, {msg}, {eta} left"
                }
                _ => "{percent:>3} % {msg}, {eta} left",
            };
            self.set_length(all, counts);
            self.bar.set_position(done);
        }
    }

    /// Gives the bar its length when it is first known: the time left is estimated from here on.
    fn set_length(&mut self, length: u64, counts: &str) {
        if !self.has_length {
            self.has_length = true;
            self.bar.reset_eta();
            self.bar.set_length(length);
            self.bar.set_style(style(&format!("{{prefix:>8}} {{wide_bar}} {counts}")));
        }
    }

    /// What was made so far.
    fn message(&self, work: Option<(u64, u64)>, (_, documents, rows): (u64, u64, u64)) -> String {
        // At least a millisecond: the first redraw must not divide by zero.
        let seconds = self.bar.elapsed().as_secs_f64().max(0.001);
        let (documents, rows) = (documents - self.before.1, rows - self.before.2);
        match (self.stage, work) {
            ("map" | "count", _) => format!("{documents} documents, {:.0}/s", documents as f64 / seconds),
            ("reduce", Some((done, all))) if done > 0 => {
                // How many rows there will be shows in those of the buckets that are done.
                let all_rows = rows as f64 * all as f64 / done as f64;
                format!("{rows} of about {all_rows:.0} rows, {:.0}/s", rows as f64 / seconds)
            }
            ("reduce", _) => format!("{rows} rows, {:.0}/s", rows as f64 / seconds),
            ("train", Some((done, all))) => format!("{done} of {all} tokens"),
            _ => String::new(),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The number of retries as the end of a sentence; empty for none.
fn retried(retries: u32) -> String {
    if retries == 0 { String::new() } else { format!(", {retries} retried") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bar: &StageBar) -> (Option<u64>, u64, String) {
        (bar.bar.length(), bar.bar.position(), bar.bar.message())
    }

    #[test]
    fn every_long_stage_has_a_total() {
        let progress = Progress::default();
        // Of the stages before.
        progress.add_rows(7);
        let mut bar = StageBar::new("reduce", &progress);
        bar.show(&progress);
        assert_eq!((bar.bar.length(), bar.has_length), (None, false), "nothing is known yet");
        progress.begin_work(20);
        progress.add_work(5);
        progress.add_rows(100);
        bar.show(&progress);
        let (length, position, message) = state(&bar);
        assert_eq!((length, position), (Some(20), 5));
        assert!(message.starts_with("100 of about 400 rows, "), "{message}");
        let mut bar = StageBar::new("train", &progress);
        progress.begin_work(21128);
        progress.add_work(8000);
        bar.show(&progress);
        assert_eq!(state(&bar), (Some(21128), 8000, "8000 of 21128 tokens".to_owned()));
    }

    #[test]
    fn tasks_elsewhere_are_those_that_are_left() {
        let progress = Progress::default();
        let mut bar = StageBar::new("map", &progress);
        progress.begin_tasks(4);
        progress.end_task();
        progress.add_retry();
        bar.show(&progress);
        assert_eq!(state(&bar), (Some(4), 1, ", 1 retried".to_owned()));
    }
}
