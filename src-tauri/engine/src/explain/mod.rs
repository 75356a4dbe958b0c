//! One photo explained: which places, layers and heads its vector comes from.
//!
//! A question is answered by one forward pass whose probe collects no more than the answer needs, and everything that is
//! projected goes through the head *in force*, which may have been changed, not through the checkpoint's. What a tower
//! cannot be asked it says beforehand, with its reason ([`Abilities`]).
//!
//! - **Patch map**: cos(projected place, label), where a place goes the way of the pooled feature alone. Transformers: the
//!   patch tokens of the last block through the last norm. ConvNeXt, FastViT, EfficientNet: the cells of the last map; where
//!   ConvNeXt has a norm behind the average, each cell goes through it on its own, so the mean of the cells is not quite
//!   the feature there. ResNet: each cell's value in the attention pool, with its position (MaskCLIP, below). Such maps
//!   may light up the background instead of the thing, see Li et al., CLIP Surgery (arXiv:2304.05653).
//! - **Value map**: the same, where attention is replaced by its value path: each place sees itself alone. Transformers:
//!   in the last block, attention becomes `out_proj(v(norm x))` for each place; shortcut, layer scale and MLP stay, and
//!   the last norm follows. This is what the released code of MaskCLIP does (Zhou et al., arXiv:2112.01071); the paper's
//!   formula and CLIP Surgery leave shortcut and MLP out. Behind an attention pool, the pool sees one place alone, and
//!   the blocks stay as they are.
//! - **Attention**: where a token looks, for a block and a head. FastViT has it in its last stage only; its blocks are
//!   counted there.
//! - **Logit lens**: what the vector would be if the tower ended before the first block, or after any: pool, norm and head
//!   follow at once.
//! - **Direct effects**: what each head and each MLP adds to the cosine; the formula is in `effects.rs`.

mod abilities;
mod effects;
mod maps;

use std::collections::BTreeMap;

pub use abilities::{Abilities, Reason, Unavailable};
pub use effects::Effect;

use crate::{
    Model,
    lab::{Head, Table},
    probe::{Probe, Stage},
};

/// A question about one photo. Labels are unit directions in the joint space, `[embed]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// cos(projected place, label) for each place.
    PatchMap {
        /// The label's direction.
        label: Vec<f32>,
    },
    /// The same, where the last block's attention is replaced by its value path: each place sees itself alone.
    ValueMap {
        /// The label's direction.
        label: Vec<f32>,
    },
    /// Where a place looks.
    Attention {
        /// Block, from 0.
        layer: usize,
        /// Head, from 0; the mean of all where absent.
        head: Option<usize>,
        /// The place that looks, row by row from 0; the class token where absent, or the mean of all places if there is
        /// none.
        from: Option<usize>,
    },
    /// Where the attention pool looks.
    PoolAttention {
        /// Head, from 0; the mean of all where absent.
        head: Option<usize>,
    },
    /// cos(vector, label) if the tower ended after each block.
    Lens {
        /// The labels' directions.
        labels: Vec<Vec<f32>>,
    },
    /// What each head and each MLP adds to cos(vector, label).
    DirectEffects {
        /// The label's direction.
        label: Vec<f32>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One value for each place.
    Grid {
        /// Rows and columns.
        grid: [usize; 2],
        /// Row by row.
        values: Vec<f32>,
        /// For attention, what goes to the class token; in ResNet's pool, to the mean of all places, which stands in its
        /// place. None for maps, and where there is no such token. With it, a row of attention sums to 1.
        to_class: Option<f32>,
    },
    /// Lines over depth.
    Lines {
        /// For each label, the cosine before the first block, and after each.
        cosines: Vec<Vec<f32>>,
    },
    /// Parts that add up to a cosine.
    Effects {
        /// What comes before the first block; then, block by block, every head and the MLP.
        parts: Vec<Effect>,
        /// What the norm's shift, the head's bias and the biases of attention's output maps add.
        bias: f64,
        /// cos(vector, label).
        cosine: f64,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The architecture cannot be asked that.
    #[error("this model cannot be asked that: {0}")]
    Unavailable(Unavailable),
    /// There is no such block, head or place.
    #[error("there is no {what} {index}: there are {count}, counted from 0")]
    Index {
        /// `block`, `head` or `place`.
        what: &'static str,
        /// What was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Something is of another size than the model takes.
    #[error("{what} of {found} values, where the model takes {expected}")]
    Size {
        /// `a picture`, `a label` or `a head for features`.
        what: &'static str,
        /// What the model takes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The tower gave numbers that are none, as with weights that overflow.
    #[error("the answer has values that are not finite")]
    NotFinite,
    /// A tower does not report what its configuration promises.
    #[error("the tower reports no stage {name:?} of {expected} values")]
    Stage {
        /// The stage.
        name: String,
        /// How many values it should have.
        expected: usize,
    },
}

/// Answers a question about one photo.
///
/// # Shapes
/// - pixels: `[3 · height · width]`, one picture, normalised
///
/// # Errors
/// If the architecture cannot be asked that ([`Abilities`] says so beforehand), if something does not fit the model, or if
/// the answer is not finite.
pub fn explain(model: &Model, head: &Head, pixels: Vec<f32>, ask: &Ask) -> Result<Answer, ExplainError> {
    let abilities = Abilities::of(&model.config.vision, head);
    let subject = Subject { model, head, abilities };
    subject.check(&pixels, ask)?;
    let answer = match ask {
        Ask::PatchMap { label } => subject.map("visual.patches", pixels, label),
        Ask::ValueMap { label } => subject.map("visual.values", pixels, label),
        Ask::Attention { layer, head, from } => subject.attention(pixels, *layer, *head, *from),
        Ask::PoolAttention { head } => subject.pool_attention(pixels, *head),
        Ask::Lens { labels } => subject.lens(pixels, labels),
        Ask::DirectEffects { label } => subject.effects(pixels, label),
    }?;
    if answer.is_finite() { Ok(answer) } else { Err(ExplainError::NotFinite) }
}

impl Answer {
    fn is_finite(&self) -> bool {
        match self {
            Self::Grid { values, .. } => values.iter().all(|value| value.is_finite()),
            Self::Lines { cosines } => cosines.iter().flatten().all(|value| value.is_finite()),
            Self::Effects { parts, bias, cosine } => {
                parts.iter().all(|part| part.value.is_finite()) && bias.is_finite() && cosine.is_finite()
            }
        }
    }
}

/// The model that is asked.
struct Subject<'a> {
    model: &'a Model,
    head: &'a Head,
    abilities: Abilities,
}

impl Subject<'_> {
    fn check(&self, pixels: &[f32], ask: &Ask) -> Result<(), ExplainError> {
        let fits = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(ExplainError::Size { what, expected, found }) }
        };
        let exists = |what, index: Option<usize>, count| match index {
            Some(index) if index >= count => Err(ExplainError::Index { what, index, count }),
            _ => Ok(()),
        };
        if let Some(reason) = self.abilities.reason(ask) {
            return Err(ExplainError::Unavailable(reason));
        }
        let [height, width] = self.model.config.vision.image_size();
        fits("a picture", 3 * height * width, pixels.len())?;
        let feature = self.model.clip.image_projection().config().input_dim;
        fits("a head for features", feature, self.head.input_dim())?;
        let Abilities { layers, heads, pool_heads, .. } = self.abilities;
        match ask {
            Ask::Attention { layer, head, from } => {
                exists("block", Some(*layer), layers)?;
                exists("head", *head, heads)?;
                exists("place", *from, self.abilities.places())
            }
            Ask::PoolAttention { head } => exists("head", *head, pool_heads),
            Ask::PatchMap { label } | Ask::ValueMap { label } | Ask::DirectEffects { label } => {
                fits("a label", self.head.output_dim(), label.len())
            }
            Ask::Lens { labels } => {
                labels.iter().try_for_each(|label| fits("a label", self.head.output_dim(), label.len()))
            }
        }
    }

    /// Runs the tower and keeps the stages with these names.
    fn run(&self, pixels: Vec<f32>, names: impl IntoIterator<Item = String>) -> Stages {
        let names: Vec<String> = names.into_iter().collect();
        let mut probe = Probe::only(move |name| names.iter().any(|wanted| wanted == name));
        self.model.clip.image_pooled(self.model.pixel_batch(pixels), &mut probe);
        Stages(probe.into_stages())
    }

    /// cos(projected row, label) of every row.
    fn cosines(&self, features: Vec<f32>, label: &[f32]) -> Vec<f32> {
        cosines(&self.project(features), label)
    }

    /// `[row, width]` to `[row, embed]`, through the head in force.
    fn project(&self, features: Vec<f32>) -> Table {
        self.head.apply(&Table::new(self.head.input_dim(), features))
    }

    fn lens(&self, pixels: Vec<f32>, labels: &[Vec<f32>]) -> Result<Answer, ExplainError> {
        let name = |depth: usize| format!("visual.pooled_at.{depth}");
        let depths = 0..=self.abilities.layers;
        let mut stages = self.run(pixels, depths.clone().map(name));
        let pooled: Result<Vec<_>, _> = depths.map(|depth| stages.take(&name(depth), self.head.input_dim())).collect();
        let vectors = self.project(pooled?.concat());
        Ok(Answer::Lines { cosines: labels.iter().map(|label| cosines(&vectors, label)).collect() })
    }
}

/// What a probe collected of one picture.
struct Stages(BTreeMap<String, Stage>);

impl Stages {
    /// The values of a stage, `count` of them.
    fn take(&mut self, name: &str, count: usize) -> Result<Vec<f32>, ExplainError> {
        let stage = self.0.remove(name).filter(|stage| stage.values.len() == count);
        let missing = || ExplainError::Stage { name: name.to_owned(), expected: count };
        stage.map(|stage| stage.values).ok_or_else(missing)
    }
}

/// The cosine of each vector with a direction; 0 for a vector of length 0.
fn cosines(vectors: &Table, direction: &[f32]) -> Vec<f32> {
    let cosine = |vector: &[f32]| (dot(vector, direction) / length(vector)) as f32;
    vectors.rows().map(cosine).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// As [`crate::clip::normalise`] takes it.
fn length(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt().max(1e-12)
}
