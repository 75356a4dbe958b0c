//! What each head and each MLP adds to the cosine: direct effects.
//!
//! Follows Gandelsman et al., "Interpreting CLIP's image representation via text-based decomposition" (arXiv:2310.05916).
//! What is pooled is a sum x = Σ c over the parts of a residual stream: what comes before the first block, each head, each
//! MLP. The last norm and a linear head are affine in x once the norm's mean and deviation σ are taken as they are:
//! `y = W(γ⊙(x − mean x)/σ + β) + b`. So with the label t, of length 1,
//!
//! `cos(y, t) = Σ t·W(γ⊙(c − mean c)/σ)/‖y‖ + t·(Wβ + b)/‖y‖`,
//!
//! one term for each part and one for the biases. A head's part is its values through its slice of the output map, with
//! the layer scale where there is one; the output map's own bias belongs to no head, so it is counted with the biases.
//! A part is a *direct* effect: what it changes in later heads and MLPs is counted there.

use super::{Answer, ExplainError, Stages, Subject, Unavailable, dot, length};
use crate::{clip::config::VisionTowerConfig, lab::Head, projection::Affine};

const START: &str = "visual.direct.start";

fn block_stage(layer: usize) -> String {
    format!("visual.direct.{layer}")
}

/// What one part of a tower adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Block, from 0; none for what comes before the first.
    pub layer: Option<usize>,
    /// Head, from 0; none for an MLP or what comes before the first block.
    pub head: Option<usize>,
    /// What it adds to the cosine.
    pub value: f64,
}

/// The parts of a residual stream, averaged over what is pooled: `[width]` each.
struct Stream {
    start: Vec<f32>,
    /// Of each block: heads, the output map's bias, the MLP.
    blocks: Vec<Vec<Vec<f32>>>,
}

impl Stream {
    fn parts(&self) -> impl Iterator<Item = &Vec<f32>> {
        std::iter::once(&self.start).chain(self.blocks.iter().flatten())
    }

    /// Deviation of the sum of all parts, as a norm with this epsilon takes it.
    fn deviation(&self, epsilon: f64) -> f64 {
        let mut sum = vec![0.0; self.start.len()];
        for part in self.parts() {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let count = sum.len() as f64;
        let mean = sum.iter().sum::<f64>() / count;
        (sum.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count + epsilon).sqrt()
    }
}

/// A direction of the joint space, seen from in front of the norm.
struct Reader {
    /// γ⊙Wᵀt / (σ‖y‖)
    weights: Vec<f64>,
    /// t·(Wβ + b) / ‖y‖
    shift: f64,
}

impl Reader {
    fn new(head: &Head, norm: &Affine, gamma: &[f32], label: &[f32], length: f64, deviation: f64) -> Option<Self> {
        let matrix = head.matrix()?;
        let bias = head.linear().and_then(|map| map.bias.as_deref()).unwrap_or_default();
        let mut seen = vec![0.0; head.input_dim()]; // Wᵀt
        for (row, t) in matrix.rows().zip(label) {
            seen.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * f64::from(*t));
        }
        let shift: f64 = seen.iter().zip(&norm.beta).map(|(seen, beta)| seen * f64::from(*beta)).sum();
        let bias: f64 = bias.iter().zip(label).map(|(bias, t)| bias * f64::from(*t)).sum();
        let weights = seen.iter().zip(gamma).map(|(seen, gamma)| seen * f64::from(*gamma) / (deviation * length));
        Some(Self { weights: weights.collect(), shift: (shift + bias) / length })
    }

    /// What a part adds to the cosine.
    fn read(&self, part: &[f32]) -> f64 {
        let mean = part.iter().copied().map(f64::from).sum::<f64>() / part.len() as f64;
        self.weights.iter().zip(part).map(|(weight, value)| weight * (f64::from(*value) - mean)).sum()
    }
}

impl Subject<'_> {
    pub(super) fn effects(&self, pixels: Vec<f32>, label: &[f32]) -> Result<Answer, ExplainError> {
        const POOLED: &str = "visual.pooled";
        let layers = self.abilities.layers;
        let names = (0..layers).map(block_stage).chain([START.to_owned(), POOLED.to_owned()]);
        let mut stages = self.run(pixels, names);
        let vector = self.project(stages.take(POOLED, self.head.input_dim())?);
        let vector = vector.row(0);
        let stream = self.stream(&mut stages)?;
        let (norm, gamma, epsilon) = self.last_norm()?;
        let length = length(vector);
        let reader = Reader::new(self.head, norm, gamma, label, length, stream.deviation(epsilon))
            .ok_or(ExplainError::Unavailable(Unavailable::NonlinearHead))?;
        let (parts, bias) = self.read(&stream, &reader);
        Ok(Answer::Effects { parts, bias, cosine: dot(vector, label) / length })
    }

    fn stream(&self, stages: &mut Stages) -> Result<Stream, ExplainError> {
        let width = self.head.input_dim();
        let rows = self.abilities.heads + 2;
        let block = |layer| {
            let values = stages.take(&block_stage(layer), rows * width)?;
            Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
        };
        let blocks = (0..self.abilities.layers).map(block).collect::<Result<_, ExplainError>>()?;
        Ok(Stream { blocks, start: stages.take(START, width)? })
    }

    /// The effect of every part, and of the biases.
    fn read(&self, stream: &Stream, reader: &Reader) -> (Vec<Effect>, f64) {
        let heads = self.abilities.heads;
        let mut parts = vec![Effect { layer: None, head: None, value: reader.read(&stream.start) }];
        let mut bias = reader.shift;
        for (layer, rows) in stream.blocks.iter().enumerate() {
            for (index, part) in rows.iter().enumerate() {
                let value = reader.read(part);
                if index == heads {
                    bias += value;
                } else {
                    parts.push(Effect { layer: Some(layer), head: (index < heads).then_some(index), value });
                }
            }
        }
        (parts, bias)
    }

    /// The norm in front of the head, its scale, and what it adds to the variance.
    fn last_norm(&self) -> Result<(&Affine, &[f32], f64), ExplainError> {
        let epsilon = match &self.model.config.vision {
            VisionTowerConfig::Vit(config) => Some(config.block.epsilon),
            VisionTowerConfig::TimmVit(config) => Some(config.block.epsilon),
            VisionTowerConfig::Eva(config) => Some(config.epsilon),
            _ => None,
        };
        let norm = self.model.clip.image_projection().affine_before();
        let norm = norm.and_then(|norm| Some((norm, norm.gamma.as_deref()?, epsilon?)));
        norm.ok_or(ExplainError::Stage { name: "the last norm".into(), expected: self.head.input_dim() })
    }
}
