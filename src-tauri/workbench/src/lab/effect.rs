//! What the edits in force do to the photos and labels at hand.

use cliploupe_engine::{
    analysis::{AnalysisError, matrix::norm},
    lab::{Head, Heads, Table, measures},
    zero_shot::{self, Scoring},
};

use super::{at_hand::AtHand, classes::Classes};
use crate::{
    messages::{Flip, FlipArithmetic, GeometryFigures, LabEffect, Measures, Overlap, PhotoValue, SideBySide, TopLabel},
    sentences::Sentences,
};

/// Nearest neighbours that are compared.
const NEIGHBOURS: usize = 10;

/// Photos and labels by one pair of heads.
pub struct View<'a> {
    /// The heads.
    pub heads: &'a Heads,
    /// Photos, unit vectors `[photo, embed]`.
    pub photos: &'a Table,
    /// Labels, unit vectors `[label, embed]`.
    pub labels: Table,
    /// How cosines become scores.
    pub scoring: Scoring,
}

impl<'a> View<'a> {
    /// `photos` are unit vectors by the image head of `heads`.
    pub fn new(heads: &'a Heads, scoring: Scoring, photos: &'a Table, at_hand: &AtHand) -> Self {
        let directions = at_hand.sentences().map(|sentences| sentences.directions(&heads.text)).unwrap_or_default();
        Self { heads, photos, labels: Table::new(heads.text.output_dim(), directions), scoring }
    }

    fn best(&self) -> Vec<(usize, f32)> {
        best_labels(self.photos, &self.labels, self.scoring)
    }

    fn figures(&self, [image_spectrum, text_spectrum]: [Vec<f64>; 2]) -> GeometryFigures {
        GeometryFigures {
            gap: measures::gap(self.photos, &self.labels).as_deref().map(norm),
            cone_image: measures::cone(self.photos),
            cone_text: measures::cone(&self.labels),
            image_text: measures::image_text_cosine(self.photos, &self.labels),
            image_spectrum,
            text_spectrum,
        }
    }
}

/// Singular values of the last map of each head.
pub fn spectra(heads: &Heads) -> Result<[Vec<f64>; 2], AnalysisError> {
    let last = |head: &Head| head.maps().last().map_or(Ok(Vec::new()), |map| map.weight.singular_values());
    Ok([last(&heads.image)?, last(&heads.text)?])
}

/// The same of changed heads. Most edits are biases and leave the matrices alone, whose values are known.
fn spectra_beside(heads: &Heads, base: &Heads, known: &[Vec<f64>; 2]) -> Result<[Vec<f64>; 2], AnalysisError> {
    let last = |head: &Head, base: &Head, known: &Vec<f64>| match (head.maps().last(), base.maps().last()) {
        (Some(map), Some(own)) if map.weight == own.weight => Ok(known.clone()),
        (Some(map), _) => map.weight.singular_values(),
        (None, _) => Ok(Vec::new()),
    };
    Ok([last(&heads.image, &base.image, &known[0])?, last(&heads.text, &base.text, &known[1])?])
}

/// The best label of each photo with its score; none without labels.
///
/// # Shapes
/// - photos: `[photo, embed]`, unit vectors
/// - labels: `[label, embed]`, unit vectors
pub fn best_labels(photos: &Table, labels: &Table, scoring: Scoring) -> Vec<(usize, f32)> {
    if labels.count() == 0 {
        return Vec::new();
    }
    let cosines = zero_shot::cosines(photos.values(), labels.values(), photos.columns());
    let best = |row: &[f32]| {
        let scores = scoring.scores(row);
        zero_shot::top_k(&scores, 1).first().map_or((0, 0.0), |index| (*index, scores[*index].probability))
    };
    cosines.chunks_exact(labels.count()).map(best).collect()
}

/// Everything that changes from one view to the other; `spectra` are those of the first one's heads.
pub fn effect(
    [before, after]: [&View<'_>; 2],
    at_hand: &AtHand,
    spectra: &[Vec<f64>; 2],
    known: Option<(&Classes, &Sentences)>,
) -> Result<LabEffect, AnalysisError> {
    let (was, is) = (before.best(), after.best());
    let labels = at_hand.labels();
    let top = |(index, probability): (usize, f32)| TopLabel { label: labels[index].clone(), probability };
    let mut flips: Vec<Flip> = at_hand
        .photos
        .ids
        .iter()
        .zip(was.iter().zip(&is))
        .filter(|(_, (was, is))| was.0 != is.0)
        .map(|(id, (was, is))| Flip { id: *id, before: top(*was), after: top(*is) })
        .collect();
    let changed = flips.len() as u32;
    flips.sort_by(|a, b| b.after.probability.total_cmp(&a.after.probability).then(a.id.cmp(&b.id)));
    flips.truncate(LabEffect::FLIPS);
    Ok(LabEffect {
        photos: was.len() as u32,
        changed,
        flips,
        before: before.figures(spectra.clone()),
        after: after.figures(spectra_beside(after.heads, before.heads, spectra)?),
        overlap: overlap(before.photos, after.photos)?,
        measures: match known {
            Some((classes, names)) => Some([measured(before, classes, names)?, measured(after, classes, names)?]),
            None => None,
        },
        elapsed_ms: 0.0,
    })
}

/// Neighbours that two tables have in common, if there are enough of them to have some.
pub fn overlap(before: &Table, after: &Table) -> Result<Option<Overlap>, AnalysisError> {
    let k = NEIGHBOURS.min(before.count().saturating_sub(1) / 2);
    if k == 0 {
        return Ok(None);
    }
    let found = measures::overlap(before, after, k)?;
    Ok(found.map(|found| Overlap { k: found.k as u32, share: found.share, chance: found.chance }))
}

/// How well the classes' names find their photos.
fn measured(view: &View<'_>, classes: &Classes, names: &Sentences) -> Result<Measures, AnalysisError> {
    let directions = names.directions(&view.heads.text);
    let photos = view.photos.select(classes.members.iter().map(|(photo, _)| *photo));
    let scores = zero_shot::cosines(photos.values(), &directions, photos.columns());
    let truth: Vec<usize> = classes.members.iter().map(|(_, class)| *class).collect();
    measures::class_measures(&Table::new(classes.names.len(), scores), &truth).map(Into::into)
}

impl From<measures::ClassMeasures> for Measures {
    fn from(found: measures::ClassMeasures) -> Self {
        let measures::ClassMeasures { photos, accuracy, macro_f1, mean_average_precision } = found;
        Self { photos: photos as u32, accuracy, macro_f1, mean_average_precision }
    }
}

/// The arithmetic of one photo's flip; none if its best label stays. `pooled` is the photo's feature alone.
pub fn arithmetic(
    [before, after]: [&Heads; 2],
    pooled: &Table,
    at_hand: &AtHand,
    scoring: Scoring,
) -> Option<FlipArithmetic> {
    let raw = [before, after].map(|heads| heads.image.apply(pooled));
    let units = [raw[0].unit(), raw[1].unit()];
    // Scores rise with cosines in every model, so that any scoring finds the best label.
    let views = [View::new(before, scoring, &units[0], at_hand), View::new(after, scoring, &units[1], at_hand)];
    let [a, b] = [&views[0], &views[1]].map(|view| view.best().first().map(|(label, _)| *label));
    let (a, b) = (a?, b?);
    if a == b {
        return None;
    }
    let labels = &views[1].labels;
    let difference: Vec<f64> =
        labels.row(b).iter().zip(labels.row(a)).map(|(b, a)| f64::from(*b) - f64::from(*a)).collect();
    let [u, y] = [&raw[0], &raw[1]].map(|table| table.along(&difference)[0]);
    let names = at_hand.labels();
    Some(FlipArithmetic {
        before: names[a].clone(),
        after: names[b].clone(),
        lead: u,
        shift: y - u,
        total: y,
        lengths: [raw[0].lengths()[0], raw[1].lengths()[0]],
        text_edited: before.text != after.text,
    })
}

/// The photos nearest to a query by each pair of heads; `query` has the pooled features of its sentence.
pub fn search(views: [&View<'_>; 2], query: &Sentences, at_hand: &AtHand, top: usize) -> SideBySide {
    let [before, after] = views.map(|view| {
        let direction: Vec<f64> = query.directions(&view.heads.text).into_iter().map(f64::from).collect();
        let along = view.photos.along(&direction);
        let mut hits: Vec<PhotoValue> =
            at_hand.photos.ids.iter().zip(along).map(|(id, value)| PhotoValue { id: *id, value }).collect();
        hits.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.id.cmp(&b.id)));
        hits.truncate(top);
        hits
    });
    SideBySide { before, after }
}
