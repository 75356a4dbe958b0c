//! Which model a person means, and what it is once it is loaded.

use std::path::{Path, PathBuf};

use cliploupe_engine::{
    Checkpoint, LoadError, Model,
    clip::ScoreKind as EngineScoreKind,
    projection::{Form, Projection},
};

use crate::{
    assets,
    messages::{ModelInfo, ProjectionInfo, ScoreKind},
};

/// A model by name or by place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ModelSource {
    /// The one inside the program.
    #[default]
    Embedded,
    /// A folder or a weights file, with its configuration if that lies elsewhere.
    Path {
        /// The folder, or a safetensors or PyTorch file.
        path: PathBuf,
        /// For a file: its configuration.
        config: Option<PathBuf>,
    },
}

impl ModelSource {
    /// `embedded`, or a path.
    pub fn parse(text: &str, config: Option<&Path>) -> Self {
        if text == assets::EMBEDDED_MODEL {
            Self::Embedded
        } else {
            Self::Path { path: text.into(), config: config.map(Path::to_owned) }
        }
    }

    /// Its files.
    pub fn checkpoint(&self) -> Result<Checkpoint, LoadError> {
        match self {
            Self::Embedded => Ok(assets::embedded_model()),
            Self::Path { path, config } => Checkpoint::find(path, config.as_deref()),
        }
    }

    /// A short name: the last part of the path.
    pub fn name(&self) -> String {
        match self {
            Self::Embedded => assets::EMBEDDED_MODEL.into(),
            Self::Path { path, .. } => {
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                path.file_stem().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
            }
        }
    }
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
        licence: embedded.then(|| assets::EMBEDDED_LICENCE.to_owned()),
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
