//! One photo under the loupe: the engine's answers as they cross to the page.

use std::path::Path;

use cliploupe_engine::{
    Model, chain,
    explain::{self as engine, Abilities, Answer, ExplainError},
    lab::edit::Heads,
    photo::{self, Limits},
    preprocess,
};

use crate::{
    messages::{Ask, Effect, ExplainAbilities, Explanation, LensLine, Problem, ProblemCode, Unavailable},
    problem::of_photo,
    worker::Scorer,
};

/// What the loaded image tower can be asked.
pub fn abilities(model: &Model, heads: &Heads) -> ExplainAbilities {
    let found = Abilities::of(&model.config.vision, &heads.image);
    ExplainAbilities {
        layers: found.layers as u32,
        heads: found.heads as u32,
        pool_heads: found.pool_heads as u32,
        grid: found.grid.map(|side| side as u32),
        class_token: found.class_token,
        patch_map: found.patch_map.map(Into::into),
        value_map: found.value_map.map(Into::into),
        attention: found.attention.map(Into::into),
        pool_attention: found.pool_attention.map(Into::into),
        lens: found.lens.map(Into::into),
        direct_effects: found.direct_effects.map(Into::into),
    }
}

impl From<engine::Unavailable> for Unavailable {
    fn from(reason: engine::Unavailable) -> Self {
        match reason {
            engine::Unavailable::Convolutional => Self::Convolutional,
            engine::Unavailable::OtherWidths => Self::OtherWidths,
            engine::Unavailable::AttentionPool => Self::AttentionPool,
            engine::Unavailable::NoAttentionPool => Self::NoAttentionPool,
            engine::Unavailable::NormBeforeAverage => Self::NormBeforeAverage,
            engine::Unavailable::PostNorm => Self::PostNorm,
            engine::Unavailable::InnerNorm => Self::InnerNorm,
            engine::Unavailable::NonlinearHead => Self::NonlinearHead,
        }
    }
}

/// The question with the directions of its labels, by the heads in force.
pub fn question(ask: &Ask, scorer: Option<&Scorer>) -> Result<engine::Ask, Problem> {
    let direction = |label: &String| -> Result<Vec<f32>, Problem> {
        let found = scorer.and_then(|scorer| scorer.labels().position(|known| known == label).map(|at| (scorer, at)));
        let unknown = || {
            let message = format!("{label:?} is not in the label set. Add it and try again.");
            Problem::new(ProblemCode::BadLabel, &[("cause", label)], message)
        };
        let (scorer, at) = found.ok_or_else(unknown)?;
        Ok(scorer.direction(at).to_vec())
    };
    let index = |value: &Option<u32>| value.map(|value| value as usize);
    Ok(match ask {
        Ask::PatchMap { label } => engine::Ask::PatchMap { label: direction(label)? },
        Ask::ValueMap { label } => engine::Ask::ValueMap { label: direction(label)? },
        Ask::Attention { layer, head, from } => {
            engine::Ask::Attention { layer: *layer as usize, head: index(head), from: index(from) }
        }
        Ask::PoolAttention { head } => engine::Ask::PoolAttention { head: index(head) },
        Ask::Lens { labels } => engine::Ask::Lens { labels: labels.iter().map(direction).collect::<Result<_, _>>()? },
        Ask::DirectEffects { label } => engine::Ask::DirectEffects { label: direction(label)? },
    })
}

/// Reads the photo again and asks the model.
pub fn explain(
    model: &Model,
    heads: &Heads,
    path: &Path,
    ask: &engine::Ask,
    labels: Vec<String>,
) -> Result<Explanation, Problem> {
    let photo = photo::open(path, &Limits::default()).map_err(|error| of_photo(&error, path))?;
    let size = photo.picture.full_size();
    let seen = preprocess::seen_part(size, &model.preprocess).map(|share| share as f32);
    let pixels = preprocess::resize_and_crop(&photo.picture, &model.preprocess);
    let pixels = preprocess::normalise(&pixels, &model.preprocess);
    let answer = engine::explain(model, &heads.image, pixels, ask).map_err(|error| of_explain(&error))?;
    Ok(match answer {
        Answer::Grid { grid, values, to_class } => {
            Explanation::Grid { grid: grid.map(|side| side as u32), values, seen, to_class }
        }
        Answer::Lines { cosines } => Explanation::Lines {
            lines: labels.into_iter().zip(cosines).map(|(label, cosines)| LensLine { label, cosines }).collect(),
        },
        Answer::Effects { parts, bias, cosine } => {
            let effect = |part: &engine::Effect| Effect {
                layer: part.layer.map(|layer| layer as u32),
                head: part.head.map(|head| head as u32),
                value: part.value,
            };
            Explanation::Effects { parts: parts.iter().map(effect).collect(), bias, cosine }
        }
    })
}

fn of_explain(error: &ExplainError) -> Problem {
    let cause = chain(error);
    Problem::new(ProblemCode::Architecture, &[("cause", &cause)], cause.clone())
}
