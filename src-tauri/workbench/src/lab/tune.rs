//! Projections fitted to the classes of the photos at hand: the engine's reports as they cross to the page.

use std::time::Instant;

use cliploupe_engine::{
    chain,
    lab::{
        Table,
        tune::{self as engine, LabelledPhotos, TuneError, Watch},
    },
};

use super::{InForce, at_hand::AtHand, classes::Classes, nothing_at_hand};
use crate::{
    messages::{
        AblationOptions, AblationPair, AblationReport, AblationRow, CurvePoint, Difference, FoldResult, HeadForm,
        Judged, MeanSd, Measures, Problem, ProblemCode, TuneLoss, TuneOptions, TuneParts, TuneProgress, TuneReport,
        Verdict,
    },
    sentences::Sentences,
};

/// The photos that have a class, ready to be fitted to.
pub struct Data {
    classes: Classes,
    pooled: Table,
    truth: Vec<usize>,
    directions: Table,
}

impl Data {
    /// `names` are the classes' names as sentences.
    pub fn new(in_force: &InForce, at_hand: &AtHand, classes: Classes, names: &Sentences) -> Self {
        let (rows, truth): (Vec<usize>, Vec<usize>) = classes.members.iter().copied().unzip();
        let head = &in_force.heads.text;
        let directions = Table::new(head.output_dim(), names.directions(head));
        Self { pooled: at_hand.pooled().select(rows), truth, directions, classes }
    }

    fn photos(&self, in_force: &InForce) -> LabelledPhotos<'_> {
        let scoring = in_force.scoring();
        LabelledPhotos {
            pooled: &self.pooled,
            truth: &self.truth,
            directions: &self.directions,
            scale: scoring.scale.into(),
            bias: scoring.logit_bias().map(f64::from),
        }
    }
}

/// There are no classes to fit to.
pub fn no_classes() -> Problem {
    nothing_at_hand("classes: photos in at least two folders, each named after what it shows, with two photos or more")
}

/// Fits the image head in force. The fitted head is absent if it was stopped before.
pub fn tune(
    in_force: &InForce,
    data: &Data,
    options: &TuneOptions,
    watch: &mut Watch<'_>,
) -> Result<(TuneReport, Option<cliploupe_engine::lab::Head>), Problem> {
    let begin = Instant::now();
    let found = engine::tune(data.photos(in_force), &in_force.heads.image, &of_options(options), watch);
    let engine::Tuned { report, head } = found.map_err(|error| of_tune(&error))?;
    let report = TuneReport {
        options: options.clone(),
        classes: data.classes.infos(),
        folds: report.folds.into_iter().map(Into::into).collect(),
        measures: report.measures.map(Into::into),
        tuning: report.tuning.into(),
        bias: report.bias.map(Into::into),
        replacement: None,
        elapsed_secs: begin.elapsed().as_secs_f64(),
        cancelled: report.cancelled,
    };
    Ok((report, head))
}

/// Compares forms of the image head.
pub fn ablation(
    in_force: &InForce,
    data: &Data,
    options: &AblationOptions,
    watch: &mut Watch<'_>,
) -> Result<AblationReport, Problem> {
    let begin = Instant::now();
    let asked = engine::ablation::AblationOptions {
        loss: options.loss.into(),
        pull: options.pull,
        learning_rate: options.learning_rate,
        epochs: options.epochs as usize,
        patience: options.patience as usize,
        folds: options.folds as usize,
        seeds: options.seeds.into(),
    };
    let found = engine::ablation::ablation(data.photos(in_force), &in_force.heads.image, &asked, watch);
    let found = found.map_err(|error| of_tune(&error))?;
    if found.cancelled {
        return Err(cancelled());
    }
    let spread = |value: engine::ablation::MeanSd| MeanSd { mean: value.mean, sd: value.sd };
    Ok(AblationReport {
        model: in_force.base.source.name(),
        options: options.clone(),
        classes: data.classes.infos(),
        rows: found
            .rows
            .into_iter()
            .map(|row| AblationRow {
                form: row.form.map(Into::into),
                parameters: row.parameters as u64,
                accuracy: spread(row.accuracy),
                macro_f1: spread(row.macro_f1),
                mean_average_precision: spread(row.mean_average_precision),
                loss: spread(row.loss),
            })
            .collect(),
        pairs: found
            .pairs
            .into_iter()
            .map(|pair| AblationPair {
                from: pair.from.map(Into::into),
                to: pair.to.into(),
                judged: pair.judged.into(),
            })
            .collect(),
        elapsed_secs: begin.elapsed().as_secs_f64(),
    })
}

/// A person stopped it.
pub fn cancelled() -> Problem {
    Problem::new(ProblemCode::Cancelled, &[], "it was stopped before there was a result")
}

fn of_tune(error: &TuneError) -> Problem {
    if matches!(error, TuneError::Cancelled) {
        return cancelled();
    }
    let cause = chain(error);
    Problem::new(ProblemCode::Analysis, &[("cause", &cause)], format!("cannot fit a projection: {cause}"))
}

fn of_options(options: &TuneOptions) -> engine::TuneOptions {
    engine::TuneOptions {
        parts: match options.parts {
            TuneParts::Weights => engine::Parts::Weights,
            TuneParts::Bias => engine::Parts::Bias,
            TuneParts::Both => engine::Parts::Both,
            TuneParts::Mlp => engine::Parts::Mlp,
        },
        loss: options.loss.into(),
        pull: options.pull,
        learning_rate: options.learning_rate,
        epochs: options.epochs as usize,
        patience: options.patience as usize,
        folds: options.folds as usize,
        seed: options.seed.into(),
    }
}

impl From<TuneLoss> for engine::Loss {
    fn from(loss: TuneLoss) -> Self {
        match loss {
            TuneLoss::Softmax => Self::Softmax,
            TuneLoss::Sigmoid => Self::Sigmoid,
        }
    }
}

impl From<engine::HeadForm> for HeadForm {
    fn from(form: engine::HeadForm) -> Self {
        match form {
            engine::HeadForm::Linear => Self::Linear,
            engine::HeadForm::LinearBias => Self::LinearBias,
            engine::HeadForm::Mlp => Self::Mlp,
            engine::HeadForm::MlpBias => Self::MlpBias,
        }
    }
}

impl From<engine::CurvePoint> for CurvePoint {
    fn from(point: engine::CurvePoint) -> Self {
        let engine::CurvePoint { epoch, train_loss, held_out_loss, held_out_accuracy } = point;
        Self { epoch: epoch as u32, train_loss, held_out_loss, held_out_accuracy }
    }
}

impl From<engine::FoldResult> for FoldResult {
    fn from(fold: engine::FoldResult) -> Self {
        Self {
            held_out: fold.held_out as u32,
            accuracy_before: fold.accuracy_before,
            accuracy_after: fold.accuracy_after,
            best_epoch: fold.best_epoch as u32,
            curve: fold.curve.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<engine::Measures> for Measures {
    fn from(found: engine::Measures) -> Self {
        let engine::Measures { accuracy, macro_f1, mean_average_precision, .. } = found;
        Self { photos: found.photos as u32, accuracy, macro_f1, mean_average_precision }
    }
}

impl From<engine::Judged> for Judged {
    fn from(judged: engine::Judged) -> Self {
        let engine::Difference { mean, low, high, p_value } = judged.difference;
        let verdict = match judged.verdict {
            engine::Verdict::Helped => Verdict::Helped,
            engine::Verdict::Hurt => Verdict::Hurt,
            engine::Verdict::NoDifference => Verdict::NoDifference,
            engine::Verdict::TooFew => Verdict::TooFew,
        };
        Self { difference: Difference { mean, low, high, p_value }, verdict }
    }
}

impl From<engine::Progress> for TuneProgress {
    fn from(progress: engine::Progress) -> Self {
        Self {
            form: progress.form.map(Into::into),
            done: progress.done as u32,
            total: progress.total as u32,
            curve: progress.curve.into_iter().map(Into::into).collect(),
        }
    }
}
