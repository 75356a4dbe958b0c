//! The report on both projections by their weights alone.

use cliploupe_engine::{
    analysis::{
        AnalysisError, Svd,
        band::flat_band,
        geometry::{effective_bias, of_mean, principal_angles_deg, psi_singular_values},
        matrix::norm,
        spectrum::{Spectrum, energy_at, odd_dimensions, spectrum},
    },
    lab::{Head, Map},
    projection::{AffineBefore, Form, Orientation},
};

use super::{
    at_hand::AtHand,
    in_force::{InForce, SideFacts},
};
use crate::messages::{
    AffineCard, BiasState, EffectiveBias, HeadKind, JointCard, MapCard, MapFigures, OfMean, ProjectionCard,
    ProjectionReport, PsiCard, Side, StoredAs, Upstream,
};

/// Both projections, with the edits in force.
pub fn report(in_force: &InForce, at_hand: &AtHand) -> Result<ProjectionReport, AnalysisError> {
    let base = &in_force.base;
    let (image, text) = (card(in_force, Side::Image, at_hand)?, card(in_force, Side::Text, at_hand)?);
    Ok(ProjectionReport {
        model: base.source.name(),
        edited: in_force.is_edited(),
        joint: joint(in_force, [&image, &text])?,
        image,
        text,
    })
}

fn joint(in_force: &InForce, cards: [&ProjectionCard; 2]) -> Result<JointCard, AnalysisError> {
    let heads = &in_force.heads;
    let psi = match (heads.image.matrix(), heads.text.matrix()) {
        (Some(image), Some(text)) => {
            let singular_values = psi_singular_values(&image, &text)?;
            let band = flat_band(&singular_values);
            Some(PsiCard { band: [band.start as u32, band.end as u32], singular_values })
        }
        _ => None,
    };
    let angles = match (heads.image.linear(), heads.text.linear()) {
        // Two maps onto the whole joint space meet in all of it; no decomposition is needed to see that.
        (Some(_), Some(_)) if cards.iter().all(|card| spans_all(card)) => Some(vec![0.0; heads.image.output_dim()]),
        (Some(image), Some(text)) => {
            let all = heads.image.output_dim();
            Some(angles(&image.weight.svd()?, &text.weight.svd()?, all)?)
        }
        _ => None,
    };
    let scoring = in_force.scoring();
    Ok(JointCard {
        dim: heads.image.output_dim() as u32,
        psi,
        angles,
        logit_scale: scoring.scale.into(),
        logit_bias: scoring.logit_bias().map(f64::from),
    })
}

fn spans_all(card: &ProjectionCard) -> bool {
    card.maps.iter().all(|map| map.figures.rank == map.output)
}

/// Principal angles in degrees, smallest first; what is only rounding is 0, as where both span the whole joint space.
pub fn angles(image: &Svd, text: &Svd, count: usize) -> Result<Vec<f64>, AnalysisError> {
    const ROUNDING_DEG: f64 = 1e-9;
    let mut angles = principal_angles_deg(image, text, count)?;
    angles.iter_mut().filter(|angle| **angle < ROUNDING_DEG).for_each(|angle| *angle = 0.0);
    Ok(angles)
}

fn card(in_force: &InForce, side: Side, at_hand: &AtHand) -> Result<ProjectionCard, AnalysisError> {
    let (facts, head) = (in_force.base.side(side), in_force.head(side));
    let pooled = match side {
        // An even sample of very many photos tells their mean and lengths as well.
        Side::Image => Some(at_hand.photos.pooled.sample()),
        Side::Text => at_hand.sentences().map(|sentences| &sentences.pooled),
    };
    let bias = bias_of(facts, head)?.map(|mut bias| {
        let vectors = pooled.map(|pooled| head.apply(pooled));
        bias.of_mean = vectors.and_then(|vectors| {
            let mean = vectors.mean()?;
            let figures = of_mean(&bias.vector, &mean)?;
            let lengths = vectors.lengths();
            Some(OfMean {
                count: vectors.count() as u32,
                mean_norm: norm(&mean),
                mean_length: lengths.iter().sum::<f64>() / lengths.len() as f64,
                cosine: figures.cosine,
                explained: figures.explained,
            })
        });
        bias
    });
    Ok(ProjectionCard {
        side,
        key: facts.config.key.clone(),
        kind: kind(facts, head),
        input_dim: head.input_dim() as u32,
        output_dim: head.output_dim() as u32,
        maps: maps(facts, head)?,
        affine: facts.affine.as_ref().map(|affine| AffineCard {
            key: affine.key.clone(),
            of_values: affine.gamma.is_none(),
            scale_norm: affine.gamma.as_ref().map(|gamma| norm(&widened(gamma))),
            shift_norm: norm(&widened(&affine.beta)),
        }),
        effective_bias: bias,
        bias_field: bias_field(&facts.config.key).map(str::to_owned),
        upstream: upstream(facts, head),
    })
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn kind(facts: &SideFacts, head: &Head) -> HeadKind {
    match head.maps().len() {
        0 => HeadKind::None,
        1 if matches!(facts.config.affine_before, Some(AffineBefore::Values(_))) => HeadKind::AttentionPool,
        1 => HeadKind::Linear,
        _ => HeadKind::Mlp,
    }
}

/// b_eff of a head with one map; a tower without a head has none, and an MLP no fixed one.
fn bias_of(facts: &SideFacts, head: &Head) -> Result<Option<EffectiveBias>, AnalysisError> {
    let Some(Map { weight, bias }) = head.linear() else { return Ok(None) };
    let from_shift = effective_bias(weight, facts.shift().as_deref(), None)?;
    let vector = effective_bias(weight, facts.shift().as_deref(), bias.as_deref())?;
    Ok(Some(EffectiveBias {
        norm: norm(&vector),
        from_shift: norm(&from_shift),
        from_bias: bias.as_deref().map_or(0.0, norm),
        vector,
        of_mean: None,
    }))
}

fn maps(facts: &SideFacts, head: &Head) -> Result<Vec<MapCard>, AnalysisError> {
    let map = |(index, map): (usize, &Map)| {
        let [output, input] = map.weight.shape();
        let stored_as = facts.stored(head, index).map_or(Orientation::OutIn, |stored| stored.orientation);
        let bias_norm = map.bias.as_deref().map(norm);
        Ok(MapCard {
            key: facts.key(head, index),
            stored_shape: match stored_as {
                Orientation::InOut => [input as u32, output as u32],
                Orientation::OutIn => [output as u32, input as u32],
            },
            stored_as: match stored_as {
                Orientation::InOut => StoredAs::InOut,
                Orientation::OutIn => StoredAs::OutIn,
            },
            input: input as u32,
            output: output as u32,
            bias: match bias_norm {
                None => BiasState::Absent,
                Some(0.0) => BiasState::Zero,
                Some(_) => BiasState::Present,
            },
            bias_norm,
            figures: figures(spectrum(&map.weight)?),
        })
    };
    head.maps().iter().enumerate().map(map).collect()
}

fn figures(spectrum: Spectrum) -> MapFigures {
    let numbered = |indices: Vec<usize>| indices.into_iter().map(|index| index as u32).collect();
    let (outputs, inputs) = (odd_dimensions(&spectrum.output_norms), odd_dimensions(&spectrum.input_norms));
    MapFigures {
        energy: energy_at(&spectrum.singular_values),
        frobenius_norm: spectrum.frobenius_norm,
        rank: spectrum.rank as u32,
        effective_rank: spectrum.effective_rank,
        stable_rank: spectrum.stable_rank,
        participation_ratio: spectrum.participation_ratio,
        condition_number: spectrum.condition_number,
        distance_from_orthogonal: spectrum.distance_from_orthogonal,
        spanned_share: spectrum.spanned_share,
        dead_outputs: numbered(outputs.dead),
        loud_outputs: numbered(outputs.loud),
        dead_inputs: numbered(inputs.dead),
        loud_inputs: numbered(inputs.loud),
        singular_values: spectrum.singular_values,
        output_norms: spectrum.output_norms,
        input_norms: spectrum.input_norms,
    }
}

/// The field of open_clip's configuration that switches a bias on in the head with this key (spec of open_clip 3.3.0,
/// `model.py`, `timm_model.py`): a native image tower has none, and timm's own classifier always has one.
pub fn bias_field(key: &str) -> Option<&'static str> {
    match key {
        "visual.head.proj" | "visual.head.mlp" => Some("vision_cfg.timm_proj_bias"),
        "text_projection" | "text.text_projection" => Some("text_cfg.proj_bias"),
        _ => None,
    }
}

/// Whether open_clip could load a head that may have been changed, without anything being folded.
fn upstream(facts: &SideFacts, head: &Head) -> Upstream {
    let has_bias = head.maps().last().is_some_and(|map| map.bias.is_some());
    let (had_bias, was) = match &facts.config.form {
        Form::Identity => (false, 0),
        Form::Linear { bias, .. } => (*bias, 1),
        Form::Mlp { biases, .. } => (biases[1], 2),
    };
    let field = bias_field(&facts.config.key);
    match (head.maps().len() == was, has_bias == had_bias) {
        (true, true) => Upstream::AsConfigured,
        (true, false) if field.is_some() => Upstream::WithField,
        // A bias that is gone is a bias of zero where there is always one.
        (true, false) if had_bias => Upstream::AsConfigured,
        (false, _) if field == Some("vision_cfg.timm_proj_bias") => Upstream::WithField,
        _ => Upstream::NoOption,
    }
}
