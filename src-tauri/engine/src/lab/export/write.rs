//! Writing a checkpoint: every tensor that does not change is copied byte for byte.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::{ExportPlan, Refusal};
use crate::{
    analysis::AnalysisError,
    checkpoint::{Checkpoint, Layout},
    error::LoadError,
    files::{ReadSeek, Unfinished},
    inspect::tensors::read_entry,
    lab::file::bytes_of,
    tensor_index::{Entry, TensorIndex, adopt_unprefixed_text},
};

/// Small files of a checkpoint that belong to it wherever it goes: tokenizer, preprocessing, and what may be done with it.
#[rustfmt::skip]
const BESIDE: &[&str] = &[
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
    "sentencepiece.bpe.model", "tokenizer.model", "README.md", "MODEL_CARD.md", "LICENSE", "LICENSE.txt", "LICENSE.md",
    "LICENSES.md", "NOTICE",
];
/// The largest of these, a tokenizer of 256,000 words, has 34 MB.
const MAX_BESIDE_BYTES: u64 = 128 << 20;
/// open_clip's and transformers' own names for what is written.
const OPEN_CLIP: [&str; 2] = ["open_clip_model.safetensors", "open_clip_config.json"];
const TRANSFORMERS: [&str; 2] = ["model.safetensors", "config.json"];

/// Why a checkpoint was not written. What was there before is there still.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The checkpoint that the model was read from cannot be read any more.
    #[error(transparent)]
    Source(#[from] LoadError),
    /// A figure that decides how to write a head cannot be computed.
    #[error("cannot tell how to write a projection")]
    Analysis(#[from] AnalysisError),
    /// open_clip could not read a head like this one.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is something at this place.
    #[error("there is something at {path:?} already")]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// What is at this place is no checkpoint, so it is not replaced.
    #[error("{path:?} is not replaced, because {found:?} in it is no part of a checkpoint")]
    NoCheckpoint {
        /// The place.
        path: PathBuf,
        /// What was found in it.
        found: PathBuf,
    },
    /// The disk is full.
    #[error("the disk is full: {needed} bytes are needed at {path:?}")]
    DiskFull {
        /// Of the weights file.
        needed: u64,
        /// The place.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The person stopped it.
    #[error("stopped before {path:?} was written")]
    Stopped {
        /// The place.
        path: PathBuf,
    },
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Bytes written.
    pub bytes: u64,
    /// Of how many.
    pub of: u64,
}

/// Writes the checkpoint of a plan as `folder`: first beside it, then in its place by a rename. A checkpoint that is
/// there is only `replaced` if that is said, and a folder with other files never is. `progress` may stop it. Gives the
/// size of the weights file in bytes.
pub fn write(
    plan: &ExportPlan,
    folder: &Path,
    replaced: bool,
    progress: &mut dyn FnMut(Copied) -> ControlFlow<()>,
) -> Result<u64, ExportError> {
    if let Some(refusal) = plan.refusal() {
        return Err(refusal.clone().into());
    }
    check_place(folder, replaced)?;
    let failed = |path: &Path, source: io::Error| match source.kind() {
        ErrorKind::StorageFull => ExportError::DiskFull { needed: plan.checkpoint_bytes, path: folder.to_owned() },
        _ => ExportError::Write { path: path.to_owned(), source },
    };
    let unfinished = Unfinished::of(folder);
    fs::create_dir_all(unfinished.path()).map_err(|error| failed(unfinished.path(), error))?;
    let [weights, config] = match plan.checkpoint.layout {
        Layout::OpenClip => OPEN_CLIP,
        Layout::Transformers => TRANSFORMERS,
    };
    let weights = unfinished.path().join(weights);
    let bytes = match write_weights(plan, &weights, progress) {
        Ok(ControlFlow::Continue(bytes)) => bytes,
        Ok(ControlFlow::Break(())) => return Err(ExportError::Stopped { path: folder.to_owned() }),
        Err(WeightsError::Source(error)) => return Err(error.into()),
        Err(WeightsError::Write(error)) => return Err(failed(&weights, error)),
    };
    for (name, content) in beside(plan, config)? {
        let path = unfinished.path().join(name);
        fs::write(&path, content).map_err(|error| failed(&path, error))?;
    }
    take_place(unfinished, folder).map_err(|error| failed(folder, error))?;
    Ok(bytes)
}

/// Whether `folder` may be written: it is not there, it is empty, or it is a checkpoint that may be replaced.
fn check_place(folder: &Path, replaced: bool) -> Result<(), ExportError> {
    let exists = || ExportError::Exists { path: folder.to_owned() };
    if !folder.exists() {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(|_| exists())?;
    for entry in entries {
        let found = entry.map_err(|source| ExportError::Write { path: folder.to_owned(), source })?.path();
        if !replaced {
            return Err(exists());
        }
        let name = found.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_known = BESIDE.iter().chain(&OPEN_CLIP).chain(&TRANSFORMERS).any(|known| *known == name);
        if !is_known || !found.is_file() {
            return Err(ExportError::NoCheckpoint { path: folder.to_owned(), found });
        }
    }
    Ok(())
}

/// Puts what was written into its place; what was there goes aside first, and back if that fails.
fn take_place(unfinished: Unfinished, folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return unfinished.finish(false);
    }
    let aside = unfinished.path().with_extension("replaced");
    fs::rename(folder, &aside)?;
    match unfinished.finish(false) {
        Ok(()) => fs::remove_dir_all(&aside),
        Err(error) => fs::rename(&aside, folder).and(Err(error)),
    }
}

/// Names and contents of the files beside the weights.
fn beside(plan: &ExportPlan, config: &str) -> Result<Vec<(String, Vec<u8>)>, LoadError> {
    let Checkpoint { files, config: source, known_config, .. } = &plan.checkpoint;
    let read = |path: &Path| {
        files.read(path, MAX_BESIDE_BYTES).map_err(|source| LoadError::Read { path: path.to_owned(), source })
    };
    let content = if plan.is_config_changed || known_config.is_some() {
        serde_json::to_vec_pretty(&plan.config).expect("JSON that was read has strings for keys")
    } else {
        read(source)?
    };
    let mut contents = vec![(config.to_owned(), content)];
    for name in BESIDE.iter().filter(|name| **name != config) {
        let path = source.with_file_name(name);
        if files.has(&path) {
            contents.push(((*name).to_owned(), read(&path)?));
        }
    }
    Ok(contents)
}

/// Where the bytes of a tensor of the new file come from.
enum Origin {
    Copied(Entry),
    New(Vec<u8>),
}

/// A tensor of the new file.
struct Planned {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: u64,
    origin: Origin,
}

/// Bytes of the weights file that a plan comes to.
pub(super) fn weights_bytes(plan: &ExportPlan) -> Result<u64, LoadError> {
    let (_, tensors) = planned(plan)?;
    Ok(header(&tensors).len() as u64 + tensors.iter().map(|tensor| tensor.bytes).sum::<u64>())
}

/// The open source and all tensors of the new file in their order.
fn planned(plan: &ExportPlan) -> Result<(Box<dyn ReadSeek>, Vec<Planned>), LoadError> {
    let (file, index) = TensorIndex::open(plan.checkpoint.files, &plan.checkpoint.weights)?;
    let mut entries = index.tensors;
    if plan.prefixed_text {
        entries = adopt_unprefixed_text(entries);
    }
    entries.retain(|name, _| !plan.dropped.contains(name));
    let mut tensors: BTreeMap<String, Planned> = entries.into_iter().map(copied).collect();
    for added in &plan.added {
        let (name, shape, bytes) = (added.key.clone(), added.shape.clone(), bytes_of(&added.values));
        let (bytes, origin) = (bytes.len() as u64, Origin::New(bytes));
        tensors.insert(added.key.clone(), Planned { name, dtype: Dtype::F32, shape, bytes, origin });
    }
    let mut tensors: Vec<_> = tensors.into_values().collect();
    // As safetensors' own writer: large numbers first, so that every tensor lies at a multiple of its number's size.
    tensors.sort_by(|a, b| b.dtype.bitsize().cmp(&a.dtype.bitsize()).then_with(|| a.name.cmp(&b.name)));
    Ok((file, tensors))
}

fn copied((name, entry): (String, Entry)) -> (String, Planned) {
    // Of a view with strides the file has more bytes, or fewer, than the tensor.
    let count: u64 = entry.shape.iter().map(|size| *size as u64).product();
    let bytes = if entry.strides.is_some() { count * (entry.dtype.bitsize() as u64 / 8) } else { entry.bytes };
    let (dtype, shape) = (entry.dtype, entry.shape.clone());
    (name.clone(), Planned { name, dtype, shape, bytes, origin: Origin::Copied(entry) })
}

/// The header with the length in front of it, filled with blanks to a multiple of eight bytes.
fn header(tensors: &[Planned]) -> Vec<u8> {
    let mut json = Map::new();
    // transformers refuses files that do not say so.
    json.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut offset = 0;
    for Planned { name, dtype, shape, bytes, .. } in tensors {
        let offsets = [offset, offset + bytes];
        json.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
        offset += bytes;
    }
    let mut text = Value::Object(json).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes(), text.as_slice()].concat()
}

enum WeightsError {
    Source(LoadError),
    Write(io::Error),
}

fn write_weights(
    plan: &ExportPlan,
    path: &Path,
    progress: &mut dyn FnMut(Copied) -> ControlFlow<()>,
) -> Result<ControlFlow<(), u64>, WeightsError> {
    let (mut source, tensors) = planned(plan).map_err(WeightsError::Source)?;
    let header = header(&tensors);
    let of = header.len() as u64 + tensors.iter().map(|tensor| tensor.bytes).sum::<u64>();
    let mut out = BufWriter::new(File::create(path).map_err(WeightsError::Write)?);
    out.write_all(&header).map_err(WeightsError::Write)?;
    let mut bytes = header.len() as u64;
    for tensor in &tensors {
        if progress(Copied { bytes, of }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match &tensor.origin {
            Origin::New(content) => out.write_all(content).map_err(WeightsError::Write)?,
            Origin::Copied(entry) => {
                let mut written = Ok(());
                let read = read_entry(source.as_mut(), entry, &mut |piece| {
                    if written.is_ok() {
                        written = out.write_all(piece);
                    }
                });
                let from = || plan.checkpoint.weights.clone();
                read.map_err(|source| WeightsError::Source(LoadError::Read { path: from(), source }))?;
                written.map_err(WeightsError::Write)?;
            }
        }
        bytes += tensor.bytes;
    }
    out.into_inner()
        .map_err(|error| error.into_error())
        .and_then(|file| file.sync_all())
        .map_err(WeightsError::Write)?;
    // All is written: too late to stop.
    let _ = progress(Copied { bytes, of });
    Ok(ControlFlow::Continue(bytes))
}
