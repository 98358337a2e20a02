//! Reads what `torch.save` wrote of a state dict, the zip format and the one before PyTorch 1.6, and executes nothing: of
//! all that a pickle may call, only what rebuilds tensors and ordered dictionaries is known here, as data.
//!
//! Opcodes after CPython's Lib/pickletools.py; the layout of both formats after torch/serialization.py.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use tch::{Kind, Tensor};

use crate::error::Error;

/// A pickled value, as far as state dicts use them.
#[derive(Debug, Clone)]
enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    Tuple(Rc<Vec<Value>>),
    List(Rc<RefCell<Vec<Value>>>),
    Dict(Rc<RefCell<Vec<(Value, Value)>>>),
    /// A class or function by its name; never called.
    Global(Rc<str>),
    /// Type and key of a storage.
    Storage(Rc<str>, Rc<str>),
    Tensor(Rc<Strided>),
    Mark,
}

/// A tensor that lies in a storage; offset, sizes and strides in elements.
#[derive(Debug)]
struct Strided {
    storage: Value,
    offset: i64,
    sizes: Vec<i64>,
    strides: Vec<i64>,
}

/// What is wrong with the file.
type Parsed<T> = Result<T, String>;

/// Storages by their keys, as bytes.
type Storages = BTreeMap<String, Vec<u8>>;

/// The tensors of a file that `torch.save` wrote, by name, in its order.
pub(super) fn read_state_dict(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    // A zip archive since PyTorch 1.6.
    let read = if bytes.starts_with(b"PK") { zipped(&bytes) } else { legacy(&bytes) };
    read.and_then(|(root, storages)| tensors(&root, &storages))
        .map_err(|problem| Error::input(path, format!("not a state dict of PyTorch: {problem}")))
}

fn zipped(bytes: &[u8]) -> Parsed<(Value, Storages)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let (mut pickle, mut storages) = (None, Storages::new());
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = file.name().map_err(|error| error.to_string())?.into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|error| format!("{name}: {error}"))?;
        if name.ends_with("/data.pkl") {
            pickle = Some(content);
        } else if let Some((_, key)) = name.split_once("/data/") {
            storages.insert(key.to_owned(), content);
        }
    }
    let pickle = pickle.ok_or("the archive holds no data.pkl")?;
    Ok((Machine::new(&pickle).run()?, storages))
}

/// Magic number, protocol and system, the pickle, the keys of the storages, then each storage with its length.
fn legacy(bytes: &[u8]) -> Parsed<(Value, Storages)> {
    let mut machine = Machine::new(bytes);
    for _ in 0..3 {
        machine.run()?;
    }
    let root = machine.run()?;
    let Value::List(keys) = machine.run()? else { return Err("no list of storages".to_owned()) };
    let widths = storage_widths(&root)?;
    let mut storages = Storages::new();
    for key in keys.borrow().iter() {
        let key = text(key)?;
        let length = usize::try_from(little_endian(machine.take(8)?)).map_err(|_| "a negative length")?;
        let width = widths.get(&*key).ok_or_else(|| format!("storage {key} is used by no tensor"))?;
        let size = length.checked_mul(*width).ok_or("a storage without end")?;
        storages.insert(key.to_string(), machine.take(size)?.to_vec());
    }
    Ok((root, storages))
}

fn storage_widths(root: &Value) -> Parsed<BTreeMap<Rc<str>, usize>> {
    let mut widths = BTreeMap::new();
    for (_, strided) in entries(root)? {
        let Value::Storage(kind, key) = &strided.storage else { continue };
        widths.insert(key.clone(), element(kind)?.1);
    }
    Ok(widths)
}

/// The tensors of a dictionary; those of a checkpoint that keeps its state dict under a name, too.
fn entries(root: &Value) -> Parsed<Vec<(String, Rc<Strided>)>> {
    let Value::Dict(dict) = root else { return Err("its root is no dictionary".to_owned()) };
    let mut found = Vec::new();
    for (key, value) in dict.borrow().iter() {
        match (key, value) {
            (Value::Text(name), Value::Tensor(strided)) => found.push((name.to_string(), strided.clone())),
            (Value::Text(name), Value::Dict(_)) if matches!(&**name, "model" | "state_dict") => {
                return entries(value);
            }
            _ => {}
        }
    }
    if found.is_empty() { Err("it holds no tensors".to_owned()) } else { Ok(found) }
}

fn tensors(root: &Value, storages: &Storages) -> Parsed<Vec<(String, Tensor)>> {
    entries(root)?
        .into_iter()
        .map(|(name, strided)| {
            let tensor = tensor(&strided, storages).map_err(|problem| format!("{name}: {problem}"))?;
            Ok((name, tensor))
        })
        .collect()
}

fn tensor(strided: &Strided, storages: &Storages) -> Parsed<Tensor> {
    let Value::Storage(kind, key) = &strided.storage else { return Err("it has no storage".to_owned()) };
    let (kind, width) = element(kind)?;
    let bytes = storages.get(&**key).ok_or_else(|| format!("storage {key} is missing"))?;
    let last = last_element(strided).ok_or("sizes or strides are not sound")?;
    let length = (bytes.len() / width) as i64;
    if last >= length {
        return Err(format!("storage {key} holds {length} elements, and element {last} is asked for"));
    }
    let flat = Tensor::f_from_data_size(&bytes[..length as usize * width], &[length], kind);
    let view = flat.and_then(|flat| {
        flat.f_as_strided(&strided.sizes, &strided.strides, Some(strided.offset))?.f_contiguous()
    });
    // A copy, so that a view of a large storage does not keep all of it.
    let owned = view.and_then(|view| {
        let mut owned = view.f_zeros_like()?;
        owned.f_copy_(&view).map(|()| owned)
    });
    owned.map_err(|error| error.to_string())
}

/// The furthest element that the view reaches; none if it is not sound.
fn last_element(strided: &Strided) -> Option<i64> {
    if strided.sizes.len() != strided.strides.len() || strided.offset < 0 {
        return None;
    }
    let mut last = strided.offset;
    for (&size, &stride) in strided.sizes.iter().zip(&strided.strides) {
        if size < 1 || stride < 0 {
            return None;
        }
        last = last.checked_add((size - 1).checked_mul(stride)?)?;
    }
    Some(last)
}

/// Kind and bytes of an element of `torch.FloatStorage` and its like.
fn element(storage: &str) -> Parsed<(Kind, usize)> {
    Ok(match storage.rsplit('.').next().unwrap_or_default() {
        "FloatStorage" => (Kind::Float, 4),
        "HalfStorage" => (Kind::Half, 2),
        "BFloat16Storage" => (Kind::BFloat16, 2),
        "DoubleStorage" => (Kind::Double, 8),
        "LongStorage" => (Kind::Int64, 8),
        "IntStorage" => (Kind::Int, 4),
        "ByteStorage" => (Kind::Uint8, 1),
        "BoolStorage" => (Kind::Bool, 1),
        other => return Err(format!("a storage of the kind {other}")),
    })
}

fn little_endian(bytes: &[u8]) -> i64 {
    bytes.iter().take(8).rev().fold(0, |value, &byte| (value << 8) | i64::from(byte))
}

/// The same, with the last byte's highest bit as the sign.
fn signed(bytes: &[u8]) -> i64 {
    let value = little_endian(bytes);
    match bytes.last() {
        Some(&high) if bytes.len() < 8 && high & 0x80 != 0 => value | (-1i64 << (8 * bytes.len())),
        _ => value,
    }
}

fn text(value: &Value) -> Parsed<Rc<str>> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err("text was expected".to_owned()),
    }
}

fn integers(value: &Value) -> Parsed<Vec<i64>> {
    let Value::Tuple(items) = value else { return Err("a tuple was expected".to_owned()) };
    let one = |item: &Value| match item {
        Value::Int(value) => Ok(*value),
        _ => Err("an integer was expected".to_owned()),
    };
    items.iter().map(one).collect()
}

/// The pickle machine: a stack, a memo, and what is left of the bytes.
struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Value>,
    memo: BTreeMap<i64, Value>,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8]) -> Machine<'a> {
        Machine { bytes, stack: Vec::new(), memo: BTreeMap::new() }
    }

    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or("it ends too early")?;
        self.bytes = tail;
        Ok(head)
    }

    fn line(&mut self) -> Parsed<String> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n').ok_or("it ends too early")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn text(&mut self, length_bytes: usize) -> Parsed<Value> {
        let length = little_endian(self.take(length_bytes)?) as usize;
        Ok(Value::Text(String::from_utf8_lossy(self.take(length)?).into()))
    }

    fn integer(&mut self, bytes: usize) -> Parsed<i64> {
        Ok(little_endian(self.take(bytes)?))
    }

    fn pop(&mut self) -> Parsed<Value> {
        self.stack.pop().ok_or_else(|| "its stack is empty".to_owned())
    }

    fn top(&self) -> Parsed<&Value> {
        self.stack.last().ok_or_else(|| "its stack is empty".to_owned())
    }

    fn pop_to_mark(&mut self) -> Parsed<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or("no mark")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn pop_many(&mut self, count: usize) -> Parsed<Vec<Value>> {
        let at = self.stack.len().checked_sub(count).ok_or("its stack is empty")?;
        Ok(self.stack.split_off(at))
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        self.stack.push(Value::Tuple(Rc::new(items)));
    }

    fn remember(&mut self, key: i64) -> Parsed<()> {
        let value = self.top()?.clone();
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, key: i64) -> Parsed<()> {
        let value = self.memo.get(&key).ok_or("it recalls what it never stored")?.clone();
        self.stack.push(value);
        Ok(())
    }

    /// Runs to the next STOP.
    fn run(&mut self) -> Parsed<Value> {
        loop {
            let opcode = self.take(1)?[0];
            match opcode {
                b'.' => return self.pop(),
                0x80 => drop(self.take(1)?), // PROTO
                0x95 => drop(self.take(8)?), // FRAME
                b'(' => self.stack.push(Value::Mark),
                b')' => self.push_tuple(Vec::new()),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push_tuple(items);
                }
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(opcode) - 0x84)?;
                    self.push_tuple(items);
                }
                b'}' => self.stack.push(Value::Dict(Rc::default())),
                b']' => self.stack.push(Value::List(Rc::default())),
                b's' | b'u' => self.set_items(opcode)?,
                b'a' | b'e' => self.append(opcode)?,
                b'q' | b'r' => {
                    let key = self.integer(if opcode == b'q' { 1 } else { 4 })?;
                    self.remember(key)?;
                }
                0x94 => self.remember(self.memo.len() as i64)?, // MEMOIZE
                b'h' | b'j' => {
                    let key = self.integer(if opcode == b'h' { 1 } else { 4 })?;
                    self.recall(key)?;
                }
                b'c' => {
                    let name = format!("{}.{}", self.line()?, self.line()?);
                    self.stack.push(Value::Global(name.into()));
                }
                0x93 => {
                    let (name, module) = (text(&self.pop()?)?, text(&self.pop()?)?);
                    self.stack.push(Value::Global(format!("{module}.{name}").into()));
                }
                // The only opcode of these that runs code in Python.
                b'R' => self.rebuild()?,
                b'b' => drop(self.pop()?), // BUILD: an OrderedDict's metadata
                b'Q' => self.storage()?,
                _ => {
                    let value = self.scalar(opcode)?;
                    self.stack.push(value);
                }
            }
        }
    }

    fn scalar(&mut self, opcode: u8) -> Parsed<Value> {
        Ok(match opcode {
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool,
            b'K' => Value::Int(self.integer(1)?),
            b'M' => Value::Int(self.integer(2)?),
            b'J' => Value::Int(signed(self.take(4)?)),
            0x8a => {
                let count = self.integer(1)? as usize;
                Value::Int(signed(self.take(count)?))
            }
            b'G' => {
                self.take(8)?;
                Value::Float
            }
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            other => return Err(format!("opcode {other:#04x} has no place in a state dict")),
        })
    }

    fn set_items(&mut self, opcode: u8) -> Parsed<()> {
        let items = if opcode == b's' { self.pop_many(2)? } else { self.pop_to_mark()? };
        let Value::Dict(dict) = self.top()? else { return Err("items of no dictionary".to_owned()) };
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        dict.borrow_mut().extend(pairs);
        Ok(())
    }

    fn append(&mut self, opcode: u8) -> Parsed<()> {
        let items = if opcode == b'a' { self.pop_many(1)? } else { self.pop_to_mark()? };
        let Value::List(list) = self.top()? else { return Err("items of no list".to_owned()) };
        list.borrow_mut().extend(items);
        Ok(())
    }

    /// REDUCE calls a function in Python. Here it builds the three things a state dict is made of, and refuses all else.
    fn rebuild(&mut self) -> Parsed<()> {
        let arguments = self.pop()?;
        let (Value::Global(function), Value::Tuple(arguments)) = (self.pop()?, arguments) else {
            return Err("a call of no function".to_owned());
        };
        let built = match &*function {
            "collections.OrderedDict" => Value::Dict(Rc::default()),
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => strided(&arguments)?,
            "torch._utils._rebuild_parameter" => arguments.first().ok_or("a parameter of nothing")?.clone(),
            other => return Err(format!("it would call {other}: refused")),
        };
        self.stack.push(built);
        Ok(())
    }

    /// BINPERSID: ("storage", type, key, location, length).
    fn storage(&mut self) -> Parsed<()> {
        let Value::Tuple(id) = self.pop()? else { return Err("a storage without a name".to_owned()) };
        match (id.get(1), id.get(2)) {
            (Some(Value::Global(kind)), Some(Value::Text(key))) => {
                self.stack.push(Value::Storage(kind.clone(), key.clone()));
                Ok(())
            }
            _ => Err("a storage without a name".to_owned()),
        }
    }
}

/// (storage, offset, sizes, strides, …)
fn strided(arguments: &[Value]) -> Parsed<Value> {
    let [storage, Value::Int(offset), sizes, strides, ..] = arguments else {
        return Err("a tensor without offset, sizes and strides".to_owned());
    };
    let (sizes, strides) = (integers(sizes)?, integers(strides)?);
    Ok(Value::Tensor(Rc::new(Strided { storage: storage.clone(), offset: *offset, sizes, strides })))
}
