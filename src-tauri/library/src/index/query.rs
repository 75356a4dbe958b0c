//! Searches of several terms: plus, minus, weights, and centring.
//!
//! Every term is scanned for on its own, and arithmetic happens on what the scans say, photo by photo:
//!
//! 1. A cosine c with a term becomes z = (c − typical) / spread: how many spreads a photo is more like the term than
//!    a typical photo of this library. So a sentence (cosines of 0.15 to 0.3) and a photo (0.4 to 0.9) weigh the same.
//! 2. score = (Σ plus weight · z − Σ minus weight · max(0, z)) / Σ plus weight.
//!
//! In one sentence: plus terms are averaged, and a photo loses as much as it is more like a minus term than a typical
//! photo is. A photo that has nothing of the unwanted loses nothing and gains nothing: that is set arithmetic, where a
//! negated prompt ("no dogs") or a subtracted vector would pull towards whatever lies opposite to the unwanted thing.
//! The score rises with each plus cosine and never rises with a minus cosine, so bounds of cosines are bounds of
//! scores, and the best photos are found exactly. With minus terms only, the score is −Σ weight · z / Σ weight.
//!
//! Centring subtracts from every image embedding the mean of the library's, and from every query the mean of its own
//! modality. It takes out the modality gap (Liang et al. 2022, arXiv:2203.02053) and what all photos share.

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::{
    Modality, Scanned, VectorIndex,
    best::{Rule, RuleTerm},
    block::NOBODY,
    probe::Probe,
};
use crate::{LibraryError, PhotoId};

/// Photos that a term's typical cosine is taken from, spread evenly over the library; fewer if there are fewer.
const SAMPLE: usize = 1 << 16;
/// The median of |x − median| of a normal distribution is its standard deviation divided by this (Hampel 1974).
pub(super) const MAD_TO_SIGMA: f64 = 1.4826;
/// Cosines of copies of one photo do not spread at all; then steps of this size are what counts.
const SMALLEST_SPREAD: f64 = 1e-4;

/// One part of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// An embedding, of any length but zero, `[width]`.
    pub vector: Vec<f32>,
    /// How much it counts; below zero: photos like this are not wanted.
    pub weight: f32,
    /// What was embedded.
    pub of: Modality,
}

/// Terms that make sense together.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    terms: Vec<Term>,
    /// The mean of text embeddings, if cosines are to be centred.
    text_mean: Option<Vec<f32>>,
}

impl Query {
    /// Refused without terms, or if a weight is zero or no number.
    pub fn new(terms: Vec<Term>) -> Result<Self, LibraryError> {
        if terms.is_empty() {
            return Err(LibraryError::Refused("a search needs at least one term".into()));
        }
        if terms.iter().any(|term| !term.weight.is_finite() || term.weight == 0.0) {
            return Err(LibraryError::Refused("the weight of a term must be a number other than 0".into()));
        }
        Ok(Self { terms, text_mean: None })
    }

    /// The same search on centred embeddings.
    ///
    /// # Shapes
    /// - text_mean: `[width]`, the mean of unit embeddings of many sentences, such as those of all labels.
    pub fn centred(self, text_mean: Vec<f32>) -> Self {
        Self { text_mean: Some(text_mean), ..self }
    }
}

/// A photo that was found, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Which photo.
    pub photo: PhotoId,
    /// What it is ranked by.
    pub score: f32,
    /// Its exact cosine with each term, in the order of the terms.
    pub cosines: Vec<f32>,
}

/// What a term means in this library.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermFigures {
    /// The median cosine of photos with it.
    pub typical: f32,
    /// How far cosines spread about it, as a standard deviation.
    pub spread: f32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best photos that are allowed, best first.
    pub hits: Vec<Hit>,
    /// Figures of each term.
    pub terms: Vec<TermFigures>,
    /// Scores of all photos of the library, allowed or not, in no order and some thousandths of a cosine off at most:
    /// what a cut-off is learnt from.
    pub scores: Vec<f32>,
}

/// What each term adds to the score of a photo, by the rule at the head of this module; their sum is the score.
pub fn contributions(weights: &[f32], cosines: &[f32], figures: &[TermFigures]) -> Vec<f32> {
    let plus: f32 = weights.iter().filter(|weight| **weight > 0.0).sum();
    let of_term = |((weight, cosine), figures): ((&f32, &f32), &TermFigures)| {
        let z = (cosine - figures.typical) / figures.spread;
        match () {
            () if plus <= 0.0 => weight * z / weights.iter().map(|weight| weight.abs()).sum::<f32>(),
            () if *weight > 0.0 => weight * z / plus,
            () => weight * z.max(0.0) / plus,
        }
    };
    weights.iter().zip(cosines).zip(figures).map(of_term).collect()
}

impl VectorIndex {
    /// The `k` photos with the highest scores, exactly; one pass over memory for all terms together.
    pub fn find(&self, query: &Query, k: usize, allowed: Option<&RoaringBitmap>) -> Result<Found, LibraryError> {
        let probes = query.terms.iter().map(|term| self.probe(query, term)).collect::<Result<Vec<_>, _>>()?;
        let (scanned, mask) = rayon::join(|| self.scan(&probes), || allowed.map(|allowed| self.mask(allowed)));
        let terms: Vec<_> = (0..probes.len()).map(|at| self.figures(&scanned, at)).collect();
        let rule_terms = terms.iter().zip(&query.terms).map(|(figures, term)| RuleTerm {
            weight: f64::from(term.weight),
            typical: f64::from(figures.typical),
            spread: f64::from(figures.spread),
        });
        let rule = Rule { terms: rule_terms.collect() };
        let scores = self.scores(&scanned, &probes, &rule);
        let hits = self.best(&scores, &probes, &rule, k, mask.as_deref())?;
        Ok(Found { hits, terms, scores: self.live(scores.iter().map(|scores| scores.score.as_slice())) })
    }

    fn probe(&self, query: &Query, term: &Term) -> Result<Probe, LibraryError> {
        match (&query.text_mean, term.of) {
            (None, _) => Probe::plain(&term.vector, &self.mean),
            (Some(mean), Modality::Text) => Probe::centred(&term.vector, &self.mean, mean),
            (Some(_), Modality::Image) => Probe::centred(&term.vector, &self.mean, &self.mean),
        }
    }

    fn figures(&self, scanned: &Scanned, term: usize) -> TermFigures {
        let step = self.photos.div_ceil(SAMPLE).max(1);
        let every = self.blocks.par_iter().zip(scanned).flat_map_iter(|(block, cosines)| {
            let rows = (0..block.photos.len()).step_by(step);
            rows.filter(|&row| block.photos[row] != NOBODY).map(|row| f64::from(cosines[term][row]))
        });
        let mut sample: Vec<f64> = every.collect();
        let typical = median(&mut sample);
        sample.iter_mut().for_each(|x| *x = (*x - typical).abs());
        let spread = (median(&mut sample) * MAD_TO_SIGMA).max(SMALLEST_SPREAD);
        TermFigures { typical: typical as f32, spread: spread as f32 }
    }

    /// What rows of photos that count have, block after block.
    fn live<'a>(&self, values: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut live = Vec::with_capacity(self.photos);
        for (block, values) in self.blocks.iter().zip(values) {
            let pairs = block.photos.iter().zip(values);
            live.extend(pairs.filter(|(photo, _)| **photo != NOBODY).map(|(_, value)| value));
        }
        live
    }
}

/// The upper median; 0 of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
