//! TensorFlow's files of records, without TensorFlow: the framing of TFRecord with its checksums, and `tf.train.Example`,
//! which is what most of them hold.
//!
//! ```
//! use quanci_tfrecord::{Example, Feature, RecordReader, frame};
//!
//! let example = Example::new([("input_ids", Feature::integers(vec![101, 2769, 102]))]);
//! let file = [frame(&example.encode()), frame(&example.encode())].concat();
//! let mut records = RecordReader::new(&file[..]);
//! while let Some(record) = records.next_record().unwrap() {
//!     assert_eq!(Example::decode(record)?.integers("input_ids"), Some(&[101, 2769, 102][..]));
//! }
//! # Ok::<(), String>(())
//! ```

mod example;
mod record;

pub use example::{Example, Feature};
pub use record::{RecordError, RecordReader, frame, masked_crc};
