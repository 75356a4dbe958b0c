//! Files of `torch.save` before torch 1.6, or of `_use_new_zipfile_serialization=False` since: five pickles, then the
//! storages one after the other, each behind its length.
//! Follows torch `serialization.py`, `_legacy_save` and `_legacy_load`, version 2.0.

use std::collections::HashMap;

use super::{
    Extent, MAX_PICKLE_BYTES,
    archive::read_at,
    error::PyTorchError,
    pickle::{Pickle, Storage, Value},
};
use crate::files::ReadSeek;

/// `MAGIC_NUMBER`, 0x1950a86a20f9469cfc6c, as a pickle stores it.
pub const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL_VERSION: i64 = 1001;

/// The pickles at the start of the file.
pub fn read_start(file: &mut dyn ReadSeek, length: u64) -> Result<Vec<u8>, PyTorchError> {
    read_at(file, 0, length.min(MAX_PICKLE_BYTES))
}

/// The pickle with the state dict, in a file that starts with `start`.
pub fn read_object(start: &[u8]) -> Result<Pickle<'_>, PyTorchError> {
    let magic = Pickle::read(start, 0)?;
    if !matches!(magic.value(magic.root), Value::LongInt(span) if magic.bytes_of(*span) == MAGIC) {
        return Err(PyTorchError::Unsupported { what: "a pickle that torch.save did not write".to_owned() });
    }
    let version = Pickle::read(start, magic.end)?;
    if !matches!(version.value(version.root), Value::Int(PROTOCOL_VERSION)) {
        return Err(PyTorchError::Unsupported {
            what: format!("{} as protocol version", version.describe(version.root)),
        });
    }
    let system = Pickle::read(start, version.end)?;
    if let Value::Dict(entries) = system.value(system.root)
        && let Some(little_endian) = system.get(entries, "little_endian")
        && matches!(system.value(little_endian), Value::Bool(false))
    {
        return Err(PyTorchError::Unsupported { what: "a big-endian file".to_owned() });
    }
    Pickle::read(start, system.end)
}

/// Where each storage's bytes are, by its key.
pub fn find_storages<'a>(
    file: &mut dyn ReadSeek,
    length: u64,
    start: &'a [u8],
    object: &Pickle<'a>,
) -> Result<HashMap<&'a str, Extent>, PyTorchError> {
    let known: HashMap<&str, &Storage> = object
        .values()
        .iter()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((object.text(storage.key)?, &**storage)),
            _ => None,
        })
        .collect();
    let damaged = |what: &str| PyTorchError::Archive { what: what.to_owned() };
    let keys = Pickle::read(start, object.end)?;
    let Value::List(items) = keys.value(keys.root) else { return Err(damaged("its storages have no list of keys")) };
    let mut at = keys.end as u64;
    let mut found = HashMap::new();
    for item in items {
        let key = keys.text(*item).ok_or_else(|| damaged("a storage has a key that is no text"))?;
        let storage = known.get(key).ok_or_else(|| damaged("it has a storage that nothing refers to"))?;
        let Some(dtype) = storage.dtype else {
            return Err(PyTorchError::Unsupported {
                what: format!("a storage of `{}`", object.name_of(storage.class)),
            });
        };
        let cut_off = || damaged("a storage is cut off; perhaps the download was");
        let data = at.checked_add(8).filter(|data| *data <= length).ok_or_else(cut_off)?;
        let count = u64::from_le_bytes(read_at(file, at, 8)?.try_into().unwrap_or_default());
        if count != storage.elements {
            return Err(damaged("a storage has another length than its tensors were told"));
        }
        let bytes = count.checked_mul(dtype.bitsize() as u64 / 8).ok_or_else(cut_off)?;
        at = data.checked_add(bytes).filter(|end| *end <= length).ok_or_else(cut_off)?;
        if found.insert(key, Extent { start: data, bytes }).is_some() {
            return Err(damaged("two storages have one key"));
        }
    }
    Ok(found)
}
