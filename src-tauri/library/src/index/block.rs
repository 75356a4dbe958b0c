//! Some thousand embeddings as whole numbers of one byte, with a bound of what was lost.
//!
//! A row x of length 1 is kept as y = x − mean ≈ scale · a, with a in −127..=127. Subtracting the library's mean takes
//! out what all photos share, a few large dimensions above all, so the steps become finer; and the centred cosine is
//! at hand. By Cauchy and Schwarz ⟨y, q⟩ is off by at most ‖y − scale · a‖ · ‖q‖, and that norm is kept per row.

use std::ops::Range;

use pulp::NullaryFnOnce;

use super::{
    dot::{STEP, dots},
    probe::Probe,
};
use crate::PhotoId;

/// Rows of one block; a block is what one thread scans at a time.
pub(super) const ROWS: usize = 8192;
/// Rows that stay in the first-level cache while every query meets them.
const TILE: usize = 32;
/// Takes the place of a photo's number in a row that counts no more.
pub(crate) const NOBODY: PhotoId = PhotoId::MAX;
/// What rounding to f32 can add to a cosine: a few units in the last place of numbers below 2, with room to spare.
const ROUNDING: f32 = 4e-6;

pub(super) struct Block {
    /// The photo of each row, or [`NOBODY`].
    pub photos: Vec<PhotoId>,
    /// `[row, stride]`
    pub numbers: Vec<i8>,
    pub scale: Vec<f32>,
    /// ‖y − scale · a‖, rounded up.
    pub lost: Vec<f32>,
    /// ‖y‖
    pub norm: Vec<f32>,
    stride: usize,
}

impl Block {
    pub fn with_room(width: usize, rows: usize) -> Self {
        let stride = width.next_multiple_of(STEP);
        Self {
            photos: Vec::with_capacity(rows),
            numbers: Vec::with_capacity(rows * stride),
            scale: Vec::with_capacity(rows),
            lost: Vec::with_capacity(rows),
            norm: Vec::with_capacity(rows),
            stride,
        }
    }

    pub fn is_full(&self) -> bool {
        self.photos.len() >= ROWS
    }

    /// Adds rows; one that has no direction (zeros, or not numbers) is nobody's.
    ///
    /// # Shapes
    /// - embeddings: `[row, width]`
    pub fn push(&mut self, photos: &[Option<PhotoId>], embeddings: &[f32], mean: &[f32]) {
        pulp::Arch::new().dispatch(Push { block: self, photos, embeddings, mean });
    }

    /// The cosine of every row with every query, within [`Block::error`].
    ///
    /// # Shapes
    /// - output: `[query][row]`
    pub fn scan(&self, probes: &[Probe]) -> Vec<Vec<f32>> {
        self.scan_rows(0..self.photos.len(), probes)
    }

    /// The same for some rows.
    pub fn scan_rows(&self, rows: Range<usize>, probes: &[Probe]) -> Vec<Vec<f32>> {
        let mut cosines = vec![vec![0.0; rows.len()]; probes.len()];
        let mut sums = [0_i32; TILE];
        for first in rows.clone().step_by(TILE) {
            let count = TILE.min(rows.end - first);
            let numbers = &self.numbers[first * self.stride..][..count * self.stride];
            for (probe, cosines) in probes.iter().zip(&mut cosines) {
                dots(numbers, &probe.numbers, &mut sums[..count]);
                let places = cosines[first - rows.start..][..count].iter_mut().zip(sums);
                for ((cosine, sum), row) in places.zip(first..) {
                    let product = sum as f32 * (self.scale[row] * probe.step);
                    *cosine = if probe.is_centred { self.by_norm(product, row) } else { product + probe.of_mean };
                }
            }
        }
        cosines
    }

    /// The whole numbers of a row, `[stride]`.
    pub fn numbers_of(&self, row: usize) -> &[i8] {
        &self.numbers[row * self.stride..][..self.stride]
    }

    /// How far a cosine of [`Block::scan`] can be from the true one.
    #[inline(always)]
    pub fn error(&self, row: usize, probe: &Probe) -> f32 {
        let error = self.lost[row] * 1.000_001 + (self.norm[row] + self.lost[row]) * probe.lost;
        if probe.is_centred { self.by_norm(error, row) + ROUNDING } else { error + ROUNDING }
    }

    /// A photo that is the mean itself has no centred direction; its cosine counts as 0.
    #[inline(always)]
    fn by_norm(&self, product: f32, row: usize) -> f32 {
        if self.norm[row] > super::NO_DIRECTION { product / self.norm[row] } else { 0.0 }
    }
}

/// What [`Block::push`] does, as code that is compiled for each instruction set.
struct Push<'a> {
    block: &'a mut Block,
    photos: &'a [Option<PhotoId>],
    embeddings: &'a [f32],
    mean: &'a [f32],
}

impl NullaryFnOnce for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { block, photos, embeddings, mean } = self;
        let mut y = vec![0.0; mean.len()];
        for (&photo, x) in photos.iter().zip(embeddings.chunks_exact(mean.len())) {
            let norm = norm(x);
            let is_usable = photo.is_some() && has_direction(norm);
            if is_usable {
                let inverse = (1.0 / norm) as f32;
                y.iter_mut().zip(x).zip(mean).for_each(|((y, x), mean)| *y = x * inverse - mean);
            } else {
                y.fill(0.0);
            }
            let first = block.numbers.len();
            block.numbers.resize(first + block.stride, 0);
            let (scale, lost) = quantise(&y, &mut block.numbers[first..]);
            block.photos.push(photo.filter(|_| is_usable).unwrap_or(NOBODY));
            block.scale.push(scale);
            block.lost.push(lost);
            block.norm.push(self::norm(&y) as f32);
        }
    }
}

/// 1.5 · 2²³: f32 of this size have a spacing of 1.
const ROUNDS: f32 = 12_582_912.0;

/// Gives the scale, and how far the numbers times it are from y.
#[inline(always)]
fn quantise(y: &[f32], numbers: &mut [i8]) -> (f32, f32) {
    let largest = lanes(y, y, |largest: f32, y, _| if y.abs() > largest { y.abs() } else { largest });
    let scale = largest.into_iter().fold(0.0, f32::max) / 127.0;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    for (number, y) in numbers.iter_mut().zip(y) {
        // The nearest whole number, in the lowest bits: a conversion that saturates would go number by number.
        *number = (y * inverse + ROUNDS).to_bits() as i8;
    }
    let mut lost = 0.0;
    for (numbers, y) in numbers.chunks(LANES).zip(y.chunks(LANES)) {
        let mut squares = [0.0; LANES];
        for ((square, number), y) in squares.iter_mut().zip(numbers).zip(y) {
            let rest = y - f32::from(*number) * scale;
            *square = rest * rest;
        }
        lost += squares.iter().sum::<f32>();
    }
    (scale, lost.sqrt() * 1.001 + 1e-6)
}

/// Independent sums, so that the additions can stand side by side in a register.
const LANES: usize = 16;

#[inline(always)]
fn lanes<A: Copy + Default>(x: &[f32], y: &[f32], add: impl Fn(A, f32, f32) -> A) -> [A; LANES] {
    let mut sums = [A::default(); LANES];
    let (x, y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = x.remainder().iter().zip(y.remainder());
    for (x, y) in x.zip(y) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = add(*sum, x, y);
        }
    }
    for (sum, (&x, &y)) in sums.iter_mut().zip(rest) {
        *sum = add(*sum, x, y);
    }
    sums
}

/// ⟨x, y⟩ in f64.
#[inline(always)]
pub(super) fn dot(x: &[f32], y: &[f32]) -> f64 {
    lanes(x, y, |sum: f64, x, y| sum + f64::from(x) * f64::from(y)).into_iter().sum()
}

/// ‖x‖ in f64.
#[inline(always)]
pub(super) fn norm(x: &[f32]) -> f64 {
    dot(x, x).sqrt()
}

pub(super) fn has_direction(norm: f64) -> bool {
    norm.is_finite() && norm > 1e-12
}

/// The sum of rows that were given the length 1, and how many there are; of those that have a photo and a direction.
pub(super) struct SumOfUnits<'a> {
    pub photos: &'a [Option<PhotoId>],
    /// `[row, width]`
    pub embeddings: &'a [f32],
    pub width: usize,
}

impl NullaryFnOnce for SumOfUnits<'_> {
    type Output = (Vec<f64>, usize);

    #[inline(always)]
    fn call(self) -> (Vec<f64>, usize) {
        let (mut sum, mut count) = (vec![0.0; self.width], 0);
        for (photo, x) in self.photos.iter().zip(self.embeddings.chunks_exact(self.width)) {
            let norm = norm(x);
            if photo.is_some() && has_direction(norm) {
                let inverse = 1.0 / norm;
                sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x) * inverse);
                count += 1;
            }
        }
        (sum, count)
    }
}

/// Gives a vector the length 1; `false` if it has no direction.
pub(super) fn make_unit(vector: &mut [f32]) -> bool {
    let norm = norm(vector);
    if has_direction(norm) {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    has_direction(norm)
}
