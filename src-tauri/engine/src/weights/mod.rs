//! Reading a checkpoint's tensors, strictly.
//!
//! A [`TensorIndex`] says where each tensor lies, checked against the file's real length before anything is allocated.
//! Tensors are read one by one when a tower asks for them by name and shape, and [`Weights::finish`] refuses a file with
//! tensors that nobody took. No tower has a constructor with random values, so none can keep one.
//!
//! Towers ask with open_clip's names. A [`KeyTable`] says where another layout keeps the same tensor, and whether it
//! is stored the other way round: a square matrix has no shape that could tell (`visual.proj` is `[in, out]`, its twin
//! `visual_projection.weight` is `[out, in]`).

mod layers;
mod numbers;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Seek, SeekFrom},
    mem,
    path::{Path, PathBuf},
};

use burn::tensor::Device;

use crate::{
    error::LoadError,
    files::{Files, ReadSeek},
    precision::Precision,
    tensor_index::{Entry, TensorIndex, adopt_unprefixed_text},
};

use self::numbers::{Number, append, transpose};

/// Bytes read at once, a multiple of every number's size.
const PIECE_BYTES: u64 = 1 << 20;

/// Where a layout keeps a tensor that open_clip calls by another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The same tensor, under this name.
    Named(String),
    /// The same matrix, stored `[out, in]` where open_clip stores `[in, out]`.
    Transposed(String),
    /// Pieces stacked along the first axis, such as q, k and v of a fused projection.
    Stacked(Vec<String>),
    /// Some of this tensor's rows, counted in pieces: of three equal pieces (q, k, v), those from the first to before the
    /// second number.
    Thirds(String, [usize; 2]),
    /// The same numbers without the leading axis of size 1.
    Squeezed(String),
}

/// From open_clip's name of a tensor to its place in the file.
pub type KeyTable = fn(&str) -> Source;

/// open_clip's own layout: every tensor is where it says.
pub fn open_clip_keys(name: &str) -> Source {
    Source::Named(name.to_owned())
}

/// An open weights file, and which of its tensors have been taken.
pub struct Weights {
    path: PathBuf,
    file: RefCell<Box<dyn ReadSeek>>,
    tensors: BTreeMap<String, Entry>,
    taken: RefCell<BTreeSet<String>>,
    parameters: RefCell<u64>,
    keys: KeyTable,
    device: Device,
    precision: Precision,
}

impl Weights {
    /// Opens `path`, a safetensors or a PyTorch file by its content, and finds its tensors. None is read yet; those that
    /// are will be f32.
    pub fn open(files: Files, path: &Path, keys: KeyTable, device: &Device) -> Result<Self, LoadError> {
        let (file, index) = TensorIndex::open(files, path)?;
        Ok(Self {
            path: path.to_owned(),
            file: RefCell::new(file),
            tensors: index.tensors,
            taken: RefCell::default(),
            parameters: RefCell::new(0),
            keys,
            device: device.clone(),
            precision: Precision::F32,
        })
    }

    /// Tensors that are read from now on are kept in these numbers.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// In which numbers tensors are kept.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Gives an old text tower the prefix that a model with a text tower of its own asks for.
    pub fn adopt_unprefixed_text(&mut self) {
        self.tensors = adopt_unprefixed_text(mem::take(&mut self.tensors));
    }

    /// The file the weights come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The device tensors are put on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the file has the tensor that open_clip calls `name`.
    pub fn has(&self, name: &str) -> bool {
        match (self.keys)(name) {
            Source::Named(key) | Source::Transposed(key) | Source::Thirds(key, _) | Source::Squeezed(key) => {
                self.tensors.contains_key(&key)
            }
            Source::Stacked(keys) => keys.iter().all(|key| self.tensors.contains_key(key)),
        }
    }

    /// Where the file keeps the tensor that open_clip calls `name`, whether it is there or not.
    pub fn place_of(&self, name: &str) -> Source {
        (self.keys)(name)
    }

    /// The shape of the tensor that open_clip calls `name`, as stored, if it is there under one name.
    pub fn shape_of(&self, name: &str) -> Option<Vec<usize>> {
        match (self.keys)(name) {
            Source::Named(key) | Source::Transposed(key) => self.tensors.get(&key).map(|entry| entry.shape.clone()),
            Source::Squeezed(key) => self.tensors.get(&key).map(|entry| [&[1], entry.shape.as_slice()].concat()),
            Source::Stacked(_) | Source::Thirds(..) => None,
        }
    }

    /// The values of the tensor that open_clip calls `name`, in open_clip's order, as f32.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.values_as(name, shape)
    }

    fn values_as<N: Number>(&self, name: &str, shape: &[usize]) -> Result<Vec<N>, LoadError> {
        let mut values = Vec::new();
        match (self.keys)(name) {
            Source::Named(key) => self.read(&key, shape, &mut values)?,
            Source::Transposed(key) => {
                let [rows, columns] = *shape else { unreachable!("only matrices are transposed") };
                self.read(&key, &[columns, rows], &mut values)?;
                values = transpose(&values, columns, rows);
            }
            Source::Stacked(keys) => {
                let mut piece = shape.to_vec();
                piece[0] /= keys.len();
                keys.iter().try_for_each(|key| self.read(key, &piece, &mut values))?;
            }
            Source::Thirds(key, [first, last]) => {
                let mut whole = shape.to_vec();
                whole[0] = whole[0] / (last - first) * 3;
                self.read(&key, &whole, &mut values)?;
                let piece = values.len() / 3;
                values.truncate(last * piece);
                values = values.split_off(first * piece);
            }
            Source::Squeezed(key) => self.read(&key, &shape[1..], &mut values)?,
        }
        Ok(values)
    }

    /// A number stored as `[]` or `[1]`, as `logit_scale` is.
    pub fn scalar(&self, name: &str) -> Result<f32, LoadError> {
        let shape = self.shape_of(name).unwrap_or_default();
        let shape: &[usize] = if shape == [1] { &[1] } else { &[] };
        Ok(self.values(name, shape)?[0])
    }

    /// Marks a tensor as known and without influence on the result, such as a training counter.
    pub fn ignore(&self, name: &str) {
        if self.tensors.contains_key(name) {
            self.taken.borrow_mut().insert(name.to_owned());
        }
    }

    /// Marks a part of the model that no answer of ours needs, such as the caption decoder of CoCa.
    pub fn ignore_below(&self, prefix: &str) {
        let names = self.tensors.keys().filter(|name| name.starts_with(prefix)).cloned();
        self.taken.borrow_mut().extend(names);
    }

    /// Ends loading: an error if any tensor was not taken. Gives the number of parameters.
    pub fn finish(self) -> Result<u64, LoadError> {
        let taken = self.taken.into_inner();
        let names: Vec<String> = self.tensors.into_keys().filter(|name| !taken.contains(name)).collect();
        if names.is_empty() {
            Ok(self.parameters.into_inner())
        } else {
            Err(LoadError::UnknownTensors { names, path: self.path })
        }
    }

    /// Adds the numbers of a tensor of the file to `out`.
    fn read<N: Number>(&self, key: &str, expected: &[usize], out: &mut Vec<N>) -> Result<(), LoadError> {
        let path = || self.path.clone();
        let entry =
            self.tensors.get(key).ok_or_else(|| LoadError::MissingTensor { name: key.to_owned(), path: path() })?;
        if entry.shape != expected {
            return Err(LoadError::Shape {
                name: key.to_owned(),
                expected: expected.to_vec(),
                found: entry.shape.clone(),
                path: path(),
            });
        }
        let before = out.len();
        let not_finite = self.append(entry, out).map_err(|source| LoadError::Read { path: path(), source })?;
        let count = not_finite.ok_or_else(|| LoadError::Dtype {
            name: key.to_owned(),
            dtype: format!("{:?}", entry.dtype),
            path: path(),
        })?;
        if count > 0 {
            return Err(LoadError::NotFinite { name: key.to_owned(), count, path: path() });
        }
        // A tensor may be asked for twice (a projection keeps the norm in front of it), but it counts once.
        if self.taken.borrow_mut().insert(key.to_owned()) {
            *self.parameters.borrow_mut() += (out.len() - before) as u64;
        }
        Ok(())
    }

    /// As [`append`], piece by piece from the file, so that a large tensor is in memory once.
    fn append<N: Number>(&self, entry: &Entry, out: &mut Vec<N>) -> io::Result<Option<usize>> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(entry.offset))?;
        // The index was checked to describe no more than the file holds, so allocations are bounded by it.
        if entry.strides.is_some() {
            let mut bytes = vec![0; entry.bytes as usize];
            file.read_exact(&mut bytes)?;
            return Ok(append(&entry.in_order(bytes), entry.dtype, out));
        }
        out.reserve_exact(entry.shape.iter().product());
        let mut piece = vec![0; entry.bytes.min(PIECE_BYTES) as usize];
        let mut not_finite = Some(0);
        let mut left = entry.bytes;
        loop {
            let bytes = &mut piece[..left.min(PIECE_BYTES) as usize];
            file.read_exact(bytes)?;
            left -= bytes.len() as u64;
            not_finite = not_finite.zip(append(bytes, entry.dtype, out)).map(|(before, more)| before + more);
            if left == 0 || not_finite.is_none() {
                return Ok(not_finite);
            }
        }
    }
}
