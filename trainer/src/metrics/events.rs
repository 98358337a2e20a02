//! TensorBoard's event files: records of TFRecord's framing, each a protobuf message `Event` (tensorflow,
//! core/util/event.proto, core/framework/summary.proto, lib/io/record_writer.h). The crates that write them are not kept
//! any more, or need a protobuf compiler; what scalars need of the format is this page.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::error::Error;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

/// An event file that grows.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// A new file in `folder`; a run that was resumed has several, and TensorBoard shows them as one.
    pub fn create(folder: &Path, first_step: u64) -> Result<EventFile, Error> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let seconds = now() as u64;
        // The process's number keeps apart two starts within a second.
        let process = std::process::id();
        let path = folder.join(format!("events.out.tfevents.{seconds}.quanci.{process}.{first_step}"));
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        let mut events = EventFile { path, file };
        events.write(&Event {
            wall_time: now(),
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        })?;
        Ok(events)
    }

    /// Adds the values of a step.
    pub fn add(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), Error> {
        let value = values
            .iter()
            .map(|(tag, value)| Scalar { tag: tag.clone(), simple_value: *value as f32 })
            .collect();
        let event = Event {
            wall_time: now(),
            step: step as i64,
            summary: Some(Summary { value }),
            ..Event::default()
        };
        self.write(&event)
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("write", &self.path))
    }

    fn write(&mut self, event: &Event) -> Result<(), Error> {
        self.file
            .write_all(&quanci_tfrecord::frame(&event.encode_to_vec()))
            .map_err(Error::io("write", &self.path))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 0).unwrap();
        events.add(7, &[("loss".to_owned(), 1.5)]).unwrap();
        let bytes = fs::read(&events.path).unwrap();
        let first = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let second = &bytes[16 + first..];
        let length = u64::from_le_bytes(second[..8].try_into().unwrap()) as usize;
        let event = Event::decode(&second[12..12 + length]).unwrap();
        assert_eq!(event.step, 7);
        assert_eq!(event.summary.unwrap().value[0].simple_value, 1.5);
    }
}
