//! What becomes of features: they are kept, projected and scored, and the onlooker is told.

use cliploupe_engine::lab::Table;

use crate::{
    messages::{BestLabel, PhotoBest, PhotoId, PhotoState, WorkbenchEvent},
    workbench::Shared,
};

impl Shared {
    /// Projects pooled features by the heads in force, stores both with the scores, and tells about it.
    pub(super) fn note_pooled(&self, run: u64, ids: &[PhotoId], pooled: Table) {
        let (pooled, places) = match self.keep_features(ids, pooled) {
            Ok(kept) => kept,
            Err(problem) => return self.halt(problem),
        };
        // Held to the end, so that no edit comes in between.
        let in_force = self.in_force();
        let Some(heads) = in_force.as_ref().map(|in_force| in_force.heads.clone()) else { return };
        let embeddings = heads.image.apply(&pooled).unit();
        let scorer = self.scorer();
        let best: Vec<Vec<BestLabel>> = match &scorer {
            Some(scorer) => scorer.best(embeddings.values()),
            None => vec![Vec::new(); ids.len()],
        };
        let version = scorer.map_or(0, |scorer| scorer.version);
        let mut table = self.table();
        // A batch that was under way when a person stopped the work belongs to what can be gone on with. Looked at under
        // the table's lock, so that whoever sees the table after a stop sees it as it stays.
        if !self.is_on(run) {
            return;
        }
        let mut photos = Vec::with_capacity(best.len());
        for (((id, place), embedding), best) in ids.iter().zip(places).zip(embeddings.rows()).zip(best) {
            if let Some(row) = table.get_mut(*id) {
                row.pooled = Some(place);
                row.embedding = Some(embedding.into());
                row.outdated = None;
                row.state = PhotoState::Labelled;
                row.best.clone_from(&best);
                photos.push(PhotoBest { id: *id, best });
            }
        }
        self.emit(WorkbenchEvent::PhotosScored { labels_version: version, photos });
        drop(table);
        self.index_found(ids, &embeddings);
        drop(in_force);
        self.note_done(run, ids.len() as u32);
    }

    /// Scores every photo, some thousand at a time, so that the window can ask in between.
    pub fn rescore(&self) {
        const STEP: usize = 4096;
        let Some(scorer) = self.scorer() else { return };
        let ids: Vec<PhotoId> = self.table().iter().map(|(id, _)| id).collect();
        for ids in ids.chunks(STEP) {
            let (ids, embeddings) = self.embeddings(ids);
            let best = scorer.best(&embeddings);
            let mut table = self.table();
            for (id, best) in ids.into_iter().zip(best) {
                if let Some(row) = table.get_mut(id).filter(|row| row.embedding.is_some()) {
                    row.best = best;
                }
            }
        }
        self.emit(WorkbenchEvent::PhotosRescored { labels_version: scorer.version });
    }

    /// The embeddings of those of `ids` that have one of this model: `[photo, embed]`.
    pub fn embeddings(&self, ids: &[PhotoId]) -> (Vec<PhotoId>, Vec<f32>) {
        let table = self.table();
        let mut values = Vec::new();
        let current = |id: &PhotoId| Some((*id, table.get(*id).filter(|row| row.outdated.is_none())?));
        let found = ids.iter().filter_map(current).filter_map(|(id, row)| {
            values.extend_from_slice(row.embedding.as_ref()?);
            Some(id)
        });
        (found.collect(), values)
    }
}
