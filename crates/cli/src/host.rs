//! The machine's name, for messages of programs that run on many.

/// The name of this machine; empty where the system has no `/proc`.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
