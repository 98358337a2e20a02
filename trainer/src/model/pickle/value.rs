//! Pickled values, as data.

use std::rc::Rc;

/// The most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 16;
/// A pickled value, as far as state dicts use them. Tuples, lists, dictionaries and tensors are numbers of what lies in a
/// [`Heap`]: a file may nest them without end, or in circles, and nothing here follows them by recursion.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    Tuple(usize),
    List(usize),
    Dict(usize),
    /// A class or function by its name; never called.
    Global(Rc<str>),
    /// Type and key of a storage.
    Storage(Rc<str>, Rc<str>),
    Tensor(usize),
    Mark,
}

/// What values hold, each by its number.
#[derive(Debug, Default)]
pub(super) struct Heap {
    /// Tuples and lists.
    pub(super) lists: Vec<Vec<Value>>,
    pub(super) dicts: Vec<Vec<(Value, Value)>>,
    pub(super) tensors: Vec<Strided>,
}

/// A tensor that lies in a storage; offset, sizes and strides in elements.
#[derive(Debug)]
pub(super) struct Strided {
    pub(super) storage: Value,
    pub(super) offset: i64,
    pub(super) sizes: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

/// What is wrong with the file.
pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn text(value: &Value) -> Parsed<Rc<str>> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err("text was expected".to_owned()),
    }
}

fn integers(value: &Value, heap: &Heap) -> Parsed<Vec<i64>> {
    let Value::Tuple(items) = value else { return Err("a tuple was expected".to_owned()) };
    let items = &heap.lists[*items];
    // A memo lets one long tuple be the sizes of any number of tensors.
    if items.len() > MAX_DIMENSIONS {
        return Err(format!("a tensor of {} dimensions", items.len()));
    }
    let one = |item: &Value| match item {
        Value::Int(value) => Ok(*value),
        _ => Err("an integer was expected".to_owned()),
    };
    items.iter().map(one).collect()
}

/// (storage, offset, sizes, strides, …)
pub(super) fn strided(arguments: &[Value], heap: &Heap) -> Parsed<Strided> {
    let [storage, Value::Int(offset), sizes, strides, ..] = arguments else {
        return Err("a tensor without offset, sizes and strides".to_owned());
    };
    let (sizes, strides) = (integers(sizes, heap)?, integers(strides, heap)?);
    Ok(Strided { storage: storage.clone(), offset: *offset, sizes, strides })
}
