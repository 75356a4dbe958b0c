//! A machine that follows a pickle without running anything.
//!
//! A pickle is a program for a stack machine that builds Python objects, and its instructions can call any function by
//! name. This machine builds values of its own: numbers, texts, containers, storages and tensors. A call of a function
//! that is not in [`known`] becomes a [`Value::Opaque`], which remembers what it asked for and is worth nothing.
//!
//! Nesting and cycles cost no call stack. An instruction adds at most two values, one place on the stack and one in the
//! memo, so [`MAX_STEPS`] bounds memory. Texts and long numbers stay where they are in the pickle.
//!
//! The instructions are those of CPython's `pickletools`, protocols 0 to 5.

use std::collections::HashMap;

use super::{
    error::PyTorchError,
    globals::{Known, is_dangerous, known},
    pickle::{Global, Id, Span, Storage, Value, View, origin, part},
};

/// Instructions of one pickle: a large checkpoint with its optimizer has a few hundred thousand.
const MAX_STEPS: usize = 1 << 20;
/// Bytes of a module's or function's name.
const MAX_GLOBAL_BYTES: usize = 256;
/// Axes of a tensor.
const MAX_RANK: usize = 16;

/// Follows the pickle that starts at `start`: its values, the one that it builds, and where the bytes after it start.
///
/// # Panics
/// If `bytes` are more than a `u32` can count.
pub fn follow(bytes: &[u8], start: usize) -> Result<(Vec<Value>, Id, usize), PyTorchError> {
    assert!(u32::try_from(bytes.len()).is_ok(), "the caller bounds the pickle");
    let mut machine = Machine {
        bytes,
        at: start,
        start_of_step: start,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        budget: MAX_STEPS,
    };
    let root = machine.run()?;
    Ok((machine.values, root, machine.at))
}

type Step<T> = Result<T, PyTorchError>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    start_of_step: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Instructions that may still follow.
    budget: usize,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Id> {
        loop {
            self.charge(1)?;
            self.start_of_step = self.at;
            match self.byte()? {
                b'.' => return self.pop(),
                code => self.step(code)?,
            }
        }
    }

    /// Takes the cost of work that does not depend on the number of instructions alone.
    fn charge(&mut self, cost: usize) -> Step<()> {
        let limit = PyTorchError::Limit { what: "instructions in its pickle", limit: MAX_STEPS };
        self.budget = self.budget.checked_sub(cost).ok_or(limit)?;
        Ok(())
    }

    fn step(&mut self, code: u8) -> Step<()> {
        match code {
            // PROTO and FRAME say nothing that is needed.
            0x80 => self.skip(1),
            0x95 => self.skip(8),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.discard(),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'L' | b'M' | 0x8a | 0x8b | b'F' | b'G' => self.number(code),
            b'S' | b'V' | b'T' | b'U' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.string(code),
            b')' | 0x85..=0x87 | b't' | b']' | b'l' | b'}' | b'd' | 0x8f | 0x91 => self.container(code),
            b'a' | b'e' | 0x90 | b's' | b'u' => self.fill(code),
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(code),
            b'c' | 0x93 => self.global(code),
            b'R' | 0x81 | 0x92 | b'o' | b'i' => self.call(code),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            other => Err(self.damaged(format!("the instruction {other:#04x} is not one that torch.save writes"))),
        }
    }

    // Constants.

    fn number(&mut self, code: u8) -> Step<()> {
        let value = match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a => {
                let length = self.byte()?.into();
                self.long(length)?
            }
            0x8b => {
                let length = self.length4()?;
                self.long(length)?
            }
            b'I' => match self.line()? {
                b"00" => Value::Bool(false),
                b"01" => Value::Bool(true),
                digits => Value::Int(self.decimal(digits)?),
            },
            b'L' => {
                let digits = self.line()?;
                Value::Int(self.decimal(digits.strip_suffix(b"L").unwrap_or(digits))?)
            }
            b'F' => {
                self.line()?;
                Value::Float
            }
            _ => {
                self.skip(8)?;
                Value::Float
            }
        };
        self.push(value);
        Ok(())
    }

    /// Two's complement, little-endian, of any length.
    fn long(&mut self, length: usize) -> Step<Value> {
        let span = self.span(length)?;
        let bytes = part(self.bytes, span);
        if bytes.len() > 8 {
            return Ok(Value::LongInt(span));
        }
        let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut padded = [fill; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(padded)))
    }

    fn decimal(&self, digits: &[u8]) -> Step<i64> {
        std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.damaged("a number is no integer of 64 bits"))
    }

    fn string(&mut self, code: u8) -> Step<()> {
        let span = match code {
            b'U' | b'C' | 0x8c => {
                let length = self.byte()?.into();
                self.span(length)?
            }
            b'T' | b'B' | b'X' => {
                let length = self.length4()?;
                self.span(length)?
            }
            0x8d | 0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.array()?);
                self.span(usize::try_from(length).unwrap_or(usize::MAX))?
            }
            _ => self.line_text(code)?,
        };
        self.push(Value::Text(span));
        Ok(())
    }

    /// Texts of protocol 0, which end at the line. Escapes would need another copy, and names of tensors have none.
    fn line_text(&mut self, code: u8) -> Step<Span> {
        let start = self.at;
        let line = self.line()?;
        if line.contains(&b'\\') {
            return Err(self.damaged("a text of protocol 0 with escapes"));
        }
        let quotes = usize::from(code == b'S');
        if line.len() < 2 * quotes {
            return Err(self.damaged("a text without its quotes"));
        }
        Ok(Span { start: (start + quotes) as u32, length: (line.len() - 2 * quotes) as u32 })
    }

    // Containers.

    fn container(&mut self, code: u8) -> Step<()> {
        let value = match code {
            b')' => Value::Tuple(Box::default()),
            0x85..=0x87 => {
                let mut items: Vec<Id> = (0..code - 0x84).map(|_| self.pop()).collect::<Step<_>>()?;
                items.reverse();
                Value::Tuple(items.into())
            }
            b't' => Value::Tuple(self.pop_to_mark()?.into()),
            b']' | 0x8f => Value::List(Vec::new()),
            b'l' | 0x91 => Value::List(self.pop_to_mark()?),
            b'}' => Value::Dict(Vec::new()),
            _ => {
                let items = self.pop_to_mark()?;
                Value::Dict(self.pairs(&items)?)
            }
        };
        self.push(value);
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Step<Vec<(Id, Id)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
        } else {
            Err(self.damaged("a key without a value"))
        }
    }

    /// APPEND, APPENDS, ADDITEMS, SETITEM and SETITEMS. What is put into a value we do not know is forgotten.
    fn fill(&mut self, code: u8) -> Step<()> {
        let items = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_to_mark()?,
        };
        let pairs = if matches!(code, b's' | b'u') { Some(self.pairs(&items)?) } else { None };
        let target = self.top()?;
        match (&mut self.values[target as usize], pairs) {
            (Value::Dict(entries), Some(pairs)) => entries.extend(pairs),
            (Value::List(list), None) => list.extend(items),
            (Value::Opaque { .. } | Value::Object { .. }, _) => {}
            _ => return Err(self.damaged("items for a value that holds none")),
        }
        Ok(())
    }

    fn remember(&mut self, code: u8) -> Step<()> {
        let key = match code {
            b'q' | b'h' => self.byte()?.into(),
            b'r' | b'j' => u32::from_le_bytes(self.array()?),
            b'p' | b'g' => {
                let digits = self.line()?;
                let number = self.decimal(digits)?;
                u32::try_from(number).map_err(|_| self.damaged("a place in the memo that is no u32"))?
            }
            _ => self.memo.len() as u32,
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or_else(|| self.damaged(format!("nothing is in the memo at {key}")))?;
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    // Names and calls.

    fn global(&mut self, code: u8) -> Step<()> {
        let (module, name) = if code == b'c' {
            (self.line_span()?, self.line_span()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.values[module as usize], &self.values[name as usize]) {
                (Value::Text(module), Value::Text(name)) => (*module, *name),
                _ => return Err(self.damaged("a name that is no text")),
            }
        };
        let global = self.named(module, name)?;
        self.push(Value::Global(global));
        Ok(())
    }

    fn named(&self, module: Span, name: Span) -> Step<Global> {
        if module.length.max(name.length) as usize > MAX_GLOBAL_BYTES {
            return Err(PyTorchError::Limit { what: "bytes in the name of a function", limit: MAX_GLOBAL_BYTES });
        }
        let text = |span| std::str::from_utf8(part(self.bytes, span)).map_err(|_| self.damaged("a name is not UTF-8"));
        let (module_text, name_text) = (text(module)?, text(name)?);
        if is_dangerous(module_text, name_text) {
            return Err(PyTorchError::Dangerous { name: format!("{module_text}.{name_text}") });
        }
        Ok(Global { module, name, known: known(module_text, name_text) })
    }

    /// REDUCE, NEWOBJ, NEWOBJ_EX, OBJ and INST: a function or class, and its arguments.
    fn call(&mut self, code: u8) -> Step<()> {
        let value = match code {
            b'i' => {
                let (module, name) = (self.line_span()?, self.line_span()?);
                self.pop_to_mark()?;
                let class = Value::Global(self.named(module, name)?);
                let class = self.add(class);
                self.opaque(class)
            }
            b'o' => {
                let items = self.pop_to_mark()?;
                let class = *items.first().ok_or_else(|| self.damaged("an object without a class"))?;
                self.opaque(class)
            }
            0x92 => {
                let (_, _) = (self.pop()?, self.pop()?);
                let class = self.pop()?;
                self.opaque(class)
            }
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                match self.known(class) {
                    Some(Known::OrderedDict) => Value::Dict(Vec::new()),
                    Some(Known::Other) => Value::Object { class, state: None },
                    _ => self.opaque(class),
                }
            }
            _ => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let Value::Tuple(arguments) = &self.values[arguments as usize] else {
                    return Err(self.damaged("arguments that are no tuple"));
                };
                match self.reduce(function, arguments)? {
                    Made::New(value) => {
                        // A list can be copied into an OrderedDict again and again.
                        if let Value::Dict(entries) = &value {
                            self.charge(entries.len())?;
                        }
                        value
                    }
                    Made::Same(id) => {
                        self.stack.push(id);
                        return Ok(());
                    }
                }
            }
        };
        self.push(value);
        Ok(())
    }

    /// What a call of `function` would return.
    fn opaque(&self, function: Id) -> Value {
        Value::Opaque { function: origin(&self.values, function) }
    }

    fn known(&self, id: Id) -> Option<Known> {
        match &self.values[id as usize] {
            Value::Global(global) => Some(global.known),
            _ => None,
        }
    }

    /// What `function(*arguments)` is, for the few functions that are known.
    fn reduce(&self, function: Id, arguments: &[Id]) -> Step<Made> {
        let opaque = Made::New(self.opaque(function));
        Ok(match (self.known(function), arguments) {
            (Some(Known::OrderedDict), []) => Made::New(Value::Dict(Vec::new())),
            (Some(Known::OrderedDict), [items]) => Made::New(Value::Dict(self.items(*items)?)),
            (Some(Known::Size), [sizes]) => Made::Same(*sizes),
            (Some(Known::RebuildTensor), [storage, offset, shape, strides, rest @ ..]) => {
                // A seventh argument says that the numbers are to be negated or conjugated.
                let plain = rest.get(2).is_none_or(|metadata| match &self.values[*metadata as usize] {
                    Value::None => true,
                    Value::Dict(entries) => entries.is_empty(),
                    _ => false,
                });
                match &self.values[*storage as usize] {
                    Value::Storage(_) if plain => Made::New(self.tensor(*storage, *offset, *shape, *strides)?),
                    Value::Opaque { .. } => Made::New(self.opaque(*storage)),
                    _ => opaque,
                }
            }
            (Some(Known::RebuildParameter), [tensor, ..]) => Made::Same(*tensor),
            (Some(Known::RebuildFromType), [inner, _, inner_arguments, ..]) => {
                match (self.known(*inner), &self.values[*inner_arguments as usize]) {
                    // Named here, so that it cannot call itself.
                    (Some(Known::RebuildTensor | Known::RebuildParameter), Value::Tuple(arguments)) => {
                        self.reduce(*inner, arguments)?
                    }
                    _ => opaque,
                }
            }
            _ => opaque,
        })
    }

    /// Python 2 gives an `OrderedDict` as a list of lists of two.
    fn items(&self, list: Id) -> Step<Vec<(Id, Id)>> {
        let Value::List(items) = &self.values[list as usize] else {
            return Err(self.damaged("an OrderedDict of something that is no list"));
        };
        let pair = |id: &Id| match &self.values[*id as usize] {
            Value::List(pair) => <[Id; 2]>::try_from(pair.as_slice()).ok(),
            Value::Tuple(pair) => <[Id; 2]>::try_from(&pair[..]).ok(),
            _ => None,
        };
        items
            .iter()
            .map(|item| pair(item).map(|[key, value]| (key, value)))
            .collect::<Option<_>>()
            .ok_or_else(|| self.damaged("an OrderedDict of something that is no pair"))
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Step<Value> {
        let natural = |id: &Id| match &self.values[*id as usize] {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let sizes = |id: Id| match &self.values[id as usize] {
            Value::Tuple(items) if items.len() <= MAX_RANK => {
                items.iter().map(|item| usize::try_from(natural(item)?).ok()).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        let (Some(offset), Some(shape), Some(strides)) = (natural(&offset), sizes(shape), sizes(strides)) else {
            return Err(self.damaged("a tensor whose offset, size or strides are no natural numbers, or too many"));
        };
        if shape.len() != strides.len() {
            return Err(self.damaged("a tensor with more strides than axes, or fewer"));
        }
        Ok(Value::Tensor(Box::new(View { storage, offset, shape, strides })))
    }

    /// BUILD: the state of an object. A dict's are attributes such as a state dict's `_metadata`.
    fn build(&mut self) -> Step<()> {
        let given = self.pop()?;
        let target = self.top()?;
        match &mut self.values[target as usize] {
            Value::Object { state, .. } => *state = Some(given),
            Value::Dict(_) | Value::Opaque { .. } => {}
            _ => return Err(self.damaged("a state for a value that has none")),
        }
        Ok(())
    }

    /// BINPERSID: `("storage", class, key, location, elements)`, in old files with a sixth item, or a class of a module.
    fn persistent(&mut self) -> Step<()> {
        let id = self.pop()?;
        let value = match &self.values[id as usize] {
            Value::Tuple(items) => self.persistent_value(items)?,
            _ => return Err(self.damaged("a persistent id that is no tuple")),
        };
        self.push(value);
        Ok(())
    }

    fn persistent_value(&self, items: &[Id]) -> Step<Value> {
        let kind = match items.first().map(|id| &self.values[*id as usize]) {
            Some(Value::Text(span)) => part(self.bytes, *span),
            _ => return Err(self.damaged("a persistent id without a kind")),
        };
        match (kind, items) {
            (b"storage", [_, class, key, _location, elements] | [_, class, key, _location, elements, _]) => {
                if items.get(5).is_some_and(|view| !matches!(self.values[*view as usize], Value::None)) {
                    return Err(PyTorchError::Unsupported {
                        what: "a storage that is a part of another one".to_owned(),
                    });
                }
                let Some(Known::Storage(dtype)) = self.known(*class) else {
                    return Err(self.damaged("a storage whose class is none"));
                };
                let Value::Int(elements) = self.values[*elements as usize] else {
                    return Err(self.damaged("a storage without a length"));
                };
                let elements = u64::try_from(elements).map_err(|_| self.damaged("a storage of negative length"))?;
                Ok(Value::Storage(Box::new(Storage { dtype, class: *class, key: *key, elements })))
            }
            (b"module", [_, class, ..]) => Ok(self.opaque(*class)),
            _ => Err(self.damaged("a persistent id of an unknown kind")),
        }
    }

    // The stack and the bytes.

    fn add(&mut self, value: Value) -> Id {
        // A step adds at most two values, so their number fits.
        self.values.push(value);
        (self.values.len() - 1) as Id
    }

    fn push(&mut self, value: Value) {
        let id = self.add(value);
        self.stack.push(id);
    }

    fn top(&self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(id) if self.stack.len() > floor => Ok(*id),
            _ => Err(self.damaged("nothing is on the stack")),
        }
    }

    fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// POP, which takes a mark where one lies on top.
    fn discard(&mut self) -> Step<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            Ok(())
        } else {
            self.pop().map(drop)
        }
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("no mark is on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Step<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let Some(bytes) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) else {
            return Err(self.damaged("it ends too early"));
        };
        self.at += N;
        Ok(*bytes)
    }

    fn length4(&mut self) -> Step<usize> {
        let length = u32::from_le_bytes(self.array()?);
        Ok(length as usize)
    }

    fn skip(&mut self, length: usize) -> Step<()> {
        self.span(length).map(drop)
    }

    fn span(&mut self, length: usize) -> Step<Span> {
        if length > self.bytes.len() - self.at {
            return Err(self.damaged(format!("it ends before the next {length} bytes")));
        }
        let span = Span { start: self.at as u32, length: length as u32 };
        self.at += length;
        Ok(span)
    }

    fn line_span(&mut self) -> Step<Span> {
        let start = self.at;
        let length = self.line()?.len();
        Ok(Span { start: start as u32, length: length as u32 })
    }

    /// The bytes up to the next line feed, without it.
    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| self.damaged("a line has no end"))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn damaged(&self, what: impl Into<String>) -> PyTorchError {
        PyTorchError::Pickle { at: self.start_of_step, what: what.into() }
    }
}

/// What a call gives: a value of its own, or one that is there already.
enum Made {
    New(Value),
    Same(Id),
}
