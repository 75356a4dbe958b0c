//! Reading a checkpoint's tensors, strictly.
//!
//! A [`TensorIndex`] says where each tensor lies, checked against the file's real length before anything is allocated.
//! Tensors are read one by one when a tower asks for them by name and shape, and [`Weights::finish`] refuses a file with
//! tensors that nobody took. No tower has a constructor with random values, so none can keep one.
//!
//! Towers ask with open_clip's names. A [`KeyTable`] says where another layout keeps the same tensor, and whether it
//! is stored the other way round: a square matrix has no shape that could tell (`visual.proj` is `[in, out]`, its twin
//! `visual_projection.weight` is `[out, in]`).

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek, SeekFrom},
    mem,
    path::{Path, PathBuf},
};

use burn::{
    module::Param,
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, TensorData},
};
use safetensors::Dtype;

use crate::{
    error::LoadError,
    files::{Files, ReadSeek},
    tensor_index::{Entry, TensorIndex, adopt_unprefixed_text},
};

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
}

impl Weights {
    /// Opens `path`, a safetensors or a PyTorch file by its content, and finds its tensors. None is read yet.
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
        })
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
        match (self.keys)(name) {
            Source::Named(key) => self.read(&key, shape),
            Source::Transposed(key) => {
                let [rows, columns] = *shape else { unreachable!("only matrices are transposed") };
                Ok(transpose(&self.read(&key, &[columns, rows])?, columns, rows))
            }
            Source::Stacked(keys) => {
                let mut piece = shape.to_vec();
                piece[0] /= keys.len();
                let pieces = keys.iter().map(|key| self.read(key, &piece)).collect::<Result<Vec<_>, _>>()?;
                Ok(pieces.concat())
            }
            Source::Thirds(key, [first, last]) => {
                let mut whole = shape.to_vec();
                whole[0] = whole[0] / (last - first) * 3;
                let mut values = self.read(&key, &whole)?;
                let piece = values.len() / 3;
                values.truncate(last * piece);
                Ok(values.split_off(first * piece))
            }
            Source::Squeezed(key) => self.read(&key, &shape[1..]),
        }
    }

    /// A tensor of rank `D`.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, LoadError> {
        Ok(Tensor::from_data(TensorData::new(self.values(name, &shape)?, shape), &self.device))
    }

    /// `nn.Linear` of PyTorch, stored `[out, in]`; burn's is `[in, out]`.
    pub fn linear(&self, name: &str, d_in: usize, d_out: usize, bias: bool) -> Result<Linear, LoadError> {
        self.linear_named(&format!("{name}.weight"), bias.then(|| format!("{name}.bias")), d_in, d_out)
    }

    /// As [`Self::linear`], for weights whose names do not follow `NAME.weight` and `NAME.bias`.
    pub fn linear_named(
        &self,
        weight: &str,
        bias: Option<String>,
        d_in: usize,
        d_out: usize,
    ) -> Result<Linear, LoadError> {
        let stored = self.values(weight, &[d_out, d_in])?;
        self.linear_from(transpose(&stored, d_out, d_in), bias, d_in, d_out)
    }

    /// As [`Self::linear_named`], with a bias that no tensor of the file holds as it is.
    pub fn linear_with_bias(
        &self,
        weight: &str,
        bias: Vec<f32>,
        d_in: usize,
        d_out: usize,
    ) -> Result<Linear, LoadError> {
        Ok(self.linear_of(&self.values(weight, &[d_out, d_in])?, bias, d_in, d_out))
    }

    /// A linear map of these numbers, put on the device.
    ///
    /// # Shapes
    /// - stored: `[d_out, d_in]`
    /// - bias: `[d_out]`
    pub fn linear_of(&self, stored: &[f32], bias: Vec<f32>, d_in: usize, d_out: usize) -> Linear {
        let weight = TensorData::new(transpose(stored, d_out, d_in), [d_in, d_out]);
        let bias = Tensor::from_data(TensorData::new(bias, [d_out]), &self.device);
        Linear {
            weight: Param::from_tensor(Tensor::from_data(weight, &self.device)),
            bias: Some(Param::from_tensor(bias)),
        }
    }

    /// Several linear maps of the same input, all with a bias, as one whose outputs stand one after the other.
    pub fn linear_stacked(&self, names: &[String], d_in: usize, d_out_each: usize) -> Result<Linear, LoadError> {
        let read = |part: &str, shape: &[usize]| -> Result<Vec<f32>, LoadError> {
            let parts = names.iter().map(|name| self.values(&format!("{name}.{part}"), shape));
            Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
        };
        let (weight, bias) = (read("weight", &[d_out_each, d_in])?, read("bias", &[d_out_each])?);
        Ok(self.linear_of(&weight, bias, d_in, names.len() * d_out_each))
    }

    /// A bare matrix used as `x @ W`, stored `[in, out]`.
    pub fn matrix(&self, name: &str, d_in: usize, d_out: usize) -> Result<Linear, LoadError> {
        self.linear_from(self.values(name, &[d_in, d_out])?, None, d_in, d_out)
    }

    fn linear_from(
        &self,
        in_out: Vec<f32>,
        bias: Option<String>,
        d_in: usize,
        d_out: usize,
    ) -> Result<Linear, LoadError> {
        let weight = Tensor::from_data(TensorData::new(in_out, [d_in, d_out]), &self.device);
        let bias = bias.map(|name| self.tensor(&name, [d_out]).map(Param::from_tensor)).transpose()?;
        Ok(Linear { weight: Param::from_tensor(weight), bias })
    }

    /// LayerNorm with scale and shift.
    pub fn layer_norm(&self, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm, LoadError> {
        let mut norm = LayerNormConfig::new(width).with_epsilon(epsilon).init(&self.device);
        norm.gamma = Param::from_tensor(self.tensor(&format!("{name}.weight"), [width])?);
        norm.beta = Some(Param::from_tensor(self.tensor(&format!("{name}.bias"), [width])?));
        Ok(norm)
    }

    /// A table of `rows` vectors.
    pub fn embedding(&self, name: &str, rows: usize, width: usize) -> Result<Embedding, LoadError> {
        Ok(Embedding { weight: Param::from_tensor(self.tensor(name, [rows, width])?) })
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

    fn read(&self, key: &str, expected: &[usize]) -> Result<Vec<f32>, LoadError> {
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
        // The index was checked to describe no more than the file holds, so this allocation is bounded by it.
        let mut bytes = vec![0; entry.bytes as usize];
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(entry.offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| LoadError::Read { path: path(), source })?;
        let values = to_f32(&entry.in_order(bytes), entry.dtype).ok_or_else(|| LoadError::Dtype {
            name: key.to_owned(),
            dtype: format!("{:?}", entry.dtype),
            path: path(),
        })?;
        let count = values.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            return Err(LoadError::NotFinite { name: key.to_owned(), count, path: path() });
        }
        // A tensor may be asked for twice (a projection keeps the norm in front of it), but it counts once.
        if self.taken.borrow_mut().insert(key.to_owned()) {
            *self.parameters.borrow_mut() += values.len() as u64;
        }
        Ok(values)
    }
}

fn to_f32(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    let halves = bytes.as_chunks::<2>().0;
    match dtype {
        Dtype::F32 => Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Some(halves.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()),
        Dtype::BF16 => Some(halves.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()),
        _ => None,
    }
}

/// `[rows, columns]` to `[columns, rows]`, in blocks so that both sides stay in the cache.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let mut out = vec![0.0; values.len()];
    for row_start in (0..rows).step_by(BLOCK) {
        for column_start in (0..columns).step_by(BLOCK) {
            for row in row_start..rows.min(row_start + BLOCK) {
                for column in column_start..columns.min(column_start + BLOCK) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_gives_the_matrix_back() {
        let matrix: Vec<f32> = (0..70 * 41).map(|v| v as f32).collect();
        let turned = transpose(&matrix, 70, 41);
        assert_eq!(turned[3 * 70 + 2], matrix[2 * 41 + 3]);
        assert_eq!(transpose(&turned, 41, 70), matrix);
    }

    #[test]
    fn halves_of_both_kinds_become_f32() {
        assert_eq!(to_f32(&half::f16::from_f32(1.5).to_le_bytes(), Dtype::F16), Some(vec![1.5]));
        assert_eq!(to_f32(&half::bf16::from_f32(-2.0).to_le_bytes(), Dtype::BF16), Some(vec![-2.0]));
        assert_eq!(to_f32(&[1, 0], Dtype::I16), None);
    }
}
