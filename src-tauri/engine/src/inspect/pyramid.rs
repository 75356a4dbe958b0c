//! A matrix as a picture that can be zoomed out: levels of blocks of 2^k × 2^k values, each shown as the loudest of them.
//!
//! Means would not do, because means of weights are all nearly zero. The loudest value of a block is the one of largest
//! magnitude with its sign, so that a single loud entry is seen from any distance; a NaN is louder than anything.

use std::sync::OnceLock;

use crate::analysis::Matrix;

/// Bins of a histogram.
pub const BINS: usize = 64;
/// Rows and columns of a tile at most: 16 MiB.
pub const TILE_SIDE: usize = 2048;

/// What a matrix consists of. Means, norms and the histogram are over the values that are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Smallest finite value; none if there is none.
    pub min: Option<f32>,
    /// Largest finite value.
    pub max: Option<f32>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// Their standard deviation, with the number of values as divisor.
    pub std: Option<f64>,
    /// Share of all values that are exactly zero.
    pub sparsity: f64,
    /// Values that are NaN.
    pub nan: u64,
    /// Values that are infinite.
    pub infinite: u64,
    /// Finite values in each of [`BINS`] bins of one width from `min` to `max`; all in the first if these are the same.
    /// Empty if there is no finite value.
    pub histogram: Vec<u64>,
    /// Euclidean length of each row.
    pub row_norms: Vec<f64>,
    /// Euclidean length of each column.
    pub column_norms: Vec<f64>,
}

/// A part of a level, clipped at its edges.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tile {
    /// Rows that came.
    pub rows: usize,
    /// Columns that came.
    pub columns: usize,
    /// `[rows, columns]`, row-major.
    pub values: Vec<f32>,
}

/// A matrix and its levels, which are built when they are first looked at and then kept.
///
/// All levels that are kept have together at most a third of the values of the matrix. Of a matrix so thin that a level
/// has half of the values of the one below, some are not kept: their tiles are made from the nearest one that is.
#[derive(Debug)]
pub struct Pyramid {
    matrix: Grid,
    /// From level 1; none for a level that is not kept.
    levels: Vec<Option<OnceLock<Grid>>>,
}

#[derive(Debug)]
struct Grid {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Pyramid {
    /// # Shapes
    /// - values: `[rows, columns]`, row-major
    ///
    /// # Panics
    /// If the values do not fill the shape.
    pub fn new(rows: usize, columns: usize, values: Vec<f32>) -> Self {
        assert!(rows.checked_mul(columns) == Some(values.len()), "{} values for {rows} × {columns}", values.len());
        let mut budget = values.len() / 3;
        let mut levels = Vec::new();
        let (mut level_rows, mut level_columns) = (rows, columns);
        while level_rows.max(level_columns) > 1 {
            (level_rows, level_columns) = (level_rows.div_ceil(2), level_columns.div_ceil(2));
            let is_kept = level_rows * level_columns <= budget;
            budget -= if is_kept { level_rows * level_columns } else { 0 };
            levels.push(is_kept.then(OnceLock::new));
        }
        Self { matrix: Grid { rows, columns, values }, levels }
    }

    /// A tensor as a matrix: the first axis down, all others across. A vector is one row, a number is 1 × 1.
    ///
    /// # Panics
    /// If the values do not fill the shape.
    pub fn of_tensor(shape: &[usize], values: Vec<f32>) -> Self {
        let [rows, columns] = match shape {
            [] => [1, 1],
            [length] => [1, *length],
            [rows, rest @ ..] => [*rows, rest.iter().product()],
        };
        Self::new(rows, columns, values)
    }

    /// A matrix that was computed. What f32 cannot hold becomes infinite.
    pub fn of_matrix(matrix: &Matrix) -> Self {
        let [rows, columns] = matrix.shape();
        Self::new(rows, columns, matrix.values().iter().map(|value| *value as f32).collect())
    }

    /// `[rows, columns]` of the matrix.
    pub fn shape(&self) -> [usize; 2] {
        [self.matrix.rows, self.matrix.columns]
    }

    /// Number of levels: the last one is a single value.
    pub fn level_count(&self) -> u32 {
        self.levels.len() as u32 + 1
    }

    /// Blocks down and across at a level; a level beyond the last is the last.
    pub fn level_shape(&self, level: u32) -> [usize; 2] {
        let size = 1_usize << self.clamp(level);
        self.shape().map(|length| length.div_ceil(size))
    }

    /// A part of a level: at level 0 the values, at level k one for each block of 2^k × 2^k. `row`, `column`, `rows`
    /// and `columns` count blocks. What lies outside is left out, and so is what exceeds [`TILE_SIDE`].
    pub fn tile(&self, level: u32, row: usize, column: usize, rows: usize, columns: usize) -> Tile {
        let level = self.clamp(level);
        let [level_rows, level_columns] = self.level_shape(level as u32);
        let rows = rows.min(TILE_SIDE).min(level_rows.saturating_sub(row));
        let columns = columns.min(TILE_SIDE).min(level_columns.saturating_sub(column));
        if rows == 0 || columns == 0 {
            return Tile::default();
        }
        let (kept, grid) = self.kept(level);
        Tile { rows, columns, values: grid.reduced(1 << (level - kept), [row, column], [rows, columns]) }
    }

    fn clamp(&self, level: u32) -> usize {
        self.levels.len().min(level as usize)
    }

    /// The nearest level that is kept, at `level` or below it.
    fn kept(&self, level: usize) -> (usize, &Grid) {
        let found = self.levels[..level].iter().enumerate().rev().find_map(|(at, kept)| Some((at + 1, kept.as_ref()?)));
        let Some((level, cell)) = found else { return (0, &self.matrix) };
        let grid = cell.get_or_init(|| {
            let [rows, columns] = self.level_shape(level as u32);
            let (below, grid) = self.kept(level - 1);
            Grid { rows, columns, values: grid.reduced(1 << (level - below), [0, 0], [rows, columns]) }
        });
        (level, grid)
    }

    /// What the matrix consists of.
    pub fn facts(&self) -> Facts {
        let Grid { rows, columns, ref values } = self.matrix;
        let mut moments = Moments::default();
        let (mut zeros, mut nan, mut infinite) = (0_u64, 0_u64, 0_u64);
        let mut row_norms = Vec::with_capacity(rows);
        let mut column_squares = vec![0.0; columns];
        for row in values.chunks_exact(columns.max(1)) {
            let mut row_square = 0.0;
            for (value, column_square) in row.iter().zip(&mut column_squares) {
                let number = if value.is_finite() { f64::from(*value) } else { 0.0 };
                zeros += u64::from(*value == 0.0);
                nan += u64::from(value.is_nan());
                infinite += u64::from(value.is_infinite());
                row_square += number * number;
                *column_square += number * number;
            }
            moments.add(row);
            row_norms.push(f64::sqrt(row_square));
        }
        let any = moments.count > 0.0;
        Facts {
            min: any.then_some(moments.min),
            max: any.then_some(moments.max),
            mean: any.then_some(moments.mean),
            std: any.then(|| (moments.squares / moments.count).sqrt()),
            sparsity: zeros as f64 / (values.len() as f64).max(1.0),
            nan,
            infinite,
            histogram: if any { histogram(values, moments.min, moments.max) } else { Vec::new() },
            row_norms,
            column_norms: column_squares.into_iter().map(f64::sqrt).collect(),
        }
    }
}

impl Grid {
    /// The loudest value of each block of `factor` × `factor`, for a part of the blocks. The part must not be empty and
    /// must lie inside; blocks at the edge may be smaller.
    fn reduced(&self, factor: usize, [row, column]: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<f32> {
        let (from, to) = (column * factor, ((column + columns) * factor).min(self.columns));
        let mut out = Vec::with_capacity(rows * columns);
        for block in row..row + rows {
            let last = ((block + 1) * factor).min(self.rows);
            let mut lines = (block * factor..last).map(|row| &self.values[row * self.columns..][from..to]);
            let start = out.len();
            let first = lines.next().unwrap_or_default();
            if factor == 1 {
                out.extend_from_slice(first);
                continue;
            }
            out.extend(first.chunks(factor).map(loudest));
            for line in lines {
                for (kept, chunk) in out[start..].iter_mut().zip(line.chunks(factor)) {
                    *kept = louder(*kept, loudest(chunk));
                }
            }
        }
        out
    }
}

fn loudest(values: &[f32]) -> f32 {
    values.iter().copied().reduce(louder).unwrap_or(0.0)
}

/// Of two values that are as loud, the positive one: so the order in which blocks are gone through does not matter.
fn louder(a: f32, b: f32) -> f32 {
    let is_louder = b.abs() > a.abs() || (b.abs() == a.abs() && b > a) || b.is_nan();
    if is_louder { b } else { a }
}

/// Mean and sum of squared distances from it of the finite values, row by row, each row centred before it is joined:
/// Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979). A plain
/// sum of squares would lose a small spread around a large mean, as counters have it.
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
    min: f32,
    max: f32,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0.0, mean: 0.0, squares: 0.0, min: f32::INFINITY, max: f32::NEG_INFINITY }
    }
}

impl Moments {
    fn add(&mut self, row: &[f32]) {
        let finite = || row.iter().filter(|value| value.is_finite());
        let (mut count, mut sum) = (0.0, 0.0);
        for value in finite() {
            count += 1.0;
            sum += f64::from(*value);
            self.min = self.min.min(*value);
            self.max = self.max.max(*value);
        }
        if count == 0.0 {
            return;
        }
        let mean = sum / count;
        let squares: f64 = finite().map(|value| (f64::from(*value) - mean).powi(2)).sum();
        let (step, total) = (mean - self.mean, self.count + count);
        self.squares += squares + step * step * self.count * count / total;
        self.mean += step * count / total;
        self.count = total;
    }
}

fn histogram(values: &[f32], min: f32, max: f32) -> Vec<u64> {
    let mut counts = vec![0; BINS];
    let (min, width) = (f64::from(min), f64::from(max) - f64::from(min));
    let scale = if width > 0.0 { BINS as f64 / width } else { 0.0 };
    for value in values.iter().filter(|value| value.is_finite()) {
        // The largest value belongs to the last bin.
        let bin = ((f64::from(*value) - min) * scale) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without a pattern, in −1…1.
    fn scattered(rows: usize, columns: usize) -> Vec<f32> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..rows * columns).map(|_| next()).collect()
    }

    fn kept_values(pyramid: &Pyramid) -> usize {
        pyramid.levels.iter().flatten().filter_map(OnceLock::get).map(|grid| grid.values.len()).sum()
    }

    #[test]
    fn every_level_shows_the_loudest_of_its_blocks() {
        for (rows, columns) in [(1, 1), (1, 100), (100, 1), (3, 70), (64, 32), (33, 65), (5, 5)] {
            let mut values = scattered(rows, columns);
            // Ties of both signs.
            values[0] = 2.0;
            *values.last_mut().unwrap() = -2.0;
            let pyramid = Pyramid::new(rows, columns, values.clone());
            for level in (0..pyramid.level_count()).rev() {
                let size = 1 << level;
                let [level_rows, level_columns] = pyramid.level_shape(level);
                let tile = pyramid.tile(level, 0, 0, usize::MAX, usize::MAX);
                assert_eq!([tile.rows, tile.columns], [level_rows, level_columns]);
                for (at, found) in tile.values.iter().enumerate() {
                    let (row, column) = (at / level_columns * size, at % level_columns * size);
                    let block = (row..rows.min(row + size))
                        .flat_map(|row| (column..columns.min(column + size)).map(move |column| (row, column)))
                        .map(|(row, column)| values[row * columns + column]);
                    assert_eq!(block.reduce(louder), Some(*found), "{rows} × {columns}, level {level}");
                }
            }
            assert_eq!(pyramid.level_shape(pyramid.level_count() - 1), [1, 1]);
            assert!(kept_values(&pyramid) <= values.len() / 3, "{rows} × {columns}");
        }
    }

    #[test]
    fn a_nan_is_seen_from_any_distance() {
        let mut values = vec![1e30; 64 * 64];
        values[1000] = f32::NAN;
        let pyramid = Pyramid::new(64, 64, values);
        assert!(pyramid.tile(6, 0, 0, 1, 1).values[0].is_nan());
        assert_eq!(pyramid.tile(3, 0, 0, 8, 8).values.iter().filter(|value| value.is_nan()).count(), 1);
    }

    #[test]
    fn tiles_are_clipped_and_nothing_asked_for_panics() {
        let pyramid = Pyramid::new(5, 3, (0..15).map(|value| value as f32).collect());
        assert_eq!(pyramid.tile(0, 4, 1, 9, 9), Tile { rows: 1, columns: 2, values: vec![13.0, 14.0] });
        assert_eq!(pyramid.tile(1, 1, 1, 1, 1), Tile { rows: 1, columns: 1, values: vec![11.0] });
        for level in [0, 1, 3, 4, 99, u32::MAX] {
            for at in [0, 1, 4, 5, usize::MAX] {
                for size in [0, 1, 7, usize::MAX] {
                    let tile = pyramid.tile(level, at, at, size, size);
                    assert_eq!(tile.values.len(), tile.rows * tile.columns);
                }
            }
        }
        assert_eq!(pyramid.tile(99, 0, 0, 5, 5).values, [14.0]);
        let none = Pyramid::of_tensor(&[0, 7], Vec::new());
        assert_eq!((none.tile(0, 0, 0, 9, 9), none.facts().min), (Tile::default(), None));
        let none = Pyramid::of_tensor(&[7, 0], Vec::new());
        assert_eq!((none.tile(2, 0, 0, 9, 9), none.facts().row_norms.len()), (Tile::default(), 0));
    }

    #[test]
    fn tensors_lie_down_as_matrices() {
        assert_eq!(Pyramid::of_tensor(&[], vec![2.0]).shape(), [1, 1]);
        assert_eq!(Pyramid::of_tensor(&[4], vec![0.0; 4]).shape(), [1, 4]);
        assert_eq!(Pyramid::of_tensor(&[2, 3, 5], vec![0.0; 30]).shape(), [2, 15]);
    }

    #[test]
    fn facts_by_hand() {
        let values = vec![3.0, 0.0, -4.0, 1.0, f32::NAN, f32::INFINITY];
        let facts = Pyramid::new(2, 3, values).facts();
        assert_eq!((facts.min, facts.max, facts.mean), (Some(-4.0), Some(3.0), Some(0.0)));
        assert!((facts.std.unwrap() - (26.0_f64 / 4.0).sqrt()).abs() < 1e-15);
        assert_eq!((facts.nan, facts.infinite), (1, 1));
        assert!((facts.sparsity - 1.0 / 6.0).abs() < 1e-15);
        assert_eq!(facts.row_norms, [5.0, 1.0]);
        assert_eq!(facts.column_norms, [10_f64.sqrt(), 0.0, 4.0]);
        // Bins of 7/64: 0 lies in bin 36, 1 in bin 45.
        let filled: Vec<usize> = (0..BINS).filter(|bin| facts.histogram[*bin] > 0).collect();
        assert_eq!(filled, [0, 36, 45, 63]);
    }

    #[test]
    fn a_small_spread_around_a_large_mean_is_kept() {
        let facts = Pyramid::new(100, 2, [1e6, 1e6 + 1.0].repeat(100)).facts();
        assert_eq!((facts.mean, facts.std), (Some(1e6 + 0.5), Some(0.5)));
        let constant = Pyramid::new(1, 3, vec![0.1; 3]).facts();
        assert_eq!((constant.std, constant.histogram[0]), (Some(0.0), 3));
        let nothing = Pyramid::new(1, 1, vec![f32::NAN]).facts();
        assert_eq!((nothing.mean, nothing.histogram.len()), (None, 0));
    }

    /// A frame at 60 per second has 16.7 ms for all its tiles; tests are built with little optimisation.
    #[test]
    fn a_tile_of_a_large_matrix_takes_little_of_a_frame() {
        let pyramid = Pyramid::new(4096, 1024, scattered(4096, 1024));
        pyramid.tile(10, 0, 0, 1, 1);
        for level in 0..6 {
            let timed = |_| {
                let start = std::time::Instant::now();
                let tile = pyramid.tile(level, 3, 5, 256, 256);
                assert!(tile.rows > 0);
                start.elapsed()
            };
            // The best of several, because other tests run beside this one.
            let elapsed = (0..9).map(timed).min().unwrap();
            println!("a tile of level {level} in {elapsed:?}");
            assert!(elapsed.as_millis() < 4, "level {level}: {elapsed:?}");
        }
        assert!(kept_values(&pyramid) <= 4096 * 1024 / 3);
    }
}
