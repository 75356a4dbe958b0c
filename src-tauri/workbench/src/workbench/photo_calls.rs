//! Which photos there are, in which order, and what the grid shows of them.

use std::{collections::HashMap, sync::Arc, time::Instant};

use roaring::RoaringBitmap;

use super::Workbench;
use crate::{
    messages::{
        BestLabel, LabelSummary, PhotoId, PhotoListHead, PhotoOrder, PhotoQuery, PhotoRecord, PhotoState, PhotoSummary,
        Problem,
    },
    table::{Row, Table, file_name},
    worker::Scorer,
};

/// Photos in order: numbers only, since there may be a million of them.
#[derive(Debug)]
pub struct PhotoList {
    /// What there is to say of the list.
    pub head: PhotoListHead,
    /// The photos.
    pub ids: Vec<PhotoId>,
    /// Width over height; 0 where it is not known.
    pub aspects: Vec<f32>,
    /// Scores of a search, or of the label that the order is by.
    pub scores: Option<Vec<f32>>,
}

impl PhotoList {
    /// As the page reads it: the length of the head, the head as JSON padded to whole words, then ids, aspects and scores,
    /// all little-endian and 32 bits wide.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head).expect("a head of numbers is JSON");
        let mut bytes = Vec::with_capacity(8 + head.len() + self.ids.len() * 12);
        bytes.extend((head.len() as u32).to_le_bytes());
        bytes.extend(&head);
        bytes.resize(bytes.len().next_multiple_of(4), b' ');
        bytes.extend(self.ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend(self.aspects.iter().chain(self.scores.iter().flatten()).flat_map(|value| value.to_le_bytes()));
        bytes
    }
}

impl Workbench {
    /// The photos that meet a query, in its order.
    pub fn photo_list(&self, query: &PhotoQuery) -> Result<PhotoList, Problem> {
        let began = Instant::now();
        let wanted = self.in_library(&query.filter)?;
        let given = Given::of(self);
        let words = self.words(&query.filter.text)?;
        let by_time = match query.order {
            PhotoOrder::Taken if query.search.is_empty() => self.by_time()?,
            _ => None,
        };
        let table = self.shared.table();
        let total = table.len() as u32;
        let meets = |id: PhotoId, row: &Row| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(id))
                && given.has_all(row, &query.filter.labels)
                && words.iter().all(|word| word.is_in(id, row, &given))
        };
        let mut ids: Vec<PhotoId> = table.iter().filter(|(id, row)| meets(*id, row)).map(|(id, _)| id).collect();
        let filtered = ids.len() as u32;
        let (scores, cut) = if query.search.is_empty() {
            let keys = Keys::of(&ids, query, &table, &given, by_time);
            drop(table);
            (keys.put_in_order(&mut ids, query.descending), None)
        } else {
            drop(table);
            let found = self.search(query, &ids)?;
            ids = found.ids;
            (Some(found.scores), found.cut)
        };
        let aspects = aspects(&self.shared.table(), &ids);
        let count = ids.len() as u32;
        let took_ms = began.elapsed().as_secs_f32() * 1000.0;
        let head = PhotoListHead { count, filtered, total, scored: scores.is_some(), cut, took_ms };
        Ok(PhotoList { head, ids, aspects, scores })
    }

    /// What the grid shows of photos, in the order asked for; those that are gone are left out.
    pub fn photo_records(&self, ids: &[PhotoId]) -> Result<Vec<PhotoRecord>, Problem> {
        let mut tags = self.tags_of(ids)?;
        let table = self.shared.table();
        let record = |id: &PhotoId| {
            let mut record = table.get(*id)?.record(*id);
            record.tags = tags.remove(id).unwrap_or_default();
            Some(record)
        };
        Ok(ids.iter().filter_map(record).collect())
    }

    /// Every photo, for those who want them all at once.
    pub fn photos(&self) -> Vec<PhotoRecord> {
        self.shared.table().iter().map(|(id, row)| row.record(id)).collect()
    }

    /// Some photos, or all of them, in figures.
    pub fn photo_summary(&self, ids: Option<&[PhotoId]>) -> Result<PhotoSummary, Problem> {
        let tags = self.tag_counts(ids)?;
        let given = Given::of(self);
        let table = self.shared.table();
        let mut sums = vec![(0, 0.0); given.labels().len()];
        let (mut photos, mut labelled, mut bare) = (0, 0, 0);
        let mut add = |row: &Row| {
            photos += 1;
            labelled += u32::from(row.state == PhotoState::Labelled);
            let mut is_bare = row.state == PhotoState::Labelled;
            for best in given.of_row(row) {
                is_bare = false;
                if let Some((count, sum)) = sums.get_mut(best.label as usize) {
                    *count += 1;
                    *sum += f64::from(best.score);
                }
            }
            bare += u32::from(is_bare);
        };
        match ids {
            Some(ids) => ids.iter().filter_map(|id| table.get(*id)).for_each(&mut add),
            None => table.iter().for_each(|(_, row)| add(row)),
        }
        let summary = |(label, (count, sum)): (&String, (u32, f64))| LabelSummary {
            label: label.clone(),
            count,
            mean: if count > 0 { (sum / f64::from(count)) as f32 } else { 0.0 },
        };
        let labels = given.labels().iter().zip(sums).map(summary).collect();
        Ok(PhotoSummary { photos, labelled, bare, labels, tags })
    }

    /// Goes on with every photo that a stop left unfinished.
    pub fn go_on(&self) -> Result<(), Problem> {
        let unfinished = |row: &Row| matches!(row.state, PhotoState::Waiting | PhotoState::Decoded) && !row.missing;
        let ids: Vec<PhotoId> =
            self.shared.table().iter().filter(|(_, row)| unfinished(row)).map(|(id, _)| id).collect();
        self.retry(&ids)
    }
}

/// What photos are put in order by; taken from the table, so that sorting a million of them keeps nobody waiting for it.
enum Keys {
    Added,
    Names(Vec<String>),
    Times(HashMap<PhotoId, usize>),
    Scores(Vec<f32>),
}

impl Keys {
    fn of(
        ids: &[PhotoId],
        query: &PhotoQuery,
        table: &Table,
        given: &Given,
        by_time: Option<HashMap<PhotoId, usize>>,
    ) -> Self {
        let name = |id: &PhotoId| table.get(*id).map(|row| file_name(&row.path)).unwrap_or_default();
        let taken = |id: &PhotoId| table.get(*id)?.facts.as_ref()?.taken_ms;
        match &query.order {
            PhotoOrder::Added => Self::Added,
            PhotoOrder::Name => Self::Names(ids.iter().map(name).collect()),
            PhotoOrder::Taken => Self::Times(by_time.unwrap_or_else(|| {
                let mut known: Vec<(i64, PhotoId)> = ids.iter().filter_map(|id| Some((taken(id)?, *id))).collect();
                known.sort_unstable();
                known.into_iter().enumerate().map(|(at, (_, id))| (id, at)).collect()
            })),
            PhotoOrder::Score { label } => Self::Scores(ids.iter().map(|id| given.score(table, *id, label)).collect()),
        }
    }

    /// Puts photos in order; the scores that it was by, if it was by scores.
    fn put_in_order(self, ids: &mut Vec<PhotoId>, descending: bool) -> Option<Vec<f32>> {
        let mut places: Vec<usize> = (0..ids.len()).collect();
        match &self {
            Self::Added => {}
            Self::Names(names) => {
                places.sort_by(|a, b| alphanumeric_sort::compare_str(&names[*a], &names[*b]).then(a.cmp(b)));
            }
            // Those without a time come last, whichever way round.
            Self::Times(times) => {
                let time = |at: usize| times.get(&ids[at]).copied();
                places.sort_by_key(|at| (time(*at).is_none(), time(*at), *at));
                let known = places.iter().take_while(|at| time(**at).is_some()).count();
                if descending {
                    places[..known].reverse();
                }
            }
            Self::Scores(scores) => places.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b))),
        }
        if descending && !matches!(self, Self::Times(_)) {
            places.reverse();
        }
        *ids = places.iter().map(|at| ids[*at]).collect();
        match self {
            Self::Scores(scores) => Some(places.into_iter().map(|at| scores[at]).collect()),
            _ => None,
        }
    }
}

/// What photos are given by the label set in use: their best labels, as far as they reach the threshold.
struct Given {
    scorer: Option<Arc<Scorer>>,
    labels: Vec<String>,
    top_k: usize,
    threshold: f32,
}

impl Given {
    fn of(bench: &Workbench) -> Self {
        let (settings, _) = bench.shared.labels();
        let (top_k, threshold) = (settings.top_k as usize, settings.threshold);
        let scorer = bench.shared.scorer();
        let labels = scorer.as_ref().map_or(settings.labels, |scorer| scorer.settings.labels.clone());
        Self { scorer, labels, top_k, threshold }
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn of_row<'a>(&self, row: &'a Row) -> impl Iterator<Item = &'a BestLabel> {
        let threshold = self.threshold;
        // Indices of the model before may be of another list.
        let best = if row.outdated.is_none() && self.scorer.is_some() { &row.best[..] } else { &[] };
        best.iter().take(self.top_k).filter(move |best| best.score >= threshold)
    }

    fn name(&self, label: u32) -> &str {
        self.labels.get(label as usize).map_or("", String::as_str)
    }

    fn has_all(&self, row: &Row, labels: &[String]) -> bool {
        labels.iter().all(|label| self.of_row(row).any(|best| self.name(best.label) == label))
    }

    /// Below the ten best a score is not known here; it is lower than those that are, so it counts as none.
    fn score(&self, table: &Table, id: PhotoId, label: &str) -> f32 {
        let best = table.get(id).map_or(&[][..], |row| &row.best);
        best.iter().find(|best| self.name(best.label) == label).map_or(0.0, |best| best.score)
    }
}

/// A word of a text filter, and the photos with a tag that has it.
pub(super) struct Word {
    lower: String,
    tagged: RoaringBitmap,
}

impl Word {
    pub(super) fn new(word: &str, tagged: RoaringBitmap) -> Self {
        Self { lower: word.to_lowercase(), tagged }
    }

    fn is_in(&self, id: PhotoId, row: &Row, given: &Given) -> bool {
        self.tagged.contains(id)
            || row.path.to_string_lossy().to_lowercase().contains(&self.lower)
            || given.of_row(row).any(|best| given.name(best.label).to_lowercase().contains(&self.lower))
    }
}

fn aspects(table: &Table, ids: &[PhotoId]) -> Vec<f32> {
    let aspect = |id: &PhotoId| match table.get(*id).map(|row| row.size) {
        Some([width, height]) if height > 0 => width as f32 / height as f32,
        _ => 0.0,
    };
    ids.iter().map(aspect).collect()
}
