//! Which model a person means, and what it is once it is loaded.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use cliploupe_engine::{
    Checkpoint, LoadError, Model,
    clip::ScoreKind as EngineScoreKind,
    projection::{Form, Projection},
};

use cliploupe_library::ModelKey;
use sha2::{Digest, Sha256};

use crate::{
    assets,
    catalogue::Catalogue,
    messages::{ModelInfo, Problem, ProblemCode, ProjectionInfo, ScoreKind},
    models,
    store::{Installed, Store},
};

/// A model by name or by place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ModelSource {
    /// The one inside the program.
    #[default]
    Embedded,
    /// One of the models folder.
    Installed(Box<Installed>),
    /// A folder or a weights file, with its configuration if that lies elsewhere.
    Path {
        /// The folder, or a safetensors or PyTorch file.
        path: PathBuf,
        /// For a file: its configuration, as a file or as the name of a model of the catalogue.
        config: Option<PathBuf>,
    },
}

impl ModelSource {
    /// What `text` means: `embedded`, the name of an installed model, or a path. A name comes before a path; `./NAME`
    /// is always a path.
    pub fn find(text: &str, config: Option<&Path>, store: Option<&Store>) -> Result<Self, Problem> {
        if text == assets::EMBEDDED_MODEL {
            return Ok(Self::Embedded);
        }
        // A configuration belongs to a file.
        if config.is_none()
            && let Some(installed) = store.and_then(|store| models::installed(store, text))
        {
            return Ok(Self::Installed(Box::new(installed)));
        }
        let path = Path::new(text);
        if path.exists() || is_surely_a_path(text) {
            return Ok(Self::Path { path: path.to_owned(), config: config.map(Path::to_owned) });
        }
        let Some(entry) = Catalogue::get().find(text) else { return Err(models::unknown(text)) };
        let name = &entry.name;
        let message = format!("{name} is not on this machine yet. `cliploupe-cli models pull {name}` downloads it.");
        Err(Problem::new(ProblemCode::ModelNotInstalled, &[("name", name)], message))
    }

    /// What [`Self::find`] takes to mean it again in another run of the program.
    pub fn text(&self) -> String {
        match self {
            Self::Embedded => assets::EMBEDDED_MODEL.to_owned(),
            Self::Installed(installed) => installed.record.name.clone(),
            Self::Path { path, .. } => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        }
    }

    /// Its files.
    pub fn checkpoint(&self) -> Result<Checkpoint, LoadError> {
        match self {
            Self::Embedded => Ok(assets::embedded_model()),
            Self::Installed(installed) => Checkpoint::find(installed.path(), installed.config()),
            Self::Path { path, config } => match config.as_deref().and_then(named_config).filter(|_| path.is_file()) {
                Some(known) => Ok(Checkpoint::with_config(path, known)),
                None => Checkpoint::find(path, config.as_deref()),
            },
        }
    }

    /// A short name: an installed model's own, or the last part of the path.
    pub fn name(&self) -> String {
        match self {
            Self::Embedded => assets::EMBEDDED_MODEL.into(),
            Self::Installed(installed) => installed.record.name.clone(),
            Self::Path { path, .. } => {
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                path.file_stem().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
            }
        }
    }

    /// What features of this model are kept under: its name, and what tells it from others of that name. Of large weights
    /// only the size and some windows are read, which no two trainings share.
    pub fn key(&self, model: &Model) -> ModelKey {
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {:?}", model.config, model.preprocess));
        if !self.hash_weights(&mut hash) {
            // Weights that cannot be read again share features with nothing.
            hash.update(self.text());
        }
        ModelKey::new(&self.name(), &hex(&hash.finalize()[..6]))
    }

    /// What self-tests of this model are kept under: its name, its size and some windows of its weights. Unlike
    /// [`Self::key`] it is there before the model is loaded.
    pub fn weights_key(&self) -> String {
        let mut hash = Sha256::new();
        if !self.hash_weights(&mut hash) {
            hash.update(self.text());
        }
        format!("{} {}", self.name(), hex(&hash.finalize()[..8]))
    }

    /// Whether the weights could be read.
    fn hash_weights(&self, hash: &mut Sha256) -> bool {
        let read = match self {
            Self::Embedded => windows(&mut Cursor::new(assets::embedded_weights()), hash),
            _ => match self.checkpoint().map(|checkpoint| File::open(checkpoint.weights)) {
                Ok(Ok(mut file)) => windows(&mut file, hash),
                _ => return false,
            },
        };
        read.is_ok()
    }

    fn licence(&self) -> Option<String> {
        match self {
            Self::Embedded => Some(assets::EMBEDDED_LICENCE.to_owned()),
            Self::Installed(installed) => installed.record.licence.clone(),
            Self::Path { .. } => None,
        }
    }
}

/// Hashes the size of weights, their beginning, middle and end.
fn windows(weights: &mut (impl Read + Seek), hash: &mut Sha256) -> io::Result<()> {
    const WINDOW: u64 = 1 << 20;
    let length = weights.seek(SeekFrom::End(0))?;
    hash.update(length.to_le_bytes());
    for start in [0, length / 2, length.saturating_sub(WINDOW)] {
        weights.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        weights.by_ref().take(WINDOW).read_to_end(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The configuration of the catalogue's model that `config` names, if it is no file.
fn named_config(config: &Path) -> Option<serde_json::Value> {
    let catalogue = Catalogue::get();
    let entry = config.to_str().filter(|_| !config.exists()).and_then(|name| catalogue.find(name))?;
    Some(catalogue.open_clip_config(entry))
}

/// Whether nobody would call a model so: then a missing file is the better explanation.
fn is_surely_a_path(text: &str) -> bool {
    let path = Path::new(text);
    let is_weights = path.extension().is_some_and(|extension| {
        ["safetensors", "pt", "pth", "bin"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    path.is_absolute() || text.starts_with('.') || text.starts_with('~') || text.contains('\\') || is_weights
}

/// Where suggestions begin with a softmax over the set: twice what an even share of ten labels would be.
const SOFTMAX_THRESHOLD: f32 = 0.2;
/// The first row of the embedded model's measured table whose suggestions are right in more than three of five cases,
/// while 93 % of the photos still get one.
const SIGMOID_THRESHOLD: f32 = 0.3;

/// The facts of a loaded model.
pub fn describe(source: &ModelSource, model: &Model) -> ModelInfo {
    let embedded = *source == ModelSource::Embedded;
    let scoring = cliploupe_engine::zero_shot::Scoring::of(&model.clip);
    let bytes = if embedded {
        assets::embedded_bytes()
    } else {
        std::fs::metadata(&model.checkpoint.weights).map_or(0, |metadata| metadata.len())
    };
    let (score_kind, default_threshold) = match scoring.kind {
        EngineScoreKind::Softmax => (ScoreKind::Softmax, SOFTMAX_THRESHOLD),
        EngineScoreKind::Sigmoid => (ScoreKind::Sigmoid, SIGMOID_THRESHOLD),
    };
    ModelInfo {
        name: source.name(),
        embedded,
        path: model.checkpoint.given.display().to_string(),
        parameters: model.clip.parameters(),
        bytes,
        image_size: model.config.vision.image_size().map(|side| side as u32),
        embed_dim: model.config.embed_dim as u32,
        context_length: model.config.context_length as u32,
        image_tower: model.config.vision.describe(),
        text_tower: model.config.text.describe(),
        image_projection: projection(model.clip.image_projection()),
        text_projection: projection(model.clip.text_projection()),
        score_kind,
        logit_scale: scoring.scale,
        logit_bias: model.clip.logit_bias(),
        default_threshold,
        thresholds: if embedded { assets::embedded_thresholds() } else { Vec::new() },
        licence: source.licence(),
    }
}

fn projection(projection: &Projection) -> ProjectionInfo {
    let config = projection.config();
    ProjectionInfo {
        kind: match config.form {
            Form::Linear { .. } => "linear",
            Form::Mlp { .. } => "mlp",
            Form::Identity => "identity",
        },
        key: config.key.clone(),
        input_dim: config.input_dim as u32,
        output_dim: config.output_dim as u32,
        bias: projection.has_bias(),
        affine_before: projection.affine_before().map(|affine| affine.key.clone()),
    }
}
