//! All vectors at hand in the joint space again, after an edit.

use super::{Head, Table};

/// What `head.apply(pooled)` is. Where `head` differs by nothing but a shift from `before`, which gave `projected`, the
/// shift is added to that, without a product: most edits are biases, and a bias on a hundred thousand photos is then a
/// matter of milliseconds.
///
/// # Shapes
/// - pooled: `[row, input_dim]`
/// - projected: `[row, output_dim of before]`
pub fn reproject(head: &Head, pooled: &Table, before: &Head, projected: &Table) -> Table {
    match shift_between(before, head) {
        Some(shift) if shift.iter().all(|value| *value == 0.0) => projected.clone(),
        Some(shift) => projected.clone().shifted(&shift),
        None => head.apply(pooled),
    }
}

/// c of `after(x) = before(x) + c` for all x, if the weights alone tell that there is one.
fn shift_between(before: &Head, after: &Head) -> Option<Vec<f64>> {
    let (from, to) = (before.maps(), after.maps());
    let same = match (from, to) {
        ([first, second], [other, last]) => first == other && second.weight == last.weight,
        _ => before.matrix()? == after.matrix()?,
    };
    let bias =
        |head: &Head, at: usize| head.maps().last().and_then(|map| map.bias.as_ref()).map_or(0.0, |bias| bias[at]);
    same.then(|| (0..after.output_dim()).map(|at| bias(after, at) - bias(before, at)).collect())
}

/// Cosines of vectors of any length with unit vectors, such as labels.
///
/// # Shapes
/// - vectors: `[row, embed]`
/// - labels: `[label, embed]`, unit vectors, at least one
/// - output: `[row, label]`
///
/// # Panics
/// If the lengths differ, or there are no labels.
pub fn cosines(vectors: &Table, labels: &Table) -> Table {
    let products = vectors.products(labels);
    let columns = labels.count();
    let mut values = products.values().to_vec();
    for (row, length) in values.chunks_exact_mut(columns).zip(vectors.lengths()) {
        let scale = (length.max(1e-12).recip()) as f32;
        row.iter_mut().for_each(|value| *value *= scale);
    }
    Table::new(columns, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::Matrix, lab::Map};

    fn map(seed: f64, bias: Option<Vec<f64>>) -> Map {
        let weight = Matrix::new(2, 2, (0..4).map(|at| (seed + f64::from(at)).sin()).collect()).unwrap();
        Map { weight, bias }
    }

    fn head(maps: &[Map]) -> Head {
        Head::new(2, maps.to_vec()).unwrap()
    }

    #[test]
    fn a_shift_takes_the_short_way_and_gives_the_same() {
        let pooled = Table::new(2, vec![1.0, 2.0, -0.5, 0.25, 3.0, -1.0]);
        let with = |bias: &[f64]| Some(bias.to_vec());
        let pairs = [
            (head(&[map(1.0, None)]), head(&[map(1.0, with(&[0.5, -2.0]))])),
            (head(&[map(1.0, with(&[0.5, -2.0]))]), head(&[map(1.0, None)])),
            (head(&[]), head(&[]).shifted(&[1.0, 3.0]).unwrap()),
            (head(&[map(1.0, None), map(2.0, None)]), head(&[map(1.0, None), map(2.0, with(&[1.0, 1.0]))])),
        ];
        for (before, after) in pairs {
            assert!(shift_between(&before, &after).is_some());
            let found = reproject(&after, &pooled, &before, &before.apply(&pooled));
            let expected = after.apply(&pooled);
            assert!(found.values().iter().zip(expected.values()).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn what_is_no_shift_is_projected() {
        let one = head(&[map(1.0, None)]);
        let mlp = |seed, bias| head(&[map(seed, bias), map(2.0, None)]);
        for (before, after) in [
            (one.clone(), head(&[map(3.0, None)])),
            (one.clone(), mlp(1.0, None)),
            (mlp(1.0, None), mlp(4.0, None)),
            (mlp(1.0, None), mlp(1.0, Some(vec![1.0, 0.0]))),
        ] {
            assert!(shift_between(&before, &after).is_none());
            let pooled = Table::new(2, vec![1.0, 2.0]);
            assert_eq!(reproject(&after, &pooled, &before, &before.apply(&pooled)), after.apply(&pooled));
        }
        assert_eq!(reproject(&one, &Table::new(2, vec![]), &one, &Table::new(2, vec![])).count(), 0);
    }

    #[test]
    fn cosines_leave_out_the_length_of_the_vectors() {
        let vectors = Table::new(2, vec![3.0, 4.0, 0.0, 0.0]);
        let labels = Table::new(2, vec![1.0, 0.0, 0.0, 1.0, -0.6, -0.8]);
        let found = cosines(&vectors, &labels);
        let expected = [0.6, 0.8, -1.0, 0.0, 0.0, 0.0];
        assert!(found.values().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }
}
