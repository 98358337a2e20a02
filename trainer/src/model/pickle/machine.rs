//! The pickle machine: opcodes to values. It executes nothing. What a file holds besides tensors (settings, optimizers,
//! numbers of NumPy) becomes values that nobody looks at.

use std::collections::BTreeMap;

use super::value::{Heap, Parsed, Value, strided, text};

/// The most values of a pickle, those of its memo included. A state dict has about 20 a tensor.
pub(super) const MAX_VALUES: usize = 4_000_000;
/// Modules and functions of Python that a file of weights has no reason to call. Nothing is called here; a file that would
/// call them elsewhere is refused all the same, since it was made to do harm.
const HARMFUL: [&str; 14] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "socket",
    "shutil",
    "runpy",
    "importlib",
    "builtins.eval",
    "builtins.exec",
    "builtins.__import__",
    "__builtin__.eval",
    "__builtin__.exec",
];

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
        let length = self.length(length_bytes)?;
        Ok(Value::Text(String::from_utf8_lossy(self.take(length)?).into()))
    }

    /// Bytes, which no state dict is made of.
    fn bytes(&mut self, length_bytes: usize) -> Parsed<Value> {
        let length = self.length(length_bytes)?;
        self.take(length).map(|_| Value::Other)
    }

    fn length(&mut self, length_bytes: usize) -> Parsed<usize> {
        let length = little_endian(self.take(length_bytes)?);
        usize::try_from(length).map_err(|_| "a negative length".to_owned())
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

    /// How many bytes are left.
    pub(super) fn left_over(&self) -> usize {
        self.bytes.len()
    }

    /// Runs to the next STOP.
    pub(super) fn run(&mut self) -> Parsed<Value> {
        loop {
            let opcode = self.take(1)?[0];
            // An opcode makes one value at most, or remembers one.
            self.left = self.left.checked_sub(1).ok_or("it is made of too many values")?;
            if opcode == b'.' {
                return self.pop();
            }
            self.execute(opcode)?;
        }
    }

    /// Opcodes after CPython's Lib/pickletools.py.
    fn execute(&mut self, opcode: u8) -> Parsed<()> {
        match opcode {
            0x80 => drop(self.take(1)?), // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'(' => self.stack.push(Value::Mark),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?.clone()),
            b')' => self.push_list(Vec::new(), Value::Tuple),
            b't' | b'l' => {
                let items = self.pop_to_mark()?;
                self.push_list(items, if opcode == b't' { Value::Tuple } else { Value::List });
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode) - 0x84)?;
                self.push_list(items, Value::Tuple);
            }
            b'}' => self.push_dict(),
            b']' => self.push_list(Vec::new(), Value::List),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push_dict();
                self.add_items(&items)?;
            }
            b's' | b'u' => {
                let items = if opcode == b's' { self.pop_many(2)? } else { self.pop_to_mark()? };
                self.add_items(&items)?;
            }
            b'a' | b'e' => self.append(opcode)?,
            0x90 => drop(self.pop_to_mark()?), // ADDITEMS, of a set
            0x91 => {
                self.pop_to_mark()?; // FROZENSET
                self.stack.push(Value::Other);
            }
            b'q' | b'r' | b'p' | 0x94 => {
                let key = match opcode {
                    0x94 => self.memo.len() as i64, // MEMOIZE
                    _ => self.memo_key(opcode == b'p', if opcode == b'q' { 1 } else { 4 })?,
                };
                self.remember(key)?;
            }
            b'h' | b'j' | b'g' => {
                let key = self.memo_key(opcode == b'g', if opcode == b'h' { 1 } else { 4 })?;
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
            // The opcodes that run code in Python: REDUCE, NEWOBJ, NEWOBJ_EX, OBJ, INST.
            b'R' => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.call(&function, &arguments)?;
            }
            0x81 | 0x92 => {
                self.pop_many(if opcode == 0x81 { 1 } else { 2 })?;
                let class = self.pop()?;
                self.object(&class)?;
            }
            b'o' => {
                let items = self.pop_to_mark()?;
                self.object(items.first().ok_or("an object of no class")?)?;
            }
            b'i' => {
                let class = Value::Global(format!("{}.{}", self.line()?, self.line()?).into());
                self.pop_to_mark()?;
                self.object(&class)?;
            }
            b'b' => drop(self.pop()?), // BUILD: an OrderedDict's metadata, an object's attributes
            b'Q' => self.storage()?,
            0x98 => {} // READONLY_BUFFER
            _ => {
                let value = self.scalar(opcode)?;
                self.stack.push(value);
            }
        }
        Ok(())
    }

    /// The key of a memo: a line of digits in the oldest protocol.
    fn memo_key(&mut self, is_line: bool, bytes: usize) -> Parsed<i64> {
        if is_line {
            return self.line()?.parse().map_err(|_| "a memo without a number".to_owned());
        }
        self.integer(bytes)
    }

    fn scalar(&mut self, opcode: u8) -> Parsed<Value> {
        Ok(match opcode {
            b'N' | 0x88 | 0x89 | 0x8f => Value::Other, // None, True, False, an empty set
            b'K' => Value::Int(self.integer(1)?),
            b'M' => Value::Int(self.integer(2)?),
            b'J' => Value::Int(signed(self.take(4)?)),
            0x8a | 0x8b => {
                let count = self.length(if opcode == 0x8a { 1 } else { 4 })?;
                Value::Int(signed(self.take(count)?))
            }
            // Lines of text, of the oldest protocol. `I01` is True.
            b'I' | b'L' => self.line()?.trim_end_matches('L').parse().map_or(Value::Other, Value::Int),
            b'F' => self.line().map(|_| Value::Other)?,
            b'V' => Value::Text(self.line()?.into()),
            b'S' => Value::Text(self.line()?.trim_matches(['\'', '"']).into()),
            b'G' => self.take(8).map(|_| Value::Other)?,
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            b'B' => self.bytes(4)?,
            b'C' => self.bytes(1)?,
            0x8e | 0x96 => self.bytes(8)?,
            other => return Err(format!("opcode {other:#04x} has no place in a state dict")),
        })
    }

    /// Adds keys and values to the dictionary on top.
    fn add_items(&mut self, items: &[Value]) -> Parsed<()> {
        let &Value::Dict(dict) = self.top()? else { return Err("items of no dictionary".to_owned()) };
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        self.heap.dicts[dict].extend(pairs);
        Ok(())
    }

    fn append(&mut self, opcode: u8) -> Parsed<()> {
        let items = if opcode == b'a' { self.pop_many(1)? } else { self.pop_to_mark()? };
        match *self.top()? {
            Value::List(list) => self.heap.lists[list].extend(items),
            Value::Dict(_) => {} // an object that is a list of its own kind
            _ => return Err("items of no list".to_owned()),
        }
        Ok(())
    }

    /// REDUCE calls a function in Python. Here it builds the things that a state dict is made of; what any other function
    /// would give is an object that nobody looks into.
    fn call(&mut self, function: &Value, arguments: &Value) -> Parsed<()> {
        let (Value::Global(name), &Value::Tuple(arguments)) = (function, arguments) else {
            return Err("a call of no function".to_owned());
        };
        match &**name {
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                let tensor = strided(&self.heap.lists[arguments], &self.heap)?;
                self.stack.push(Value::Tensor(self.heap.tensors.len()));
                self.heap.tensors.push(tensor);
            }
            // A tensor within a parameter, and a parameter with attributes.
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                let parameter = self.heap.lists[arguments].first().ok_or("a parameter of nothing")?;
                self.stack.push(parameter.clone());
            }
            // A tensor with attributes: (function, type, arguments, attributes). One within another is no tensor of ours.
            "torch._tensor._rebuild_from_type_v2" => match &self.heap.lists[arguments][..] {
                [inner @ Value::Global(name), _, of @ Value::Tuple(_), ..]
                    if &**name != "torch._tensor._rebuild_from_type_v2" =>
                {
                    let (inner, of) = (inner.clone(), of.clone());
                    self.call(&inner, &of)?;
                }
                _ => self.object(function)?,
            },
            _ => self.object(function)?,
        }
        Ok(())
    }

    /// An object of a class, or what a function would give: a dictionary without items, to which some may be added.
    fn object(&mut self, class: &Value) -> Parsed<()> {
        let Value::Global(name) = class else { return Err("an object of no class".to_owned()) };
        if HARMFUL.iter().any(|harmful| {
            name.strip_prefix(harmful).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }) {
            return Err(format!("it would call {name}: refused"));
        }
        let is_plain =
            matches!(&**name, "collections.OrderedDict" | "collections.defaultdict" | "builtins.dict");
        if !is_plain {
            self.heap.classes.insert(self.heap.dicts.len(), name.clone());
        }
        self.push_dict();
        Ok(())
    }

    /// BINPERSID: ("storage", type, key, location, length), and of old a view of another storage.
    fn storage(&mut self) -> Parsed<()> {
        let Value::Tuple(id) = self.pop()? else { return Err("a storage without a name".to_owned()) };
        let id = &self.heap.lists[id];
        let (Some(Value::Global(kind)), Some(Value::Text(key))) = (id.get(1), id.get(2)) else {
            return Err("a storage without a name".to_owned());
        };
        if matches!(id.get(5), Some(Value::Tuple(_))) {
            return Err(format!(
                "storage {key} is a part of another one, as in PyTorch 0.3: save it again with a newer one"
            ));
        }
        let (kind, key) = (kind.clone(), key.clone());
        self.heap.storages.insert(key.clone(), kind);
        self.stack.push(Value::Storage(key));
        Ok(())
    }
}
