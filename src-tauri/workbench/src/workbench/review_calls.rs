//! Suggestions of the machine and decisions of the person.

use std::collections::{BTreeMap, BTreeSet};

use cliploupe_library::{
    LibraryError,
    calibrate::{around, histogram, tagged_at},
    clock,
    evaluate::{Evaluator, Judged, Measure},
    labels, review as order,
    steps::{self, StepSummary},
    suggestions::{self, Wanted},
    tags::{self, Decide, Origin},
    thresholds::{self, DEFAULT_PROBABILITY, Threshold},
};

use super::{Workbench, library_calls::told_facts, lock, suggesting::made_with};
use crate::{
    messages::{
        Example, LabelCard, PhotoId, Problem, ProblemCode, Queue, QueueOrder, QueueQuery, ReviewLabel, ReviewState,
        ReviewVerdict, StepDone, StepWords, Suggested, ThresholdEffect, WorkbenchEvent,
    },
    review::Margins,
    sentences::sentences_of,
    shelf::of_library,
};

/// Suggestions that are sent at once.
const QUEUED: usize = 1_000;
/// Bins of a label's histogram.
const BINS: usize = 80;
/// Photos shown to each side of a threshold.
const BESIDE: usize = 12;

impl Workbench {
    /// Where review stands.
    pub fn review_state(&self) -> Result<ReviewState, Problem> {
        let shelf = self.shelf()?;
        let settings = self.shared.labels().0;
        let model = shelf.model();
        let (counts, thresholds, made, undo, redo) = shelf.read(|conn| {
            let thresholds = model.as_ref().map(|model| thresholds::all(conn, model)).transpose()?.unwrap_or_default();
            let (undo, redo) = (steps::can_undo(conn)?, steps::can_redo(conn)?);
            Ok((tags::tags_with_counts(conn)?, thresholds, made_with(conn)?, undo, redo))
        })?;
        let thresholds: BTreeMap<String, Threshold> = thresholds.into_iter().collect();
        let mut counts: BTreeMap<String, tags::TagCount> =
            counts.into_iter().map(|count| (count.name.clone(), count)).collect();
        let row = |label: String, count: Option<tags::TagCount>, in_set: bool| {
            let threshold = thresholds.get(&label);
            ReviewLabel {
                threshold: threshold.map_or(DEFAULT_PROBABILITY, |threshold| threshold.probability) as f32,
                threshold_by: threshold.map(|threshold| threshold.chosen_by.clone()),
                accepted: count.as_ref().map_or(0, |count| count.confirmed as u32),
                rejected: count.as_ref().map_or(0, |count| count.rejected as u32),
                waiting: count.as_ref().map_or(0, |count| count.suggested as u32),
                label,
                in_set,
            }
        };
        let named = settings.labels.iter().filter_map(|label| labels::tidy(label).ok());
        let mut rows = Vec::new();
        for label in named {
            let count = counts.remove(&label);
            rows.push(row(label, count, true));
        }
        let others = counts.into_values().filter(|count| count.confirmed + count.rejected + count.suggested > 0);
        rows.extend(others.map(|count| row(count.name.clone(), Some(count), false)));
        let now = self.made_with_now(model.as_ref());
        Ok(ReviewState {
            waiting: rows.iter().map(|row| row.waiting).sum(),
            decided: rows.iter().map(|row| row.accepted + row.rejected).sum(),
            labels: rows,
            suggested_by: made.as_ref().map(|(made, _)| made.model.clone()),
            suggested_ms: made.as_ref().map(|(_, at)| *at),
            outdated: made.is_some_and(|(made, _)| now.is_some_and(|now| now != made)),
            undo: undo.map(told_step),
            redo: redo.map(told_step),
            suggesting: *lock(&self.suggesting),
        })
    }

    pub(super) fn tell_review(&self) {
        match self.review_state() {
            Ok(review) => self.shared.emit(WorkbenchEvent::ReviewChanged { review: Box::new(review) }),
            Err(problem) => self.shared.emit_problem(problem),
        }
    }

    /// The beginning of what waits for a verdict.
    pub fn queue(&self, query: &QueueQuery) -> Result<Queue, Problem> {
        let shelf = self.shelf()?;
        let model = shelf.model();
        shelf.read(|conn| {
            let wanted = Wanted { label: query.label.as_deref(), ..Wanted::default() };
            let pending = suggestions::pending(conn, &wanted)?;
            let kept = model.as_ref().map(|model| thresholds::all(conn, model)).transpose()?.unwrap_or_default();
            let mut known = BTreeMap::new();
            for (name, threshold) in kept {
                if let Some(id) = labels::find(conn, &name)? {
                    known.insert(id, threshold.probability);
                }
            }
            let strategy = match query.order {
                QueueOrder::Useful => order::Strategy::AroundThreshold,
                QueueOrder::Likely | QueueOrder::Doubtful => order::Strategy::LikelyFirst,
            };
            let mut places =
                order::order(&pending, strategy, |label| known.get(&label).copied().unwrap_or(DEFAULT_PROBABILITY));
            if query.order == QueueOrder::Doubtful {
                places.reverse();
            }
            let mut items = Vec::new();
            for at in places.into_iter().take(QUEUED) {
                let one = pending[at];
                let (Some(facts), Some(label)) =
                    (suggestions::get(conn, one.photo, one.label)?, labels::name(conn, one.label)?)
                else {
                    continue;
                };
                items.push(Suggested { photo: one.photo, label, by: told_facts(facts) });
            }
            Ok(Queue { total: pending.len() as u32, items })
        })
    }

    /// Decides about a label on photos; one step, which can be undone.
    pub fn decide(&self, photos: &[PhotoId], label: &str, verdict: ReviewVerdict) -> Result<(), Problem> {
        let verdict = match verdict {
            ReviewVerdict::Accept => tags::Verdict::Accept,
            ReviewVerdict::Reject => tags::Verdict::Reject,
            ReviewVerdict::Clear => tags::Verdict::Clear,
        };
        let what = Decide { photos, label, verdict, origin: Origin::Person, now_ms: clock::now_ms() };
        self.shelf()?.write(|tx| tags::decide(tx, &what).map(drop))?;
        self.decisions_changed(photos.to_vec());
        Ok(())
    }

    /// Decides about all that waits of a label with at least this probability; how many there were.
    pub fn decide_all(&self, label: &str, at_least: f32, verdict: ReviewVerdict) -> Result<u32, Problem> {
        let wanted = Wanted { label: Some(label), at_least: at_least.into(), ..Wanted::default() };
        let (pending, id) =
            self.shelf()?.read(|conn| Ok((suggestions::pending(conn, &wanted)?, labels::find(conn, label)?)))?;
        // Those of labels below it are decided under their own names.
        let photos: Vec<PhotoId> = pending.iter().filter(|one| Some(one.label) == id).map(|one| one.photo).collect();
        if !photos.is_empty() {
            self.decide(&photos, label, verdict)?;
        }
        Ok(photos.len() as u32)
    }

    /// Takes the newest step back.
    pub fn undo(&self) -> Result<Option<StepDone>, Problem> {
        let done = self.shelf()?.write(|tx| steps::undo(tx))?;
        Ok(done.map(|done| self.stepped(done)))
    }

    /// Does the step again that was taken back last.
    pub fn redo(&self) -> Result<Option<StepDone>, Problem> {
        let done = self.shelf()?.write(|tx| steps::redo(tx))?;
        Ok(done.map(|done| self.stepped(done)))
    }

    fn stepped(&self, done: steps::StepDone) -> StepDone {
        self.decisions_changed(done.photos.clone());
        let step = StepWords {
            kind: done.kind.as_str().to_owned(),
            label: one_of(done.labels),
            photos: done.photos.len() as u32,
        };
        StepDone { step, skipped: done.skipped.len() as u32, photos: done.photos }
    }

    pub(super) fn decisions_changed(&self, photos: Vec<PhotoId>) {
        *lock(&self.known_margins) = None;
        self.shared.emit(WorkbenchEvent::PhotosChanged { ids: photos });
        self.tell_review();
        self.shared.tell_library();
    }

    /// Renames a tag everywhere, in saved label sets and in the one in use too.
    pub fn rename_tag(&self, from: &str, to: &str) -> Result<(), Problem> {
        let now = clock::now_ms();
        let to = labels::tidy(to).map_err(|error| of_library(&error))?;
        self.shelf()?.write(|tx| {
            cliploupe_library::label_sets::rename_label(tx, from, &to, now)?;
            tags::rename_tag(tx, from, &to, now).map(drop)
        })?;
        let mut settings = self.shared.labels().0;
        // Tags below it were renamed too.
        let renamed = |label: &String| match label.strip_prefix(from) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{to}{rest}"),
            _ => label.clone(),
        };
        let before = settings.labels.clone();
        let mut seen = BTreeSet::new();
        settings.labels = before.iter().map(renamed).filter(|label| seen.insert(label.clone())).collect();
        if settings.labels != before {
            settings.prompts = settings.prompts.iter().map(|(label, own)| (renamed(label), own.clone())).collect();
            self.set_labels(settings)?;
        }
        self.decisions_changed(Vec::new());
        Ok(())
    }

    /// One label over the library.
    pub fn label_card(&self, label: &str) -> Result<LabelCard, Problem> {
        let margins = self.margins_of(label)?;
        let decisions = margins.decisions();
        let bars = histogram(&margins.scores, &decisions, BINS);
        let settings = self.shared.labels().0;
        let count = |counts: &[usize]| counts.iter().map(|count| *count as u32).collect();
        let threshold = self.threshold(label)?;
        let shelf = self.shelf()?;
        let by = match shelf.model() {
            Some(model) => shelf.read(|conn| thresholds::get(conn, label, &model))?.map(|kept| kept.chosen_by),
            None => None,
        };
        Ok(LabelCard {
            label: label.to_owned(),
            prompts: sentences_of(&settings, label),
            probabilities: bars.edges.iter().map(|edge| margins.calibration.probability(*edge as f32) as f32).collect(),
            edges: bars.edges.iter().map(|edge| *edge as f32).collect(),
            counts: count(&bars.counts),
            accepted: count(&bars.accepted),
            rejected: count(&bars.rejected),
            decisions: margins.decided.len() as u32,
            at: self.effect(&margins, threshold),
            threshold_by: by,
            best_f1: best_f1(label, &margins).map_err(|error| of_library(&error))?,
        })
    }

    /// What another threshold would come to.
    pub fn threshold_effect(&self, label: &str, threshold: f32) -> Result<ThresholdEffect, Problem> {
        Ok(self.effect(&*self.margins_of(label)?, threshold.clamp(0.0, 1.0).into()))
    }

    fn effect(&self, margins: &Margins, threshold: f64) -> ThresholdEffect {
        let calibration = &margins.calibration;
        let pairs = margins.photos.iter().copied().zip(margins.scores.iter().copied());
        let beside = around(pairs, calibration, threshold, BESIDE);
        let accepted = |id: PhotoId| margins.decided.iter().find(|(photo, ..)| *photo == id).map(|(.., yes)| *yes);
        let example = |(photo, score): &(PhotoId, f32)| Example {
            photo: *photo,
            probability: calibration.probability(*score) as f32,
            accepted: accepted(*photo),
        };
        ThresholdEffect {
            threshold: threshold as f32,
            score: calibration.score_at(threshold) as f32,
            tagged: tagged_at(&margins.scores, calibration, threshold) as u32,
            above: beside.above.iter().map(example).collect(),
            below: beside.below.iter().map(example).collect(),
        }
    }

    /// Sets where a label begins to be suggested, or goes back to the default; its suggestions follow.
    pub fn set_threshold(&self, label: &str, threshold: Option<f32>) -> Result<(), Problem> {
        let shelf = self.shelf()?;
        let model = shelf.model().ok_or_else(no_scores)?;
        let now = clock::now_ms();
        shelf.write(|tx| match threshold {
            Some(value) => {
                let probability = f64::from(value.clamp(0.0, 1.0));
                let threshold = Threshold { probability, chosen_by: "person".into(), set_ms: now };
                thresholds::set(tx, label, &model, &threshold)
            }
            None => thresholds::clear(tx, label, &model).map(drop),
        })?;
        let scorer = self.shared.scorer();
        let has_suggestions = shelf.read(made_with)?.is_some();
        if let Some((scorer, at)) = scorer.and_then(|scorer| {
            let at = scorer.labels().position(|name| name == label)?;
            Some((scorer, at))
        }) && has_suggestions
        {
            let margins = self.fresh_margins(&scorer, at, label)?;
            self.suggest_label(shelf, &model, label, margins, (&scorer, at), now)?;
        }
        self.tell_review();
        Ok(())
    }
}

/// The threshold with the best F1 over the decisions, and that F1; none without decisions of both kinds.
fn best_f1(label: &str, margins: &Margins) -> Result<Option<[f32; 2]>, LibraryError> {
    let judged = vec![Judged { name: label.to_owned(), threshold: DEFAULT_PROBABILITY }];
    let mut evaluator = Evaluator::new(judged, |_, score| margins.calibration.probability(score));
    for (_, score, accepted) in &margins.decided {
        evaluator.photo(&[*score], &[Some(*accepted)])?;
    }
    let both = [true, false].iter().all(|kind| margins.decided.iter().any(|(.., accepted)| accepted == kind));
    let best = evaluator.finish(Measure::F1).labels.into_iter().next().and_then(|label| label.best);
    Ok(best.filter(|_| both).map(|best| [best.threshold as f32, best.value as f32]))
}

fn told_step(step: StepSummary) -> StepWords {
    StepWords { kind: step.kind.as_str().to_owned(), label: one_of(step.labels), photos: step.photos as u32 }
}

fn one_of(mut labels: Vec<String>) -> Option<String> {
    if labels.len() == 1 { labels.pop() } else { None }
}

/// There is nothing to suggest from.
pub(super) fn no_scores() -> Problem {
    let message = "there are no scored photos yet. Wait until a model is loaded, and add labels if there are none.";
    Problem::new(ProblemCode::NothingAtHand, &[("what", "scored photos")], message)
}
