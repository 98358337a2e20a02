//! Ends a task whose parent process has died: its node may have been released, and the task restarted elsewhere.

use std::os::unix::process::parent_id;
use std::process::exit;
use std::sync::atomic::Ordering;
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::stop::Stop;

const SIGTERM: usize = 15;
// Polled: PR_SET_PDEATHSIG fires when the thread that forked us ends, even if its process goes on.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Time for the task to see the flag and to remove its temporary files.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a thread that ends this process when its parent dies: first as SIGTERM does, and after `PATIENCE` at once.
pub(super) fn follow(stop: &Stop) {
    let (parent, flag) = (parent_id(), stop.flag());
    spawn(move || {
        // An orphan gets another parent: init, or the nearest subreaper.
        while parent_id() == parent {
            sleep(POLL_INTERVAL);
        }
        // Relaxed: the flag guards no other memory. Tasks check it between batches.
        flag.store(SIGTERM, Ordering::Relaxed);
        sleep(PATIENCE);
        // A task that hangs in a read never checks the flag.
        exit(128 + SIGTERM as i32);
    });
}
