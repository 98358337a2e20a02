//! `tf.train.Example`: lists of numbers by name (tensorflow, core/example/example.proto, feature.proto).

use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// Lists by name.
#[derive(Clone, PartialEq, Message)]
pub struct Example {
    #[prost(message, optional, tag = "1")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct Features {
    #[prost(btree_map = "string, message", tag = "1")]
    feature: BTreeMap<String, Feature>,
}

/// A list.
#[derive(Clone, PartialEq, Message)]
pub struct Feature {
    #[prost(oneof = "List", tags = "1, 2, 3")]
    list: Option<List>,
}

#[derive(Clone, PartialEq, Oneof)]
enum List {
    #[prost(message, tag = "1")]
    Bytes(BytesList),
    #[prost(message, tag = "2")]
    Floats(FloatList),
    #[prost(message, tag = "3")]
    Integers(Int64List),
}

#[derive(Clone, PartialEq, Message)]
struct BytesList {
    #[prost(bytes = "vec", repeated, tag = "1")]
    value: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct FloatList {
    #[prost(float, repeated, tag = "1")]
    value: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct Int64List {
    #[prost(int64, repeated, tag = "1")]
    value: Vec<i64>,
}

impl Feature {
    /// A list of integers.
    pub fn integers(value: Vec<i64>) -> Feature {
        Feature { list: Some(List::Integers(Int64List { value })) }
    }

    /// A list of numbers with fractions.
    pub fn floats(value: Vec<f32>) -> Feature {
        Feature { list: Some(List::Floats(FloatList { value })) }
    }
}

impl Example {
    /// An example with these features.
    pub fn new(features: impl IntoIterator<Item = (&'static str, Feature)>) -> Example {
        let feature = features.into_iter().map(|(name, feature)| (name.to_owned(), feature)).collect();
        Example { features: Some(Features { feature }) }
    }

    /// Its bytes: features in the order of their names, numbers packed.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// An example from its bytes.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Example, String> {
        <Example as Message>::decode(bytes).map_err(|error| format!("no tf.train.Example: {error}"))
    }

    /// The names of its features.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().flat_map(|features| features.feature.keys().map(String::as_str))
    }

    /// A list of integers; none if there is no such list, or it is of another kind.
    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        match self.list(name)? {
            List::Integers(list) => Some(&list.value),
            _ => None,
        }
    }

    /// A list of numbers with fractions; none if there is no such list, or it is of another kind.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        match self.list(name)? {
            List::Floats(list) => Some(&list.value),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<&List> {
        self.features.as_ref()?.feature.get(name)?.list.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_read_back() {
        let lists =
            [("ids", Feature::integers(vec![0, 21_127, -1])), ("weights", Feature::floats(vec![1.0, 0.0]))];
        let example = Example::new(lists);
        let read = Example::decode(&example.encode()).expect("read");
        assert_eq!(read, example);
        assert_eq!(read.names().collect::<Vec<_>>(), ["ids", "weights"]);
        assert_eq!(read.integers("ids"), Some(&[0, 21_127, -1][..]));
        assert_eq!(read.floats("weights"), Some(&[1.0, 0.0][..]));
        assert_eq!((read.integers("weights"), read.floats("no")), (None, None));
        assert!(Example::decode(b"\x0a\xff").is_err());
    }

    /// A writer may leave numbers unpacked: each with its own tag.
    #[test]
    fn unpacked_numbers_are_read() {
        let list = [8, 5, 8, 6];
        let feature = [&[0x1a, 4][..], &list].concat();
        let entry = [&[0x0a, 1, b'x', 0x12, feature.len() as u8][..], &feature].concat();
        let features = [&[0x0a, entry.len() as u8][..], &entry].concat();
        let bytes = [&[0x0a, features.len() as u8][..], &features].concat();
        assert_eq!(Example::decode(&bytes).expect("read").integers("x"), Some(&[5, 6][..]));
    }
}
