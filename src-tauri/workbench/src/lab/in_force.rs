//! The heads of the loaded model as matrices, and those in force, which edits may have changed.

use std::sync::Arc;

use cliploupe_engine::{
    Checkpoint, Model,
    analysis::AnalysisError,
    clip::config::ClipConfig,
    lab::{Head, Heads, file::Scores},
    projection::{Affine, LinearMap, Projection, ProjectionConfig},
    zero_shot::Scoring,
};

use crate::{messages::Side, model_source::ModelSource};

/// What a checkpoint says of one head.
pub struct SideFacts {
    /// Key, form and sizes.
    pub config: ProjectionConfig,
    /// Keys and orientations in the file.
    pub maps: Vec<LinearMap>,
    /// What shifts the pooled feature, where that is known.
    pub affine: Option<Affine>,
}

impl SideFacts {
    fn of(projection: &Projection) -> Self {
        let affine = projection.affine_before().cloned();
        Self { config: projection.config().clone(), maps: projection.maps(), affine }
    }

    /// Where the file has a map of a head in force; a head of another form has no place in it.
    pub fn stored(&self, head: &Head, index: usize) -> Option<&LinearMap> {
        self.maps.get(index).filter(|_| self.maps.len() == head.maps().len())
    }

    /// The key of a map of a head in force, or a name if the file has no such map.
    pub fn key(&self, head: &Head, index: usize) -> String {
        let named = self.stored(head, index).map(|map| map.key.clone());
        named.unwrap_or_else(|| format!("{}.{index}", self.config.key))
    }

    /// β of the affine layer in front, `[width]`.
    pub fn shift(&self) -> Option<Vec<f64>> {
        self.affine.as_ref().map(|affine| affine.beta.iter().copied().map(f64::from).collect())
    }
}

/// The loaded model as far as the lab is concerned.
pub struct Base {
    /// Tells it from those loaded before and after it.
    pub version: u32,
    /// Where it came from.
    pub source: ModelSource,
    /// Its files.
    pub checkpoint: Checkpoint,
    /// What they say it is.
    pub config: ClipConfig,
    /// Its heads as they are in the file.
    pub heads: Arc<Heads>,
    /// What the file says of the image head.
    pub image: SideFacts,
    /// What it says of the text head.
    pub text: SideFacts,
    /// How cosines become scores.
    pub scoring: Scoring,
}

impl Base {
    /// Copies the heads of a loaded model to the host.
    pub fn of(source: &ModelSource, model: &Model, version: u32) -> Result<Self, AnalysisError> {
        let (image, text) = (model.clip.image_projection(), model.clip.text_projection());
        Ok(Self {
            version,
            source: source.clone(),
            checkpoint: model.checkpoint.clone(),
            config: model.config.clone(),
            heads: Arc::new(Heads { image: Head::of(image)?, text: Head::of(text)? }),
            image: SideFacts::of(image),
            text: SideFacts::of(text),
            scoring: Scoring::of(&model.clip),
        })
    }

    /// One of its sides.
    pub fn side(&self, side: Side) -> &SideFacts {
        match side {
            Side::Image => &self.image,
            Side::Text => &self.text,
        }
    }
}

/// What takes features to the joint space now.
#[derive(Clone)]
pub struct InForce {
    /// The model.
    pub base: Arc<Base>,
    /// Its heads with the edits in force.
    pub heads: Arc<Heads>,
    /// What heads that were put in say of scores.
    pub scores: Scores,
}

impl InForce {
    /// A model that was just loaded: as it is, or with the edits in force if it is the same as before, on another
    /// device.
    pub fn after(before: Option<&Self>, base: Base) -> Self {
        let kept = before.filter(|before| before.base.source == base.source);
        let (heads, scores) = kept
            .map_or_else(|| (base.heads.clone(), Scores::default()), |before| (before.heads.clone(), before.scores));
        Self { heads, scores, base: Arc::new(base) }
    }

    /// How cosines become scores with these heads.
    pub fn scoring(&self) -> Scoring {
        let Scoring { kind, scale, bias } = self.base.scoring;
        let scale = self.scores.logit_scale.unwrap_or(scale);
        // A model without a bias takes none.
        let bias = self.scores.logit_bias.filter(|_| self.base.scoring.logit_bias().is_some()).unwrap_or(bias);
        Scoring { kind, scale, bias }
    }

    /// Whether edits are in force.
    pub fn is_edited(&self) -> bool {
        // Where nothing is changed, they are the very same.
        !Arc::ptr_eq(&self.heads, &self.base.heads) && self.heads != self.base.heads
    }

    /// One of the heads.
    pub fn head(&self, side: Side) -> &Head {
        self.heads.of(side.into())
    }
}
