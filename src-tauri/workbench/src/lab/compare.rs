//! Two models, or two pairs of heads of one, on the photos and labels at hand.

use std::path::Path;

use cliploupe_engine::{
    Device, Model,
    analysis::{
        AnalysisError, Matrix,
        embeddings::{cka, procrustes},
        matrix::norm,
    },
    device::read,
    lab::{Head, Heads, Table, table::evenly},
    photo::{self, Limits},
    preprocess,
    probe::Probe,
    zero_shot::Scoring,
};

use super::{
    at_hand::AtHand,
    cards::angles,
    collection::bias,
    effect::{best_labels, overlap},
    in_force::{Base, SideFacts},
};
use crate::{
    messages::{Comparison, Disagreement, LabelValue, PhotoId, Problem, Side, SideComparison},
    model_source::ModelSource,
    problem::of_load,
    sentences::{self, sentences_of},
};

/// Photos that another model encodes.
pub const PHOTOS: usize = 200;
/// Photos encoded at once.
const BATCH: usize = 8;
/// Photos named that are labelled differently.
const NAMED: usize = 200;

/// Photos and labels by one model.
pub struct Seen<'a> {
    /// Its name.
    pub name: String,
    /// The heads, with what the file says of each.
    pub heads: &'a Heads,
    /// What the file says of them.
    pub facts: [&'a SideFacts; 2],
    /// Photos, unit vectors `[photo, embed]`.
    pub photos: Table,
    /// Labels, unit vectors `[label, embed]`.
    pub labels: Table,
    /// How cosines become scores.
    pub scoring: Scoring,
}

impl<'a> Seen<'a> {
    /// Photos and labels at hand by heads of the loaded model.
    pub fn at_hand(
        name: String,
        base: &'a Base,
        heads: &'a Heads,
        scoring: Scoring,
        at_hand: &AtHand,
        rows: &[usize],
    ) -> Self {
        let labels = at_hand.sentences().map(|sentences| sentences.directions(&heads.text)).unwrap_or_default();
        Self {
            name,
            heads,
            facts: [&base.image, &base.text],
            photos: heads.image.apply(&at_hand.pooled().select(rows.iter().copied())).unit(),
            labels: Table::new(heads.text.output_dim(), labels),
            scoring,
        }
    }
}

/// Another model with the photos and labels at hand by it.
pub struct Other {
    base: Base,
    photos: Table,
    labels: Table,
    /// Places at hand of the photos that could be read.
    pub rows: Vec<usize>,
}

impl Other {
    /// Loads a model on the CPU and encodes an even sample of the photos, and the labels.
    pub fn new(
        source: &ModelSource,
        at_hand: &AtHand,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Option<Self>, Problem> {
        let checkpoint = source.checkpoint().map_err(|error| of_load(&error))?;
        let model = Model::load(checkpoint, None, &Device::flex()).map_err(|error| of_load(&error))?;
        let base = Base::of(source, &model, 0).map_err(|error| super::of_analysis(&error))?;
        let (mut rows, mut pooled) = (Vec::new(), Vec::new());
        let sample: Vec<usize> = evenly(at_hand.photos.ids.len(), PHOTOS).collect();
        for batch in sample.chunks(BATCH) {
            if !go_on() {
                return Ok(None);
            }
            let (found, pixels) = decoded(&model, at_hand, batch);
            if !found.is_empty() {
                pooled.extend(read(model.clip.image_pooled(model.pixel_batch(pixels), &mut Probe::off())));
                rows.extend(found);
            }
        }
        let heads = &base.heads;
        let photos = heads.image.apply(&Table::new(heads.image.input_dim(), pooled)).unit();
        let labels = Table::new(heads.text.output_dim(), label_directions(&model, heads, at_hand)?);
        Ok(Some(Self { photos, labels, rows, base }))
    }

    /// As a side of a comparison.
    pub fn seen(&self) -> Seen<'_> {
        Seen {
            name: self.base.source.name(),
            heads: &self.base.heads,
            facts: [&self.base.image, &self.base.text],
            photos: self.photos.clone(),
            labels: self.labels.clone(),
            scoring: self.base.scoring,
        }
    }
}

/// The photos of these rows that can be read, and their pixels for this model.
fn decoded(model: &Model, at_hand: &AtHand, rows: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let (mut found, mut values) = (Vec::new(), Vec::new());
    for row in rows {
        let path: &Path = &at_hand.photos.paths[*row];
        if let Ok(photo) = photo::open(path, &Limits::default()) {
            let pixels = preprocess::resize_and_crop(&photo.picture, &model.preprocess);
            values.extend(preprocess::normalise(&pixels, &model.preprocess));
            found.push(*row);
        }
    }
    (found, values)
}

fn label_directions(model: &Model, heads: &Heads, at_hand: &AtHand) -> Result<Vec<f32>, Problem> {
    let Some(scorer) = &at_hand.scorer else { return Ok(Vec::new()) };
    let labels: Vec<_> = scorer.labels().map(|label| sentences_of(&scorer.settings, label.trim())).collect();
    Ok(sentences::encode(model, &labels)?.directions(&heads.text))
}

/// Compares what two models make of the same photos and labels.
pub fn compare(
    left: &Seen<'_>,
    right: &Seen<'_>,
    ids: &[PhotoId],
    names: &[String],
) -> Result<Comparison, AnalysisError> {
    let (was, is) = (
        best_labels(&left.photos, &left.labels, left.scoring),
        best_labels(&right.photos, &right.labels, right.scoring),
    );
    let named =
        |(label, probability): (usize, f32)| LabelValue { label: names[label].clone(), value: probability.into() };
    let pairs = ids.iter().zip(was.iter().zip(&is));
    let mut disagreements: Vec<Disagreement> = pairs
        .filter(|(_, (was, is))| was.0 != is.0)
        .map(|(id, (was, is))| Disagreement { id: *id, left: named(*was), right: named(*is) })
        .collect();
    let agreement = (!was.is_empty()).then(|| 1.0 - disagreements.len() as f64 / was.len() as f64);
    disagreements.truncate(NAMED);
    let side = |side: Side, index: usize, tables: [&Table; 2]| {
        let heads = [left, right].map(|seen| seen.heads.of(side.into()));
        side_comparison(heads, [left.facts[index], right.facts[index]], tables)
    };
    Ok(Comparison {
        left: left.name.clone(),
        right: right.name.clone(),
        photos: ids.len() as u32,
        labels: names.len() as u32,
        image: side(Side::Image, 0, [&left.photos, &right.photos])?,
        text: side(Side::Text, 1, [&left.labels, &right.labels])?,
        agreement,
        disagreements,
    })
}

fn side_comparison(
    [left, right]: [&Head; 2],
    facts: [&SideFacts; 2],
    tables: [&Table; 2],
) -> Result<SideComparison, AnalysisError> {
    let maps = left.linear().zip(right.linear());
    let distance = match maps {
        Some((a, b)) if a.weight.shape() == b.weight.shape() => {
            let distance = a.weight.distance(&b.weight)?;
            Some([distance, distance / a.weight.frobenius_norm().max(f64::MIN_POSITIVE)])
        }
        _ => None,
    };
    let biases = bias(facts[0], left)?.zip(bias(facts[1], right)?).filter(|(a, b)| a.len() == b.len());
    let bias_distance = biases.map(|(a, b)| norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()));
    let angles = match maps {
        Some((a, b)) if a.weight.shape()[0] == b.weight.shape()[0] => {
            Some(angles(&a.weight.svd()?, &b.weight.svd()?, a.weight.shape()[0])?)
        }
        _ => None,
    };
    let mut found = SideComparison { distance, bias_distance, angles, cka: None, procrustes: None, overlap: None };
    if tables[0].count() > 2 {
        let [a, b]: [Matrix; 2] = [tables[0].to_matrix()?, tables[1].to_matrix()?];
        // Neither is defined for vectors that are all the same.
        found.cka = cka(&a, &b).ok();
        found.procrustes = procrustes(&a, &b).ok();
        found.overlap = overlap(tables[0], tables[1])?;
    }
    Ok(found)
}
