//! All pairs of photos whose cosine reaches a bound, exactly.
//!
//! For unit vectors ‖x − y‖² = 2 − 2 · cosine, and a part of the dimensions gives a part of that distance. So pairs are
//! told apart by a few dimensions, those in which photos differ most; the few pairs that come through are measured by
//! all bytes, and what is left by the embeddings themselves. How many dimensions are few is found on a sample. Each
//! step leaves room for what the bytes lost, so no pair is missed; time grows with the square of the photos.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    VectorIndex,
    block::{Block, NOBODY, ROWS, dot, norm},
    dot::dots,
};
use crate::{LibraryError, PhotoId};

/// Two photos and the cosine of their embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The one that came into the index earlier.
    pub one: PhotoId,
    /// The other.
    pub other: PhotoId,
    /// Exact.
    pub cosine: f32,
}

/// Rows that stand side by side in registers.
const LANES: usize = 16;
/// Rows of a query block and of a data block; together they stay in the second-level cache.
const SIDE: usize = 256;
/// Partners that are kept for one photo, the nearest; ten thousand black frames would be fifty million pairs.
const MOST_PARTNERS: usize = 256;
/// More than f32 rounds in a distance.
const ROUNDING: f32 = 1e-4;
/// Share of sampled pairs that may come through the few dimensions.
const COMING_THROUGH: f64 = 0.01;

impl VectorIndex {
    /// Pairs with at least this cosine, of every photo at most its 256 nearest among those that came after it. `None`
    /// if `progress`, which hears what share is done, says to stop.
    pub fn pairs(
        &self,
        cosine: f32,
        progress: &(dyn Fn(f32) -> bool + Sync),
    ) -> Result<Option<Vec<Pair>>, LibraryError> {
        let reach = (2.0 - 2.0 * cosine.clamp(-1.0, 1.0)).sqrt();
        let near = Near::new(self, reach);
        let sides = near.rows.len().div_ceil(SIDE);
        let (done, is_stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let of_side = |side: usize| {
            if is_stopped.load(Relaxed) {
                return Ok(Vec::new());
            }
            let pairs = self.pairs_of(&near, side, cosine);
            // Later sides have less left to meet.
            let left = 1.0 - (done.fetch_add(1, Relaxed) + 1) as f32 / sides as f32;
            if !progress(1.0 - left * left) {
                is_stopped.store(true, Relaxed);
            }
            pairs
        };
        let pairs = (0..sides).into_par_iter().map(of_side).collect::<Result<Vec<_>, LibraryError>>()?;
        Ok((!is_stopped.into_inner()).then(|| pairs.concat()))
    }

    /// The exact cosine of each pair; pairs of photos that are not in the index are left out.
    pub(crate) fn cosines(&self, pairs: &[(PhotoId, PhotoId)]) -> Result<Vec<Pair>, LibraryError> {
        let mut found = Vec::with_capacity(pairs.len());
        for &(one, other) in pairs {
            if let (Some(row), Some(partner)) = (self.rows.get(one), self.rows.get(other)) {
                found.extend(self.measured(row, &[partner], -2.0)?);
            }
        }
        Ok(found)
    }

    fn pairs_of(&self, near: &Near, side: usize, cosine: f32) -> Result<Vec<Pair>, LibraryError> {
        let queries = side * SIDE..near.rows.len().min((side + 1) * SIDE);
        let mut partners = vec![Vec::new(); queries.len()];
        for first in (side * SIDE..near.rows.len()).step_by(SIDE) {
            let data = first..near.rows.len().min(first + SIDE);
            let mut found = pulp::Arch::new().dispatch(Meet { near, queries: queries.clone(), data });
            found.sort_unstable();
            for of_one in found.chunk_by(|a, b| a.0 == b.0) {
                let query = of_one[0].0;
                let (block, at) = self.place(near.rows[query]);
                let numbers: Vec<i16> = block.numbers_of(at).iter().map(|&x| i16::from(x)).collect();
                let others = of_one.iter().filter(|(_, other)| near.is_within(self, query, &numbers, *other));
                partners[query - queries.start].extend(others.map(|&(_, other)| near.rows[other]));
            }
        }
        let mut pairs = Vec::new();
        for (query, partners) in queries.zip(partners).filter(|(_, partners)| !partners.is_empty()) {
            let mut of_one = self.measured(near.rows[query], &partners, cosine)?;
            of_one.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
            of_one.truncate(MOST_PARTNERS);
            pairs.extend(of_one);
        }
        Ok(pairs)
    }

    fn measured(&self, row: u32, partners: &[u32], cosine: f32) -> Result<Vec<Pair>, LibraryError> {
        let one = self.store.read(&[row])?;
        let others = self.store.read(partners)?;
        let pair = |(&partner, other): (&u32, &[f32])| {
            let cosine = (dot(&one, other) / (norm(&one) * norm(other))) as f32;
            Pair { one: self.photo_at(row), other: self.photo_at(partner), cosine }
        };
        let pairs = partners.iter().zip(others.chunks_exact(self.width())).map(pair);
        Ok(pairs.filter(|pair| pair.cosine >= cosine).collect())
    }

    fn place(&self, row: u32) -> (&Block, usize) {
        (&self.blocks[row as usize / ROWS], row as usize % ROWS)
    }
}

/// The few dimensions of all photos that count.
struct Near {
    /// Their rows in the index.
    rows: Vec<u32>,
    /// How many dimensions.
    width: usize,
    /// `[tile, dimension, lane]`, where row = tile · LANES + lane
    tiles: Vec<f32>,
    /// ‖few dimensions‖² / 2, by row; endless where a tile has no row.
    halves: Vec<f32>,
    /// ‖all dimensions‖², by row.
    squares: Vec<f32>,
    /// How far each whole row is from its embedding.
    lost: Vec<f32>,
    /// The largest distance of embeddings that counts.
    reach: f32,
    /// The largest square of a distance of rows that can come from one.
    most: f32,
}

impl Near {
    fn new(index: &VectorIndex, reach: f32) -> Self {
        let is_live = |&row: &u32| index.photo_at(row) != NOBODY;
        let count = index.blocks.iter().map(|block| block.photos.len() as u32).sum();
        let rows: Vec<u32> = (0..count).filter(is_live).collect();
        let dimensions = telling_dimensions(index, &rows, reach);
        let width = dimensions.len();
        let mut tiles = vec![0.0; rows.len().next_multiple_of(LANES) * width];
        tiles.par_chunks_mut(LANES * width).zip(rows.par_chunks(LANES)).for_each(|(tile, rows)| {
            for (lane, &row) in rows.iter().enumerate() {
                let (block, at) = index.place(row);
                let numbers = block.numbers_of(at);
                for (place, &dimension) in tile[lane..].iter_mut().step_by(LANES).zip(&dimensions) {
                    *place = f32::from(numbers[dimension]) * block.scale[at];
                }
            }
        });
        let lost: Vec<f32> = rows.iter().map(|&row| index.place(row).0.lost[row as usize % ROWS]).collect();
        let most = (reach + 2.0 * lost.iter().copied().fold(0.0, f32::max)).powi(2) + ROUNDING;
        let squares = rows.par_iter().map(|&row| square(index.place(row).0, row as usize % ROWS)).collect();
        let mut near = Self { halves: Vec::new(), rows, width, tiles, squares, lost, reach, most };
        near.halves = (0..near.rows.len()).map(|row| near.values(row).map(|x| x * x).sum::<f32>() / 2.0).collect();
        near.halves.resize(near.rows.len().next_multiple_of(LANES), f32::INFINITY);
        near
    }

    /// The few dimensions of a row.
    fn values(&self, row: usize) -> impl Iterator<Item = f32> {
        let tile = &self.tiles[row / LANES * LANES * self.width..][..LANES * self.width];
        tile[row % LANES..].iter().step_by(LANES).copied()
    }

    /// Whether all bytes leave it open that two rows are within reach; `numbers` are those of the first.
    fn is_within(&self, index: &VectorIndex, one: usize, numbers: &[i16], other: usize) -> bool {
        let ((a, i), (b, j)) = (index.place(self.rows[one]), index.place(self.rows[other]));
        let mut product = [0];
        dots(b.numbers_of(j), numbers, &mut product);
        let distance = self.squares[one] + self.squares[other] - 2.0 * product[0] as f32 * a.scale[i] * b.scale[j];
        distance <= (self.reach + self.lost[one] + self.lost[other]).powi(2) + ROUNDING
    }
}

/// ‖scale · a‖²
fn square(block: &Block, at: usize) -> f32 {
    let squares = block.numbers_of(at).iter().map(|&x| i32::from(x) * i32::from(x)).sum::<i32>();
    squares as f32 * block.scale[at] * block.scale[at]
}

/// The dimensions in which photos vary most, as many as tell nearly all sampled pairs apart.
fn telling_dimensions(index: &VectorIndex, rows: &[u32], reach: f32) -> Vec<usize> {
    let sample: Vec<Vec<f32>> = rows
        .iter()
        .step_by(rows.len().div_ceil(1000).max(1))
        .map(|&row| {
            let (block, at) = index.place(row);
            block.numbers_of(at)[..index.width()].iter().map(|&x| f32::from(x) * block.scale[at]).collect()
        })
        .collect();
    let energy = |dimension: usize| sample.iter().map(|row| row[dimension] * row[dimension]).sum::<f32>();
    let mut by_energy: Vec<(usize, f32)> = (0..index.width()).map(|dimension| (dimension, energy(dimension))).collect();
    by_energy.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut order: Vec<usize> = by_energy.into_iter().map(|(dimension, _)| dimension).collect();
    // Rows from the two halves of the library, so that they are not of one event.
    let (one, other) = sample.split_at(sample.len() / 2);
    let mut distances = vec![0.0; one.len()];
    for width in (1..=order.len()).filter(|width| width % 32 == 0) {
        for (distance, (a, b)) in distances.iter_mut().zip(one.iter().zip(other)) {
            *distance += order[width - 32..width].iter().map(|&at| (a[at] - b[at]).powi(2)).sum::<f32>();
        }
        let through = distances.iter().filter(|&&distance| distance <= reach * reach * 1.1 + 0.01).count();
        if (through as f64) < COMING_THROUGH * distances.len() as f64 {
            order.truncate(width);
            break;
        }
    }
    order
}

/// Pairs of a query block and a data block that the few dimensions leave open, as code for each instruction set.
struct Meet<'a> {
    near: &'a Near,
    queries: std::ops::Range<usize>,
    data: std::ops::Range<usize>,
}

impl WithSimd for Meet<'_> {
    type Output = Vec<(usize, usize)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<(usize, usize)> {
        let Self { near, queries, data } = self;
        let mut found = Vec::new();
        let queries: Vec<usize> = queries.collect();
        for four in queries.chunks(4) {
            let values: Vec<[f32; 4]> = {
                let of = |at: usize| near.values(four[at.min(four.len() - 1)]);
                of(0).zip(of(1)).zip(of(2).zip(of(3))).map(|((a, b), (c, d))| [a, b, c, d]).collect()
            };
            for tile in data.start / LANES..data.end.div_ceil(LANES) {
                let products = products(simd, &near.tiles[tile * LANES * near.width..][..LANES * near.width], &values);
                let halves = &near.halves[tile * LANES..][..LANES];
                for (&query, products) in four.iter().zip(products) {
                    // |x − y|² ≤ most, with x² / 2 and y² / 2 at hand.
                    let least = near.halves[query] - near.most / 2.0;
                    let is_near = |lane: usize| products[lane] >= halves[lane] + least;
                    if (0..LANES).fold(false, |any, lane| any | is_near(lane)) {
                        let lanes = (0..LANES).filter(|&lane| is_near(lane));
                        let others = lanes.map(|lane| tile * LANES + lane);
                        found.extend(others.filter(|&other| other > query).map(|other| (query, other)));
                    }
                }
            }
        }
        found
    }
}

/// Products of a tile's rows with four queries, `[4, LANES]`. The registers are named, because loops over arrays become
/// something else.
#[inline(always)]
fn products<S: Simd>(simd: S, tile: &[f32], queries: &[[f32; 4]]) -> [[f32; LANES]; 4] {
    let tile = S::as_simd_f32s(tile).0;
    let mut products = [[0.0; LANES]; 4];
    let registers = LANES / S::F32_LANES;
    for register in 0..registers {
        let mut sums = [simd.splat_f32s(0.0); 4];
        for (rows, queries) in tile.chunks_exact(registers).zip(queries) {
            for (sum, query) in sums.iter_mut().zip(queries) {
                *sum = simd.mul_add_e_f32s(rows[register], simd.splat_f32s(*query), *sum);
            }
        }
        for (products, sum) in products.iter_mut().zip(sums) {
            S::as_mut_simd_f32s(products).0[register] = sum;
        }
    }
    products
}
