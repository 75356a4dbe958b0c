//! Which tensors a weights file holds and where their bytes are, for safetensors and PyTorch files alike.
//!
//! The kind of a file is decided by its first bytes, never by its name. No tensor is read here.

use std::{
    collections::BTreeMap,
    io::{Read, SeekFrom},
    path::Path,
};

use safetensors::{Dtype, tensor::Metadata};

use crate::{
    error::LoadError,
    files::{Files, ReadSeek},
    pytorch::{self, PyTorchError},
};

/// safetensors' own bound on a header (`MAX_HEADER_SIZE`): larger ones are lies or attacks.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Enough to tell the kinds apart.
const START_BYTES: u64 = 16;

/// One tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Outermost axis first.
    pub shape: Vec<usize>,
    /// Numbers between neighbours along each axis, if they do not lie one after the other in the order of `shape`.
    pub strides: Option<Vec<usize>>,
    /// Of the first number, from the start of the file.
    pub offset: u64,
    /// From the first number to behind the last one.
    pub bytes: u64,
}

impl Entry {
    /// The numbers one after the other, from the `bytes` that lie at `offset`.
    pub fn in_order(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.strides {
            None => bytes,
            Some(strides) => gather(&bytes, self.dtype.bitsize() / 8, &self.shape, strides),
        }
    }
}

/// Numbers of `size` bytes in the order of `shape`.
fn gather(bytes: &[u8], size: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    let count = shape.iter().product();
    let mut gathered = Vec::with_capacity(count * size);
    let mut position = vec![0; shape.len()];
    let mut at = 0;
    for _ in 0..count {
        gathered.extend_from_slice(&bytes[at * size..][..size]);
        // One step along the last axis, with a carry to the one before it.
        for axis in (0..shape.len()).rev() {
            position[axis] += 1;
            at += strides[axis];
            if position[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            position[axis] = 0;
        }
    }
    gathered
}

/// Gives an old text tower the prefix `text.` that a model with a text tower of its own asks for, as open_clip 3.3.0
/// does (`model.py:699`, `convert_to_custom_text_state_dict`). Other tensors stay as they are.
pub fn adopt_unprefixed_text(tensors: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
    const TEXT: [&str; 5] = ["text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final"];
    let is_old = ["text_projection", "positional_embedding"].iter().all(|name| tensors.contains_key(*name));
    if !is_old || tensors.keys().any(|name| name.starts_with("text.")) {
        return tensors;
    }
    let renamed = |name: String| {
        if TEXT.iter().any(|start| name.starts_with(start)) { format!("text.{name}") } else { name }
    };
    tensors.into_iter().map(|(name, entry)| (renamed(name), entry)).collect()
}

/// The tensors of a file.
#[derive(Debug, Default)]
pub struct TensorIndex {
    /// By name.
    pub tensors: BTreeMap<String, Entry>,
    /// Names of what a PyTorch file keeps among its tensors and no tower asks for, such as a module's training flag.
    pub ignored: Vec<String>,
}

/// A file whose tensors cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file cannot be read.
    #[error("cannot read the file")]
    Read(#[from] std::io::Error),
    /// The safetensors header does not describe the file that follows it.
    #[error("the safetensors header is wrong ({0})")]
    Header(String),
    /// A PyTorch file was refused.
    #[error(transparent)]
    PyTorch(#[from] PyTorchError),
}

impl TensorIndex {
    /// Opens a weights file and finds its tensors.
    pub fn open(files: Files, path: &Path) -> Result<(Box<dyn ReadSeek>, Self), LoadError> {
        let owned = || path.to_owned();
        let (mut file, length) = files.open(path).map_err(|source| LoadError::Read { path: owned(), source })?;
        let index = Self::read(file.as_mut(), length).map_err(|error| match error {
            IndexError::Read(source) => LoadError::Read { path: owned(), source },
            IndexError::Header(reason) => LoadError::Header { reason, path: owned() },
            IndexError::PyTorch(source) => LoadError::PyTorch { path: owned(), source },
        })?;
        Ok((file, index))
    }

    /// Finds the tensors of a file of `length` bytes. What it says is checked against that length.
    pub fn read(file: &mut dyn ReadSeek, length: u64) -> Result<Self, IndexError> {
        let mut start = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.take(START_BYTES).read_to_end(&mut start)?;
        match pytorch::Kind::of(&start) {
            Some(kind) => Ok(pytorch::read_index(file, length, kind)?),
            None => read_safetensors(file, length),
        }
    }
}

fn read_safetensors(file: &mut dyn ReadSeek, length: u64) -> Result<TensorIndex, IndexError> {
    let mut prefix = [0; 8];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut prefix).map_err(|_| IndexError::Header(format!("the file has only {length} bytes")))?;
    let header_bytes = u64::from_le_bytes(prefix);
    if header_bytes > MAX_HEADER_BYTES || header_bytes + 8 > length {
        return Err(IndexError::Header(format!("it claims {header_bytes} bytes in a file of {length}")));
    }
    let mut json = vec![0; header_bytes as usize];
    file.read_exact(&mut json)?;
    let metadata: Metadata = serde_json::from_slice(&json).map_err(|e| IndexError::Header(e.to_string()))?;
    let data_bytes = length - 8 - header_bytes;
    if metadata.data_len() as u64 != data_bytes {
        let described = metadata.data_len();
        return Err(IndexError::Header(format!("it describes {described} bytes of data, the file has {data_bytes}")));
    }
    let tensors = metadata.tensors().into_iter().map(|(name, info)| {
        let (start, end) = info.data_offsets;
        let entry = Entry {
            dtype: info.dtype,
            shape: info.shape.clone(),
            strides: None,
            offset: 8 + header_bytes + start as u64,
            bytes: (end - start) as u64,
        };
        (name, entry)
    });
    Ok(TensorIndex { tensors: tensors.collect(), ignored: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_view_is_read_in_its_own_order() {
        // Rows 0 1 2 and 3 4 5, seen as three rows of two.
        let bytes: Vec<u8> = (0..6_u16).flat_map(u16::to_le_bytes).collect();
        let entry = Entry { dtype: Dtype::F16, shape: vec![3, 2], strides: Some(vec![1, 3]), offset: 0, bytes: 12 };
        let expected: Vec<u8> = [0_u16, 3, 1, 4, 2, 5].into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(entry.in_order(bytes), expected);
    }

    #[test]
    fn a_stride_of_zero_repeats_and_an_empty_axis_gives_nothing() {
        assert_eq!(gather(&[7], 1, &[2, 2], &[0, 0]), [7, 7, 7, 7]);
        assert_eq!(gather(&[], 4, &[3, 0, 2], &[9, 9, 9]), [0_u8; 0]);
        assert_eq!(gather(&[1, 2], 2, &[], &[]), [1, 2]);
    }
}
