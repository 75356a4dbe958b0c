//! A checkpoint on disk becomes a model in memory: files, layout, configuration, tokenizer, preprocessing, towers.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;

use crate::{
    clip::{
        Clip, TokenBatch,
        config::{ClipConfig, TokenizerKind},
        normalise,
        transformers::{TEXT_MODEL_TYPES, read_config},
    },
    device::read,
    error::LoadError,
    files::{Files, MemoryFile},
    precision::Precision,
    preprocess::PreprocessConfig,
    probe::Probe,
    tokenizer::{self, Tokenizer},
    weights::{KeyTable, Weights, open_clip_keys},
};

/// CLIP's byte-pair merges, which Cliploupe carries because checkpoints with this tokenizer often do not.
const CLIP_MERGES: &str = include_str!("../../../assets/tokenizer/clip_merges.txt");
/// Token ids of CLIP's own tokenizer; a tower with fewer was trained with another one.
const CLIP_VOCABULARY: usize = 49408;
/// A configuration is a few kilobytes.
const MAX_JSON_BYTES: u64 = 4 << 20;
/// Names of open_clip weights in a folder, in open_clip's own order of preference (`factory.py:234-238` of 3.3.0).
const OPEN_CLIP_WEIGHTS: &[&str] = &[
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
];
const OPEN_CLIP_CONFIG: &str = "open_clip_config.json";
const TRANSFORMERS_WEIGHTS: &[&str] = &["model.safetensors", "pytorch_model.bin"];
const TRANSFORMERS_CONFIG: &str = "config.json";

/// Who wrote a checkpoint, which decides the names and the orientation of its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `open_clip_config.json` and open_clip's names.
    OpenClip,
    /// `config.json` of a model with two towers and transformers' names.
    Transformers,
}

/// The files of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The folder, or the weights file, that was given.
    pub given: PathBuf,
    /// The safetensors or PyTorch file.
    pub weights: PathBuf,
    /// The configuration's file; where [`Self::known_config`] stands in for it, the place where it would lie.
    pub config: PathBuf,
    /// The configuration itself, where it is known by other means than a file.
    pub known_config: Option<Value>,
    /// Who wrote it.
    pub layout: Layout,
    /// Where the files are.
    pub files: Files,
}

impl Checkpoint {
    /// A checkpoint in open_clip's layout inside the program, called `name`.
    pub fn in_memory(name: &str, files: &'static [MemoryFile]) -> Self {
        let folder = PathBuf::from(name);
        Self {
            weights: folder.join(OPEN_CLIP_WEIGHTS[0]),
            config: folder.join(OPEN_CLIP_CONFIG),
            known_config: None,
            given: folder,
            layout: Layout::OpenClip,
            files: Files::Memory(files),
        }
    }

    /// A weights file in open_clip's layout whose `open_clip_config.json` would have this content.
    pub fn with_config(weights: &Path, config: Value) -> Self {
        Self {
            given: weights.to_owned(),
            weights: weights.to_owned(),
            config: weights.with_file_name(OPEN_CLIP_CONFIG),
            known_config: Some(config),
            layout: Layout::OpenClip,
            files: Files::Disk,
        }
    }

    /// Finds the files below `path`: a folder, or a weights file with its configuration beside it or given.
    pub fn find(path: &Path, config: Option<&Path>) -> Result<Self, LoadError> {
        let none = |reason| LoadError::NotACheckpoint { reason, path: path.to_owned() };
        if path.is_file() {
            return Self::of_file(path, config).ok_or_else(|| none("no configuration lies beside the weights"));
        }
        if !path.is_dir() {
            return Err(none("there is no such file or folder"));
        }
        Self::of_folder(path).ok_or_else(|| none(missing_part(path)))
    }

    fn of_file(weights: &Path, config: Option<&Path>) -> Option<Self> {
        let beside = [
            weights.with_extension("json"),
            weights.with_file_name(OPEN_CLIP_CONFIG),
            weights.with_file_name(TRANSFORMERS_CONFIG),
        ];
        let config = config.map(Path::to_owned).or_else(|| beside.into_iter().find(|path| path.is_file()))?;
        let is_open_clip = read_json(Files::Disk, &config).is_ok_and(|json| json.get("model_cfg").is_some());
        let layout = if is_open_clip { Layout::OpenClip } else { Layout::Transformers };
        let weights = weights.to_owned();
        Some(Self { given: weights.clone(), weights, config, known_config: None, layout, files: Files::Disk })
    }

    fn of_folder(folder: &Path) -> Option<Self> {
        let existing = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        let first = |names: &[&str], is_wanted: &dyn Fn(&str) -> bool| {
            names.iter().filter(|name| is_wanted(name)).find_map(|name| existing(name))
        };
        let checkpoint = |weights, config, layout| {
            let given = folder.to_owned();
            Self { given, weights, config, known_config: None, layout, files: Files::Disk }
        };
        let transformers = |safe: bool| {
            let config = existing(TRANSFORMERS_CONFIG)?;
            let weights = first(TRANSFORMERS_WEIGHTS, &|name| is_safetensors(name) == safe)?;
            // The embedded model's folder has a config.json too: that of its text tower.
            let model_type = read_json(Files::Disk, &config).ok()?.get("model_type").cloned();
            let is_text = model_type.is_some_and(|kind| TEXT_MODEL_TYPES.into_iter().any(|text| kind == text));
            (!is_text).then(|| checkpoint(weights, config, Layout::Transformers))
        };
        let open_clip = |safe: bool, named: bool| {
            let config = existing(OPEN_CLIP_CONFIG)?;
            let is_wanted = |name: &str| is_safetensors(name) == safe && name.starts_with("open_clip_") == named;
            Some(checkpoint(first(OPEN_CLIP_WEIGHTS, &is_wanted)?, config, Layout::OpenClip))
        };
        // Any safetensors file comes before any pickle. Some repositories hold both layouts, and then those weights
        // that are not named after open_clip are the transformers ones.
        [true, false]
            .into_iter()
            .find_map(|safe| open_clip(safe, true).or_else(|| transformers(safe)).or_else(|| open_clip(safe, false)))
    }
}

/// Which of two files goes first; what is in a file is decided by its content.
fn is_safetensors(name: &str) -> bool {
    name.ends_with(".safetensors")
}

/// Why a folder is no checkpoint, as precisely as its files tell.
fn missing_part(folder: &Path) -> &'static str {
    let has = |name: &str| folder.join(name).is_file();
    // transformers writes an index beside weights that it splits over several files.
    let is_split = |name: &&str| has(&format!("{name}.index.json"));
    if OPEN_CLIP_WEIGHTS.iter().copied().any(has) {
        "it has weights but neither open_clip_config.json nor transformers' config.json"
    } else if OPEN_CLIP_WEIGHTS.iter().any(is_split) {
        "its weights are split over several files, as an .index.json says, which is not supported"
    } else if has(OPEN_CLIP_CONFIG) || has(TRANSFORMERS_CONFIG) {
        "it has a configuration but no open_clip_model.safetensors, model.safetensors or PyTorch file of a known name"
    } else {
        "it has neither open_clip_config.json nor config.json"
    }
}

/// Reads a small JSON file; its size is checked first.
pub fn read_json(files: Files, path: &Path) -> Result<Value, LoadError> {
    let text = files.read(path, MAX_JSON_BYTES).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| LoadError::Config {
        section: "as JSON",
        path: path.to_owned(),
        source,
    })
}

/// Why a text cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The checkpoint came without the tokenizer that its text tower needs.
    #[error("the checkpoint has no tokenizer: put its tokenizer.json into {folder:?}")]
    NoTokenizer {
        /// Where it belongs.
        folder: PathBuf,
    },
    /// The tokenizer refused a text.
    #[error("cannot tokenise a text")]
    Tokenizer(#[from] tokenizer::TokenizerError),
    /// The texts cannot be in that language.
    #[error("cannot choose the language of the texts")]
    Language(#[source] tokenizer::TokenizerError),
    /// A token id that the tower has no row for.
    #[error("token id {id} is not below the vocabulary size {vocab_size}")]
    TokenRange {
        /// The id.
        id: u32,
        /// The number of rows.
        vocab_size: usize,
    },
    /// Pixels of another shape than the tower takes.
    #[error("pixels of shape {found:?} do not fit the tower's {expected:?}")]
    PixelShape {
        /// `[3, height, width]`.
        expected: [usize; 3],
        /// What was given.
        found: Vec<usize>,
    },
}

/// A model ready for pictures and words.
pub struct Model {
    /// Towers and projections.
    pub clip: Clip,
    /// What they are.
    pub config: ClipConfig,
    /// How a picture becomes pixels.
    pub preprocess: PreprocessConfig,
    /// Its files.
    pub checkpoint: Checkpoint,
    tokenizer: Option<Tokenizer>,
}

impl Model {
    /// Loads a checkpoint onto a device in f32. `image_size` replaces the configuration's, with resampled positions.
    pub fn load(checkpoint: Checkpoint, image_size: Option<[usize; 2]>, device: &Device) -> Result<Self, LoadError> {
        Self::load_as(checkpoint, image_size, device, Precision::F32)
    }

    /// As [`Self::load`], in any precision. Whether a device can compute in [`Precision::F16`] is for the caller to ask
    /// (`Device::supports_dtype`), and whether the model can, which may overflow, for a comparison of its vectors.
    pub fn load_as(
        checkpoint: Checkpoint,
        image_size: Option<[usize; 2]>,
        device: &Device,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let json = match &checkpoint.known_config {
            Some(config) => config.clone(),
            None => read_json(checkpoint.files, &checkpoint.config)?,
        };
        let (config, keys, mut preprocess) = match checkpoint.layout {
            Layout::OpenClip => open_clip_parts(json, &checkpoint, image_size)?,
            Layout::Transformers => transformers_parts(&json, &checkpoint, image_size)?,
        };
        preprocess.size = config.vision.image_size();
        let weights = Weights::open(checkpoint.files, &checkpoint.weights, keys, device)?;
        let clip = Clip::load(weights.in_precision(precision), &config)?;
        let tokenizer = load_tokenizer(&config, &checkpoint)?;
        Ok(Self { clip, config, preprocess, checkpoint, tokenizer })
    }

    /// In which numbers its towers are kept and computed.
    pub fn precision(&self) -> Precision {
        self.clip.precision()
    }

    /// The tokenizer, where the checkpoint has one.
    pub fn tokenizer(&self) -> Result<&Tokenizer, EncodeError> {
        let folder = || self.checkpoint.config.parent().unwrap_or(Path::new(".")).to_owned();
        self.tokenizer.as_ref().ok_or_else(|| EncodeError::NoTokenizer { folder: folder() })
    }

    /// Says which language all further texts are in, by a code such as `fra_Latn`. Most models are not told.
    pub fn set_language(&mut self, code: &str) -> Result<(), EncodeError> {
        // A model without its tokenizer says so before it says that it has no languages.
        self.tokenizer()?;
        if let Some(tokenizer) = &mut self.tokenizer {
            tokenizer.set_language(code).map_err(EncodeError::Language)?;
        }
        Ok(())
    }

    /// Labels or sentences as tokens. Special tokens written out in a text are left out, so that they cannot move the
    /// pooled position.
    pub fn tokenize(&self, texts: &[impl AsRef<str>]) -> Result<TokenBatch, EncodeError> {
        let tokenizer = self.tokenizer()?;
        let mut ids = Vec::with_capacity(texts.len() * self.config.context_length);
        for text in texts {
            ids.extend(tokenizer.encode_label(text.as_ref())?.ids);
        }
        let tokens = TokenBatch::new(ids, self.config.context_length);
        self.check_tokens(&tokens)?;
        Ok(tokens)
    }

    /// Refuses ids that the tower has no row for.
    pub fn check_tokens(&self, tokens: &TokenBatch) -> Result<(), EncodeError> {
        let vocab_size = self.config.text.vocab_size();
        match tokens.ids().iter().find(|id| **id as usize >= vocab_size) {
            Some(id) => Err(EncodeError::TokenRange { id: *id, vocab_size }),
            None => Ok(()),
        }
    }

    /// Normalised pixels of several pictures as one tensor on the model's device.
    ///
    /// # Shapes
    /// - pixels: `[batch · 3 · height · width]`
    /// - output: `[batch, 3, height, width]`
    ///
    /// # Panics
    /// If the number of values is no multiple of one picture's.
    pub fn pixel_batch(&self, pixels: Vec<f32>) -> Tensor<4> {
        let [height, width] = self.config.vision.image_size();
        let batch = pixels.len() / (3 * height * width);
        Tensor::from_data(TensorData::new(pixels, [batch, 3, height, width]), self.clip.device())
    }

    /// Pictures all the way to unit vectors in the joint space.
    ///
    /// # Shapes
    /// - pixels: `[batch · 3 · height · width]`, normalised
    /// - output: `[batch, embed]`, row-major
    pub fn image_embeddings(&self, pixels: Vec<f32>) -> Vec<f32> {
        let pooled = self.clip.image_pooled(self.pixel_batch(pixels), &mut Probe::off());
        read(normalise(self.clip.image_projection().forward(pooled)))
    }
}

fn open_clip_parts(
    mut json: Value,
    checkpoint: &Checkpoint,
    image_size: Option<[usize; 2]>,
) -> Result<(ClipConfig, KeyTable, PreprocessConfig), LoadError> {
    let path = &checkpoint.config;
    if let Some(key) =
        json.as_object().and_then(|map| map.keys().find(|k| !["model_cfg", "preprocess_cfg"].contains(&k.as_str())))
    {
        return Err(LoadError::Unsupported { what: format!("the unknown key {key:?}"), path: path.clone() });
    }
    let config = ClipConfig::from_open_clip(json["model_cfg"].take(), checkpoint.files, path, image_size)?;
    let preprocess = PreprocessConfig::from_open_clip(&json["preprocess_cfg"], config.vision.image_size())
        .map_err(|source| LoadError::Preprocess { path: path.clone(), source })?;
    Ok((config, open_clip_keys, preprocess))
}

fn transformers_parts(
    json: &Value,
    checkpoint: &Checkpoint,
    image_size: Option<[usize; 2]>,
) -> Result<(ClipConfig, KeyTable, PreprocessConfig), LoadError> {
    let (config, keys) = read_config(json, &checkpoint.config, image_size)?;
    let path = checkpoint.config.with_file_name("preprocessor_config.json");
    let preprocess = PreprocessConfig::from_transformers(&read_json(checkpoint.files, &path)?)
        .map_err(|source| LoadError::Preprocess { path, source })?;
    Ok((config, keys, preprocess))
}

fn load_tokenizer(config: &ClipConfig, checkpoint: &Checkpoint) -> Result<Option<Tokenizer>, LoadError> {
    match config.tokenizer {
        TokenizerKind::Clip if config.text.vocab_size() >= CLIP_VOCABULARY => {
            Ok(Some(Tokenizer::clip(CLIP_MERGES, config.context_length)?))
        }
        TokenizerKind::Clip => Ok(None),
        TokenizerKind::File(ref rules) => {
            Ok(Tokenizer::beside(&checkpoint.config, checkpoint.files, rules, config.context_length)?)
        }
    }
}
