//! From bounds to the best photos, exactly.

use std::{
    cmp::Ordering,
    sync::{Mutex, PoisonError},
};

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{
    Hit, Scanned, VectorIndex,
    block::{Block, NOBODY, ROWS, dot, norm},
    probe::Probe,
};
use crate::LibraryError;

/// How the cosines with several terms become one score; it rises with the cosine of every plus term, and falls with
/// that of every minus term.
pub(super) struct Rule {
    pub terms: Vec<RuleTerm>,
}

/// A term's part in a score.
pub(super) struct RuleTerm {
    /// Below 0: minus.
    pub weight: f64,
    pub typical: f64,
    pub spread: f64,
}

impl Rule {
    /// The score is the cosine with the only term.
    pub fn cosine() -> Self {
        Self { terms: vec![RuleTerm { weight: 1.0, typical: 0.0, spread: 1.0 }] }
    }

    pub fn score(&self, cosine: impl Fn(usize) -> f64) -> f64 {
        let (mut plus, mut minus, mut unlike, mut plus_weight, mut minus_weight) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (at, term) in self.terms.iter().enumerate() {
            let standard = (cosine(at) - term.typical) / term.spread;
            if term.weight > 0.0 {
                plus += term.weight * standard;
                plus_weight += term.weight;
            } else {
                minus -= term.weight * standard.max(0.0);
                unlike += term.weight * standard;
                minus_weight -= term.weight;
            }
        }
        if plus_weight > 0.0 { (plus - minus) / plus_weight } else { unlike / minus_weight }
    }

    fn plus_weight(&self) -> f64 {
        self.terms.iter().map(|term| term.weight).filter(|&weight| weight > 0.0).sum()
    }

    /// What the weights are divided by.
    fn all_weight(&self) -> f64 {
        let plus = self.plus_weight();
        if plus > 0.0 { plus } else { self.terms.iter().map(|term| term.weight.abs()).sum() }
    }
}

/// Scores of a block's rows as its bytes say, and how far each can be from the true one. A score changes by at most
/// weight / spread times what a cosine changes by, so errors of cosines add up to an error of the score.
pub(super) struct Scores {
    /// `[row]`
    pub score: Vec<f32>,
    /// `[row]`
    error: Vec<f32>,
}

/// What [`VectorIndex::scores`] does for a block, as code that is compiled for each instruction set.
struct Combine<'a> {
    block: &'a Block,
    cosines: &'a [Vec<f32>],
    probes: &'a [Probe],
    rule: &'a Rule,
}

impl NullaryFnOnce for Combine<'_> {
    type Output = Scores;

    #[inline(always)]
    fn call(self) -> Scores {
        let rows = self.block.photos.len();
        let (mut score, mut error) = (vec![0.0; rows], vec![0.0; rows]);
        let (all, has_plus) = (self.rule.all_weight(), self.rule.plus_weight() > 0.0);
        for ((term, probe), cosines) in self.rule.terms.iter().zip(self.probes).zip(self.cosines) {
            let factor = (term.weight / term.spread / all) as f32;
            let typical = term.typical as f32;
            let is_clamped = has_plus && term.weight < 0.0;
            for (score, cosine) in score.iter_mut().zip(cosines) {
                let above = cosine - typical;
                *score += factor * if is_clamped { above.max(0.0) } else { above };
            }
            for (row, error) in error.iter_mut().enumerate() {
                *error += factor.abs() * self.block.error(row, probe);
            }
        }
        Scores { score, error }
    }
}

/// The `k`-th largest of numbers that come one by one.
struct Bar {
    k: usize,
    kept: Vec<f32>,
    bar: f32,
}

impl Bar {
    /// Numbers up to `bar` are known not to matter.
    fn new(k: usize, bar: f32) -> Self {
        Self { k, kept: Vec::new(), bar }
    }

    fn push(&mut self, value: f32) {
        if value > self.bar {
            self.kept.push(value);
            if self.kept.len() >= (2 * self.k).max(1024) {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        if self.kept.len() >= self.k {
            let (_, &mut bar, _) = self.kept.select_nth_unstable_by(self.k - 1, |a, b| b.total_cmp(a));
            self.kept.truncate(self.k);
            self.bar = bar;
        }
    }
}

impl VectorIndex {
    /// Scores of all rows as far as the bytes tell.
    pub(super) fn scores(&self, scanned: &Scanned, probes: &[Probe], rule: &Rule) -> Vec<Scores> {
        let of_block = |(block, cosines)| pulp::Arch::new().dispatch(Combine { block, cosines, probes, rule });
        self.blocks.par_iter().zip(scanned.par_iter().map(Vec::as_slice)).map(of_block).collect()
    }

    /// The `k` photos with the highest exact score; of equal ones the one with the lower number comes first.
    pub(super) fn best(
        &self,
        scores: &[Scores],
        probes: &[Probe],
        rule: &Rule,
        k: usize,
        mask: Option<&[u64]>,
    ) -> Result<Vec<Hit>, LibraryError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        let mut candidates = self.candidates(scores, self.bar(scores, k, mask), mask);
        candidates.par_sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        let mut best: Vec<Hit> = Vec::new();
        let mut rest = candidates.as_slice();
        // Whatever comes later has a lower bound than what was looked at.
        while let Some(&(_, bound)) = rest.first()
            && (best.len() < k || bound >= best[k - 1].score)
        {
            let (now, later) = rest.split_at(rest.len().min(k.max(256)));
            rest = later;
            best.extend(self.exact(now, probes, rule)?);
            best.par_sort_unstable_by(Hit::order);
            best.truncate(k);
        }
        Ok(best)
    }

    /// A score that `k` photos surely reach.
    fn bar(&self, scores: &[Scores], k: usize, mask: Option<&[u64]>) -> f32 {
        let highest_yet = Mutex::new(f32::NEG_INFINITY);
        let of_block = |(at, block): (usize, &Block)| {
            let mut bar = Bar::new(k, *highest_yet.lock().unwrap_or_else(PoisonError::into_inner));
            for (row, (score, error)) in scores[at].score.iter().zip(&scores[at].error).enumerate() {
                if score - error > bar.bar && counts(block, at, row, mask) {
                    bar.push(score - error);
                }
            }
            bar.settle();
            let mut highest = highest_yet.lock().unwrap_or_else(PoisonError::into_inner);
            *highest = highest.max(bar.bar);
            bar.kept
        };
        let kept: Vec<f32> = self.blocks.par_iter().enumerate().flat_map_iter(of_block).collect();
        let mut all = Bar::new(k, f32::NEG_INFINITY);
        kept.into_iter().for_each(|value| all.push(value));
        all.settle();
        all.bar
    }

    /// Rows that can reach the bar, and the highest score each can have.
    fn candidates(&self, scores: &[Scores], bar: f32, mask: Option<&[u64]>) -> Vec<(u32, f32)> {
        let of_block = |(at, block): (usize, &Block)| {
            let bounds = scores[at].score.iter().zip(&scores[at].error).map(|(score, error)| score + error);
            let reaching = bounds.enumerate().filter(|&(row, bound)| bound >= bar && counts(block, at, row, mask));
            reaching.map(|(row, bound)| ((at * ROWS + row) as u32, bound)).collect::<Vec<_>>()
        };
        self.blocks.par_iter().enumerate().flat_map_iter(of_block).collect()
    }

    fn exact(&self, rows: &[(u32, f32)], probes: &[Probe], rule: &Rule) -> Result<Vec<Hit>, LibraryError> {
        let mut rows: Vec<u32> = rows.iter().map(|&(row, _)| row).collect();
        rows.sort_unstable(); // Reading goes forward through the file.
        let hits = rows.par_chunks(64).map(|rows| {
            let values = self.store.read(rows)?;
            let embeddings = values.chunks_exact(self.store.width());
            Ok(rows.iter().zip(embeddings).map(|(&row, x)| self.hit(row, x, probes, rule)).collect::<Vec<_>>())
        });
        Ok(hits.collect::<Result<Vec<_>, LibraryError>>()?.concat())
    }

    fn hit(&self, row: u32, embedding: &[f32], probes: &[Probe], rule: &Rule) -> Hit {
        let cosines: Vec<f64> = probes.iter().map(|probe| self.exact_cosine(row, embedding, probe)).collect();
        let score = rule.score(|at| cosines[at]) as f32;
        Hit { photo: self.photo_at(row), score, cosines: cosines.iter().map(|&cosine| cosine as f32).collect() }
    }

    /// In f64, so that rounding decides nothing.
    pub(super) fn exact_cosine(&self, row: u32, embedding: &[f32], probe: &Probe) -> f64 {
        let norm = norm(embedding);
        if !probe.is_centred {
            return dot(embedding, &probe.unit) / norm;
        }
        if self.blocks[row as usize / ROWS].norm[row as usize % ROWS] <= super::NO_DIRECTION {
            return 0.0;
        }
        let (mut product, mut square) = (0.0, 0.0);
        for ((&x, &q), &mean) in embedding.iter().zip(&probe.unit).zip(&self.mean) {
            let y = f64::from(x) / norm - f64::from(mean);
            product += y * f64::from(q);
            square += y * y;
        }
        product / square.sqrt()
    }
}

/// Whether a row of the block with number `at` is a photo's that is allowed.
fn counts(block: &Block, at: usize, row: usize, mask: Option<&[u64]>) -> bool {
    block.photos[row] != NOBODY && mask.is_none_or(|mask| mask[(at * ROWS + row) / 64] & (1 << (row % 64)) != 0) // ROWS is a multiple of 64.
}

impl Hit {
    fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.photo.cmp(&other.photo))
    }
}
