//! In which order suggestions are shown to a person.
//!
//! Within a label the most useful comes first, and labels take turns, so that a label with ten thousand suggestions does
//! not keep the others waiting and a person's eye does not tire of one thing.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{labels::LabelId, suggestions::Pending};

/// What makes a suggestion useful.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// The least certain first: by entropy, that is, nearest to 0.5. Teaches calibration the most (Lewis and Gale 1994,
    /// uncertainty sampling).
    #[default]
    UncertainFirst,
    /// The likeliest first: tags the most photos in the shortest time.
    LikelyFirst,
    /// Nearest to the label's threshold first: settles where the threshold belongs.
    AroundThreshold,
}

/// The order to show suggestions in, as places in `rows`; the same for the same rows, whatever order they come in.
///
/// `threshold` is asked once per label, for a probability.
pub fn order(rows: &[Pending], strategy: Strategy, threshold: impl Fn(LabelId) -> f64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    // Labels in runs first, so that each threshold is asked once.
    places.sort_unstable_by_key(|&place| (rows[place].label, rows[place].photo));
    let mut keys = vec![0.0; rows.len()];
    for run in places.chunk_by(|&a, &b| rows[a].label == rows[b].label) {
        let aim = match strategy {
            Strategy::UncertainFirst => 0.5,
            Strategy::LikelyFirst => 1.0,
            Strategy::AroundThreshold => threshold(rows[run[0]].label),
        };
        run.iter().for_each(|&place| keys[place] = (rows[place].probability - aim).abs());
    }
    let by_key = |&a: &usize, &b: &usize| -> Ordering {
        keys[a].total_cmp(&keys[b]).then_with(|| (rows[a].label, rows[a].photo).cmp(&(rows[b].label, rows[b].photo)))
    };
    let mut turns = vec![0u32; rows.len()];
    for run in places.chunk_by_mut(|&a, &b| rows[a].label == rows[b].label) {
        run.sort_unstable_by(by_key);
        run.iter().zip(0..).for_each(|(&place, turn)| turns[place] = turn);
    }
    places.sort_unstable_by(|a, b| turns[*a].cmp(&turns[*b]).then_with(|| by_key(a, b)));
    places
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::seeded::Seeded;

    fn row(photo: u32, label: LabelId, probability: f64) -> Pending {
        Pending { photo, label, probability }
    }

    fn photos(rows: &[Pending], strategy: Strategy) -> Vec<u32> {
        order(rows, strategy, |label| if label == 1 { 0.8 } else { 0.2 }).into_iter().map(|at| rows[at].photo).collect()
    }

    #[test]
    fn each_strategy_begins_where_it_says() {
        let rows = [row(1, 1, 0.9), row(2, 1, 0.79), row(3, 1, 0.55), row(4, 1, 0.3)];
        assert_eq!(photos(&rows, Strategy::UncertainFirst), [3, 4, 2, 1]);
        assert_eq!(photos(&rows, Strategy::LikelyFirst), [1, 2, 3, 4]);
        assert_eq!(photos(&rows, Strategy::AroundThreshold), [2, 1, 3, 4]);
    }

    #[test]
    fn labels_take_turns() {
        let rows = [row(1, 1, 0.9), row(2, 1, 0.8), row(3, 1, 0.7), row(4, 2, 0.6), row(5, 3, 0.95), row(6, 3, 0.1)];
        assert_eq!(photos(&rows, Strategy::LikelyFirst), [5, 1, 4, 2, 6, 3]);
        assert_eq!(photos(&rows[..0], Strategy::LikelyFirst), [0; 0]);
    }

    #[test]
    fn the_order_does_not_depend_on_where_rows_come_from_and_is_there_in_moments() {
        let mut seeded = Seeded(3);
        let mut rows: Vec<Pending> =
            (0..100_000).map(|at| row(at / 50, i64::from(at % 50), (seeded.uniform() * 20.0).round() / 20.0)).collect();
        let start = Instant::now();
        let once = photos(&rows, Strategy::UncertainFirst);
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        for at in (1..rows.len()).rev() {
            rows.swap(at, (seeded.next() % (at as u64 + 1)) as usize);
        }
        assert_eq!(photos(&rows, Strategy::UncertainFirst), once);
        // One row of each label in every round.
        let places = order(&rows, Strategy::UncertainFirst, |_| 0.5);
        let mut first: Vec<LabelId> = places[..50].iter().map(|at| rows[*at].label).collect();
        first.sort_unstable();
        assert_eq!(first, (0..50).collect::<Vec<_>>());
    }
}
