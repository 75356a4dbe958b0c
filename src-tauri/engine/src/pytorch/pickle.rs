//! What a pickle builds: values in one table, which refer to each other by number.

use safetensors::Dtype;

use super::{error::PyTorchError, globals::Known, machine};

/// Bytes of a text that is looked at. A longer one could be asked for again and again, and each time be read to its end.
const MAX_TEXT_BYTES: u32 = 1024;

/// Number of a value in its pickle.
pub type Id = u32;

/// A part of the pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Of its first byte.
    pub start: u32,
    /// In bytes.
    pub length: u32,
}

/// A name the pickle refers to.
#[derive(Debug, Clone, Copy)]
pub struct Global {
    /// Where it is defined.
    pub module: Span,
    /// What it is called there.
    pub name: Span,
    /// What it stands for.
    pub known: Known,
}

/// A run of numbers that lies elsewhere in the file.
#[derive(Debug, Clone, Copy)]
pub struct Storage {
    /// Their type, if it has a name here.
    pub dtype: Option<Dtype>,
    /// The class, for messages.
    pub class: Id,
    /// Its key in the file.
    pub key: Id,
    /// How many numbers.
    pub elements: u64,
}

/// A view of a storage.
#[derive(Debug)]
pub struct View {
    /// The storage's value.
    pub storage: Id,
    /// First element.
    pub offset: u64,
    /// Outermost axis first.
    pub shape: Vec<usize>,
    /// Elements between neighbours along each axis.
    pub strides: Vec<usize>,
}

/// A value that a pickle builds.
#[derive(Debug)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A longer integer, its little-endian bytes.
    LongInt(Span),
    /// A floating-point number, which nothing here asks for.
    Float,
    /// A text, or the bytes that Python 2 wrote for one.
    Text(Span),
    /// A tuple.
    Tuple(Box<[Id]>),
    /// A list or a set.
    List(Vec<Id>),
    /// A dict or an `OrderedDict`, in its order, with repeated keys kept.
    Dict(Vec<(Id, Id)>),
    /// A name.
    Global(Global),
    /// A storage.
    Storage(Box<Storage>),
    /// A tensor.
    Tensor(Box<View>),
    /// An instance of a class we do not know, with the state it was given.
    Object {
        /// The class.
        class: Id,
        /// Usually a dict of its attributes.
        state: Option<Id>,
    },
    /// What a call would have returned.
    Opaque {
        /// The function, or what was called in its place.
        function: Id,
    },
}

/// A pickle that was followed to its end.
pub struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    /// The value that it builds.
    pub root: Id,
    /// Where the bytes after it start.
    pub end: usize,
}

impl<'a> Pickle<'a> {
    /// Follows the pickle that starts at `start`.
    ///
    /// # Panics
    /// If `bytes` are more than a `u32` can count.
    pub fn read(bytes: &'a [u8], start: usize) -> Result<Self, PyTorchError> {
        let (values, root, end) = machine::follow(bytes, start)?;
        Ok(Self { bytes, values, root, end })
    }

    /// A value by its number.
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// All values, in the order in which they were built.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The bytes of a text or a long integer.
    pub fn bytes_of(&self, span: Span) -> &'a [u8] {
        part(self.bytes, span)
    }

    /// A value that is a text, and not so long that it is neither a name nor a key.
    pub fn text(&self, id: Id) -> Option<&'a str> {
        match self.value(id) {
            Value::Text(span) if span.length <= MAX_TEXT_BYTES => std::str::from_utf8(self.bytes_of(*span)).ok(),
            _ => None,
        }
    }

    /// What a dict says under `key`; of repeated keys the last counts, as in Python.
    pub fn get(&self, entries: &[(Id, Id)], key: &str) -> Option<Id> {
        entries.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// Module and name of a class or function; of what a call would have returned, those of the function.
    pub fn name_of(&self, id: Id) -> String {
        match self.value(origin(&self.values, id)) {
            Value::Global(global) => dotted(self.bytes, global),
            _ => "a value".to_owned(),
        }
    }

    /// A value in words, for messages.
    pub fn describe(&self, id: Id) -> String {
        match self.value(id) {
            Value::None => "None".to_owned(),
            Value::Bool(_) => "a bool".to_owned(),
            Value::Int(_) | Value::LongInt(_) => "an int".to_owned(),
            Value::Float => "a float".to_owned(),
            Value::Text(span) => format!("a text of {} bytes", span.length),
            Value::Tuple(_) => "a tuple".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Dict(_) => "a dict".to_owned(),
            Value::Global(_) => format!("the name `{}`", self.name_of(id)),
            Value::Storage(_) => "a storage".to_owned(),
            Value::Tensor(_) => "a tensor".to_owned(),
            Value::Object { .. } => format!("an object of `{}`", self.name_of(id)),
            Value::Opaque { .. } => format!("what `{}` would return", self.name_of(id)),
        }
    }
}

/// The bytes of a span.
pub fn part(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start as usize..][..span.length as usize]
}

/// The class of an object, the function of what it would have returned, or else the value itself.
///
/// The machine keeps this to one step, as chains of calls could be as long as the pickle.
pub fn origin(values: &[Value], id: Id) -> Id {
    match values[id as usize] {
        Value::Opaque { function } => function,
        Value::Object { class, .. } => class,
        _ => id,
    }
}

fn dotted(bytes: &[u8], global: &Global) -> String {
    let text = |span| String::from_utf8_lossy(part(bytes, span)).into_owned();
    format!("{}.{}", text(global.module), text(global.name))
}
