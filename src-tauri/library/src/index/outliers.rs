//! Photos that are far from everything: those with the lowest mean cosine to their nearest neighbours.
//!
//! Follows S. Bay and M. Schwabacher, "Mining Distance-Based Outliers in Near Linear Time with Randomization and a
//! Simple Pruning Rule", KDD 2003 (doi:10.1145/956750.956758): a photo is let go as soon as the neighbours found for it
//! are nearer than those of the last outlier so far. Photos that were added together are often alike, so the search
//! begins beside the photo itself and mostly ends there.

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use rayon::prelude::*;

use super::{
    VectorIndex,
    block::{NOBODY, ROWS},
    probe::Probe,
    query::{MAD_TO_SIGMA, median},
};
use crate::{LibraryError, PhotoId};

/// A photo far from all others, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Which photo.
    pub photo: PhotoId,
    /// Its mean cosine with its nearest neighbours, within some thousandths.
    pub mean_cosine: f32,
    /// By how many spreads that is below the typical photo of the library.
    pub z: f32,
    /// The photo most like it.
    pub nearest: PhotoId,
    /// The exact cosine with that one.
    pub nearest_cosine: f32,
}

/// Photos whose neighbours are all looked for, to know what is typical.
const SAMPLE: usize = 512;
/// Photos that are looked at together.
const BATCH: usize = 32;
/// Rows to each side of a batch that are looked at first.
const BESIDE: usize = 256;

/// A photo whose neighbours are being found.
struct Search {
    row: u32,
    probe: Probe,
    /// The nearest so far, best first.
    nearest: Vec<(f32, u32)>,
}

impl Search {
    fn mean(&self, neighbours: usize) -> f32 {
        if self.nearest.len() < neighbours {
            return f32::NEG_INFINITY;
        }
        self.nearest.iter().map(|&(cosine, _)| cosine).sum::<f32>() / neighbours as f32
    }

    fn take(&mut self, cosine: f32, row: u32, neighbours: usize) {
        let is_full = self.nearest.len() == neighbours;
        if row == self.row || is_full && self.nearest.last().is_some_and(|&(least, _)| cosine <= least) {
            return;
        }
        if is_full {
            self.nearest.pop();
        }
        let at = self.nearest.partition_point(|&(other, _)| other >= cosine);
        self.nearest.insert(at, (cosine, row));
    }
}

/// The lowest means so far, ascending, and the bound that a new one has to stay below.
struct Lowest {
    count: usize,
    found: Vec<(f32, u32, u32)>,
    bound: f32,
}

impl VectorIndex {
    /// The `count` photos whose mean cosine to their `neighbours` nearest is lowest, lowest first. `None` if `progress`,
    /// which hears what share is done, says to stop. Empty if there are not more photos than neighbours.
    pub fn outliers(
        &self,
        count: usize,
        neighbours: usize,
        progress: &(dyn Fn(f32) -> bool + Sync),
    ) -> Result<Option<Vec<Outlier>>, LibraryError> {
        if self.photos <= neighbours || neighbours == 0 || count == 0 {
            return Ok(Some(Vec::new()));
        }
        let rows: Vec<u32> = self.live_rows().collect();
        let mut sample = self.typical_means(&rows, neighbours)?;
        sample.sort_by(f64::total_cmp);
        let bound = sample.get(count - 1).map_or(f32::INFINITY, |&mean| mean as f32);
        let typical = median(&mut sample);
        sample.iter_mut().for_each(|mean| *mean = (*mean - typical).abs());
        let spread = (median(&mut sample) * MAD_TO_SIGMA).max(1e-4);

        let lowest = Mutex::new(Lowest { count, found: Vec::new(), bound });
        let (done, is_stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        rows.par_chunks(BATCH).try_for_each(|batch| {
            if is_stopped.load(Relaxed) {
                return Ok::<_, LibraryError>(());
            }
            self.look_at(batch, neighbours, &lowest)?;
            let share = (done.fetch_add(batch.len(), Relaxed) + batch.len()) as f32 / rows.len() as f32;
            if !progress(share) {
                is_stopped.store(true, Relaxed);
            }
            Ok(())
        })?;
        if is_stopped.into_inner() {
            return Ok(None);
        }
        let found = lowest.into_inner().unwrap_or_else(PoisonError::into_inner).found;
        let outlier = |(mean, row, nearest): (f32, u32, u32)| {
            let embedding = self.store.read(&[nearest])?;
            let probe = Probe::plain(&self.store.read(&[row])?, &self.mean)?;
            Ok(Outlier {
                photo: self.photo_at(row),
                mean_cosine: mean,
                z: ((f64::from(mean) - typical) / spread) as f32,
                nearest: self.photo_at(nearest),
                nearest_cosine: self.exact_cosine(nearest, &embedding, &probe) as f32,
            })
        };
        found.into_iter().map(outlier).collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn live_rows(&self) -> impl Iterator<Item = u32> {
        let rows = self.blocks.iter().flat_map(|block| &block.photos);
        (0_u32..).zip(rows).filter(|(_, photo)| **photo != NOBODY).map(|(row, _)| row)
    }

    fn typical_means(&self, rows: &[u32], neighbours: usize) -> Result<Vec<f64>, LibraryError> {
        let sample: Vec<u32> = rows.iter().copied().step_by(rows.len().div_ceil(SAMPLE)).collect();
        let means = sample.par_chunks(BATCH).map(|batch| {
            let mut searches = self.searches(batch)?;
            (0..self.blocks.len()).for_each(|block| self.meet(&mut searches, block, 0..ROWS, neighbours));
            Ok(searches.iter().map(|search| f64::from(search.mean(neighbours))).collect::<Vec<_>>())
        });
        Ok(means.collect::<Result<Vec<_>, LibraryError>>()?.concat())
    }

    fn searches(&self, rows: &[u32]) -> Result<Vec<Search>, LibraryError> {
        let values = self.store.read(rows)?;
        let search =
            |(&row, embedding)| Ok(Search { row, probe: Probe::plain(embedding, &self.mean)?, nearest: Vec::new() });
        rows.iter().zip(values.chunks_exact(self.width())).map(search).collect()
    }

    /// Finds neighbours of a batch, nearest places first, and lets photos go that are no outliers.
    fn look_at(&self, batch: &[u32], neighbours: usize, lowest: &Mutex<Lowest>) -> Result<(), LibraryError> {
        let mut searches = self.searches(batch)?;
        let bound = || lowest.lock().unwrap_or_else(PoisonError::into_inner).bound;
        let home = batch[0] as usize / ROWS;
        let (begin, end) = (batch[0] as usize % ROWS, batch[batch.len() - 1] as usize - home * ROWS + 1);
        let beside = begin.saturating_sub(BESIDE)..(end + BESIDE).min(ROWS);
        self.meet(&mut searches, home, beside.clone(), neighbours);
        let let_go = |searches: &mut Vec<Search>| {
            let bound = bound();
            searches.retain(|search| search.mean(neighbours) <= bound);
        };
        let_go(&mut searches);
        self.meet(&mut searches, home, 0..beside.start, neighbours);
        self.meet(&mut searches, home, beside.end..ROWS, neighbours);
        for distance in 1..self.blocks.len() {
            for block in [home.checked_sub(distance), Some(home + distance)].into_iter().flatten() {
                let_go(&mut searches);
                if searches.is_empty() {
                    return Ok(());
                }
                if block < self.blocks.len() {
                    self.meet(&mut searches, block, 0..ROWS, neighbours);
                }
            }
        }
        let mut lowest = lowest.lock().unwrap_or_else(PoisonError::into_inner);
        searches.iter().for_each(|search| lowest.take(search, neighbours));
        Ok(())
    }

    /// Shows some rows of a block to all searches.
    fn meet(&self, searches: &mut [Search], block: usize, rows: Range<usize>, neighbours: usize) {
        let Some(of) = self.blocks.get(block) else { return };
        let rows = rows.start..rows.end.min(of.photos.len());
        if rows.is_empty() {
            return;
        }
        for search in searches {
            let cosines = of.scan_rows(rows.clone(), std::slice::from_ref(&search.probe));
            for (row, &cosine) in rows.clone().zip(&cosines[0]).filter(|(row, _)| of.photos[*row] != NOBODY) {
                search.take(cosine, (block * ROWS + row) as u32, neighbours);
            }
        }
    }
}

impl Lowest {
    fn take(&mut self, search: &Search, neighbours: usize) {
        let mean = search.mean(neighbours);
        if mean > self.bound {
            return;
        }
        let at = self.found.partition_point(|&(other, row, _)| (other, row) < (mean, search.row));
        self.found.insert(at, (mean, search.row, search.nearest[0].1));
        self.found.truncate(self.count);
        if self.found.len() == self.count {
            self.bound = self.bound.min(self.found[self.count - 1].0);
        }
    }
}
