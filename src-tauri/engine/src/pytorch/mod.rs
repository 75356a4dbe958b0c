//! PyTorch checkpoints (`.pt`, `.bin`, `.pth`), read without running anything.
//!
//! Three kinds, told apart by their first bytes: zip archives of `torch.save` since torch 1.6, the older files of bare
//! pickles ([`legacy`]), and TorchScript archives as OpenAI published CLIP, of whose module tree only the tensors are
//! taken. Each holds a pickle that says which tensors there are and in which storages; [`machine`] follows it. What
//! comes out is where each tensor's bytes lie. No tensor is read here.
//!
//! Everything is checked against the file's length before it is believed, and what is not a tensor is refused by name.

mod archive;
mod error;
mod globals;
mod legacy;
mod machine;
mod pickle;

use std::collections::BTreeMap;

use safetensors::Dtype;

pub use self::error::PyTorchError;
use self::{
    archive::{Archive, read_at},
    pickle::{Id, Pickle, Storage, Value, View},
};
use crate::{
    files::ReadSeek,
    tensor_index::{Entry, TensorIndex},
};

/// A pickle of three thousand tensors has 400 kB.
const MAX_PICKLE_BYTES: u64 = 64 << 20;
/// Tensors of a state dict, or attributes of a TorchScript module tree.
const MAX_TENSORS: usize = 1 << 16;
/// Bytes of a tensor's name.
const MAX_NAME_BYTES: usize = 256;
/// Modules within modules.
const MAX_DEPTH: usize = 64;
/// Tensors may share storages, as tied weights do, but not to this multiple of the file.
const MAX_SHARING: u64 = 4;

/// What open_clip deletes from OpenAI's state dicts (`factory.py:172`, `model.py:769` of open_clip 3.3.0).
const OPENAI_CONSTANTS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// Where bytes lie in the file.
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: u64,
    bytes: u64,
}

/// The kind of a PyTorch file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A zip archive.
    Archive,
    /// Pickles and storages one after the other.
    Legacy,
}

impl Kind {
    /// The kind of a file that starts with these bytes; `None` for one that PyTorch did not write.
    pub fn of(start: &[u8]) -> Option<Self> {
        // A safetensors file starts with the length of its header, which can begin like a pickle, and then a brace.
        let is_pickle = start.first() == Some(&0x80) && start.get(8) != Some(&b'{');
        if start.starts_with(b"PK\x03\x04") { Some(Self::Archive) } else { is_pickle.then_some(Self::Legacy) }
    }
}

/// Finds the tensors of a PyTorch file of `length` bytes.
pub fn read_index(file: &mut dyn ReadSeek, length: u64, kind: Kind) -> Result<TensorIndex, PyTorchError> {
    match kind {
        Kind::Archive => read_archive(file, length),
        Kind::Legacy => {
            let start = legacy::read_start(file, length)?;
            let object = legacy::read_object(&start)?;
            let contents = find_state_dict(&object)?;
            let storages = legacy::find_storages(file, length, &start, &object)?;
            index(&object, contents, length, |key| Ok(storages.get(key).copied()))
        }
    }
}

fn read_archive(file: &mut dyn ReadSeek, length: u64) -> Result<TensorIndex, PyTorchError> {
    let archive = Archive::open(file, length)?;
    let folder = find_folder(&archive)?;
    let order = read_small(file, &archive, &format!("{folder}/byteorder"), 16)?;
    if order.as_deref().is_some_and(|order| order != b"little") {
        return Err(PyTorchError::Unsupported { what: "a big-endian file".to_owned() });
    }
    let bytes = read_small(file, &archive, &format!("{folder}/data.pkl"), MAX_PICKLE_BYTES)?.unwrap_or_default();
    let object = Pickle::read(&bytes, 0)?;
    let contents = find_state_dict(&object)?;
    index(&object, contents, length, |key| archive.extent(file, &format!("{folder}/data/{key}")))
}

/// The folder that everything in the archive is in, such as `archive`.
fn find_folder(archive: &Archive) -> Result<String, PyTorchError> {
    let mut folders =
        archive.names().filter_map(|name| name.strip_suffix("/data.pkl")).filter(|folder| !folder.contains('/'));
    let damaged = |what: &str| Err(PyTorchError::Archive { what: what.to_owned() });
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder.to_owned()),
        (Some(_), Some(_)) => damaged("it holds two data.pkl"),
        (None, _) if archive.names().any(|name| name.ends_with("/model.json")) => {
            Err(PyTorchError::Unsupported { what: "a TorchScript archive of torch before 1.3".to_owned() })
        }
        (None, _) => damaged("it holds no data.pkl, so torch did not write it"),
    }
}

/// A whole member of at most `limit` bytes.
fn read_small(
    file: &mut dyn ReadSeek,
    archive: &Archive,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, PyTorchError> {
    let Some(extent) = archive.extent(file, name)? else { return Ok(None) };
    if extent.bytes > limit {
        return Err(PyTorchError::Limit { what: "bytes in its pickle or byte order", limit: limit as usize });
    }
    read_at(file, extent.start, extent.bytes).map(Some)
}

/// What a checkpoint holds: values under tensors' names, and names of what was left aside.
#[derive(Debug, Default)]
struct Contents {
    named: Vec<(String, Id)>,
    ignored: Vec<String>,
}

/// From the object that was saved to the state dict in it, as open_clip does (`factory.py:168-178` of 3.3.0).
///
/// A dict with a `state_dict` stands for that one, and whatever lies beside it, such as the optimizer, is not looked at.
/// A TorchScript module stands for its tensors. `module.`, which data-parallel training puts in front of every name, is
/// taken away if the first name has it. OpenAI's constants are dropped, as its archives keep them among the weights.
fn find_state_dict(object: &Pickle) -> Result<Contents, PyTorchError> {
    let not_a_state_dict = |id| PyTorchError::NotAStateDict { found: object.describe(id) };
    let mut contents = match object.value(object.root) {
        Value::Dict(entries) => match object.get(entries, "state_dict") {
            Some(inner) => match object.value(inner) {
                Value::Dict(entries) => state_dict(object, entries)?,
                _ => return Err(not_a_state_dict(inner)),
            },
            None => state_dict(object, entries)?,
        },
        Value::Object { class, .. } if object.name_of(*class).starts_with("__torch__.") => flatten(object)?,
        _ => return Err(not_a_state_dict(object.root)),
    };
    strip_data_parallel(&mut contents.named)?;
    let (constants, named) =
        contents.named.into_iter().partition(|(name, _)| OPENAI_CONSTANTS.contains(&name.as_str()));
    contents.named = named;
    contents.ignored.extend(Vec::into_iter(constants).map(|(name, _)| name));
    if contents.named.is_empty() {
        return Err(PyTorchError::NotAStateDict { found: "no tensors".to_owned() });
    }
    Ok(contents)
}

/// Takes `module.` away from all names if the first has it.
fn strip_data_parallel(named: &mut [(String, Id)]) -> Result<(), PyTorchError> {
    const PREFIX: &str = "module.";
    if !named.first().is_some_and(|(name, _)| name.starts_with(PREFIX)) {
        return Ok(());
    }
    for (name, _) in named {
        match name.strip_prefix(PREFIX) {
            Some(rest) => *name = rest.to_owned(),
            None => {
                let what = format!("lacks the prefix of the first one, `{PREFIX}`");
                return Err(PyTorchError::Tensor { name: name.clone(), what });
            }
        }
    }
    Ok(())
}

fn state_dict(object: &Pickle, entries: &[(Id, Id)]) -> Result<Contents, PyTorchError> {
    if entries.len() > MAX_TENSORS {
        return Err(PyTorchError::Limit { what: "tensors", limit: MAX_TENSORS });
    }
    let mut named = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(name) = object.text(*key) else {
            return Err(PyTorchError::NotAStateDict {
                found: format!("a dict with {} as a key", object.describe(*key)),
            });
        };
        named.push((join("", name)?, *value));
    }
    Ok(Contents { named, ignored: Vec::new() })
}

/// The tensors of a TorchScript module and of the modules in it, under the names that its state dict has.
fn flatten(object: &Pickle) -> Result<Contents, PyTorchError> {
    let mut contents = Contents::default();
    let mut modules = vec![(String::new(), object.root, 0)];
    let mut seen = 0;
    while let Some((prefix, id, depth)) = modules.pop() {
        if depth > MAX_DEPTH {
            return Err(PyTorchError::Limit { what: "modules within modules", limit: MAX_DEPTH });
        }
        let Value::Object { state: Some(state), .. } = object.value(id) else { continue };
        let Value::Dict(attributes) = object.value(*state) else {
            return Err(PyTorchError::NotATensor {
                name: prefix,
                found: "a module with a state of its own".to_owned(),
            });
        };
        seen += attributes.len();
        if seen > MAX_TENSORS {
            return Err(PyTorchError::Limit { what: "attributes", limit: MAX_TENSORS });
        }
        for (key, value) in attributes {
            let name = object.text(*key).unwrap_or_default();
            let name = join(&prefix, name)?;
            match object.value(*value) {
                Value::Tensor(_) => contents.named.push((name, *value)),
                Value::Object { .. } => modules.push((name + ".", *value, depth + 1)),
                // Refused by name later: it could have been a tensor.
                Value::Opaque { .. } if !is_plain(object, *value) => contents.named.push((name, *value)),
                _ => contents.ignored.push(name),
            }
        }
    }
    Ok(contents)
}

/// Whether an attribute that a function builds holds no tensor: torch's `pickler.cpp` writes lists, dicts, devices and
/// complex numbers so.
fn is_plain(object: &Pickle, id: Id) -> bool {
    const BUILDERS: [&str; 6] = [
        "builtins.complex",
        "torch.device",
        "torch.jit._pickle.build_boollist",
        "torch.jit._pickle.build_doublelist",
        "torch.jit._pickle.build_intlist",
        "torch.jit._pickle.restore_type_tag",
    ];
    BUILDERS.contains(&object.name_of(id).as_str())
}

fn join(prefix: &str, name: &str) -> Result<String, PyTorchError> {
    if prefix.len() + name.len() > MAX_NAME_BYTES {
        return Err(PyTorchError::Limit { what: "bytes in a tensor's name", limit: MAX_NAME_BYTES });
    }
    Ok(format!("{prefix}{name}"))
}

/// Finds each tensor's bytes. `locate` finds a storage by its key.
fn index(
    object: &Pickle,
    contents: Contents,
    length: u64,
    mut locate: impl FnMut(&str) -> Result<Option<Extent>, PyTorchError>,
) -> Result<TensorIndex, PyTorchError> {
    let mut tensors = BTreeMap::new();
    let mut total = 0_u64;
    for (name, id) in contents.named {
        let view = match object.value(id) {
            Value::Tensor(view) => view,
            Value::Opaque { .. } => return Err(PyTorchError::Asks { function: object.name_of(id), name }),
            _ => return Err(PyTorchError::NotATensor { found: object.describe(id), name }),
        };
        let refused = |what: String| PyTorchError::Tensor { name: name.clone(), what };
        let Value::Storage(storage) = object.value(view.storage) else {
            return Err(refused("has no storage".to_owned()));
        };
        let Some(dtype) = storage.dtype else {
            return Err(refused(format!("is stored as `{}`, which is not supported", object.name_of(storage.class))));
        };
        let key = object.text(storage.key).ok_or_else(|| refused("is in a storage without a key".to_owned()))?;
        let extent = locate(key)?.ok_or_else(|| refused(format!("is in storage {key:?}, which the file has not")))?;
        let entry = place(view, storage, dtype, extent).map_err(|what| refused(what.to_owned()))?;
        total = total.saturating_add(entry.bytes);
        if total > length.saturating_mul(MAX_SHARING) {
            return Err(refused("and those before it are larger than the file can explain".to_owned()));
        }
        if tensors.insert(name.clone(), entry).is_some() {
            return Err(PyTorchError::Tensor { name, what: "is there twice".to_owned() });
        }
    }
    Ok(TensorIndex { tensors, ignored: contents.ignored })
}

/// Where a view's numbers lie, all inside of its storage.
fn place(view: &View, storage: &Storage, dtype: Dtype, extent: Extent) -> Result<Entry, &'static str> {
    const OUTSIDE: &str = "reaches outside of its storage";
    let size = dtype.bitsize() as u64 / 8;
    if storage.elements.checked_mul(size).is_none_or(|bytes| bytes > extent.bytes) {
        return Err("is in a storage that is shorter than it says");
    }
    let count = view.shape.iter().try_fold(1_u64, |count, axis| count.checked_mul(*axis as u64)).ok_or(OUTSIDE)?;
    // Strides of zero repeat numbers: without this, a storage of one number could fill the memory.
    if count > storage.elements {
        return Err("has more numbers than its storage");
    }
    let span = if count == 0 {
        0
    } else {
        let reach = |reach: u64, (axis, stride): (&usize, &usize)| {
            reach.checked_add((*axis as u64 - 1).checked_mul(*stride as u64)?)
        };
        view.shape.iter().zip(&view.strides).try_fold(1, reach).ok_or(OUTSIDE)?
    };
    if view.offset.checked_add(span).is_none_or(|end| end > storage.elements) {
        return Err(OUTSIDE);
    }
    Ok(Entry {
        dtype,
        shape: view.shape.clone(),
        strides: (!is_contiguous(view)).then(|| view.strides.clone()),
        offset: extent.start + view.offset * size,
        bytes: span * size,
    })
}

/// Whether the numbers lie one after the other. The stride of an axis of length one is never used and can be anything.
fn is_contiguous(view: &View) -> bool {
    if view.shape.contains(&0) {
        return true;
    }
    // Their product is no more than what the storage has, so that of some of them fits too.
    let mut expected = 1;
    view.shape.iter().zip(&view.strides).rev().all(|(axis, stride)| {
        let fits = *axis == 1 || *stride == expected;
        expected *= axis;
        fits
    })
}
