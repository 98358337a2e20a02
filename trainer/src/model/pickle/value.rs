//! Pickled values, as data.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 16;

/// A pickled value, as far as state dicts use them. Tuples, lists, dictionaries and tensors are numbers of what lies in a
/// [`Heap`]: a file may nest them without end, or in circles, and nothing here follows them by recursion.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// None, a number with a fraction, bytes, a set: nothing that a state dict is made of.
    Other,
    Int(i64),
    Text(Rc<str>),
    Tuple(usize),
    List(usize),
    /// A dictionary, or an object of any class, as the items that it was given.
    Dict(usize),
    /// A class or function by its name; never called.
    Global(Rc<str>),
    /// The key of a storage.
    Storage(Rc<str>),
    Tensor(usize),
    Mark,
}

/// What values hold, each by its number.
#[derive(Debug, Default)]
pub(super) struct Heap {
    /// Tuples and lists.
    pub(super) lists: Vec<Vec<Value>>,
    pub(super) dicts: Vec<Vec<(Value, Value)>>,
    /// The classes of those dictionaries that are objects.
    pub(super) classes: BTreeMap<usize, Rc<str>>,
    pub(super) tensors: Vec<Strided>,
    /// The kind of each storage by its key, such as `torch.FloatStorage`.
    pub(super) storages: BTreeMap<Rc<str>, Rc<str>>,
}

/// A tensor that lies in a storage; offset, sizes and strides in elements.
#[derive(Debug, Clone)]
pub(super) struct Strided {
    pub(super) storage: Value,
    pub(super) offset: i64,
    pub(super) sizes: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

impl Strided {
    /// How many elements it has; none if they cannot be counted.
    pub(super) fn elements(&self) -> Option<i64> {
        self.sizes.iter().try_fold(1i64, |all, &size| all.checked_mul(size))
    }

    /// How many elements of its storage it lies in, which are as many as it has, or more.
    pub(super) fn span(&self) -> Parsed<i64> {
        let last = self.last_element().ok_or("sizes or strides are not sound")?;
        // With a stride of 0, a few bytes would be a tensor of any size.
        let span = last - self.offset + 1;
        if self.elements().is_none_or(|elements| elements > span) {
            return Err(format!("sizes {:?} ask for more than the {span} elements they lie in", self.sizes));
        }
        Ok(span)
    }

    /// The furthest element that the view reaches; none if it is not sound, or empty.
    fn last_element(&self) -> Option<i64> {
        if self.sizes.len() != self.strides.len() || self.offset < 0 {
            return None;
        }
        let mut last = self.offset;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides) {
            if size < 1 || stride < 0 {
                return None;
            }
            last = last.checked_add((size - 1).checked_mul(stride)?)?;
        }
        Some(last)
    }
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
