//! One photo under the loupe: which places, layers and heads its vector comes from.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::PhotoId;

/// Why an architecture cannot be asked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Unavailable {
    /// Convolutions have no attention.
    Convolutional,
    /// What comes before the last layer is of another size than the head takes.
    OtherWidths,
    /// Behind an attention pool a single place has no vector in the joint space, nor a head of the trunk a direct effect.
    AttentionPool,
    /// The tower has no attention pool.
    NoAttentionPool,
    /// Tokens are normalised one by one before they are averaged, so that effects of heads do not add up.
    NormBeforeAverage,
    /// A norm behind each branch keeps effects of heads from adding up.
    PostNorm,
    /// The values of a place go through a gate or a norm between attention and output.
    InnerNorm,
    /// The head in force is not linear, so that what goes through it does not add up.
    NonlinearHead,
}

/// Whether something can be asked; none if it can.
pub type Reason = Option<Unavailable>;

/// What the loaded image tower can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ExplainAbilities {
    /// Blocks with attention.
    pub layers: u32,
    /// Heads of each.
    pub heads: u32,
    /// Heads of the attention pool.
    pub pool_heads: u32,
    /// Rows and columns of places.
    pub grid: [u32; 2],
    /// Whether there is a class token that can be asked from.
    pub class_token: bool,
    /// Why there is no map of places by features.
    pub patch_map: Reason,
    /// Why there is no map by the value path.
    pub value_map: Reason,
    /// Why there is no attention.
    pub attention: Reason,
    /// Why there is no attention of the pool.
    pub pool_attention: Reason,
    /// Why there is no logit lens.
    pub lens: Reason,
    /// Why there are no direct effects.
    pub direct_effects: Reason,
}

/// A question about one photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ask {
    /// cos(projected place, label) for each place.
    PatchMap {
        /// The label.
        label: String,
    },
    /// The same, where the last block's attention is replaced by its value path: each place sees itself alone.
    ValueMap {
        /// The label.
        label: String,
    },
    /// Where a place looks.
    Attention {
        /// Block, from 0.
        layer: u32,
        /// Head, from 0; the mean of all where absent.
        head: Option<u32>,
        /// The place that looks, row by row from 0; the class token where absent, or the mean of all places if there is
        /// none.
        from: Option<u32>,
    },
    /// Where the attention pool looks.
    PoolAttention {
        /// Head, from 0; the mean of all where absent.
        head: Option<u32>,
    },
    /// cos(vector, label) if the tower ended after each block.
    Lens {
        /// The labels.
        labels: Vec<String>,
    },
    /// What each head and each MLP adds to cos(vector, label).
    DirectEffects {
        /// The label.
        label: String,
    },
}

/// A line over depth.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LensLine {
    /// The label.
    pub label: String,
    /// Cosine before the first block, and after each.
    pub cosines: Vec<f32>,
}

/// What one part of a tower adds.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Block, from 0; none for what comes before the first.
    pub layer: Option<u32>,
    /// Head, from 0; none for an MLP or what comes before the first block.
    pub head: Option<u32>,
    /// What it adds to the cosine.
    pub value: f64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Explanation {
    /// One value for each place.
    Grid {
        /// Rows and columns.
        grid: [u32; 2],
        /// Row by row.
        values: Vec<f32>,
        /// The part of the photo that the tower sees, as shares of its width and height: left, top, right, bottom.
        /// Beyond 0 and 1 where it sees bars.
        seen: [f32; 4],
        /// For attention from the class token or a pool: what goes to the class token itself.
        to_class: Option<f32>,
    },
    /// Lines over depth.
    Lines {
        /// One for each label.
        lines: Vec<LensLine>,
    },
    /// Parts that add up to a cosine.
    Effects {
        /// Every head, MLP, and what comes before.
        parts: Vec<Effect>,
        /// What the norm's shift and a bias add.
        bias: f64,
        /// cos(vector, label).
        cosine: f64,
    },
}

/// A photo's answer, or what is missing for one.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The photo.
    pub id: PhotoId,
    /// The answer.
    pub explanation: Explanation,
}
