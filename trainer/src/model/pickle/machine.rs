//! The pickle machine: opcodes to values. It executes nothing.

use std::collections::BTreeMap;

use super::value::{Heap, Parsed, Value, strided, text};

/// The most values of a pickle, those of its memo included. A state dict has about 20 a tensor.
pub(super) const MAX_VALUES: usize = 4_000_000;
pub(super) fn little_endian(bytes: &[u8]) -> i64 {
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

/// The pickle machine: a stack, a memo, and what is left of the bytes.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Value>,
    memo: BTreeMap<i64, Value>,
    pub(super) heap: Heap,
    /// How many values may still be made.
    left: usize,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Machine<'a> {
        Machine { bytes, stack: Vec::new(), memo: BTreeMap::new(), heap: Heap::default(), left: MAX_VALUES }
    }

    pub(super) fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
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

    fn push_list(&mut self, items: Vec<Value>, value: impl FnOnce(usize) -> Value) {
        self.stack.push(value(self.heap.lists.len()));
        self.heap.lists.push(items);
    }

    fn push_dict(&mut self) {
        self.stack.push(Value::Dict(self.heap.dicts.len()));
        self.heap.dicts.push(Vec::new());
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
    pub(super) fn run(&mut self) -> Parsed<Value> {
        loop {
            let opcode = self.take(1)?[0];
            // An opcode makes one value at most, or remembers one.
            self.left = self.left.checked_sub(1).ok_or("it is made of too many values")?;
            match opcode {
                b'.' => return self.pop(),
                0x80 => drop(self.take(1)?), // PROTO
                0x95 => drop(self.take(8)?), // FRAME
                b'(' => self.stack.push(Value::Mark),
                b')' => self.push_list(Vec::new(), Value::Tuple),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push_list(items, Value::Tuple);
                }
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(opcode) - 0x84)?;
                    self.push_list(items, Value::Tuple);
                }
                b'}' => self.push_dict(),
                b']' => self.push_list(Vec::new(), Value::List),
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
        let &Value::Dict(dict) = self.top()? else { return Err("items of no dictionary".to_owned()) };
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        self.heap.dicts[dict].extend(pairs);
        Ok(())
    }

    fn append(&mut self, opcode: u8) -> Parsed<()> {
        let items = if opcode == b'a' { self.pop_many(1)? } else { self.pop_to_mark()? };
        let &Value::List(list) = self.top()? else { return Err("items of no list".to_owned()) };
        self.heap.lists[list].extend(items);
        Ok(())
    }

    /// REDUCE calls a function in Python. Here it builds the three things a state dict is made of, and refuses all else.
    fn rebuild(&mut self) -> Parsed<()> {
        let arguments = self.pop()?;
        let (Value::Global(function), Value::Tuple(arguments)) = (self.pop()?, arguments) else {
            return Err("a call of no function".to_owned());
        };
        match &*function {
            "collections.OrderedDict" => self.push_dict(),
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                let tensor = strided(&self.heap.lists[arguments], &self.heap)?;
                self.stack.push(Value::Tensor(self.heap.tensors.len()));
                self.heap.tensors.push(tensor);
            }
            "torch._utils._rebuild_parameter" => {
                let parameter = self.heap.lists[arguments].first().ok_or("a parameter of nothing")?;
                self.stack.push(parameter.clone());
            }
            other => return Err(format!("it would call {other}: refused")),
        }
        Ok(())
    }

    /// BINPERSID: ("storage", type, key, location, length).
    fn storage(&mut self) -> Parsed<()> {
        let Value::Tuple(id) = self.pop()? else { return Err("a storage without a name".to_owned()) };
        let id = &self.heap.lists[id];
        match (id.get(1), id.get(2)) {
            (Some(Value::Global(kind)), Some(Value::Text(key))) => {
                self.stack.push(Value::Storage(kind.clone(), key.clone()));
                Ok(())
            }
            _ => Err("a storage without a name".to_owned()),
        }
    }
}
