//! Resampling of learnt positions when a tower runs at another size than it was trained at.
//!
//! Each code base has its own rule, and they differ by more than rounding, so the rule follows the checkpoint's layout.
//! Plain numbers in and out; a handful of rows, so f64 throughout.

use burn::tensor::Tensor;

use crate::{error::LoadError, weights::Weights};

/// How positions between the learnt ones are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// open_clip `resize_pos_embed` and timm `resample_abs_pos_embed`: bicubic (a = −0.5) whose kernel widens when shrinking.
    BicubicAntialias,
    /// transformers `interpolate_pos_encoding`: bicubic (a = −0.75) of fixed width.
    Bicubic,
    /// open_clip `resize_text_pos_embed`: linear.
    Linear,
}

/// The cells of a picture, and the table of their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows and columns of cells.
    pub cells: [usize; 2],
    /// Rows of the table in front of those of the cells: 1 for a class token.
    pub extra: usize,
    /// Length of a row of the table.
    pub width: usize,
}

/// Reads the table `name`, stored `[lead…, extra + cells, width]`. With `resampled`, a table of another square grid is
/// brought to this one by `rule`; without, it must fit.
pub fn load_grid(
    weights: &Weights,
    name: &str,
    lead: &[usize],
    grid: Grid,
    rule: Rule,
    resampled: bool,
) -> Result<Tensor<2>, LoadError> {
    let Grid { cells: [height, columns], extra, width } = grid;
    let shape = |rows: usize| [lead, &[rows, width]].concat();
    let wanted = extra + height * columns;
    let stored = weights.shape_of(name).unwrap_or_default();
    let old_rows = stored.len().checked_sub(2).map_or(0, |at| stored[at]);
    let is_square = old_rows > extra && (old_rows - extra).isqrt().pow(2) == old_rows - extra;
    let values = if resampled && is_square && stored == shape(old_rows) && old_rows != wanted {
        resample_grid(&weights.values(name, &stored)?, width, extra, grid.cells, rule)
    } else {
        weights.values(name, &shape(wanted))?
    };
    Ok(weights.small(values, [wanted, width]))
}

/// Resamples the grid of an image tower; the `extra` first rows (class token) are kept as they are.
///
/// # Shapes
/// - rows: `[extra + old · old, width]`, row-major
/// - output: `[extra + height · width_cells, width]`
///
/// # Panics
/// If the old grid is not square, which both references assume too.
pub fn resample_grid(rows: &[f32], width: usize, extra: usize, new: [usize; 2], rule: Rule) -> Vec<f32> {
    let (kept, grid) = rows.split_at(extra * width);
    let old = (grid.len() / width).isqrt();
    assert_eq!(old * old * width, grid.len(), "the learnt grid is not square");
    let [height, columns] = new;
    // Along x: each old row of cells is its own sequence. Along y: whole rows are the elements.
    let wide: Vec<f64> = grid
        .chunks_exact(old * width)
        .flat_map(|row| resample_sequence(&row.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), width, columns, rule))
        .collect();
    let out = resample_sequence(&wide, columns * width, height, rule);
    kept.iter().copied().chain(out.into_iter().map(|v| v as f32)).collect()
}

/// Resamples the positions of a text tower.
///
/// # Shapes
/// - rows: `[old, width]`
/// - output: `[new, width]`
pub fn resample_text(rows: &[f32], width: usize, new: usize) -> Vec<f32> {
    let rows: Vec<f64> = rows.iter().map(|v| f64::from(*v)).collect();
    resample_sequence(&rows, width, new, Rule::Linear).into_iter().map(|v| v as f32).collect()
}

/// `[old, width]` to `[new, width]`.
fn resample_sequence(rows: &[f64], width: usize, new: usize, rule: Rule) -> Vec<f64> {
    let old = rows.len() / width;
    let mut out = vec![0.0; new * width];
    for (index, target) in out.chunks_exact_mut(width).enumerate() {
        for (source, weight) in taps(index, old, new, rule) {
            let row = &rows[source * width..][..width];
            target.iter_mut().zip(row).for_each(|(t, r)| *t += weight * r);
        }
    }
    out
}

/// Which old rows make new row `index`, and their weights (sum 1). Pixel centres lie at half-integers (`align_corners=False`).
fn taps(index: usize, old: usize, new: usize, rule: Rule) -> Vec<(usize, f64)> {
    let scale = old as f64 / new as f64;
    let centre = (index as f64 + 0.5) * scale;
    let clamped = |i: i64| i.clamp(0, old as i64 - 1) as usize;
    match rule {
        Rule::BicubicAntialias => {
            let stretch = scale.max(1.0);
            let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
            let last = ((centre + 2.0 * stretch + 0.5) as usize).min(old);
            let weights: Vec<f64> = (first..last).map(|i| cubic((i as f64 - centre + 0.5) / stretch, -0.5)).collect();
            let sum: f64 = weights.iter().sum();
            (first..last).zip(weights.into_iter().map(|w| w / sum)).collect()
        }
        Rule::Bicubic => {
            let position = centre - 0.5;
            let first = position.floor() as i64 - 1;
            (first..first + 4).map(|i| (clamped(i), cubic(position - i as f64, -0.75))).collect()
        }
        Rule::Linear => {
            let position = (centre - 0.5).max(0.0);
            let first = position.floor();
            let fraction = position - first;
            vec![(clamped(first as i64), 1.0 - fraction), (clamped(first as i64 + 1), fraction)]
        }
    }
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_changes_nothing() {
        let rows: Vec<f32> = (0..17 * 2).map(|v| v as f32).collect();
        for rule in [Rule::BicubicAntialias, Rule::Bicubic, Rule::Linear] {
            let out = resample_grid(&rows, 2, 1, [4, 4], rule);
            assert!(out.iter().zip(&rows).all(|(a, b)| (a - b).abs() < 1e-5), "{rule:?}");
        }
    }

    #[test]
    fn the_class_row_is_kept() {
        let rows: Vec<f32> = (0..5).map(|v| v as f32).collect();
        assert_eq!(resample_grid(&rows, 1, 1, [3, 3], Rule::Bicubic)[0], 0.0);
    }
}
