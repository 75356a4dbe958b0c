//! What a bias in a projection does, and does not do: closed forms, each on random matrices.

use std::sync::Arc;

use cliploupe_engine::{
    analysis::{Matrix, matrix::norm},
    lab::{
        Context, Edit, EditKind, Head, Heads, Map, Pooled, RankKeep, Side, Table,
        fold::fold,
        measures::{Flip, cone, flips, gap, image_text_cosine, top_labels},
        project::cosines,
    },
};
use proptest::prelude::*;

use crate::lab::{after, bias_of, difference, dot, plus, scaled, times, wide};

/// Normally distributed numbers from a seed.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn vector(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| self.normal()).collect()
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Matrix {
        Matrix::new(rows, columns, self.vector(rows * columns)).unwrap()
    }

    fn table(&mut self, rows: usize, columns: usize) -> Table {
        Table::new(columns, (0..rows * columns).map(|_| self.normal() as f32).collect())
    }
}

fn linear(weight: Matrix, bias: Option<Vec<f64>>) -> Head {
    Head::new(weight.shape()[1], vec![Map { weight, bias }]).unwrap()
}

fn identity(size: usize) -> Head {
    Head::new(size, Vec::new()).unwrap()
}

fn context(images: Table, texts: Table) -> Context {
    Context::new(Arc::new(Pooled::new(images)), Arc::new(Pooled::new(texts)), None, None)
}

fn sizes(smaller: std::ops::Range<usize>) -> impl Strategy<Value = (u64, usize, usize)> {
    (any::<u64>(), smaller, 0usize..12).prop_map(|(seed, small, more)| (seed, small, small + more))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// W (γ⊙x̂ + β) + b = W (γ⊙x̂ + β′) whenever the rank of W is its output size.
    #[test]
    fn the_norm_in_front_takes_a_bias_in((seed, output, input) in sizes(1..20)) {
        let mut random = Random(seed);
        let weight = random.matrix(output, input);
        let (gamma, beta, bias) = (random.vector(input), random.vector(input), random.vector(output));
        let folded = fold(&weight, &beta, &bias).unwrap();
        let normed: Vec<f64> = random.vector(input).iter().zip(&gamma).map(|(x, gamma)| x * gamma).collect();
        let with_bias = plus(&times(&weight, &plus(&normed, 1.0, &beta)), 1.0, &bias);
        let without = times(&weight, &plus(&normed, 1.0, &folded.shift));
        // A random square matrix can be nearly singular.
        let singular = weight.singular_values().unwrap();
        let allowed = 1e-12 * (1.0 + norm(&bias)) * singular[0] / singular[output - 1];
        prop_assert!(difference(&with_bias, &without) < allowed.max(1e-11));
        prop_assert!(folded.residual < allowed.max(1e-11) && folded.share < 1e-6);
    }

    /// Where the projection expands, the share of the energy that no β takes in is 1 − input/output, on average
    /// over all directions of b.
    #[test]
    fn an_expanding_projection_leaves_a_share_of_a_bias((seed, input, output) in sizes(1..12)) {
        let mut random = Random(seed);
        let weight = random.matrix(output, input);
        let basis = |at: usize| (0..output).map(move |i| if i == at { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
        let share = |at| fold(&weight, &vec![0.0; input], &basis(at)).unwrap().share.powi(2);
        let mean = (0..output).map(share).sum::<f64>() / output as f64;
        prop_assert!((mean - (1.0 - input as f64 / output as f64)).abs() < 1e-9, "{mean}");
    }

    /// dŷ/db = (I − ŷŷᵀ)/‖y‖: what normalisation removes of a small bias is its radial part alone.
    #[test]
    fn normalising_removes_the_radial_part_of_a_bias((seed, output, input) in sizes(2..20)) {
        let mut random = Random(seed);
        let head = linear(random.matrix(output, input), Some(random.vector(output)));
        let (x, direction) = (random.vector(input), random.vector(output));
        let y = plus(&times(&head.matrix().unwrap(), &x), 1.0, bias_of(&head));
        let unit = scaled(norm(&y).recip(), &y);
        let step = 1e-5 * norm(&y) / norm(&direction);
        let moved = |s: f64| {
            let bias = bias_of(&head.shifted(&scaled(s, &direction)).unwrap()).to_vec();
            let y = plus(&times(&head.matrix().unwrap(), &x), 1.0, &bias);
            scaled(norm(&y).recip(), &y)
        };
        let found = scaled(1.0 / (2.0 * step), &plus(&moved(step), -1.0, &moved(-step)));
        let expected = scaled(norm(&y).recip(), &plus(&direction, -dot(&unit, &direction), &unit));
        prop_assert!(difference(&found, &expected) < 1e-7 * norm(&direction) / norm(&y), "{found:?} {expected:?}");
        prop_assert!(dot(&expected, &unit).abs() < 1e-10 * norm(&direction) / norm(&y));
    }

    /// An image-side bias is a prior of each class: argmax cos = argmax (t·u + t·b), and a pair of classes changes
    /// its order exactly if Δt·b and Δt·u have opposite signs and the first is larger.
    #[test]
    fn an_image_bias_is_a_prior_of_each_class(seed: u64, embed in 2usize..16, strength in -2.0..2.0f64) {
        let mut random = Random(seed);
        let (photos, labels) = (random.table(30, 12), random.table(7, embed).unit());
        let base = Heads { image: linear(random.matrix(embed, 12), None), text: identity(embed) };
        let context = context(photos.clone(), labels.clone());
        let what = EditKind::AddBias { side: Side::Image, direction: random.vector(embed) };
        let heads = after(&base, &[Edit { strength, what }], &context);
        let Some(bias) = heads.image.linear().and_then(|map| map.bias.clone()) else { return Ok(()) };
        let scores = [&base, &heads].map(|heads| cosines(&heads.image.apply(&photos), &labels));
        let winners = top_labels(&scores[1]);
        for (photo, x) in photos.rows().enumerate() {
            let u = times(&base.image.matrix().unwrap(), &wide(x));
            let (lead, prior): (Vec<f64>, Vec<f64>) =
                labels.rows().map(|t| (dot(&wide(t), &u), dot(&wide(t), &bias))).unzip();
            let sum = plus(&lead, 1.0, &prior);
            let best = (0..7).max_by(|a, b| sum[*a].total_cmp(&sum[*b])).unwrap();
            // Scores are f32: what is closer than that may go either way.
            let safe = 1e-5 * (norm(&u) + norm(&bias));
            prop_assert!(winners[photo] == best || sum[best] - sum[winners[photo]] < safe);
            for (a, b) in (0..7).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let (of_u, of_b) = (lead[b] - lead[a], prior[b] - prior[a]);
                if of_u.abs() < safe || (of_u + of_b).abs() < safe {
                    continue;
                }
                let ahead = |scores: &Table| scores.row(photo)[b] > scores.row(photo)[a];
                let flipped = ahead(&scores[0]) != ahead(&scores[1]);
                prop_assert_eq!(flipped, of_u * of_b < 0.0 && of_b.abs() > of_u.abs());
            }
        }
    }

    /// A bias at right angles to all differences of labels changes no label, however strong.
    #[test]
    fn a_bias_across_all_differences_of_labels_changes_none(seed: u64, strength in -3.0..3.0f64) {
        let mut random = Random(seed);
        let (photos, labels) = (random.table(40, 12), random.table(5, 16).unit());
        let base = Heads { image: linear(random.matrix(16, 12), None), text: identity(16) };
        let first = wide(labels.row(0));
        let apart: Vec<f64> = labels.rows().skip(1).flat_map(|t| plus(&wide(t), -1.0, &first)).collect();
        let apart = Matrix::new(4, 16, apart).unwrap().svd().unwrap().right;
        let direction = apart.rows().fold(random.vector(16), |left, axis| plus(&left, -dot(&left, axis), axis));
        let context = context(photos.clone(), labels.clone());
        let what = EditKind::AddBias { side: Side::Image, direction };
        let heads = after(&base, &[Edit { strength, what }], &context);
        let scores = [&base, &heads].map(|heads| cosines(&heads.image.apply(&photos), &labels));
        let changed = flips(&scores[0], &scores[1]).unwrap();
        let close = |flip: &Flip| {
            let row = scores[0].row(flip.photo);
            (row[flip.before] - row[flip.after]).abs() < 1e-5
        };
        prop_assert!(changed.iter().all(close), "{:?}", changed);
    }

    /// 1 − cos(u_i + b, u_j + b) = ‖P(u_i − u_j)‖²/(2‖b‖²) + O(‖b‖⁻³), P across b: a long bias ranks by distance.
    #[test]
    fn a_long_bias_makes_cosines_rank_by_distance((seed, output, input) in sizes(3..20)) {
        let mut random = Random(seed);
        let head = linear(random.matrix(output, input), None);
        let direction = random.vector(output);
        let direction = scaled(norm(&direction).recip(), &direction);
        let u: Vec<Vec<f64>> = (0..6).map(|_| times(&head.matrix().unwrap(), &random.vector(input))).collect();
        let longest = u.iter().map(|u| norm(u)).fold(0.0, f64::max);
        for length in [1e2, 1e3, 1e4].map(|times| times * longest) {
            let head = head.shifted(&scaled(length, &direction)).unwrap();
            for (a, b) in (0..6).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let [y, z] = [a, b].map(|at| plus(&u[at], 1.0, bias_of(&head)));
                let apart = plus(&u[a], -1.0, &u[b]);
                let across = plus(&apart, -dot(&apart, &direction), &direction);
                let expected = dot(&across, &across) / (2.0 * length * length);
                // 1 − cos without its rounding: half the square of the chord.
                let found = difference(&scaled(norm(&y).recip(), &y), &scaled(norm(&z).recip(), &z)).powi(2) / 2.0;
                prop_assert!((found - expected).abs() < 20.0 * (longest / length).powi(3) + 1e-15);
            }
        }
    }

    /// To centre is to choose the bias −W·mean x.
    #[test]
    fn centring_is_a_bias((seed, output, input) in sizes(1..20)) {
        let mut random = Random(seed);
        let (photos, texts) = (random.table(25, input), random.table(3, output));
        let weight = random.matrix(output, input);
        let base = Heads { image: linear(weight.clone(), None), text: identity(output) };
        let context = context(photos.clone(), texts);
        let centre = Edit { strength: 1.0, what: EditKind::Centre { side: Side::Image } };
        let heads = after(&base, &[centre], &context);
        let mean = photos.to_matrix().unwrap().mean_row();
        let expected = scaled(-1.0, &times(&weight, &mean));
        prop_assert!(difference(bias_of(&heads.image), &expected) < 1e-12 * (1.0 + norm(&expected)));
        prop_assert_eq!(&heads.image.linear().unwrap().weight, &weight);
    }

    /// One bias on both sides narrows the cones and the gap, opposite ones open it.
    #[test]
    fn the_same_bias_narrows_the_cone_and_opposite_ones_open_the_gap(seed: u64, embed in 8usize..24) {
        let mut random = Random(seed);
        let (photos, texts) = (random.table(60, embed + 4), random.table(30, embed));
        let base = Heads { image: linear(random.matrix(embed, embed + 4), None), text: identity(embed) };
        let context = context(photos.clone(), texts.clone());
        let direction = random.vector(embed);
        let figures = |strengths: &[(Side, f64)]| {
            let edits: Vec<Edit> = strengths
                .iter()
                .map(|(side, strength)| Edit {
                    strength: *strength,
                    what: EditKind::AddBias { side: *side, direction: direction.clone() },
                })
                .collect();
            let heads = after(&base, &edits, &context);
            let (y, z) = (heads.image.apply(&photos), heads.text.apply(&texts));
            let [gap, cone_y, cone_z] = [norm(&gap(&y, &z).unwrap()), cone(&y).unwrap(), cone(&z).unwrap()];
            (gap, cone_y, cone_z, image_text_cosine(&y, &z).unwrap())
        };
        let none = figures(&[]);
        let same = figures(&[(Side::Image, 3.0), (Side::Text, 3.0)]);
        let opposite = figures(&[(Side::Image, 3.0), (Side::Text, -3.0)]);
        prop_assert!(same.0 < none.0 && opposite.0 > 1.5, "gaps {none:?} {same:?} {opposite:?}");
        for cones in [(none.1, same.1, opposite.1), (none.2, same.2, opposite.2)] {
            prop_assert!(cones.1 > cones.0 + 0.5 && cones.2 > cones.0 + 0.5);
        }
        prop_assert!(same.3 > 0.5 && opposite.3 < -0.5);
    }

    /// Strength 0 of any edit is exactly nothing.
    #[test]
    fn no_strength_changes_nothing((seed, output, input) in sizes(3..10)) {
        let mut random = Random(seed);
        let image = linear(random.matrix(output, input), Some(random.vector(output)));
        let base = Heads { image, text: linear(random.matrix(output, 8), Some(random.vector(output))) };
        let [photos, texts] = [random.table(20, input), random.table(9, 8)].map(|table| Arc::new(Pooled::new(table)));
        let context = Context::new(photos, texts, Some(random.vector(input)), Some(random.vector(8)));
        let edits: Vec<Edit> = every_edit(output).into_iter().map(|what| Edit { strength: 0.0, what }).collect();
        prop_assert_eq!(after(&base, &edits, &context), base.clone());
        // And at strength 1 none of them is nothing.
        for what in every_edit(output) {
            prop_assert_ne!(after(&base, &[Edit { strength: 1.0, what }], &context), base.clone());
        }
    }
}

/// Every kind of edit but a replacement, for joint spaces of at least three dimensions.
fn every_edit(output: usize) -> Vec<EditKind> {
    let mut direction = vec![0.5; output];
    direction[0] = -1.0;
    let of_side = |side| {
        let cut = |keep| EditKind::RankCut { side, keep };
        [
            EditKind::DropBias { side },
            EditKind::RemoveEffectiveBias { side },
            EditKind::AddBias { side, direction: direction.clone() },
            EditKind::Centre { side },
            EditKind::Whiten { side },
            cut(RankKeep::Top { k: 2 }),
            cut(RankKeep::Bottom { k: 2 }),
            cut(RankKeep::Band { drop_top: 1, drop_bottom: 1 }),
        ]
    };
    [Side::Image, Side::Text].into_iter().flat_map(of_side).chain([EditKind::GapShift]).collect()
}
