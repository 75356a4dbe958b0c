//! Suggesting: every photo scored against every label, and what a score means.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use cliploupe_engine::lab::{Table, table::evenly};
use cliploupe_library::{
    LibraryError, ModelKey,
    calibrate::{Expected, NEUTRAL},
    clock, labels,
    suggestions::{self, NewSuggestion},
    tags,
    thresholds::{self, DEFAULT_PROBABILITY},
};
use rusqlite::{Connection, OptionalExtension};

use super::{Workbench, lock, review_calls::no_scores};
use crate::{
    messages::{PhotoId, Problem, ProblemCode, WorkbenchEvent},
    review::{Margins, expected, margins},
    sentences::sentences_of,
    shelf::Shelf,
    worker::Scorer,
};

/// Photos whose margins are computed at once.
const PHOTOS_AT_ONCE: usize = 4_096;
/// Labels whose margins are in memory at once: with a million photos, 128 MB.
const LABELS_AT_ONCE: usize = 32;
/// Suggestions that are written in one transaction.
const WRITTEN_AT_ONCE: usize = 20_000;
/// Photos that a background is taken from, where all of them would be slow.
const SAMPLE: usize = 50_000;
/// How often it is told how far suggesting is.
const TELL_INTERVAL: Duration = Duration::from_millis(500);

/// What the suggestions that are there were made with; kept in the library, so that a later start knows.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct MadeWith {
    pub model: String,
    /// Labels with the sentences that stood for them.
    labels: Vec<Vec<String>>,
    edited: bool,
}

/// A label's margins, kept while a threshold is dragged.
pub(super) struct KnownMargins {
    label: String,
    scorer: Arc<Scorer>,
    photos: usize,
    margins: Arc<Margins>,
}

impl Workbench {
    pub(super) fn made_with_now(&self, model: Option<&ModelKey>) -> Option<MadeWith> {
        let settings = self.shared.labels().0;
        let labels = settings.labels.iter().map(|label| {
            let mut all = sentences_of(&settings, label.trim());
            all.insert(0, label.clone());
            all
        });
        let edited = self.shared.in_force().as_ref()?.is_edited();
        Some(MadeWith { model: model?.to_string(), labels: labels.collect(), edited })
    }

    /// Scores every photo against the labels in use, and keeps what reaches each label's threshold.
    pub fn suggest(&self) -> Result<(), Problem> {
        let shelf = self.shelf()?;
        let model = shelf.model().ok_or_else(no_scores)?;
        self.stop_suggesting.store(false, SeqCst);
        *lock(&self.suggesting) = Some(0.0);
        let result = catch_unwind(AssertUnwindSafe(|| self.suggest_by(shelf, &model)))
            .unwrap_or_else(|panic| Err(Problem::internal(&cliploupe_engine::device::panic_text(&*panic))));
        *lock(&self.suggesting) = None;
        self.tell_review();
        self.shared.emit(WorkbenchEvent::PhotosChanged { ids: Vec::new() });
        result
    }

    /// Stops suggesting; what was suggested before stays for labels that were not come to.
    pub fn cancel_suggest(&self) {
        self.stop_suggesting.store(true, SeqCst);
    }

    pub(super) fn suggest_by(&self, shelf: &Shelf, model: &ModelKey) -> Result<(), Problem> {
        let scorer = self.shared.scorer().ok_or_else(no_scores)?;
        let made = self.made_with_now(Some(model)).ok_or_else(no_scores)?;
        let names: Vec<String> = scorer.labels().map(str::to_owned).collect();
        let neutral = self.neutral()?;
        let photos = self.encoded();
        let expected = self.expected(&photos, &neutral)?;
        let now = clock::now_ms();
        shelf.write(|tx| {
            suggestions::make_room(tx, model, &[])?;
            forget_made_with(tx)
        })?;
        let mut told = Instant::now();
        for (block, names_of_block) in names.chunks(LABELS_AT_ONCE).enumerate() {
            let first = block * LABELS_AT_ONCE;
            let columns = self.columns(&photos, &scorer, &neutral, first, names_of_block.len())?;
            for ((at, name), scores) in names_of_block.iter().enumerate().zip(columns) {
                if self.stop_suggesting.load(SeqCst) {
                    return Err(Problem::new(ProblemCode::Cancelled, &[], "suggesting was stopped"));
                }
                let margins = Margins::new(photos.clone(), scores, &self.verdicts(name)?, expected);
                self.suggest_label(shelf, model, name, margins, (&scorer, first + at), now)?;
                *lock(&self.suggesting) = Some((first + at + 1) as f32 / names.len() as f32);
                // Counting decisions takes a while where there are millions.
                if told.elapsed() > TELL_INTERVAL {
                    told = Instant::now();
                    self.tell_review();
                }
            }
        }
        shelf.write(|tx| keep_made_with(tx, &made, now))
    }

    pub(super) fn suggest_label(
        &self,
        shelf: &Shelf,
        model: &ModelKey,
        name: &str,
        margins: Margins,
        (scorer, at): (&Arc<Scorer>, usize),
        now: i64,
    ) -> Result<(), Problem> {
        let prompt = &sentences_of(&scorer.settings, name).swap_remove(0);
        let direction = scorer.direction(at);
        let threshold = self.threshold(name)?;
        let least = margins.calibration.score_at(threshold);
        let reaching: Vec<(PhotoId, f32)> = margins
            .photos
            .iter()
            .zip(&margins.scores)
            .filter(|(_, score)| f64::from(**score) >= least)
            .map(|(id, score)| (*id, *score))
            .collect();
        let ids = shelf.write(|tx| suggestions::make_room(tx, model, &[name.to_owned()]))?;
        for rows in reaching.chunks(WRITTEN_AT_ONCE) {
            let cosines = self.cosines(rows.iter().map(|(id, _)| *id), direction);
            self.is_still(scorer)?;
            let suggestion = |((photo, score), cosine): (&(PhotoId, f32), f32)| NewSuggestion {
                photo: *photo,
                label: 0,
                prompt,
                cosine,
                score: *score,
                probability: margins.calibration.probability(*score),
            };
            let rows = rows.iter().zip(cosines).map(suggestion);
            shelf.write(|tx| suggestions::add(tx, model, &ids, rows, now).map(drop))?;
        }
        Ok(())
    }

    pub(super) fn cosines(&self, ids: impl Iterator<Item = PhotoId>, direction: &[f32]) -> Vec<f32> {
        let table = self.shared.table();
        let cosine = |id: PhotoId| {
            let embedding = table.get(id).and_then(|row| row.embedding.as_deref());
            embedding.map_or(0.0, |embedding| embedding.iter().zip(direction).map(|(a, b)| a * b).sum())
        };
        ids.map(cosine).collect()
    }

    /// Photos that have been encoded, in the order of numbers.
    pub(super) fn encoded(&self) -> Vec<PhotoId> {
        let table = self.shared.table();
        let encoded = table.iter().filter(|(_, row)| row.embedding.is_some() && row.outdated.is_none());
        encoded.filter(|(_, row)| row.identity.is_some()).map(|(id, _)| id).collect()
    }

    /// Margins of some labels: `[label][photo]`.
    pub(super) fn columns(
        &self,
        photos: &[PhotoId],
        scorer: &Arc<Scorer>,
        neutral: &[f32],
        first: usize,
        count: usize,
    ) -> Result<Vec<Vec<f32>>, Problem> {
        let embed = neutral.len();
        self.is_still(scorer)?;
        let directions = &scorer.directions[first * embed..][..count * embed];
        let mut columns = vec![Vec::with_capacity(photos.len()); count];
        for ids in photos.chunks(PHOTOS_AT_ONCE) {
            let (found, embeddings) = self.shared.embeddings(ids);
            if found.len() != ids.len() {
                let message = "photos changed while they were scored. Try again once nothing else is under way.";
                return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "encoded photos")], message));
            }
            self.is_still(scorer)?;
            for row in margins(&embeddings, directions, neutral).chunks_exact(count) {
                columns.iter_mut().zip(row).for_each(|(column, score)| column.push(*score));
            }
        }
        Ok(columns)
    }

    /// An error if photos have other embeddings now, or labels other directions, than when the work began.
    pub(super) fn is_still(&self, scorer: &Arc<Scorer>) -> Result<(), Problem> {
        let in_force = self.shared.in_force();
        let now = self.shared.scorer().filter(|_| in_force.is_some());
        if now.is_some_and(|now| Arc::ptr_eq(&now, scorer)) {
            return Ok(());
        }
        let message = "the model, the projection or the labels changed meanwhile. Start again; nothing was lost.";
        Err(Problem::new(ProblemCode::Cancelled, &[], message))
    }

    /// The mean of the neutral sentences in the joint space, `[embed]`.
    pub(super) fn neutral(&self) -> Result<Vec<f32>, Problem> {
        let words: Vec<Vec<f32>> = NEUTRAL.iter().map(|text| self.direction_of(text)).collect::<Result<_, _>>()?;
        let width = words[0].len();
        let mean = Table::new(width, words.concat()).mean().unwrap_or_default();
        Ok(mean.into_iter().map(|value| value as f32).collect())
    }

    /// What the model was trained to mean by a margin.
    pub(super) fn expected(&self, photos: &[PhotoId], neutral: &[f32]) -> Result<Expected, Problem> {
        let some: Vec<PhotoId> = evenly(photos.len(), PHOTOS_AT_ONCE).map(|at| photos[at]).collect();
        Ok(expected(self.in_force()?.scoring(), &self.shared.embeddings(&some).1, neutral))
    }

    /// What was decided about a label: photo, and whether it was accepted.
    pub(super) fn verdicts(&self, label: &str) -> Result<Vec<(PhotoId, bool)>, Problem> {
        self.shelf()?.read(|conn| match labels::find(conn, label)? {
            Some(id) => tags::verdicts(conn, id),
            None => Ok(Vec::new()),
        })
    }

    /// From which probability a label is suggested.
    pub(super) fn threshold(&self, label: &str) -> Result<f64, Problem> {
        let shelf = self.shelf()?;
        let Some(model) = shelf.model() else { return Ok(DEFAULT_PROBABILITY) };
        let kept = shelf.read(|conn| thresholds::get(conn, label, &model))?;
        Ok(kept.map_or(DEFAULT_PROBABILITY, |threshold| threshold.probability))
    }

    /// Margins of one label over the library, as it is now.
    pub(super) fn margins_of(&self, label: &str) -> Result<Arc<Margins>, Problem> {
        let scorer = self.shared.scorer().ok_or_else(no_scores)?;
        let photos = self.encoded().len();
        if let Some(known) = &*lock(&self.known_margins)
            && known.label == label
            && known.photos == photos
            && Arc::ptr_eq(&known.scorer, &scorer)
        {
            return Ok(known.margins.clone());
        }
        let margins = match scorer.labels().position(|name| name == label) {
            Some(at) => self.fresh_margins(&scorer, at, label)?,
            None => self.margins_outside(label)?,
        };
        let margins = Arc::new(margins);
        let known = KnownMargins { label: label.to_owned(), scorer, photos, margins: margins.clone() };
        *lock(&self.known_margins) = Some(known);
        Ok(margins)
    }

    pub(super) fn fresh_margins(&self, scorer: &Arc<Scorer>, at: usize, label: &str) -> Result<Margins, Problem> {
        let photos = self.encoded();
        let neutral = self.neutral()?;
        let expected = self.expected(&photos, &neutral)?;
        let scores = self.columns(&photos, scorer, &neutral, at, 1)?.swap_remove(0);
        Ok(Margins::new(photos, scores, &self.verdicts(label)?, expected))
    }

    /// Margins of a label that is not among those in use.
    pub(super) fn margins_outside(&self, label: &str) -> Result<Margins, Problem> {
        let photos = self.encoded();
        let neutral = self.neutral()?;
        let expected = self.expected(&photos, &neutral)?;
        let direction = self.directions_of(&[label.to_owned()])?;
        let mut scores = Vec::with_capacity(photos.len());
        for ids in photos.chunks(PHOTOS_AT_ONCE) {
            scores.extend(margins(&self.shared.embeddings(ids).1, &direction, &neutral));
        }
        Ok(Margins::new(photos, scores, &self.verdicts(label)?, expected))
    }

    /// Labels in the joint space by the text head in force, `[label, embed]`.
    pub(super) fn directions_of(&self, labels: &[String]) -> Result<Vec<f32>, Problem> {
        let head = self.in_force()?.heads.text.clone();
        Ok(self.sentences(labels)?.directions(&head))
    }

    /// An even sample of encoded photos, together with `wanted`, in the order of numbers.
    pub(super) fn sample_with(&self, wanted: impl Iterator<Item = PhotoId>) -> Vec<PhotoId> {
        let all = self.encoded();
        let mut ids: Vec<PhotoId> = evenly(all.len(), SAMPLE).map(|at| all[at]).collect();
        ids.extend(wanted.filter(|id| all.binary_search(id).is_ok()));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// What the suggestions that are there were made with, and when.
pub(super) fn made_with(conn: &Connection) -> Result<Option<(MadeWith, i64)>, LibraryError> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = 'suggested'")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn keep_made_with(tx: &Connection, made: &MadeWith, now_ms: i64) -> Result<(), LibraryError> {
    let text = serde_json::to_string(&(made, now_ms)).expect("words and numbers are JSON");
    tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('suggested', ?1)", [text])?;
    Ok(())
}

fn forget_made_with(tx: &Connection) -> Result<(), LibraryError> {
    tx.execute("DELETE FROM meta WHERE key = 'suggested'", [])?;
    Ok(())
}
