//! Files and objects alike: what quanci reads, keeps and writes may be in a folder, or in an object store.
//!
//! A place is a [`Path`](std::path::Path) either way. One that begins with `s3://`, `gs://` or `az://` and a bucket names an object, or all
//! objects below it; `join`, `parent` and `file_name` work on it as on any other path. Callers of this crate
//! need not know which it is; before a call to `std::fs`, ask [`is_object`].
//!
//! Everything here blocks: requests run on a small runtime of their own. Failed ones are retried with growing pauses
//! (by the crate `object_store`, and a body that breaks off or stalls by [`read`](crate::read_range) itself). Errors
//! are [`std::io::Error`]s whose kind says what to do about them: `NotFound`, `PermissionDenied`, `AlreadyExists`,
//! `InvalidInput` for a wrong address or configuration, `TimedOut` where trying later may help.

mod address;
mod cache;
mod client;
mod folder;
pub mod local;
pub mod path_text;
mod private;
mod read;
mod write;

pub use address::{absolute, is_object};
pub use cache::Cache;
pub use folder::{FileInfo, exists, list, metadata, names};
pub use private::private_folder;
pub use read::{FileHandle, RangeRequest, Seekable, read, read_at_most, read_range, read_ranges};
pub use write::{put, put_new, remove, upload, upload_file};
