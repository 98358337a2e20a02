//! A task must not outlive the process that started it: the node may have been given away, and the task started elsewhere.

use std::os::unix::process::parent_id;
use std::process::exit;
use std::sync::atomic::Ordering;
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::stop::Stop;

const SIGTERM: usize = 15;
const LOOK: Duration = Duration::from_millis(250);
/// For the task to notice, and to remove what it has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends this process when its parent has died: as if asked to by SIGTERM, and if that does not help, at once.
pub(super) fn follow(stop: &Stop) {
    let (parent, flag) = (parent_id(), stop.flag());
    spawn(move || {
        // An orphan gets another parent: init, or the nearest subreaper.
        while parent_id() == parent {
            sleep(LOOK);
        }
        flag.store(SIGTERM, Ordering::Relaxed);
        // Tasks look at the flag between batches.
        sleep(PATIENCE);
        exit(128 + SIGTERM as i32);
    });
}
