//! System calls about other processes, for whoever starts ranks.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the process that `command` starts get `SIGTERM` when this one ends, however that happens (Linux; elsewhere
/// nothing). Start it from a thread that lives as long as it is to: the kernel watches the thread.
pub fn end_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe functions may run: these are two system calls.
    unsafe {
        command.pre_exec(move || end_with(parent));
    }
}

#[cfg(target_os = "linux")]
fn end_with(parent: u32) -> io::Result<()> {
    // SAFETY: sets an attribute of this process; takes a number only.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // The parent may have gone before the kernel was told to watch it.
    // SAFETY: takes nothing.
    if u32::try_from(unsafe { libc::getppid() }) != Ok(parent) {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn end_with(_parent: u32) -> io::Result<()> {
    Ok(())
}

/// Sends a signal to a process. One that has ended, but has not been waited for, is still there: ask for those only.
pub fn send_signal(process: u32, signal: i32) -> io::Result<()> {
    let process = i32::try_from(process).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    if process == 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH)); // 0 would be our own whole group
    }
    // SAFETY: takes numbers only; positive means one process.
    if unsafe { libc::kill(process, signal) } != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_signal_arrives() {
        let mut command = Command::new("sleep");
        end_with_parent(&mut command);
        let mut child = command.arg("60").spawn().unwrap();
        send_signal(child.id(), libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert!(send_signal(0, libc::SIGTERM).is_err());
    }
}
