//! Searches by words and by photos, with weights, and where their answers end.

use std::{collections::HashMap, sync::atomic::Ordering::SeqCst};

use cliploupe_engine::lab::Table;
use cliploupe_library::{
    Identity,
    index::{self, InMemory, Modality, Query, Term, VectorIndex},
};
use roaring::RoaringBitmap;
use rusqlite::params;

use super::{Shared, Workbench, lock};
use crate::{
    messages::{CutOff, HitExplained, PhotoId, PhotoQuery, Problem, ProblemCode, SearchTerm, TermScore},
    sentences,
    shelf::{of_library, write_lock},
    table::Row,
};

/// Photos that a search lists at most; who wants more narrows it down.
const LISTED: usize = 20_000;
/// Photos that are ranked at first: more than a cut-off usually keeps.
const FIRST: usize = 1_000;
/// Embeddings that are copied into the index at once.
const AT_ONCE: usize = 4096;
/// Words whose feature is remembered.
const KNOWN_WORDS: usize = 500;

/// Photos that a search found, best first.
pub(super) struct Found {
    pub ids: Vec<PhotoId>,
    pub scores: Vec<f32>,
    pub cut: Option<CutOff>,
}

/// Features of words that were searched for, `[width]`, of one model.
#[derive(Default)]
pub(super) struct KnownWords {
    version: u32,
    features: HashMap<String, Vec<f32>>,
}

impl Workbench {
    /// The photos among some that a search finds.
    pub(super) fn search(&self, query: &PhotoQuery, among: &[PhotoId]) -> Result<Found, Problem> {
        let asked = self.asked(query)?;
        let total = self.shared.table().len();
        let allowed = (among.len() < total).then(|| among.iter().copied().collect::<RoaringBitmap>());
        self.with_index(|index| {
            let find = |k: usize| index.find(&asked, k, allowed.as_ref()).map_err(|error| of_library(&error));
            let mut found = find(if query.past_cut { LISTED } else { FIRST })?;
            let marks = self.marks(query)?;
            let feedback = scored_marks(index, &asked, &marks)?;
            let cut = index::cut_off(&found.scores, &feedback);
            // With a filter, as many as that may reach the cut-off; how many do is known once they are ranked.
            if !query.past_cut && found.hits.len() == FIRST && found.hits[FIRST - 1].score >= cut.score {
                found = find(cut.kept.min(LISTED))?;
            }
            let reaches = |hit: &&index::Hit| query.past_cut || hit.score >= cut.score;
            let hits: Vec<&index::Hit> = found.hits.iter().filter(reaches).collect();
            Ok(Found {
                ids: hits.iter().map(|hit| hit.photo).collect(),
                scores: hits.iter().map(|hit| hit.score).collect(),
                cut: Some(CutOff { score: cut.score, kept: cut.kept as u32, marks: marks.len() as u32 }),
            })
        })
    }

    /// How each term of a search counts for a photo.
    pub fn explain_hit(&self, query: &PhotoQuery, id: PhotoId) -> Result<HitExplained, Problem> {
        let asked = self.asked(query)?;
        let mark = self.marks(query)?.get(&id).copied();
        self.with_index(|index| {
            let only = RoaringBitmap::from([id]);
            let found = index.find(&asked, 1, Some(&only)).map_err(|error| of_library(&error))?;
            let Some(hit) = found.hits.first() else {
                let message = "this photo has not been encoded, so a search says nothing of it. Wait until it is.";
                return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "encoded photo")], message));
            };
            let weights: Vec<f32> = query.search.iter().map(weight).collect();
            let adds = index::contributions(&weights, &hit.cosines, &found.terms);
            let terms =
                hit.cosines.iter().zip(adds).map(|(cosine, adds)| TermScore { cosine: *cosine, adds }).collect();
            Ok(HitExplained { terms, score: hit.score, mark })
        })
    }

    /// Remembers that a photo belongs to what was searched for, or does not; `None` forgets it.
    pub fn mark_hit(&self, query: &PhotoQuery, id: PhotoId, belongs: Option<bool>) -> Result<(), Problem> {
        let (key, now) = (mark_key(query), cliploupe_library::clock::now_ms());
        self.shelf()?.write(|tx| {
            match belongs {
                Some(belongs) => tx.execute(
                    "INSERT OR REPLACE INTO search_mark (search, photo, belongs, marked_ms) VALUES (?1, ?2, ?3, ?4)",
                    params![key, id, belongs, now],
                )?,
                None => tx.execute("DELETE FROM search_mark WHERE search = ?1 AND photo = ?2", params![key, id])?,
            };
            Ok(())
        })
    }

    fn marks(&self, query: &PhotoQuery) -> Result<HashMap<PhotoId, bool>, Problem> {
        self.shelf()?.read(|conn| {
            let mut statement = conn.prepare_cached("SELECT photo, belongs FROM search_mark WHERE search = ?1")?;
            let marks = statement.query_map([mark_key(query)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(marks.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// A search as the index understands it.
    fn asked(&self, query: &PhotoQuery) -> Result<Query, Problem> {
        let terms = query.search.iter().map(|term| self.term(term)).collect::<Result<Vec<_>, _>>()?;
        let asked = Query::new(terms).map_err(|error| of_library(&error))?;
        if !query.centred {
            return Ok(asked);
        }
        // What all labels in use have in common is what texts have in common.
        let scorer = self.shared.scorer().filter(|scorer| !scorer.directions.is_empty());
        let Some(scorer) = scorer else {
            let message =
                "centring takes the mean of the labels in use away from words, and there are none. Add labels.";
            return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "labels")], message));
        };
        let width = scorer.direction(0).len();
        let mean = Table::new(width, scorer.directions.clone()).mean().unwrap_or_default();
        Ok(asked.centred(mean.into_iter().map(|value| value as f32).collect()))
    }

    fn term(&self, term: &SearchTerm) -> Result<Term, Problem> {
        match term {
            SearchTerm::Text { text, weight } => {
                Ok(Term { vector: self.direction_of(text)?, weight: *weight, of: Modality::Text })
            }
            SearchTerm::Photo { id, weight } => {
                let of_this_model = |row: &Row| row.embedding.clone().filter(|_| row.outdated.is_none());
                let embedding = self.shared.table().get(*id).and_then(of_this_model);
                let vector = embedding.ok_or_else(|| {
                    let message = "the photo to search by has not been encoded yet. Wait until it is.";
                    Problem::new(ProblemCode::NothingAtHand, &[("what", "encoded photo")], message)
                })?;
                Ok(Term { vector: vector.into(), weight: *weight, of: Modality::Image })
            }
        }
    }

    /// Words in the joint space, by the text head in force.
    pub(super) fn direction_of(&self, text: &str) -> Result<Vec<f32>, Problem> {
        let in_force = self.in_force()?;
        let version = in_force.base.version;
        let known = {
            let known = lock(&self.known_words);
            (known.version == version).then(|| known.features.get(text).cloned()).flatten()
        };
        let feature = match known {
            Some(feature) => feature,
            None => {
                let words = vec![text.trim().to_owned()];
                let feature = self.ask(move |model| sentences::encode_sentences(model, &words))??.values().to_vec();
                let mut known = lock(&self.known_words);
                if known.version != version || known.features.len() >= KNOWN_WORDS {
                    *known = KnownWords { version, ..KnownWords::default() };
                }
                known.features.insert(text.to_owned(), feature.clone());
                feature
            }
        };
        let head = &in_force.heads.text;
        Ok(head.apply(&Table::new(head.input_dim(), feature)).unit().values().to_vec())
    }

    /// Asks an index of its own, for what takes so long that searches must not wait for it.
    pub(super) fn with_own_index<T>(&self, ask: impl FnOnce(&VectorIndex) -> Result<T, Problem>) -> Result<T, Problem> {
        self.shelf()?;
        ask(&self.shared.build_index()?)
    }

    /// Asks the index of embeddings, made now if there is none.
    pub(super) fn with_index<T>(&self, ask: impl FnOnce(&VectorIndex) -> Result<T, Problem>) -> Result<T, Problem> {
        let shelf = self.shelf()?;
        let generation = {
            let mut index = write_lock(&shelf.index);
            if index.as_ref().is_some_and(VectorIndex::is_mean_stale) {
                *index = None;
            }
            if let Some(index) = &*index {
                return ask(index);
            }
            lock(&shelf.late).clear();
            shelf.generation.load(SeqCst)
        };
        // Not under the lock of the index: whoever changes embeddings holds theirs and then asks for that one.
        let mut made = self.shared.build_index()?;
        let mut index = write_lock(&shelf.index);
        if shelf.generation.load(SeqCst) == generation {
            let (late, embeddings) = self.shared.embeddings(&std::mem::take(&mut *lock(&shelf.late)));
            let rows = self.shared.with_identity(&late, embeddings.chunks_exact(made.width()));
            made.push(&rows).map_err(|error| of_library(&error))?;
            return ask(index.insert(made));
        }
        // Embeddings changed while it was made: it answers this once, and the next one who asks makes it anew.
        drop(index);
        ask(&made)
    }
}

impl Shared {
    pub(super) fn build_index(&self) -> Result<VectorIndex, Problem> {
        let ids: Vec<PhotoId> = self.table().iter().map(|(id, _)| id).collect();
        let width = self.in_force().as_ref().map(|in_force| in_force.heads.image.output_dim());
        let Some(width) = width else {
            let message = "no model is loaded, so nothing can be searched for. Wait until it is there.";
            return Err(Problem::new(ProblemCode::NothingAtHand, &[("what", "model")], message));
        };
        let mut store = InMemory::new(width);
        for ids in ids.chunks(AT_ONCE) {
            let (ids, embeddings) = self.embeddings(ids);
            let rows = self.with_identity(&ids, embeddings.chunks_exact(width));
            index::Embeddings::append(&mut store, &rows).map_err(|error| of_library(&error))?;
        }
        VectorIndex::build(Box::new(store)).map_err(|error| of_library(&error))
    }

    /// Embeddings of photos that have been identified, as an index takes them.
    fn with_identity<'a>(
        &self,
        ids: &[PhotoId],
        embeddings: impl Iterator<Item = &'a [f32]>,
    ) -> Vec<(PhotoId, Identity, &'a [f32])> {
        let table = self.table();
        let known = ids.iter().zip(embeddings);
        known.filter_map(|(id, embedding)| Some((*id, table.get(*id)?.identity?, embedding))).collect()
    }

    /// Photos have other embeddings: the index is made anew when it is asked next.
    pub(super) fn forget_index(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.forget_index();
        }
    }

    /// Photos were encoded: they can be found.
    pub fn index_found(&self, ids: &[PhotoId], embeddings: &Table) {
        let Some(shelf) = &self.shelf else { return };
        let mut index = write_lock(&shelf.index);
        if index.is_none() {
            return lock(&shelf.late).extend(ids);
        }
        let rows = self.with_identity(ids, embeddings.rows());
        if index.as_mut().is_some_and(|index| index.push(&rows).is_err()) {
            *index = None;
        }
    }
}

fn weight(term: &SearchTerm) -> f32 {
    match term {
        SearchTerm::Text { weight, .. } | SearchTerm::Photo { weight, .. } => *weight,
    }
}

/// Marks belong to what was searched for, not to a filter or an order.
fn mark_key(query: &PhotoQuery) -> String {
    serde_json::to_string(&(&query.search, query.centred)).expect("terms are JSON")
}

fn scored_marks(
    index: &VectorIndex,
    asked: &Query,
    marks: &HashMap<PhotoId, bool>,
) -> Result<Vec<(f32, bool)>, Problem> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let marked: RoaringBitmap = marks.keys().copied().collect();
    let found = index.find(asked, marks.len(), Some(&marked)).map_err(|error| of_library(&error))?;
    Ok(found.hits.iter().filter_map(|hit| Some((hit.score, *marks.get(&hit.photo)?))).collect())
}
