//! Calibration on made-up libraries whose truth is known: labels with other offsets, spreads, shapes and shares.

use cliploupe_library::calibrate::{Background, Calibration, Decided};

/// SplitMix64, so that every run sees the same libraries.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How the margins of photos are spread.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Both kinds normal, with one spread.
    Normal,
    /// Photos that do not match lean to higher margins, as the sum of a normal and an exponential.
    Skewed,
    /// Both kinds with heavy tails (Student's t of 5 degrees of freedom).
    Heavy,
    /// Photos that match are spread twice as wide.
    Wide,
    /// A tenth of the photos that do not match nearly do: wolves, for dogs.
    NearMisses,
}

const SHAPES: [Shape; 5] = [Shape::Normal, Shape::Skewed, Shape::Heavy, Shape::Wide, Shape::NearMisses];

/// A label over a library: margins, and what is true.
struct Made {
    scores: Vec<f32>,
    truth: Vec<bool>,
}

/// `offset` is where photos that do not match lie, in cosines; `gap` how many spreads those that match lie above.
fn made(seed: u64, photos: usize, shape: Shape, share: f64, gap: f64, offset: f64, spread: f64) -> Made {
    let mut seeded = Seeded(seed);
    let mut scores = vec![];
    let mut truth = vec![];
    for _ in 0..photos {
        let is_true = seeded.uniform() < share;
        let mut noise = seeded.normal();
        match shape {
            Shape::Heavy => {
                let squares: f64 = (0..5).map(|_| seeded.normal().powi(2)).sum();
                noise /= (squares / 5.0).sqrt() * (5.0f64 / 3.0).sqrt();
            }
            Shape::Skewed if !is_true => noise = 0.8 * noise + 0.6 * (-(1.0 - seeded.uniform()).ln() - 1.0),
            Shape::Wide if is_true => noise *= 2.0,
            Shape::NearMisses if !is_true && seeded.uniform() < 0.1 => noise += gap / 2.0,
            _ => {}
        }
        let z = noise + if is_true { gap } else { 0.0 };
        scores.push((offset + spread * z) as f32);
        truth.push(is_true);
    }
    Made { scores, truth }
}

/// Part of the photos that would be tagged, and F1 against the truth.
fn tagged(made: &Made, is_tagged: impl Fn(f32) -> bool) -> (f64, f64) {
    let pairs = || made.scores.iter().map(|score| is_tagged(*score)).zip(made.truth.iter().copied());
    let both = pairs().filter(|(tagged, is_true)| *tagged && *is_true).count() as f64;
    let either = pairs().map(|(tagged, is_true)| usize::from(tagged) + usize::from(is_true)).sum::<usize>() as f64;
    let part = pairs().filter(|(tagged, _)| *tagged).count() as f64 / made.scores.len() as f64;
    (part, 2.0 * both / either.max(1.0))
}

/// Where a label's photos lie by chance, as much for labels as for their matches: CLIP's margins in cosines.
fn offset(seed: u64) -> f64 {
    -0.025 + 0.015 * Seeded(seed ^ 0xabcd).normal()
}

#[test]
fn without_any_decision_neither_everything_nor_nothing_is_tagged() {
    // The share that is true, and the least and the most that may be tagged of 5,000 photos.
    let known = [(0.0, 0.0, 0.025), (0.01, 0.004, 0.04), (0.1, 0.06, 0.15), (0.3, 0.18, 0.36), (0.6, 0.33, 0.66)];
    for (share, least, most) in known {
        for (shape, seed) in SHAPES.into_iter().zip(1..) {
            let made = made(seed, 5000, shape, share, 3.5, offset(seed), 0.016);
            let start = Calibration::start(&Background::of(&made.scores));
            let (part, f1) = tagged(&made, |score| start.probability(score) >= 0.5);
            assert!((least..=most).contains(&part), "{shape:?} {share}: {part} is tagged");
            assert!(share < 0.1 || f1 > 0.7, "{shape:?} {share}: F1 {f1}");
        }
    }
}

/// Places of photos as a review shows them, in an order by chance: from the highest scores, three times as many as the
/// start would tag, and 300 at least.
fn shown(made: &Made, start: &Calibration, seeded: &mut Seeded) -> Vec<usize> {
    let mut places: Vec<usize> = (0..made.scores.len()).collect();
    places.sort_by(|a, b| made.scores[*b].total_cmp(&made.scores[*a]));
    let tagged = made.scores.iter().filter(|score| start.probability(**score) >= 0.5).count();
    places.truncate((3 * tagged).max(300));
    for at in (1..places.len()).rev() {
        places.swap(at, (seeded.next() % (at as u64 + 1)) as usize);
    }
    places
}

/// Expected calibration error over photos from a score on, in ten bins of one width.
fn calibration_error(made: &Made, from: f32, calibration: &Calibration) -> f64 {
    let mut bins = [(0.0, 0.0); 10];
    let mut photos = 0.0;
    for (score, is_true) in made.scores.iter().zip(&made.truth).filter(|(score, _)| **score >= from) {
        let probability = calibration.probability(*score);
        let bin = &mut bins[((probability * 10.0) as usize).min(9)];
        *bin = (bin.0 + probability, bin.1 + f64::from(u8::from(*is_true)));
        photos += 1.0;
    }
    bins.iter().map(|(expected, is_true)| (expected - is_true).abs()).sum::<f64>() / photos
}

/// Mean error over labels of all shapes, with none, 10, 50 and 200 decisions, a part of which are slips. It is measured
/// on other photos, of the scores that a review shows.
fn errors(slips: f64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    let mut labels = 0.0;
    for shape in SHAPES {
        for (share, gap) in [(0.01, 3.5), (0.01, 5.0), (0.1, 2.5), (0.1, 3.5), (0.1, 5.0), (0.6, 3.5)] {
            labels += 1.0;
            let seed = labels as u64;
            let mut seeded = Seeded(seed);
            let [seen, others] = [(seed, 4000), (seed + 1000, 20_000)]
                .map(|(from, photos)| made(from, photos, shape, share, gap, offset(seed), 0.016));
            let background = Background::of(&seen.scores);
            let places = shown(&seen, &Calibration::start(&background), &mut seeded);
            let lowest = places.iter().map(|place| seen.scores[*place]).fold(f32::MAX, f32::min);
            let decide = |place: &usize| {
                let accepted = seen.truth[*place] != (seeded.uniform() < slips);
                Decided { score: seen.scores[*place], accepted, weight: 1.0 }
            };
            let decisions: Vec<Decided> = places.iter().take(200).map(decide).collect();
            for (sum, count) in sums.iter_mut().zip([0, 10, 50, 200]) {
                *sum += calibration_error(&others, lowest, &Calibration::fit(&background, &decisions[..count]));
            }
        }
    }
    sums.map(|sum| sum / labels)
}

#[test]
fn ten_decisions_help_and_more_help_more() {
    let [none, ten, fifty, two_hundred] = errors(0.0);
    println!("calibration error {none:.3} {ten:.3} {fifty:.3} {two_hundred:.3}");
    assert!(ten < 0.65 * none && fifty < 0.85 * ten && two_hundred < 0.85 * fifty && two_hundred < 0.03);
}

#[test]
fn slips_do_not_undo_what_decisions_teach() {
    let [none, ten, fifty, two_hundred] = errors(0.05);
    println!("calibration error with slips {none:.3} {ten:.3} {fifty:.3} {two_hundred:.3}");
    assert!(ten < 0.8 * none && fifty < 0.85 * ten && two_hundred < fifty && two_hundred < 0.5 * none);
}

/// What other programs do: one threshold for all labels, on the cosine or on the softmax over the labels. Here it is even
/// the best one in hindsight, which nobody has; calibration has seen no decision.
#[test]
fn it_beats_one_threshold_for_all_labels_even_the_best_one() {
    const PHOTOS: usize = 3000;
    let mut seeded = Seeded(77);
    // Photos that are near to every sentence, or to none.
    let nearness: Vec<f64> = (0..PHOTOS).map(|_| 0.01 * seeded.normal()).collect();
    let labels: Vec<Made> = (0..24)
        .map(|label| {
            let share = [0.005, 0.02, 0.05, 0.15, 0.3, 0.6][label % 6];
            let gap = 3.0 + 2.0 * seeded.uniform();
            made(
                label as u64,
                PHOTOS,
                SHAPES[label % 5],
                share,
                gap,
                offset(label as u64),
                0.012 + 0.006 * seeded.uniform(),
            )
        })
        .collect();
    let cosines: Vec<Vec<f32>> = labels
        .iter()
        .map(|made| made.scores.iter().zip(&nearness).map(|(score, near)| score + (0.2 + near) as f32).collect())
        .collect();
    let mut softmax: Vec<Vec<f32>> =
        cosines.iter().map(|row| row.iter().map(|cosine| (100.0 * cosine).exp()).collect()).collect();
    for photo in 0..PHOTOS {
        let sum: f32 = softmax.iter().map(|row| row[photo]).sum();
        softmax.iter_mut().for_each(|row| row[photo] /= sum);
    }
    // Macro F1 of the best of 200 thresholds.
    let best = |rows: &[Vec<f32>], low: f32, high: f32| {
        let thresholds = (0..200).map(|step| low + (high - low) * step as f32 / 200.0);
        let f1 = |threshold: f32| {
            let of = |(row, made): (&Vec<f32>, &Made)| {
                let made = Made { scores: row.clone(), truth: made.truth.clone() };
                tagged(&made, |score| score >= threshold).1
            };
            rows.iter().zip(&labels).map(of).sum::<f64>() / labels.len() as f64
        };
        thresholds.map(f1).fold(0.0, f64::max)
    };
    let (by_cosine, by_softmax) = (best(&cosines, 0.1, 0.35), best(&softmax, 0.0, 1.0));
    let calibrated = |made: &Made| {
        let start = Calibration::start(&Background::of(&made.scores));
        tagged(made, |score| start.probability(score) >= 0.5).1
    };
    let by_calibration = labels.iter().map(calibrated).sum::<f64>() / labels.len() as f64;
    println!("macro F1: calibrated {by_calibration:.3}, best cosine {by_cosine:.3}, best softmax {by_softmax:.3}");
    assert!(by_calibration > by_cosine + 0.1 && by_calibration > by_softmax + 0.1);
}

/// A million photos, one label: what a run over a library does for every label.
#[test]
fn a_million_margins_take_moments() {
    let made = made(1, 1_000_000, Shape::Normal, 0.02, 4.0, -0.03, 0.016);
    let start = std::time::Instant::now();
    let calibration = Calibration::start(&Background::of(&made.scores));
    let tagged = cliploupe_library::calibrate::tagged_at(&made.scores, &calibration, 0.5);
    println!("a million margins in {:?}", start.elapsed());
    assert!((15_000..25_000).contains(&tagged) && start.elapsed().as_secs() < 5, "{tagged}");
}
