//! Linear against MLP, with a bias and without, on the same photos, parts and orders: what a bias in a projection is
//! worth, measured.

use serde::{Deserialize, Serialize};

use super::{
    HeadForm, Judged, LabelledPhotos, Loss, Measures, Parts, TuneError, TuneOptions, Watch,
    cross::{Crossed, Run},
    data::in_range,
    judge::{judge, mean},
};
use crate::lab::Head;

/// What is compared: by how much the second is better than the first. None is the model's own head without tuning.
const PAIRS: [(Option<HeadForm>, HeadForm); 5] = [
    (None, HeadForm::Linear),
    (Some(HeadForm::Linear), HeadForm::LinearBias),
    (Some(HeadForm::Mlp), HeadForm::MlpBias),
    (Some(HeadForm::Linear), HeadForm::Mlp),
    (Some(HeadForm::LinearBias), HeadForm::MlpBias),
];

/// What an ablation does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationOptions {
    /// The loss.
    pub loss: Loss,
    /// See [`TuneOptions::pull`].
    pub pull: f64,
    /// See [`TuneOptions::learning_rate`].
    pub learning_rate: f64,
    /// See [`TuneOptions::epochs`].
    pub epochs: usize,
    /// See [`TuneOptions::patience`].
    pub patience: usize,
    /// See [`TuneOptions::folds`].
    pub folds: usize,
    /// Repetitions, with the seeds from 0: each has other parts and another order, the same ones for every form.
    pub seeds: u64,
}

impl AblationOptions {
    fn of_seed(&self, seed: u64) -> TuneOptions {
        let Self { loss, pull, learning_rate, epochs, patience, folds, .. } = *self;
        TuneOptions { parts: Parts::Both, loss, pull, learning_rate, epochs, patience, folds, seed }
    }
}

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanSd {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation; 0 for one seed.
    pub sd: f64,
}

impl MeanSd {
    fn of(values: &[f64]) -> Self {
        let centre = mean(values);
        let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
        Self { mean: centre, sd: (squares / (values.len().max(2) - 1) as f64).sqrt() }
    }
}

/// One form in an ablation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationRow {
    /// The form; none for the model's own head without tuning.
    pub form: Option<HeadForm>,
    /// Values that are fitted.
    pub parameters: usize,
    /// Held-out accuracy.
    pub accuracy: MeanSd,
    /// Held-out macro F1.
    pub macro_f1: MeanSd,
    /// Held-out mean average precision.
    pub mean_average_precision: MeanSd,
    /// Held-out loss.
    pub loss: MeanSd,
}

/// Two forms in an ablation: by how much the second is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AblationPair {
    /// The first; none for the model's own head without tuning.
    pub from: Option<HeadForm>,
    /// The second.
    pub to: HeadForm,
    /// The difference over all seeds: a photo counts with the share of seeds that get it right.
    pub judged: Judged,
}

/// Linear against MLP, with a bias and without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationReport {
    /// How it was made.
    pub options: AblationOptions,
    /// Photos of each class, `[class]`.
    pub class_photos: Vec<usize>,
    /// The model's own head, then the forms.
    pub rows: Vec<AblationRow>,
    /// Differences.
    pub pairs: Vec<AblationPair>,
    /// Seeds that are in the figures: all of them, unless it was stopped.
    pub seeds_done: u64,
    /// Whether it was stopped; the report is of the seeds that every form was through with.
    pub cancelled: bool,
}

/// What one form comes to on one seed.
struct Outcome {
    measures: Measures,
    loss: f64,
    right: Vec<f64>,
}

impl Outcome {
    fn of(data: LabelledPhotos<'_>, crossed: &Crossed) -> Self {
        let Crossed { scores, loss, .. } = crossed;
        Self { measures: data.measures(scores), loss: *loss, right: data.right(scores) }
    }
}

/// The untouched head, then each form, on one seed.
type Seed = Vec<Outcome>;

/// Fits every form to the same photos, again and again, and compares them on photos they have not seen.
///
/// # Errors
/// As [`super::tune`]; and if it is stopped before every form is through with the first seed.
pub fn ablation(
    data: LabelledPhotos<'_>,
    head: &Head,
    options: &AblationOptions,
    watch: &mut Watch<'_>,
) -> Result<AblationReport, TuneError> {
    data.check(head)?;
    options.of_seed(0).check()?;
    in_range("the number of seeds", options.seeds as f64, options.seeds > 0)?;
    let mut run = Run::new(data, &options.of_seed(0));
    run.total = HeadForm::ALL.len() * run.folds * options.seeds as usize;
    let mut seeds = Vec::new();
    for seed in 0..options.seeds {
        run.recipe.seed = seed;
        let Some(outcomes) = one_seed(&mut run, head, watch)? else { break };
        seeds.push(outcomes);
    }
    if seeds.is_empty() {
        return Err(TuneError::Cancelled);
    }
    let pair = |(from, to): (Option<HeadForm>, HeadForm)| {
        let (before, after) = (mean_right(&seeds, place(from)), mean_right(&seeds, place(Some(to))));
        AblationPair { from, to, judged: judge(&before, &after, data.classes_with_photos(), 0) }
    };
    Ok(AblationReport {
        options: options.clone(),
        class_photos: data.class_photos(),
        rows: rows(data, head, &seeds)?,
        pairs: PAIRS.into_iter().map(pair).collect(),
        seeds_done: seeds.len() as u64,
        cancelled: (seeds.len() as u64) < options.seeds,
    })
}

/// None if it was stopped.
fn one_seed(run: &mut Run<'_>, head: &Head, watch: &mut Watch<'_>) -> Result<Option<Seed>, TuneError> {
    let data = run.data;
    let scores = data.scores(head)?;
    let (measures, right) = (data.measures(&scores), data.right(&scores));
    let mut outcomes = vec![Outcome { measures, loss: f64::NAN, right }];
    for form in HeadForm::ALL {
        run.form = Some(form);
        let crossed =
            run.cross(watch, |photos| form.of(head, &data.pooled.select(photos.iter().copied().take(MOST))))?;
        if crossed.cancelled {
            return Ok(None);
        }
        // An MLP with both biases can hold any head, so what it costs before the first step is what the head costs.
        if form == HeadForm::MlpBias {
            outcomes[0].loss = crossed.curve[0].held_out_loss;
        }
        outcomes.push(Outcome::of(data, &crossed));
    }
    Ok(Some(outcomes))
}

/// Photos that the start of a form is computed from at most: many more than a matrix has columns.
const MOST: usize = 8192;

/// Where a form is in a [`Seed`].
fn place(form: Option<HeadForm>) -> usize {
    form.map_or(0, |form| 1 + form as usize)
}

/// The share of seeds that get each photo right.
fn mean_right(seeds: &[Seed], place: usize) -> Vec<f64> {
    let photos = seeds[0][place].right.len();
    let share = |photo: usize| seeds.iter().map(|seed| seed[place].right[photo]).sum::<f64>() / seeds.len() as f64;
    (0..photos).map(share).collect()
}

fn rows(data: LabelledPhotos<'_>, head: &Head, seeds: &[Seed]) -> Result<Vec<AblationRow>, TuneError> {
    let row = |form: Option<HeadForm>| {
        let over = |figure: fn(&Outcome) -> f64| {
            MeanSd::of(&seeds.iter().map(|seed| figure(&seed[place(form)])).collect::<Vec<_>>())
        };
        Ok(AblationRow {
            form,
            parameters: form.map_or(Ok(0), |form| parameters(data, head, form))?,
            accuracy: over(|outcome| outcome.measures.accuracy),
            macro_f1: over(|outcome| outcome.measures.macro_f1),
            mean_average_precision: over(|outcome| outcome.measures.mean_average_precision),
            loss: over(|outcome| outcome.loss),
        })
    };
    std::iter::once(None).chain(HeadForm::ALL.map(Some)).map(row).collect()
}

/// Values of a form, which do not depend on the photos that it begins with.
fn parameters(data: LabelledPhotos<'_>, head: &Head, form: HeadForm) -> Result<usize, TuneError> {
    let (start, fitted) = form.of(head, &data.pooled.select([0]))?;
    Ok(fitted.count(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_by_hand() {
        assert_eq!(MeanSd::of(&[2.0, 4.0, 6.0]), MeanSd { mean: 4.0, sd: 2.0 });
        assert_eq!(MeanSd::of(&[0.7]), MeanSd { mean: 0.7, sd: 0.0 });
    }

    #[test]
    fn forms_have_their_places() {
        let places: Vec<usize> = HeadForm::ALL.into_iter().map(|form| place(Some(form))).collect();
        assert_eq!((place(None), places), (0, vec![1, 2, 3, 4]));
    }
}
