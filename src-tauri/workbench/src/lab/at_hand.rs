//! What is at hand for figures: the photos on the table and the labels, before their projections.

use std::{path::PathBuf, sync::Arc};

use cliploupe_engine::lab::{Context, Pooled, Table};

use super::Base;
use crate::{messages::PhotoId, sentences::Sentences, table::Pooled as Place, workbench::Shared, worker::Scorer};

/// Photos with their pooled features, in the order in which they came.
pub struct Photos {
    /// The photos.
    pub ids: Vec<PhotoId>,
    /// Their files.
    pub paths: Vec<PathBuf>,
    /// `[photo, width]`.
    pub pooled: Arc<Pooled>,
    /// Where each was read.
    pub places: Vec<Place>,
}

/// Photos and labels of the loaded model.
pub struct AtHand {
    /// The model.
    version: u32,
    /// The photos that have been encoded.
    pub photos: Arc<Photos>,
    /// The labels that have been encoded; none before the label set is read.
    pub scorer: Option<Arc<Scorer>>,
    /// Both, as edits see them.
    pub context: Arc<Context>,
}

impl AtHand {
    /// Everything that `base` has encoded. What has not changed since `before` is taken from there, with the figures
    /// that were computed of it.
    pub fn of(shared: &Shared, base: &Base, before: Option<&Arc<Self>>) -> Arc<Self> {
        let before = before.filter(|before| before.version == base.version);
        let scorer = shared.scorer();
        let photos = photos(shared, base, before.map(|before| &before.photos));
        let version = base.version;
        if let Some(before) = before
            && Arc::ptr_eq(&before.photos, &photos)
            && same_sentences(before.scorer.as_deref(), scorer.as_deref())
        {
            if before.scorer.as_ref().map(Arc::as_ptr) == scorer.as_ref().map(Arc::as_ptr) {
                return before.clone();
            }
            // Another text head has made other directions of the same sentences; what edits measured of them stays.
            let context = before.context.clone();
            return Arc::new(Self { version, photos, scorer, context });
        }
        let text = match scorer.as_ref() {
            Some(scorer) => scorer.sentences.pooled.clone(),
            None => Table::new(base.heads.text.input_dim(), Vec::new()),
        };
        let text = Arc::new(Pooled::new(text));
        let context = Context::new(photos.pooled.clone(), text, base.image.shift(), base.text.shift());
        Arc::new(Self { version, photos, scorer, context: Arc::new(context) })
    }

    /// The labels' sentences.
    pub fn sentences(&self) -> Option<&Sentences> {
        self.scorer.as_ref().map(|scorer| &*scorer.sentences).filter(|sentences| !sentences.columns.is_empty())
    }

    /// The labels that have a direction.
    pub fn labels(&self) -> Vec<String> {
        self.scorer.iter().flat_map(|scorer| scorer.labels()).map(str::to_owned).collect()
    }

    /// The photos' features.
    pub fn pooled(&self) -> &Table {
        self.photos.pooled.table()
    }
}

fn same_sentences(a: Option<&Scorer>, b: Option<&Scorer>) -> bool {
    a.map(|scorer| Arc::as_ptr(&scorer.sentences)) == b.map(|scorer| Arc::as_ptr(&scorer.sentences))
}

/// The photos on the table that the model has encoded; those of `before` if they are the same.
fn photos(shared: &Shared, base: &Base, before: Option<&Arc<Photos>>) -> Arc<Photos> {
    let width = base.heads.image.input_dim();
    let table = shared.table();
    let encoded = || {
        let current = table.iter().filter(|(_, row)| row.outdated.is_none());
        current.filter_map(|(id, row)| Some((id, row, row.pooled.as_ref()?)))
    };
    // A photo that stays as it is keeps its feature under one model; one that was turned has another.
    if let Some(before) = before
        && encoded().map(|(id, ..)| id).eq(before.ids.iter().copied())
        && encoded().zip(&before.places).all(|((.., place), before)| place.is_same_place(before))
    {
        return before.clone();
    }
    let (mut ids, mut paths, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (id, row, pooled) in encoded() {
        ids.push(id);
        paths.push(row.path.clone());
        places.push(pooled.clone());
    }
    drop(table);
    let (kept, values) = shared.features(&places, width);
    let only_kept = |at: &usize| kept.binary_search(at).is_ok();
    if kept.len() < ids.len() {
        ids = (0..ids.len()).filter(only_kept).map(|at| ids[at]).collect();
        paths = (0..paths.len()).filter(only_kept).map(|at| std::mem::take(&mut paths[at])).collect();
    }
    if kept.len() < places.len() {
        places = kept.iter().map(|at| places[*at].clone()).collect();
    }
    Arc::new(Photos { ids, paths, places, pooled: Arc::new(Pooled::new(Table::new(width, values))) })
}
