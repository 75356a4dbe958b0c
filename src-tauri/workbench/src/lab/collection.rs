//! The photos and labels at hand before and after their projections.

use cliploupe_engine::{
    analysis::{
        AnalysisError, Matrix,
        embeddings::{cka, covariance_eigenvalues, mean_cosine, null_space_energy},
        geometry::{cosine, effective_bias},
        matrix::norm,
        principal::pca,
        spectrum::{effective_rank, rank},
        statistics,
    },
    lab::{Head, Table, measures, table::evenly},
};

use super::{
    at_hand::AtHand,
    effect::overlap,
    in_force::{InForce, SideFacts},
};
use crate::messages::{CollectionReport, GapCard, Histogram, NullSpace, PhotoId, PhotoValue, Plane, Side, SideFigures};

/// Figures of pairs and of covariances are of so many vectors at most.
const SAMPLE: usize = 1000;
/// Photos named of those that lose most.
const MOST: usize = 60;
const BINS: usize = 40;
/// Photos that are taken to f64 at once.
const PIECE: usize = 4096;

/// All figures, with the edits in force.
pub fn report(in_force: &InForce, at_hand: &AtHand) -> Result<CollectionReport, AnalysisError> {
    let heads = &in_force.heads;
    let (pooled, ids) = (at_hand.pooled(), &at_hand.photos.ids);
    let vectors = heads.image.apply(pooled);
    let mut image = side_figures(pooled, &vectors, ids, &[])?;
    if let Some(figures) = &mut image {
        figures.null_space = null_space(&heads.image, pooled, ids)?;
    }
    let (mut text, mut between) = (None, None);
    if let Some((pooled, labels)) = label_vectors(&heads.text, at_hand) {
        text = side_figures(&pooled, &labels, &[], &at_hand.labels())?;
        between = gap(in_force, &vectors, &labels)?;
    }
    Ok(CollectionReport { image, text, gap: between })
}

/// Labels as one vector each: the mean of the pooled features of their sentences, and their direction.
fn label_vectors(head: &Head, at_hand: &AtHand) -> Option<(Table, Table)> {
    let sentences = at_hand.sentences()?;
    Some((sentences.means(), Table::new(head.output_dim(), sentences.directions(head))))
}

fn side_figures(
    pooled: &Table,
    vectors: &Table,
    ids: &[PhotoId],
    labels: &[String],
) -> Result<Option<SideFigures>, AnalysisError> {
    let unit = vectors.unit();
    let Some(mean) = unit.mean() else { return Ok(None) };
    let sample: Vec<usize> = evenly(pooled.count(), SAMPLE).collect();
    let (before, after) = (pooled.select(sample.iter().copied()), unit.select(sample.iter().copied()));
    let mut figures = SideFigures {
        count: pooled.count() as u32,
        sample: sample.len() as u32,
        ids: if ids.is_empty() { Vec::new() } else { sample.iter().map(|index| ids[*index]).collect() },
        labels: if labels.is_empty() {
            Vec::new()
        } else {
            sample.iter().map(|index| labels[*index].clone()).collect()
        },
        mean_norm: norm(&mean),
        lengths: binned(&vectors.lengths()),
        cone: None,
        cka: None,
        overlap: None,
        covariance: None,
        covariance_rank: None,
        planes: None,
        null_space: None,
    };
    if sample.len() < 2 {
        return Ok(Some(figures));
    }
    let (before_table, after_table) = (before, after);
    let pooled_unit = before_table.unit().to_matrix()?;
    let (before, after) = (before_table.to_matrix()?, after_table.to_matrix()?);
    figures.cone = Some([mean_cosine(&pooled_unit)?, mean_cosine(&after)?]);
    // It is not defined for vectors that are all the same, as copies of one photo are.
    figures.cka = cka(&before, &after).ok();
    figures.overlap = overlap(&before_table, &after_table)?;
    let covariance = [covariance_eigenvalues(&before)?, covariance_eigenvalues(&after)?];
    figures.covariance_rank = Some([effective_rank(&covariance[0]), effective_rank(&covariance[1])]);
    figures.covariance = Some(covariance);
    // Nor has it principal axes.
    figures.planes = plane(&before).ok().zip(plane(&after).ok()).map(|(before, after)| [before, after]);
    Ok(Some(figures))
}

fn plane(table: &Matrix) -> Result<Plane, AnalysisError> {
    let found = pca(table, 2)?;
    let at = |row: &[f64], axis: usize| row.get(axis).copied().unwrap_or(0.0) as f32;
    let share = |axis: usize| found.shares.get(axis).copied().unwrap_or(0.0);
    Ok(Plane {
        points: found.points.rows().map(|row| [at(row, 0), at(row, 1)]).collect(),
        shares: [share(0), share(1)],
    })
}

/// What a linear head throws away; none for an MLP, which throws away no fixed directions.
fn null_space(head: &Head, pooled: &Table, ids: &[PhotoId]) -> Result<Option<NullSpace>, AnalysisError> {
    let Some(map) = head.linear() else { return Ok(None) };
    let svd = map.weight.svd()?;
    let mut lost = Vec::with_capacity(pooled.count());
    // In pieces, because in f64 all photos of a large table take gigabytes.
    for rows in pooled.values().chunks(PIECE * pooled.columns()) {
        lost.extend(null_space_energy(&svd, &Table::new(pooled.columns(), rows.to_vec()).to_matrix()?)?);
    }
    let mut most: Vec<PhotoValue> =
        ids.iter().zip(&lost).map(|(id, value)| PhotoValue { id: *id, value: *value }).collect();
    most.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.id.cmp(&b.id)));
    most.truncate(MOST);
    Ok(Some(NullSpace {
        dim: (head.input_dim() - rank(&svd.values)) as u32,
        mean: lost.iter().sum::<f64>() / lost.len() as f64,
        histogram: binned(&lost),
        most,
    }))
}

/// Values in bins; no bins without values.
pub fn binned(values: &[f64]) -> Histogram {
    let counted = |found: statistics::Histogram| Histogram {
        from: found.from,
        to: found.to,
        counts: found.counts.iter().map(|count| *count as u32).collect(),
    };
    let nothing = || Histogram { from: 0.0, to: 0.0, counts: Vec::new() };
    statistics::histogram(values.iter().copied(), BINS).map_or_else(nothing, counted)
}

fn gap(in_force: &InForce, photos: &Table, labels: &Table) -> Result<Option<GapCard>, AnalysisError> {
    let photos = photos.unit();
    let (gap, image_text) = (measures::gap(&photos, labels), measures::image_text_cosine(&photos, labels));
    let (Some(gap), Some(image_text)) = (gap, image_text) else { return Ok(None) };
    let along = |side: Side| -> Result<Option<f64>, AnalysisError> {
        let bias = bias(in_force.base.side(side), in_force.head(side))?;
        Ok(bias.filter(|bias| norm(bias) > 0.0).map(|bias| cosine(&gap, &bias)))
    };
    Ok(Some(GapCard {
        norm: norm(&gap),
        image_text,
        along_image_bias: along(Side::Image)?,
        along_text_bias: along(Side::Text)?,
    }))
}

/// b_eff of a linear head.
pub fn bias(facts: &SideFacts, head: &Head) -> Result<Option<Vec<f64>>, AnalysisError> {
    let Some(map) = head.linear() else { return Ok(None) };
    effective_bias(&map.weight, facts.shift().as_deref(), map.bias.as_deref()).map(Some)
}
