//! `--nproc N`: the ranks of one machine as N processes of this program, watched by the one that was started.
//!
//! ```text
//! launcher --RANK, WORLD_SIZE, …--> rank 0, 1, …      their standard error comes back, that of 1, … with "[rank 1] "
//!    | SIGINT, SIGTERM --> all ranks, once            then they end by themselves
//!    | one fails: SIGTERM to the others, after 5 s SIGKILL
//!    '-- dies itself: the kernel sends the ranks SIGTERM
//! ```

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use quanci_torch_ext::process::{end_with_parent, send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::rank_env::{RankEnv, variables_of};
use crate::error::Error;

/// How long a rank has for ending by itself after another has failed.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at the ranks.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for the last words of ranks that have ended: a process of theirs may hold the pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Starts this program `ranks` times with the arguments it has, less `--nproc`, and waits for all. Gives the exit code
/// of the first that failed, or 0. Call it from the main thread, which the ranks do not outlive.
///
/// # Errors
/// [`Error::Settings`] inside torchrun or Slurm, which have started ranks already; [`Error::Io`] if a process cannot be
/// started.
pub fn launch(world_size: usize) -> Result<u8, Error> {
    if RankEnv::from_env()?.world_size > 1 {
        return Err(Error::settings(
            "--nproc: this is one of several ranks already, by RANK or SLURM_PROCID",
        ));
    }
    let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    launch_program(&program, &without_nproc(std::env::args_os().skip(1)), world_size)
}

/// `--nproc N` and `--nproc=N` taken out.
fn without_nproc(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            kept.push(argument);
            kept.extend(arguments.by_ref());
        } else if argument == "--nproc" {
            arguments.next();
        } else if !argument.as_encoded_bytes().starts_with(b"--nproc=") {
            kept.push(argument);
        }
    }
    kept
}

fn launch_program(program: &Path, arguments: &[OsString], world_size: usize) -> Result<u8, Error> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Error::io("watch for signals in", program))?;
    let port = free_port().map_err(Error::io("find a free port for", program))?;
    let mut watched = Watched::default();
    for rank in 0..world_size {
        let child = start(program, arguments, rank, world_size, port).map_err(Error::io("start", program))?;
        watched.add(rank, child);
    }
    while watched.look(Instant::now()) {
        for signal in signals.pending() {
            watched.pass_on(signal);
        }
        thread::sleep(PAUSE);
    }
    watched.hear_last_words();
    Ok(watched.failure.unwrap_or(0))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn start(
    program: &Path,
    arguments: &[OsString],
    rank: usize,
    world_size: usize,
    port: u16,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables_of(rank, world_size, port)).stdin(Stdio::null());
    // Left over from an outer torchrun, they would send the ranks to a store that is not there.
    command.env_remove("TORCHELASTIC_USE_AGENT_STORE").env_remove("TORCHELASTIC_RESTART_COUNT");
    if std::env::var_os("OMP_NUM_THREADS").is_none() {
        command.env("OMP_NUM_THREADS", threads_of_a_rank(world_size).to_string());
    }
    if rank > 0 {
        command.stderr(Stdio::piped());
    }
    // A terminal's Ctrl-C goes to its foreground group: to the launcher alone, which passes it on once.
    command.process_group(0);
    end_with_parent(&mut command);
    command.spawn()
}

/// The machine's cores shared among its ranks: if each used all of them, they would slow each other down.
fn threads_of_a_rank(world_size: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / world_size.max(1)).max(1)
}

/// The ranks that were started, and what has become of them.
#[derive(Default)]
struct Watched {
    /// Those that run.
    running: Vec<(usize, Child)>,
    /// Those who repeat what ranks say.
    repeaters: Vec<JoinHandle<()>>,
    /// The exit code of the first that failed.
    failure: Option<u8>,
    /// The signal that was passed on to all.
    signal: Option<i32>,
    /// When those that still run are killed.
    deadline: Option<Instant>,
}

impl Watched {
    fn add(&mut self, rank: usize, mut child: Child) {
        if let Some(stderr) = child.stderr.take() {
            self.repeaters.push(thread::spawn(move || repeat(rank, stderr)));
        }
        self.running.push((rank, child));
    }

    /// Sees who has ended and acts on it; false when all have.
    fn look(&mut self, now: Instant) -> bool {
        let (mut running, were_ending) = (Vec::new(), self.deadline.is_some());
        for (rank, mut child) in std::mem::take(&mut self.running) {
            match child.try_wait() {
                Ok(Some(status)) => self.ended(rank, status, now),
                Ok(None) => running.push((rank, child)),
                Err(_) => self.failure = self.failure.or(Some(1)),
            }
        }
        self.running = running;
        match self.deadline {
            // The first look after a failure: the others may save and end by themselves until the deadline.
            Some(_) if !were_ending => self.send(SIGTERM),
            Some(deadline) if now >= deadline => self.kill(),
            _ => {}
        }
        !self.running.is_empty()
    }

    fn ended(&mut self, rank: usize, status: ExitStatus, now: Instant) {
        let code = exit_code(status);
        if code == 0 {
            return;
        }
        // The first failure is the cause; those after it are its consequences.
        self.failure.get_or_insert(code);
        // Ranks that stop because they were told to have each their own way to go: one may be saving a checkpoint.
        let as_told = self.signal.is_some_and(|signal| i32::from(code) == 128 + signal);
        if !as_told {
            // Ranks say themselves why they fail, but for those that are killed. Nobody may be there to hear it.
            if let (Some(signal), None) = (status.signal(), self.deadline) {
                drop(writeln!(
                    io::stderr(),
                    "[rank {rank}] was killed by signal {signal}; stopping the others"
                ));
            }
            self.deadline.get_or_insert(now + GRACE);
        }
    }

    fn pass_on(&mut self, signal: i32) {
        self.signal = Some(signal);
        self.send(signal);
    }

    fn send(&self, signal: i32) {
        for (_, child) in &self.running {
            // It was running a moment ago and has not been waited for: an error would say nothing new.
            drop(send_signal(child.id(), signal));
        }
    }

    fn kill(&mut self) {
        for (_, child) in &mut self.running {
            drop(child.kill());
        }
    }

    fn hear_last_words(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        while self.repeaters.iter().any(|repeater| !repeater.is_finished()) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Watched {
    /// Ranks that were started before one could not be.
    fn drop(&mut self) {
        self.kill();
        for (_, child) in &mut self.running {
            drop(child.wait());
        }
    }
}

/// As a shell gives it: 128 and the signal for a process that a signal has ended.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Gives the lines of a rank's standard error out on ours, with its name before them.
fn repeat(rank: usize, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        line.extend(format!("[rank {rank}] ").bytes());
        let start = line.len();
        match lines.read_until(b'\n', &mut line) {
            Ok(_) if line.len() > start => {}
            _ => return,
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        // In one piece, so that ranks do not speak into one another's lines. Nobody is there to hear of a failure.
        drop(io::stderr().lock().write_all(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::path::PathBuf;

    /// The launcher's own variables for tests that need it in a process of its own.
    const SCRIPT: &str = "QUANCI_TEST_SCRIPT";

    fn shell(script: &str, world_size: usize) -> u8 {
        launch_program(Path::new("/bin/sh"), &["-c".into(), script.into()], world_size).unwrap()
    }

    #[test]
    fn arguments_less_nproc() {
        let kept = |line: &str| without_nproc(line.split(' ').map(OsString::from)).join(OsStr::new(" "));
        assert_eq!(kept("train --nproc 2 a.toml"), "train a.toml");
        assert_eq!(kept("train --nproc=2 a.toml --set steps=2"), "train a.toml --set steps=2");
        assert_eq!(kept("train -- --nproc"), "train -- --nproc");
    }

    #[test]
    fn ranks_know_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let script = format!("echo $LOCAL_RANK/$WORLD_SIZE $MASTER_ADDR $MASTER_PORT > {path}/$RANK");
        assert_eq!(shell(&script, 3), 0);
        let said = |rank: usize| fs::read_to_string(folder.path().join(rank.to_string())).unwrap();
        let port = said(0).trim().rsplit(' ').next().unwrap().to_owned();
        for rank in 0..3 {
            assert_eq!(said(rank), format!("{rank}/3 127.0.0.1 {port}\n"));
        }
    }

    #[test]
    fn the_first_failure_counts_and_ends_the_others() {
        let started = Instant::now();
        assert_eq!(shell("[ $RANK = 1 ] && exit 7; exec sleep 60", 3), 7);
        assert_eq!(shell("[ $RANK = 0 ] && kill -KILL $$; exec sleep 60", 2), 128 + 9);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        assert_eq!(shell("[ $RANK = 1 ] || sleep 0.3", 2), 0);
    }

    #[test]
    fn ranks_that_do_not_listen_are_killed() {
        let started = Instant::now();
        let script = "[ $RANK = 1 ] && sleep 0.2 && exit 3; trap '' TERM; while :; do sleep 0.1; done";
        assert_eq!(shell(script, 2), 3);
        assert!((GRACE..GRACE * 2).contains(&started.elapsed()), "{:?}", started.elapsed());
    }

    /// Not a test by itself: a launcher in a process of its own.
    #[test]
    fn as_launcher() {
        let Ok(script) = std::env::var(SCRIPT) else { return };
        let code = shell(&script, 2);
        std::process::exit(i32::from(code));
    }

    struct Launcher {
        child: Child,
        folder: tempfile::TempDir,
    }

    /// Starts a launcher of two ranks, each of which runs `script` once it has left its process id in `$RANK`.
    fn launcher(script: &str) -> Launcher {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let script = format!("cd {path}; {script}");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "distributed::launch::tests::as_launcher", "--nocapture"])
            .env(SCRIPT, script)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Launcher { child, folder }
    }

    impl Launcher {
        fn file(&self, name: impl ToString) -> PathBuf {
            self.folder.path().join(name.to_string())
        }

        fn ready(&self) {
            wait_for(|| (0..2).all(|rank| self.file(format!("ready-{rank}")).exists()));
        }
    }

    fn wait_for(condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(20), "waited in vain");
            thread::sleep(PAUSE);
        }
    }

    #[test]
    fn signals_are_passed_on_and_ranks_take_their_time() {
        let script = "trap 'sleep $RANK; echo > saved-$RANK; exit 143' TERM; echo > ready-$RANK; \
                      while :; do sleep 0.05; done";
        let mut launcher = launcher(script);
        launcher.ready();
        send_signal(launcher.child.id(), SIGTERM).unwrap();
        assert_eq!(launcher.child.wait().unwrap().code(), Some(143));
        assert!(launcher.file("saved-0").exists() && launcher.file("saved-1").exists());
    }

    #[test]
    fn ranks_end_with_their_launcher() {
        let script = "trap 'echo > ended-$RANK; exit' TERM; echo > ready-$RANK; while :; do sleep 0.05; done";
        let mut launcher = launcher(script);
        launcher.ready();
        launcher.child.kill().unwrap();
        launcher.child.wait().unwrap();
        wait_for(|| (0..2).all(|rank| launcher.file(format!("ended-{rank}")).exists()));
    }

    #[test]
    fn only_rank_0_speaks_without_its_name() {
        let launcher = launcher("echo hello >&2; [ $RANK = 0 ] || printf 'no newline' >&2");
        let output = launcher.child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&"[rank 1] hello") && lines.contains(&"[rank 1] no newline"), "{text}");
        assert!(lines.contains(&"hello") && !text.contains("[rank 0]"), "{text}");
    }
}
