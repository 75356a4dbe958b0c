//! What can be wrong with a projection that loads.

use cliploupe_engine::{
    Model,
    analysis::{
        AnalysisError,
        report::{Kind, ProjectionReport},
    },
};

use super::{
    Finding,
    trial::{Score, Trial},
    variants,
};
use crate::messages::CheckOutcome;

/// From this share on, what a projection adds to every vector outweighs what it says of the picture.
const LARGE_BIAS_SHARE: f64 = 0.5;
/// A projection that uses fewer of its directions than this is collapsed, or was cut on purpose. Trained ones use more
/// than half.
const COLLAPSED_SHARE: f64 = 0.1;
const LOW_SHARE: f64 = 0.3;

/// Square matrices look the same either way round; only the pictures tell.
pub fn orientation(model: &Model, trial: &Trial, score: &Score) -> Finding {
    let mut worst: Option<(f64, Finding)> = None;
    for (projection, is_image) in [(model.clip.image_projection(), true), (model.clip.text_projection(), false)] {
        let Some(swapped) = trial.with_transposed(projection, is_image) else { continue };
        let key = &projection.config().key;
        let (gain, margins) = (swapped.margin - score.margin, [score.margin, swapped.margin]);
        let (outcome, message) = if variants::is_better(&swapped, score) {
            let [own, turned] = margins;
            let message = format!(
                "{key} seems to be transposed: own labels stand out by {own:+.3}, and by {turned:+.3} the other way round"
            );
            (CheckOutcome::Fail, message)
        } else {
            let [own, turned] = margins;
            let message =
                format!("{key} is the right way round: own labels stand out by {own:+.3}, transposed by {turned:+.3}");
            (CheckOutcome::Pass, message)
        };
        if worst.as_ref().is_none_or(|(most, _)| gain > *most) {
            let [own, turned] = margins.map(|margin| format!("{margin:.3}"));
            let finding = Finding::new(outcome, message).figure(-gain).with("projection", key);
            worst = Some((gain, finding.with("margin", own).with("swapped", turned)));
        }
    }
    worst.map_or_else(
        || Finding::skipped("notSquare", "not made: no projection is one square matrix, so shapes tell"),
        |(_, finding)| finding,
    )
}

/// Both projections as linear algebra.
pub struct Reports {
    towers: Result<[ProjectionReport; 2], AnalysisError>,
}

impl Reports {
    /// Decomposes both.
    pub fn of(model: &Model) -> Self {
        let image = ProjectionReport::of(model.clip.image_projection());
        let towers = image.and_then(|image| Ok([image, ProjectionReport::of(model.clip.text_projection())?]));
        Self { towers }
    }

    fn failed(error: &AnalysisError) -> Finding {
        let cause = cliploupe_engine::chain(error);
        Finding::new(CheckOutcome::Fail, format!("the projections cannot be decomposed: {cause}")).with("cause", cause)
    }

    /// How many of its directions the narrowest map uses.
    pub fn rank(&self) -> Finding {
        let towers = match &self.towers {
            Ok(towers) => towers,
            Err(error) => return Self::failed(error),
        };
        let share = |(of, effective): &(usize, f64)| effective / *of as f64;
        let maps = towers.iter().flat_map(|report| &report.maps);
        let ranks =
            maps.map(|map| (map.key.as_str(), (map.spectrum.singular_values.len(), map.spectrum.effective_rank)));
        let Some((key, rank)) = ranks.min_by(|(_, a), (_, b)| share(a).total_cmp(&share(b))) else {
            return Finding::skipped("noProjection", "not made: neither tower has a projection");
        };
        let (outcome, what) = match share(&rank) {
            share if share < COLLAPSED_SHARE => (CheckOutcome::Fail, "is collapsed"),
            share if share < LOW_SHARE => (CheckOutcome::Warn, "leaves most directions unused"),
            _ => (CheckOutcome::Pass, "uses its directions"),
        };
        let (of, effective) = rank;
        let message = format!("{key} {what}: its effective rank is {effective:.0} of {of}");
        let finding = Finding::new(outcome, message).figure(share(&rank)).with("projection", key);
        finding.with("rank", format!("{effective:.0}")).with("of", of)
    }

    /// How much of every vector is the same for all: `W β + b` of the LayerNorm in front and the bias behind.
    pub fn effective_bias(&self, trial: Option<&Trial>) -> Finding {
        let (towers, trial) = match (&self.towers, trial) {
            (Ok(towers), Some(trial)) => (towers, trial),
            (Err(error), _) => return Self::failed(error),
            (_, None) => return Finding::skipped("notTried", "not made: the model could not be tried"),
        };
        let share = |report: &ProjectionReport, mean_length: f64| {
            let map = report.maps.first().filter(|_| report.kind == Kind::Linear)?;
            let has_shift = report.affine_before.is_some() || map.explicit_bias_norm.is_some();
            has_shift.then(|| map.effective_bias_norm / mean_length.max(1e-30))
        };
        let image = share(&towers[0], trial.mean_length_of_pictures());
        let text = trial.mean_length_of_texts().and_then(|length| share(&towers[1], length));
        let Some(largest) = [image, text].into_iter().flatten().reduce(f64::max) else {
            let message = "not made: no projection is linear with a LayerNorm in front or a bias";
            return Finding::skipped("notLinear", message);
        };
        let outcome = if largest >= LARGE_BIAS_SHARE { CheckOutcome::Warn } else { CheckOutcome::Pass };
        let said =
            |share: Option<f64>| share.map_or_else(|| "nothing".into(), |share| format!("{:.0} %", share * 100.0));
        let message = format!(
            "what is added to every vector is {} of a picture's length and {} of a text's",
            said(image),
            said(text)
        );
        let param = |share: Option<f64>| share.map_or_else(|| "none".into(), |share| format!("{:.0}", share * 100.0));
        Finding::new(outcome, message).figure(largest).with("image", param(image)).with("text", param(text))
    }
}
