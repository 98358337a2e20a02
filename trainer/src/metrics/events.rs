//! TensorBoard's event files: records of TFRecord's framing, each a protobuf message `Event` (lib/io/record_writer.h). The
//! crates that write them are not kept any more, or need a protobuf compiler; what is needed of the format is here and in
//! `summaries.rs`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use serde_json::Value;

use super::hparams::hparams;
use super::summaries::{Event, Summary, SummaryValue};
use crate::error::Error;

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
        self.summary(step, values.iter().map(|(tag, value)| SummaryValue::number(tag, *value)).collect())
    }

    /// Adds texts in Markdown: rows of a table under `tag`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_texts(&mut self, step: u64, tag: &str, texts: &[String]) -> Result<(), Error> {
        self.summary(step, vec![SummaryValue::texts(tag, texts)])
    }

    /// Adds the settings of the run, an object of JSON, and the tags of the `metrics` by which runs are compared.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_settings(&mut self, settings: &Value, metrics: &[String]) -> Result<(), Error> {
        self.summary(0, hparams(settings, metrics, now()))
    }

    fn summary(&mut self, step: u64, value: Vec<SummaryValue>) -> Result<(), Error> {
        let summary = Some(Summary { value });
        self.write(&Event { wall_time: now(), step: step as i64, summary, ..Event::default() })
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
        events.add_texts(9, "eval/examples", &["一".to_owned(), "二".to_owned()]).unwrap();
        let bytes = fs::read(&events.path).unwrap();
        let mut rest = bytes.as_slice();
        let mut values = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = Event::decode(&rest[12..12 + length]).unwrap();
            values.extend(
                event.summary.into_iter().flat_map(|summary| summary.value).map(|value| (event.step, value)),
            );
            rest = &rest[16 + length..];
        }
        let texts = ["一".to_owned(), "二".to_owned()];
        let wanted =
            [(7, SummaryValue::number("loss", 1.5)), (9, SummaryValue::texts("eval/examples", &texts))];
        assert_eq!(values, wanted);
    }
}
