//! Exact search: the photos whose embeddings have the largest cosine with a query, proven and not guessed.
//!
//! All embeddings are kept in memory as whole numbers of one byte, half a gigabyte for a million of 512 numbers, and
//! every search reads all of them; on any processor of today that is a matter of memory speed. What the bytes say is
//! only a bound (`block.rs`), so the photos that could belong to the best are read back as f16 and measured exactly,
//! best bound first, until no other can come in (`best.rs`). There is no approximate structure, hence nothing to tune
//! and nothing to miss.
//!
//! Memory: width + 16 bytes per photo, and what [`Embeddings`] keep: nothing for a file.

mod best;
mod block;
mod cut_off;
mod dot;
mod embedding_file;
mod embeddings;
mod outliers;
mod pairs;
mod probe;
mod query;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use self::{
    best::Rule,
    block::{Block, ROWS, SumOfUnits, make_unit},
    probe::Probe,
};
pub(crate) use self::{block::NOBODY, embeddings::wrong_width};
pub use self::{
    cut_off::{CutOff, How, cut_off},
    embedding_file::EmbeddingFile,
    embeddings::{Embeddings, InMemory},
    outliers::Outlier,
    pairs::Pair,
    probe::Modality,
    query::{Found, Hit, Query, Term, TermFigures, contributions},
};
use crate::{Identity, LibraryError, PhotoId, photo_rows::PhotoRows};

/// A photo nearer than this to the mean of all has no direction from there.
const NO_DIRECTION: f32 = 1e-6;
/// Rows that are read at a time.
const PIECE: usize = 1024;

/// All embeddings of a library under one model and one head, searchable.
pub struct VectorIndex {
    store: Box<dyn Embeddings>,
    mean: Vec<f32>,
    /// How many photos the mean is of.
    mean_of: usize,
    blocks: Vec<Block>,
    rows: PhotoRows,
    photos: usize,
}

/// One vector per query and block: `[block][query][row]`.
type Scanned = Vec<Vec<Vec<f32>>>;

impl VectorIndex {
    /// Reads every row twice: for the mean, and to keep it. Fails on a damaged row, which is to be made again first.
    pub fn build(store: Box<dyn Embeddings>) -> Result<Self, LibraryError> {
        if store.width() == 0 || store.width() > 1 << 16 {
            return Err(LibraryError::Refused(format!("embeddings of {} numbers", store.width())));
        }
        let rows = PhotoRows::default();
        let mut index = Self { mean: vec![0.0; store.width()], mean_of: 0, blocks: Vec::new(), rows, photos: 0, store };
        index.rebuild()?;
        Ok(index)
    }

    /// Builds anew from the same embeddings, with the mean of the photos there are now.
    pub fn rebuild(&mut self) -> Result<(), LibraryError> {
        let rows = self.store.rows();
        (self.rows, self.photos) = (PhotoRows::default(), 0);
        for row in 0..rows as u32 {
            if let Some(photo) = self.store.photo(row) {
                self.photos += usize::from(self.rows.set(photo, Some(row)).is_none());
            }
        }
        let firsts: Vec<usize> = (0..rows).step_by(ROWS).collect();
        let sums = firsts.par_iter().map(|&first| self.sum_of_units(first)).collect::<Result<Vec<_>, _>>()?;
        let (mut mean, mut count) = (vec![0.0; self.store.width()], 0);
        for (sum, of) in sums {
            mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean += sum);
            count += of;
        }
        self.mean = mean.iter().map(|sum| (sum / count.max(1) as f64) as f32).collect();
        self.mean_of = count;
        self.blocks = firsts.par_iter().map(|&first| self.block(first)).collect::<Result<_, _>>()?;
        self.forget_rows_without_direction();
        Ok(())
    }

    /// Whether the row is the newest of its photo.
    fn counts(&self, row: u32) -> Option<PhotoId> {
        self.store.photo(row).filter(|&photo| self.rows.get(photo) == Some(row))
    }

    /// Reads a block's rows piece by piece: photos that count, and their embeddings.
    fn for_each_piece(
        &self,
        first: usize,
        mut take: impl FnMut(&[Option<PhotoId>], &[f32]),
    ) -> Result<(), LibraryError> {
        let end = self.store.rows().min(first + ROWS);
        for first in (first..end).step_by(PIECE) {
            let last = end.min(first + PIECE);
            let photos: Vec<_> = (first as u32..last as u32).map(|row| self.counts(row)).collect();
            take(&photos, &self.store.read_from(first as u32, last - first)?);
        }
        Ok(())
    }

    fn sum_of_units(&self, first: usize) -> Result<(Vec<f64>, usize), LibraryError> {
        let width = self.store.width();
        let (mut sum, mut count) = (vec![0.0; width], 0);
        self.for_each_piece(first, |photos, embeddings| {
            let (more, of) = pulp::Arch::new().dispatch(SumOfUnits { photos, embeddings, width });
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            count += of;
        })?;
        Ok((sum, count))
    }

    fn block(&self, first: usize) -> Result<Block, LibraryError> {
        let mut block = Block::with_room(self.store.width(), ROWS.min(self.store.rows() - first));
        self.for_each_piece(first, |photos, embeddings| block.push(photos, embeddings, &self.mean))?;
        Ok(block)
    }

    fn forget_rows_without_direction(&mut self) {
        for row in 0..self.store.rows() as u32 {
            if let Some(photo) = self.counts(row)
                && self.photo_at(row) == NOBODY
            {
                self.rows.set(photo, None);
                self.photos -= 1;
            }
        }
    }

    /// Adds photos, or gives photos new embeddings, here and in the store. The mean stays as it is.
    pub fn push(&mut self, rows: &[(PhotoId, Identity, &[f32])]) -> Result<(), LibraryError> {
        // Row numbers can be void before the new rows are there, so this comes first.
        self.refresh()?;
        self.store.append(rows)?;
        self.take_up()
    }

    /// Takes up what other programs have added to the store.
    pub fn refresh(&mut self) -> Result<(), LibraryError> {
        if self.store.refresh()? { self.rebuild() } else { self.take_up() }
    }

    fn take_up(&mut self) -> Result<(), LibraryError> {
        let known = self.blocks.iter().map(|block| block.photos.len()).sum::<usize>();
        if self.store.rows() < known {
            return self.rebuild(); // The file was begun anew.
        }
        let width = self.store.width();
        for first in (known..self.store.rows()).step_by(PIECE) {
            let values = self.store.read_from(first as u32, PIECE.min(self.store.rows() - first))?;
            for (row, x) in (first as u32..).zip(values.chunks_exact(width)) {
                self.take_up_row(row, x);
            }
        }
        Ok(())
    }

    fn take_up_row(&mut self, row: u32, embedding: &[f32]) {
        if self.blocks.last().is_none_or(Block::is_full) {
            self.blocks.push(Block::with_room(self.store.width(), 0));
        }
        let photo = self.store.photo(row);
        if let Some(photo) = photo {
            self.remove(photo);
        }
        let block = self.blocks.last_mut().expect("one was pushed if there was none");
        block.push(&[photo], embedding, &self.mean);
        if let Some(photo) = photo.filter(|_| block.photos.last() != Some(&NOBODY)) {
            self.rows.set(photo, Some(row));
            self.photos += 1;
        }
    }

    /// Takes a photo out of the index, not out of the store; `false` if it was not there.
    pub fn remove(&mut self, photo: PhotoId) -> bool {
        let Some(row) = self.rows.set(photo, None) else { return false };
        self.blocks[row as usize / ROWS].photos[row as usize % ROWS] = NOBODY;
        self.photos -= 1;
        true
    }

    /// How many photos can be found.
    pub fn len(&self) -> usize {
        self.photos
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.photos == 0
    }

    /// Numbers per embedding.
    pub fn width(&self) -> usize {
        self.store.width()
    }

    /// Whether a photo can be found.
    pub fn contains(&self, photo: PhotoId) -> bool {
        self.rows.get(photo).is_some()
    }

    /// The mean of all embeddings of length 1, as of the last build, `[width]`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Whether so many photos came since the last build that the mean should be taken again ([`VectorIndex::rebuild`]).
    pub fn is_mean_stale(&self) -> bool {
        self.photos > self.mean_of + self.mean_of / 4 + 100
    }

    /// The embedding of a photo, of length 1; `None` if it is not in the index.
    pub fn embedding(&self, photo: PhotoId) -> Result<Option<Vec<f32>>, LibraryError> {
        let Some(row) = self.rows.get(photo) else { return Ok(None) };
        let mut embedding = self.store.read(&[row])?;
        make_unit(&mut embedding);
        Ok(Some(embedding))
    }

    /// The `k` photos nearest to a query, best first, with their exact cosines; among equal ones the older photo.
    ///
    /// # Shapes
    /// - query: `[width]`, of any length but zero.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<(PhotoId, f32)>, LibraryError> {
        let probes = [Probe::plain(query, &self.mean)?];
        let (scanned, mask) = rayon::join(|| self.scan(&probes), || allowed.map(|allowed| self.mask(allowed)));
        let rule = Rule::cosine();
        let hits = self.best(&self.scores(&scanned, &probes, &rule), &probes, &rule, k, mask.as_deref())?;
        Ok(hits.into_iter().map(|hit| (hit.photo, hit.score)).collect())
    }

    /// The cosine of every photo with a query, some thousandths off at most: for distributions, not for ranks.
    pub fn scores_of_all(&self, query: &[f32]) -> Result<Vec<(PhotoId, f32)>, LibraryError> {
        let scanned = self.scan(&[Probe::plain(query, &self.mean)?]);
        let of_block = |(block, cosines): (&Block, &Vec<Vec<f32>>)| {
            let live = block.photos.iter().zip(&cosines[0]).filter(|(photo, _)| **photo != NOBODY);
            live.map(|(&photo, &cosine)| (photo, cosine)).collect::<Vec<_>>()
        };
        Ok(self.blocks.par_iter().zip(&scanned).map(of_block).collect::<Vec<_>>().concat())
    }

    fn scan(&self, probes: &[Probe]) -> Scanned {
        self.blocks.par_iter().map(|block| block.scan(probes)).collect()
    }

    /// A bit per row: whether its photo is allowed.
    fn mask(&self, allowed: &RoaringBitmap) -> Vec<u64> {
        let mut mask = vec![0_u64; self.blocks.len() * ROWS / 64];
        for row in allowed.iter().filter_map(|photo| self.rows.get(photo)) {
            mask[row as usize / 64] |= 1 << (row % 64);
        }
        mask
    }

    fn photo_at(&self, row: u32) -> PhotoId {
        self.blocks[row as usize / ROWS].photos[row as usize % ROWS]
    }
}

#[cfg(test)]
mod tests;
