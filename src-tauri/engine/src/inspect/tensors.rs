//! The tensors of a checkpoint as a person looks at them: what there is, and any one as numbers.
//!
//! [`crate::weights`] reads strictly what a tower asks for. A viewer shows what is in the file, so NaN, infinities and
//! counters are read here too.

use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
};

use safetensors::Dtype;

use crate::{
    checkpoint::Checkpoint,
    error::LoadError,
    files::{Files, ReadSeek},
    tensor_index::{Entry, TensorIndex},
};

/// Values that are read at most: 1 GiB of f32. The largest tensor of a published model, a table of 256,000 words, has
/// 2.9 · 10⁸ and is the only kind that is refused.
pub const MOST_VALUES: u64 = 1 << 28;
/// Bytes that are read at once; a multiple of every size of a number.
const CHUNK_BYTES: usize = 1 << 20;

/// What is known of a tensor before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its key in the file.
    pub name: String,
    /// Outermost axis first.
    pub shape: Vec<usize>,
    /// As the file has it, such as `F16`.
    pub dtype: String,
    /// Number of values.
    pub count: u64,
}

/// A tensor as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorValues {
    /// What it is.
    pub info: TensorInfo,
    /// In the order of the shape. What does not fit f32 is rounded to it, and very large f64 become infinite.
    pub values: Vec<f32>,
}

/// Why a tensor cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// The file, or one of its parts, cannot be read.
    #[error(transparent)]
    File(#[from] LoadError),
    /// There is no tensor of this name.
    #[error("there is no tensor {name:?} in {path:?}")]
    Missing {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// It has more values than a picture of it is made of.
    #[error("tensor {name:?} has {count} values, and at most {MOST_VALUES} are shown")]
    TooLarge {
        /// The name.
        name: String,
        /// How many it has; [`u64::MAX`] for more than can be counted.
        count: u64,
    },
    /// Its numbers are of a type that has no f32.
    #[error("tensor {name:?} is stored as {dtype}, which is not shown as numbers")]
    Dtype {
        /// The name.
        name: String,
        /// The stored type.
        dtype: String,
    },
}

/// An open weights file, safetensors or PyTorch by its content.
pub struct TensorFile {
    path: PathBuf,
    file: Box<dyn ReadSeek>,
    index: TensorIndex,
}

impl TensorFile {
    /// Opens a file and finds its tensors. None is read yet.
    pub fn open(files: Files, path: &Path) -> Result<Self, LoadError> {
        let (file, index) = TensorIndex::open(files, path)?;
        Ok(Self { path: path.to_owned(), file, index })
    }

    /// The weights file of a checkpoint.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        Self::open(checkpoint.files, &checkpoint.weights)
    }

    /// All tensors, by name.
    pub fn list(&self) -> Vec<TensorInfo> {
        self.index.tensors.iter().map(|(name, entry)| info(name, entry)).collect()
    }

    /// What is known of one tensor, if there is one of this name.
    pub fn find(&self, name: &str) -> Option<TensorInfo> {
        self.index.tensors.get(name).map(|entry| info(name, entry))
    }

    /// Reads a tensor. NaN and infinities are values like any other.
    pub fn read(&mut self, name: &str) -> Result<TensorValues, TensorError> {
        let missing = || TensorError::Missing { name: name.to_owned(), path: self.path.clone() };
        let entry = self.index.tensors.get(name).ok_or_else(missing)?.clone();
        let info = info(name, &entry);
        if info.count > MOST_VALUES {
            return Err(TensorError::TooLarge { name: info.name, count: info.count });
        }
        let Some(convert) = converter(entry.dtype) else {
            return Err(TensorError::Dtype { name: info.name, dtype: info.dtype });
        };
        let mut values = Vec::with_capacity(info.count as usize);
        read_entry(self.file.as_mut(), &entry, &mut |bytes| convert(bytes, &mut values))
            .map_err(|source| LoadError::Read { path: self.path.clone(), source })?;
        Ok(TensorValues { info, values })
    }
}

fn info(name: &str, entry: &Entry) -> TensorInfo {
    let count = entry.shape.iter().try_fold(1_u64, |count, size| count.checked_mul(*size as u64));
    TensorInfo {
        name: name.to_owned(),
        shape: entry.shape.clone(),
        dtype: format!("{:?}", entry.dtype),
        count: count.unwrap_or(u64::MAX),
    }
}

/// Gives the bytes of a tensor, in the order of its shape, in pieces of whole numbers.
pub(crate) fn read_entry(
    file: &mut dyn ReadSeek,
    entry: &Entry,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), std::io::Error> {
    file.seek(SeekFrom::Start(entry.offset))?;
    // The index was checked to describe no more than the file holds, so these allocations are bounded by it.
    if entry.strides.is_some() {
        let mut bytes = vec![0; entry.bytes as usize];
        file.read_exact(&mut bytes)?;
        take(&entry.in_order(bytes));
        return Ok(());
    }
    let mut chunk = vec![0; CHUNK_BYTES.min(entry.bytes as usize)];
    let mut left = entry.bytes as usize;
    while left > 0 {
        let piece = &mut chunk[..CHUNK_BYTES.min(left)];
        file.read_exact(piece)?;
        take(piece);
        left -= piece.len();
    }
    Ok(())
}

type Converter = fn(&[u8], &mut Vec<f32>);

fn converter(dtype: Dtype) -> Option<Converter> {
    /// Little-endian numbers of one size.
    macro_rules! each {
        ($size:literal, $read:expr) => {
            |bytes, values| values.extend(bytes.as_chunks::<$size>().0.iter().copied().map($read))
        };
    }
    Some(match dtype {
        Dtype::BOOL | Dtype::U8 => each!(1, |[byte]: [u8; 1]| f32::from(byte)),
        Dtype::I8 => each!(1, |[byte]: [u8; 1]| f32::from(byte as i8)),
        Dtype::I16 => each!(2, |number| f32::from(i16::from_le_bytes(number))),
        Dtype::U16 => each!(2, |number| f32::from(u16::from_le_bytes(number))),
        Dtype::F16 => each!(2, |number| half::f16::from_le_bytes(number).to_f32()),
        Dtype::BF16 => each!(2, |number| half::bf16::from_le_bytes(number).to_f32()),
        Dtype::I32 => each!(4, |number| i32::from_le_bytes(number) as f32),
        Dtype::U32 => each!(4, |number| u32::from_le_bytes(number) as f32),
        Dtype::F32 => each!(4, f32::from_le_bytes),
        Dtype::F64 => each!(8, |number| f64::from_le_bytes(number) as f32),
        Dtype::I64 => each!(8, |number| i64::from_le_bytes(number) as f32),
        Dtype::U64 => each!(8, |number| u64::from_le_bytes(number) as f32),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
        let mut values = Vec::new();
        converter(dtype).map(|convert| convert(bytes, &mut values))?;
        Some(values)
    }

    #[test]
    fn numbers_of_every_size_become_f32() {
        assert_eq!(converted(Dtype::BOOL, &[0, 1]), Some(vec![0.0, 1.0]));
        assert_eq!(converted(Dtype::I8, &[255, 127]), Some(vec![-1.0, 127.0]));
        assert_eq!(converted(Dtype::I16, &(-300_i16).to_le_bytes()), Some(vec![-300.0]));
        assert_eq!(converted(Dtype::I32, &(-70000_i32).to_le_bytes()), Some(vec![-70000.0]));
        assert_eq!(converted(Dtype::I64, &14_000_i64.to_le_bytes()), Some(vec![14_000.0]));
        assert_eq!(converted(Dtype::U64, &u64::MAX.to_le_bytes()), Some(vec![u64::MAX as f32]));
        assert_eq!(converted(Dtype::F64, &0.5_f64.to_le_bytes()), Some(vec![0.5]));
        assert_eq!(converted(Dtype::F64, &1e300_f64.to_le_bytes()), Some(vec![f32::INFINITY]));
        assert!(converted(Dtype::F16, &half::f16::NAN.to_le_bytes()).is_some_and(|values| values[0].is_nan()));
        assert_eq!(converted(Dtype::F8_E4M3, &[1]), None);
    }

    #[test]
    fn counting_cannot_overflow() {
        let shape = vec![usize::MAX, 2];
        let entry = Entry { dtype: Dtype::F32, shape, strides: Some(vec![0, 0]), offset: 0, bytes: 4 };
        assert_eq!(info("w", &entry).count, u64::MAX);
    }
}
