//! Features that the library keeps: written as they are computed, read when a model is there or an edit asks for them.

use std::collections::HashMap;

use cliploupe_engine::lab;
use cliploupe_library::{ModelKey, PhotoId};
use half::f16;

use super::Shared;
use crate::{
    messages::{PhotoState, Problem, WorkbenchEvent},
    shelf::Shelf,
    table::Pooled,
};

/// Features that are read and projected at once.
const FEATURES_AT_ONCE: usize = 4096;

/// Photos whose features are taken up before the window hears of it.
const PHOTOS_AT_ONCE: usize = 16 * FEATURES_AT_ONCE;

impl Shared {
    /// Uses the features that are kept of a model from now on; photos follow with [`Self::take_up_all`].
    pub fn use_features_of(&self, key: ModelKey, width: usize) {
        if let Some(Err(problem)) = self.shelf.as_ref().map(|shelf| shelf.use_model(key, width)) {
            self.emit_problem(problem);
        }
    }

    /// Projects and scores all photos that have a kept feature, and tells of it as it goes on.
    pub fn take_up_all(&self) {
        let ids: Vec<PhotoId> = self.table().iter().map(|(id, _)| id).collect();
        for ids in ids.chunks(PHOTOS_AT_ONCE) {
            if self.take_up_features(ids) > 0 {
                self.tell_rescored();
            }
        }
    }

    /// Tells that photos have other scores than before.
    fn tell_rescored(&self) {
        if let Some(scorer) = self.scorer() {
            self.emit(WorkbenchEvent::PhotosRescored { labels_version: scorer.version });
        }
    }

    /// Projects the kept features of these photos by the heads in force; how many have one.
    pub(super) fn take_up_features(&self, ids: &[PhotoId]) -> usize {
        let Some(shelf) = &self.shelf else { return 0 };
        let in_force = self.in_force();
        let Some(heads) = in_force.as_ref().map(|in_force| in_force.heads.clone()) else { return 0 };
        let stored: Vec<(PhotoId, u32)> = {
            let table = self.table();
            let row = |id: &PhotoId| Some((*id, shelf.row_of(*id, table.get(*id)?.identity.as_ref()?)?));
            ids.iter().filter_map(row).collect()
        };
        let scorer = self.scorer();
        let mut found = 0;
        let is_first_use = stored.len() > FEATURES_AT_ONCE;
        for chunk in stored.chunks(FEATURES_AT_ONCE) {
            let places: Vec<Pooled> = chunk.iter().map(|(_, row)| Pooled::Stored(*row)).collect();
            let width = heads.image.input_dim();
            let (kept, values) = self.features(&places, width);
            let embeddings = heads.image.apply(&lab::Table::new(width, values)).unit();
            let best = scorer.as_ref().map(|scorer| scorer.best(embeddings.values()));
            let mut best = best.into_iter().flatten();
            let mut table = self.table();
            for (at, embedding) in kept.iter().zip(embeddings.rows()) {
                let best = best.next().unwrap_or_default();
                let (id, stored) = chunk[*at];
                if let Some(row) = table.get_mut(id).filter(|row| row.identity.is_some()) {
                    row.pooled = Some(Pooled::Stored(stored));
                    row.embedding = Some(embedding.into());
                    row.outdated = None;
                    row.state = PhotoState::Labelled;
                    row.best = best;
                    found += 1;
                }
            }
            drop(table);
            if !is_first_use {
                let ids: Vec<PhotoId> = kept.iter().map(|at| chunk[*at].0).collect();
                self.index_found(&ids, &embeddings);
            }
        }
        if is_first_use {
            self.forget_index();
        }
        found
    }

    /// Keeps features in the library, if there is one: rounded as they are kept, so that a later start has the same
    /// numbers, and where they are.
    pub fn keep_features(&self, ids: &[PhotoId], pooled: lab::Table) -> Result<(lab::Table, Vec<Pooled>), Problem> {
        let Some(shelf) = &self.shelf else {
            let places = pooled.rows().map(|row| Pooled::Here(row.into())).collect();
            return Ok((pooled, places));
        };
        let rounded = pooled.values().iter().map(|value| f16::from_f32(*value).to_f32()).collect();
        let rounded = lab::Table::new(pooled.columns(), rounded);
        let identities: HashMap<PhotoId, _> = {
            let table = self.table();
            ids.iter().filter_map(|id| Some((*id, table.get(*id)?.identity?))).collect()
        };
        let known = ids.iter().zip(rounded.rows());
        let rows: Vec<_> = known.filter_map(|(id, row)| Some((*id, *identities.get(id)?, row))).collect();
        shelf.keep_features(&rows)?;
        let stored = |id: &PhotoId| shelf.row_of(*id, identities.get(id)?);
        let place = |(id, row): (&PhotoId, &[f32])| match stored(id) {
            Some(stored) => Pooled::Stored(stored),
            None => Pooled::Here(row.into()),
        };
        let places = ids.iter().zip(rounded.rows()).map(place).collect();
        Ok((rounded, places))
    }

    /// Makes sure that features that were kept are on the disk.
    pub fn sync_features(&self) {
        if let Some(Err(problem)) = self.shelf.as_ref().map(Shelf::sync) {
            self.emit_problem(problem);
        }
    }

    /// The features in these places, as far as they can be read: which places, and `[place, width]`.
    pub fn features(&self, places: &[Pooled], width: usize) -> (Vec<usize>, Vec<f32>) {
        let (mut kept, mut values) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len() * width));
        for (first, chunk) in places.chunks(FEATURES_AT_ONCE).enumerate() {
            let rows = chunk.iter().map(|place| if let Pooled::Stored(row) = place { Some(*row) } else { None });
            let rows: Option<Vec<u32>> = rows.collect();
            // All of them at once, unless one is damaged or lies elsewhere.
            let at_once = rows.zip(self.shelf.as_ref()).and_then(|(rows, shelf)| shelf.read_features(&rows).ok());
            let first = first * FEATURES_AT_ONCE;
            if let Some(read) = at_once.filter(|read| read.len() == chunk.len() * width) {
                kept.extend(first..first + chunk.len());
                values.extend(read);
                continue;
            }
            for (at, place) in chunk.iter().enumerate() {
                if let Some(feature) = self.feature(place, width) {
                    kept.push(first + at);
                    values.extend(feature);
                }
            }
        }
        (kept, values)
    }

    /// One feature, `[width]`, if it can be read and is of that width.
    pub fn feature(&self, place: &Pooled, width: usize) -> Option<Vec<f32>> {
        let values = match place {
            Pooled::Here(values) => values.to_vec(),
            Pooled::Stored(row) => self.shelf.as_ref()?.read_features(&[*row]).ok()?,
        };
        (values.len() == width).then_some(values)
    }
}
