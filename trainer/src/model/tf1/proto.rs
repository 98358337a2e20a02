//! The messages of a checkpoint's index (tensorflow, core/protobuf/tensor_bundle.proto, core/framework/tensor_shape.proto,
//! tensor_slice.proto, versions.proto).

use prost::Message;
use tch::Kind;

/// The value of the empty key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BundleHeader {
    #[prost(int32, tag = "1")]
    pub(super) num_shards: i32,
    /// 0 little, 1 big.
    #[prost(int32, tag = "2")]
    pub(super) endianness: i32,
    #[prost(message, optional, tag = "3")]
    pub(super) version: Option<Version>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Version {
    #[prost(int32, tag = "1")]
    pub(super) producer: i32,
    #[prost(int32, tag = "2")]
    pub(super) min_consumer: i32,
}

/// The value of a variable's name, or of a part's key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BundleEntry {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
    #[prost(int32, tag = "3")]
    pub(super) shard_id: i32,
    #[prost(int64, tag = "4")]
    pub(super) offset: i64,
    #[prost(int64, tag = "5")]
    pub(super) size: i64,
    #[prost(fixed32, tag = "6")]
    pub(super) crc32c: u32,
    /// The parts of a partitioned variable, which lie under keys of their own.
    #[prost(message, repeated, tag = "7")]
    pub(super) slices: Vec<Slice>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(super) dim: Vec<Dim>,
    #[prost(bool, tag = "3")]
    pub(super) unknown_rank: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Slice {
    #[prost(message, repeated, tag = "1")]
    pub(super) extent: Vec<Extent>,
}

/// Where a part lies in a dimension; without a length it is the whole of it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Extent {
    #[prost(int64, tag = "1")]
    pub(super) start: i64,
    #[prost(int64, optional, tag = "2")]
    pub(super) length: Option<i64>,
}

/// `DT_FLOAT`.
pub(super) const DT_FLOAT: i32 = 1;

impl Shape {
    /// A shape of these sizes.
    pub(super) fn of(sizes: &[i64]) -> Shape {
        Shape { dim: sizes.iter().map(|&size| Dim { size }).collect(), unknown_rank: false }
    }
}

/// Kind and bytes of an element; none for what cannot be read as numbers (tensorflow, core/framework/types.proto).
pub(super) fn element(dtype: i32) -> Option<(Kind, i64)> {
    Some(match dtype {
        DT_FLOAT => (Kind::Float, 4),
        2 => (Kind::Double, 8),
        3 => (Kind::Int, 4),
        4 => (Kind::Uint8, 1),
        5 => (Kind::Int16, 2),
        6 => (Kind::Int8, 1),
        9 => (Kind::Int64, 8),
        10 => (Kind::Bool, 1),
        14 => (Kind::BFloat16, 2),
        19 => (Kind::Half, 2),
        _ => return None,
    })
}
