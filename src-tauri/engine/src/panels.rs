//! Weights of a linear map as the CPU multiplies by them, and the product.
//!
//! flex (0.22.1) multiplies through the `gemm` crate, which lays weights out anew in every product, or reads them across
//! their rows where there is little to multiply: with one picture that is half of the time. Weights never change, so here
//! they are laid out once, while they are read: in panels of some columns, which are read from front to back. Follows Goto
//! and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (doi:10.1145/1356052.1356053).

use half::{f16, slice::HalfFloatSliceExt};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Columns of a panel.
const COLUMNS: usize = 16;
/// Inputs that are summed at a time: so much of a panel stays in the nearest cache while all rows pass.
const DEPTH: usize = 384;
/// Rows that pass a panel at a time; so many of `DEPTH` inputs stay in the second cache.
const ROWS: usize = 256;
/// The most rows that are multiplied at a time, by how many vectors a panel's columns are: their sums fill the registers.
const MOST_ROWS_OF_A_TILE: [usize; 2] = [14, 6];
/// Multiplications that are worth handing to other threads.
const WORTH_SPLITTING: usize = 1 << 20;
/// The fewest panels that a thread takes.
const LEAST_PANELS: usize = 4;

/// The numbers that panels hold.
#[derive(Debug)]
enum Values {
    Whole(Vec<f32>),
    Half(Vec<f16>),
}

/// The weights of a linear map.
#[derive(Debug)]
pub(crate) struct Panels {
    inputs: usize,
    outputs: usize,
    /// `[depth block, panel, input, COLUMNS]`, with zeros behind the last output.
    values: Values,
}

/// A matrix that is to be laid out.
pub(crate) struct Stored<'a, N> {
    /// From its first value on.
    pub values: &'a [N],
    /// From an input to the next, and from an output to the next.
    pub steps: [usize; 2],
}

impl Panels {
    /// Lays a matrix out.
    pub fn whole(stored: &Stored<'_, f32>, [inputs, outputs]: [usize; 2]) -> Self {
        Self { inputs, outputs, values: Values::Whole(laid_out(stored, [inputs, outputs])) }
    }

    /// The same in f16, at half the memory. Products are f32.
    pub fn half(stored: &Stored<'_, f16>, [inputs, outputs]: [usize; 2]) -> Self {
        Self { inputs, outputs, values: Values::Half(laid_out(stored, [inputs, outputs])) }
    }

    /// Inputs and outputs.
    pub fn dims(&self) -> [usize; 2] {
        [self.inputs, self.outputs]
    }

    /// The matrix: `[inputs, outputs]`.
    pub fn to_matrix(&self) -> Vec<f32> {
        let mut matrix = vec![0.0; self.inputs * self.outputs];
        let mut scratch = Vec::new();
        for (block, depth) in depths(self.inputs).enumerate() {
            for panel in 0..panels(self.outputs) {
                let columns = columns_of(panel, self.outputs);
                for (input, values) in
                    depth.clone().zip(self.panel(block, panel, &mut scratch).as_chunks::<COLUMNS>().0)
                {
                    matrix[input * self.outputs..][columns.clone()].copy_from_slice(&values[..columns.len()]);
                }
            }
        }
        matrix
    }

    /// `x @ W + b`, on the threads of the pool in which it is called.
    ///
    /// # Shapes
    /// - x: `[rows, inputs]`
    /// - bias: `[outputs]`
    /// - output: `[rows, outputs]`
    pub fn product(&self, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        self.product_of(x.chunks_exact(self.inputs), bias)
    }

    /// The same of rows that lie apart.
    pub fn product_of<'a>(&self, x: impl Iterator<Item = &'a [f32]> + Clone, bias: Option<&[f32]>) -> Vec<f32> {
        let rows = Rows::of(x, self.inputs);
        let (threads, panels) = (rayon::current_num_threads(), panels(self.outputs));
        let is_split = threads > 1 && rows.tiles.rows * self.inputs * self.outputs >= WORTH_SPLITTING;
        let part = if is_split { panels.div_ceil(threads).max(LEAST_PANELS) } else { panels };
        let columns = |panels: &Range<usize>| {
            columns_of(panels.start, self.outputs).start..columns_of(panels.end - 1, self.outputs).end
        };
        let compute = |panels: Range<usize>| {
            let columns = columns(&panels);
            let mut output = vec![0.0; rows.tiles.rows * columns.len()];
            let bias = bias.map(|bias| &bias[columns]);
            pulp::Arch::new().dispatch(Multiply { weights: self, panels, rows: &rows, bias, output: &mut output });
            output
        };
        if part >= panels {
            return compute(0..panels);
        }
        let parts: Vec<Range<usize>> = (0..panels).step_by(part).map(|start| start..panels.min(start + part)).collect();
        let found: Vec<Vec<f32>> = parts.par_iter().cloned().map(compute).collect();
        let mut output = Vec::with_capacity(rows.tiles.rows * self.outputs);
        for row in 0..rows.tiles.rows {
            for (panels, found) in parts.iter().zip(&found) {
                let width = columns(panels).len();
                output.extend_from_slice(&found[row * width..][..width]);
            }
        }
        output
    }

    /// `[input, COLUMNS]` of some inputs; in `scratch` where they have to be made f32.
    fn panel<'a>(&'a self, block: usize, panel: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let depth = DEPTH.min(self.inputs - block * DEPTH);
        let start = (block * DEPTH * panels(self.outputs) + panel * depth) * COLUMNS;
        match &self.values {
            Values::Whole(values) => &values[start..start + depth * COLUMNS],
            Values::Half(values) => {
                scratch.resize(depth * COLUMNS, 0.0);
                values[start..start + depth * COLUMNS].convert_to_f32_slice(scratch);
                scratch
            }
        }
    }
}

fn laid_out<N: Copy + Default>(stored: &Stored<'_, N>, [inputs, outputs]: [usize; 2]) -> Vec<N> {
    let [across, down] = stored.steps;
    let mut values = vec![N::default(); inputs * panels(outputs) * COLUMNS];
    let mut rest = values.as_mut_slice();
    for depth in depths(inputs) {
        for panel in 0..panels(outputs) {
            let (here, behind) = std::mem::take(&mut rest).split_at_mut(depth.len() * COLUMNS);
            rest = behind;
            let (columns, here) = (columns_of(panel, outputs), here.as_chunks_mut::<COLUMNS>().0);
            if down == 1 {
                for (values, input) in here.iter_mut().zip(depth.clone()) {
                    let stored = &stored.values[input * across..][columns.clone()];
                    values[..stored.len()].copy_from_slice(stored);
                }
                continue;
            }
            for (column, output) in columns.enumerate() {
                let stored = stored.values[output * down + depth.start * across..].iter().step_by(across);
                for (values, stored) in here.iter_mut().zip(stored) {
                    values[column] = *stored;
                }
            }
        }
    }
    values
}

fn panels(outputs: usize) -> usize {
    outputs.div_ceil(COLUMNS)
}

/// The outputs of a panel.
fn columns_of(panel: usize, outputs: usize) -> Range<usize> {
    panel * COLUMNS..outputs.min((panel + 1) * COLUMNS)
}

/// The inputs, as many at a time as are summed at a time.
fn depths(inputs: usize) -> impl Iterator<Item = Range<usize>> {
    (0..inputs).step_by(DEPTH).map(move |start| start..inputs.min(start + DEPTH))
}

/// How rows are parted into tiles, which differ by one row at most.
#[derive(Clone, Copy)]
struct Tiles {
    rows: usize,
    count: usize,
}

impl Tiles {
    fn of<S: Simd>(rows: usize) -> Self {
        Self { rows, count: rows.div_ceil(MOST_ROWS_OF_A_TILE[usize::from(S::F32_LANES < COLUMNS)]) }
    }

    /// For the processor at hand.
    fn of_rows(rows: usize) -> Self {
        struct Here(usize);
        impl WithSimd for Here {
            type Output = Tiles;
            fn with_simd<S: Simd>(self, _: S) -> Tiles {
                Tiles::of::<S>(self.0)
            }
        }
        pulp::Arch::new().dispatch(Here(rows))
    }

    fn rows_of(self, tile: usize) -> Range<usize> {
        tile * self.rows / self.count..(tile + 1) * self.rows / self.count
    }
}

/// Rows, cut at the inputs that are summed at a time: `[depth block, row, input]`. Uncut, rows of 4096 bytes or a multiple
/// would share a few places of the nearest cache.
struct Rows {
    tiles: Tiles,
    values: Vec<f32>,
}

impl Rows {
    fn of<'a>(x: impl Iterator<Item = &'a [f32]> + Clone, inputs: usize) -> Self {
        let rows = x.clone().count();
        let mut values = Vec::with_capacity(rows * inputs);
        for depth in depths(inputs) {
            x.clone().for_each(|row| values.extend_from_slice(&row[depth.clone()]));
        }
        Self { tiles: Tiles::of_rows(rows), values }
    }
}

/// The product of all rows and some panels.
struct Multiply<'a> {
    weights: &'a Panels,
    panels: Range<usize>,
    rows: &'a Rows,
    /// Of these panels.
    bias: Option<&'a [f32]>,
    /// `[rows, columns of these panels]`
    output: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 1>(simd),
            8 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            2 => self.run::<S, 8>(simd),
            _ => self.run::<S, 16>(simd),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize>(self, simd: S) {
        let Self { weights, panels, rows: Rows { tiles, values }, bias, output } = self;
        let width = output.len() / tiles.rows.max(1);
        let mut scratch = Vec::new();
        // Equal shares: the last must not be a few rows for which all weights are fetched again.
        let at_once = tiles.count.div_ceil(tiles.rows.div_ceil(ROWS).max(1)).max(1);
        for first in (0..tiles.count).step_by(at_once) {
            for (block, depth) in depths(weights.inputs).enumerate() {
                for (column, panel) in panels.clone().enumerate() {
                    let start = column * COLUMNS;
                    let columns = start..width.min(start + COLUMNS);
                    let panel = weights.panel(block, panel, &mut scratch);
                    let begin =
                        (block == 0).then(|| bias.map_or([0.0; COLUMNS], |bias| filled(&bias[columns.clone()])));
                    for tile in first..tiles.count.min(first + at_once) {
                        let rows = tiles.rows_of(tile);
                        let x =
                            &values[depth.start * tiles.rows + rows.start * depth.len()..][..rows.len() * depth.len()];
                        let sums = Sums { columns: columns.clone(), width, output: &mut output[rows.start * width..] };
                        // Sums stay in registers only if their number is known when this is compiled.
                        macro_rules! with_rows {
                            ($($rows:literal)*) => {
                                match rows.len() {
                                    $($rows => multiply::<S, $rows, VECTORS>(simd, x, panel, begin.as_ref(), sums),)*
                                    rows => unreachable!("a tile of {rows} rows"),
                                }
                            };
                        }
                        if VECTORS == 1 {
                            with_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                        } else {
                            with_rows!(1 2 3 4 5 6);
                        }
                    }
                }
            }
        }
    }
}

/// Where the sums of a tile are kept.
struct Sums<'a> {
    columns: Range<usize>,
    width: usize,
    output: &'a mut [f32],
}

/// Adds the products of one tile and one panel to sums, which begin with `begin` or are gone on with.
#[inline(always)]
fn multiply<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    x: &[f32],
    panel: &[f32],
    begin: Option<&[f32; COLUMNS]>,
    sums: Sums<'_>,
) {
    let Sums { columns, width, output } = sums;
    let vectors = |values: &[f32; COLUMNS]| -> [S::f32s; VECTORS] {
        let (vectors, _) = S::as_simd_f32s(values);
        std::array::from_fn(|at| vectors[at])
    };
    let mut tile = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    for (row, sums) in tile.iter_mut().enumerate() {
        *sums = match (begin, output[row * width..][columns.clone()].as_array::<COLUMNS>()) {
            (Some(begin), _) => vectors(begin),
            (None, Some(before)) => vectors(before),
            (None, None) => vectors(&filled(&output[row * width..][columns.clone()])),
        };
    }
    let (weights, _) = panel.as_chunks::<COLUMNS>();
    let depth = weights.len();
    let x: [&[f32]; ROWS] = std::array::from_fn(|row| &x[row * depth..(row + 1) * depth]);
    for input in 0..depth {
        let weights = vectors(&weights[input]);
        for (sums, x) in tile.iter_mut().zip(x) {
            let x = simd.splat_f32s(x[input]);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(x, weights, *sum);
            }
        }
    }
    for (row, sums) in tile.iter().enumerate() {
        let mut found = [0.0; COLUMNS];
        S::as_mut_simd_f32s(&mut found).0.copy_from_slice(sums);
        let here = &mut output[row * width..][columns.clone()];
        match here.as_mut_array::<COLUMNS>() {
            Some(here) => *here = found,
            None => here.copy_from_slice(&found[..here.len()]),
        }
    }
}

/// With zeros behind them.
fn filled(values: &[f32]) -> [f32; COLUMNS] {
    let mut filled = [0.0; COLUMNS];
    filled[..values.len()].copy_from_slice(values);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b};

    const MATRIX: usize = 700 * 40;

    /// One product after the other, in f64.
    fn plain(x: &[f32], matrix: &[f32], [inputs, outputs]: [usize; 2], bias: Option<&[f32]>) -> Vec<f32> {
        let value = |row: &[f32], output: usize| {
            let products = row.iter().zip(matrix[output..].iter().step_by(outputs));
            products.map(|(x, weight)| f64::from(*x) * f64::from(*weight)).sum::<f64>()
                + bias.map_or(0.0, |bias| bias[output].into())
        };
        x.chunks_exact(inputs).flat_map(|row| (0..outputs).map(move |output| value(row, output) as f32)).collect()
    }

    fn turned(matrix: &[f32], [inputs, outputs]: [usize; 2]) -> Vec<f32> {
        (0..outputs * inputs).map(|at| matrix[at % inputs * outputs + at / inputs]).collect()
    }

    fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

        #[test]
        fn a_product_is_the_plain_sums_however_it_is_stored_and_split(
            rows in 0_usize..40, inputs in 1_usize..700, outputs in 1_usize..40, threads in 1_usize..4,
            has_bias: bool, numbers in vec(-1.0_f32..1.0, MATRIX),
        ) {
            let dims = [inputs, outputs];
            let matrix = &numbers[..inputs * outputs];
            let x: Vec<f32> = numbers.iter().cycle().skip(7).take(rows * inputs).copied().collect();
            let bias = has_bias.then(|| &numbers[3..3 + outputs]);
            let halves: Vec<f16> = matrix.iter().copied().map(f16::from_f32).collect();
            let rounded: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
            for (panels, matrix) in [
                (Panels::whole(&Stored { values: matrix, steps: [outputs, 1] }, dims), matrix),
                (Panels::whole(&Stored { values: &turned(matrix, dims), steps: [1, inputs] }, dims), matrix),
                (Panels::half(&Stored { values: &halves, steps: [outputs, 1] }, dims), &rounded),
            ] {
                prop_assert_eq!(&panels.to_matrix(), matrix);
                let found = on(threads, || panels.product(&x, bias));
                let expected = plain(&x, matrix, dims, bias);
                prop_assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    prop_assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
                }
            }
        }
    }

    /// Many tiles in several shares, many panels on several threads.
    #[test]
    fn a_large_product_is_the_plain_sums() {
        let dims = [300, 200];
        let numbers: Vec<f32> = (0..300 * 600).map(|at| ((at * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
        let panels = Panels::whole(&Stored { values: &numbers[..300 * 200], steps: [200, 1] }, dims);
        let expected = plain(&numbers, &numbers[..300 * 200], dims, None);
        for threads in [1, 3] {
            let found = on(threads, || panels.product(&numbers, None));
            assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-3));
        }
    }

    /// Also those of processors that no test runs on.
    #[test]
    fn every_width_of_vectors_gives_the_sums() {
        fn product<S: Simd>(simd: S, weights: &Panels, x: &[f32]) -> Vec<f32> {
            let mut rows = Rows::of(x.chunks_exact(weights.inputs), weights.inputs);
            rows.tiles = Tiles::of::<S>(rows.tiles.rows);
            let mut output = vec![0.0; rows.tiles.rows * weights.outputs];
            let panels = 0..panels(weights.outputs);
            Multiply { weights, panels, rows: &rows, bias: None, output: &mut output }.with_simd(simd);
            output
        }
        let dims = [70, 37];
        let numbers: Vec<f32> = (0..70 * 37).map(|at| ((at * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
        let weights = Panels::whole(&Stored { values: &numbers, steps: [37, 1] }, dims);
        for rows in 1..=30 {
            let x = &numbers[..rows * 70];
            let expected = plain(x, &numbers, dims, None);
            for found in [
                product(Scalar, &weights, x),
                product(Scalar128b, &weights, x),
                product(Scalar256b, &weights, x),
                product(Scalar512b, &weights, x),
            ] {
                assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-4), "{rows}");
            }
        }
    }
}
