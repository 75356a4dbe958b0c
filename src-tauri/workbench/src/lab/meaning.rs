//! What lies along a direction of the joint space: labels and photos.

use cliploupe_engine::{
    analysis::matrix::{dot, norm},
    lab::{Table, measures},
};

use super::{at_hand::AtHand, collection::bias, in_force::InForce, nothing_at_hand, of_analysis};
use crate::messages::{Direction, LabelValue, Meaning, PhotoValue, PriorRow, Problem, ProblemCode};

/// Photos and labels at unit length by the heads in force.
struct Units {
    photos: Table,
    labels: Table,
}

impl Units {
    fn of(in_force: &InForce, at_hand: &AtHand) -> Self {
        let photos = in_force.heads.image.apply(at_hand.pooled()).unit();
        Self { photos, labels: directions(in_force, at_hand) }
    }
}

/// Labels by the heads in force, unit vectors.
fn directions(in_force: &InForce, at_hand: &AtHand) -> Table {
    let labels = at_hand.scorer.as_ref().map(|scorer| scorer.directions.clone()).unwrap_or_default();
    Table::new(in_force.heads.text.output_dim(), labels)
}

/// Everything along a direction.
pub fn meaning(in_force: &InForce, at_hand: &AtHand, direction: &Direction) -> Result<Meaning, Problem> {
    let units = Units::of(in_force, at_hand);
    let (vector, sigma) = vector(in_force, at_hand, &units, direction)?;
    let length = norm(&vector);
    if length == 0.0 {
        let message = "this direction is zero, so nothing lies along it";
        return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "direction")], message));
    }
    let unit: Vec<f64> = vector.iter().map(|value| value / length).collect();
    let mut labels: Vec<LabelValue> = at_hand
        .labels()
        .into_iter()
        .zip(units.labels.along(&unit))
        .map(|(label, value)| LabelValue { label, value })
        .collect();
    labels.sort_by(|a, b| b.value.total_cmp(&a.value));
    let along = units.photos.along(&unit);
    let count = along.len();
    let mean = if count == 0 { 0.0 } else { along.iter().sum::<f64>() / count as f64 };
    let mut photos: Vec<PhotoValue> =
        at_hand.photos.ids.iter().zip(along).map(|(id, value)| PhotoValue { id: *id, value }).collect();
    photos.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.id.cmp(&b.id)));
    if count > 2 * Meaning::ENDS {
        photos.drain(Meaning::ENDS..count - Meaning::ENDS);
    }
    Ok(Meaning { length: sigma.unwrap_or(length), labels, photos, photo_count: count as u32, mean })
}

/// A direction, and its singular value if it is a singular one, whose vector is of length one.
fn vector(
    in_force: &InForce,
    at_hand: &AtHand,
    units: &Units,
    direction: &Direction,
) -> Result<(Vec<f64>, Option<f64>), Problem> {
    let embed = in_force.heads.image.output_dim();
    let none = |what: &str| no_direction(what);
    let vector = match direction {
        Direction::Singular { side, index } => {
            let last = in_force.head(*side).maps().last().ok_or_else(|| none("this tower has no projection"))?;
            let svd = last.weight.svd().map_err(|error| of_analysis(&error))?;
            let sigma = svd.values.get(*index as usize).copied();
            let sigma = sigma.ok_or_else(|| none(&format!("there are {} singular directions", svd.values.len())))?;
            return Ok((svd.left.row(*index as usize).to_vec(), Some(sigma)));
        }
        Direction::EffectiveBias { side } => bias(in_force.base.side(*side), in_force.head(*side))
            .map_err(|error| of_analysis(&error))?
            .ok_or_else(|| none("only a projection of one matrix has a fixed effective bias"))?,
        Direction::Dimension { index } if (*index as usize) < embed => {
            (0..embed).map(|i| if i == *index as usize { 1.0 } else { 0.0 }).collect()
        }
        Direction::Dimension { .. } => return Err(none(&format!("the joint space has {embed} dimensions"))),
        Direction::Gap => {
            measures::gap(&units.photos, &units.labels).ok_or_else(|| nothing_at_hand("photos and labels"))?
        }
        Direction::Label { label } => {
            let index = at_hand.labels().iter().position(|known| known == label);
            let index = index.ok_or_else(|| none(&format!("{label:?} is not in the label set")))?;
            units.labels.row(index).iter().copied().map(f64::from).collect()
        }
    };
    Ok((vector, None))
}

fn no_direction(cause: &str) -> Problem {
    Problem::new(ProblemCode::Architecture, &[("cause", cause)], format!("there is no such direction: {cause}"))
}

/// What the image side's effective bias adds to each label, the most first: t_c·b_eff is the same for every photo.
pub fn class_prior(in_force: &InForce, at_hand: &AtHand) -> Result<Vec<PriorRow>, Problem> {
    let found = bias(&in_force.base.image, &in_force.heads.image).map_err(|error| of_analysis(&error))?;
    let Some(bias) = found.filter(|bias| norm(bias) > 0.0) else { return Ok(Vec::new()) };
    let lengths = in_force.heads.image.apply(at_hand.pooled()).lengths();
    let labels = directions(in_force, at_hand);
    // Without photos there is no mean length to divide by.
    let mean_length = if lengths.is_empty() { norm(&bias) } else { lengths.iter().sum::<f64>() / lengths.len() as f64 };
    let scale = f64::from(in_force.scoring().scale);
    let row = |(label, row): (String, &[f32])| {
        let direction: Vec<f64> = row.iter().copied().map(f64::from).collect();
        let product = dot(&direction, &bias);
        PriorRow { label, product, logit: scale * product / mean_length }
    };
    let mut rows: Vec<PriorRow> = at_hand.labels().into_iter().zip(labels.rows()).map(row).collect();
    rows.sort_by(|a, b| b.product.total_cmp(&a.product));
    Ok(rows)
}
