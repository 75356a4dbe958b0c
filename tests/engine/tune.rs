//! Fitting a head on toys whose answer is known: what can be learnt, what only a bias can do, and what nothing can.

use std::sync::atomic::{AtomicBool, Ordering};

use cliploupe_engine::{
    analysis::Matrix,
    lab::{
        Head, Map, Table,
        tune::{
            HeadForm, LabelledPhotos, Loss, Parts, Progress, TuneError, TuneOptions, TuneReport, Tuned, Verdict, Watch,
            ablation::{AblationOptions, AblationReport, ablation},
            tune,
        },
    },
};

const WIDTH: usize = 12;
const EMBED: usize = 6;

const ALL_PARTS: [Parts; 4] = [Parts::Weights, Parts::Bias, Parts::Both, Parts::Mlp];

/// Numbers without a pattern, in −1…1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn vector(&mut self, size: usize) -> Vec<f32> {
        (0..size).map(|_| self.next()).collect()
    }
}

/// Photos with classes, and a head that was made without looking at them.
struct Toy {
    pooled: Table,
    truth: Vec<usize>,
    directions: Table,
    head: Head,
}

impl Toy {
    /// `pooled` gives the feature of a photo of a class.
    fn new(photos: usize, classes: usize, mut pooled: impl FnMut(usize, &mut Noise) -> Vec<f32>) -> Self {
        let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
        let truth: Vec<usize> = (0..photos).map(|photo| photo % classes).collect();
        let values = truth.iter().flat_map(|class| pooled(*class, &mut noise)).collect();
        let directions = Table::new(EMBED, noise.vector(classes * EMBED)).unit();
        let weight = Matrix::from_f32(EMBED, WIDTH, &noise.vector(EMBED * WIDTH)).unwrap();
        let head = Head::new(WIDTH, vec![Map { weight, bias: None }]).unwrap();
        Self { pooled: Table::new(WIDTH, values), truth, directions, head }
    }

    /// Three classes, each around a point of its own.
    fn separable() -> Self {
        Self::new(60, 3, |class, noise| {
            let mut pooled: Vec<f32> = noise.vector(WIDTH).into_iter().map(|value| 0.3 * value).collect();
            pooled[class] += 1.0;
            pooled
        })
    }

    /// Two classes on one ray: one photo is the other at twice the size. No matrix turns one without the other.
    fn on_one_ray() -> Self {
        Self::new(60, 2, |class, noise| {
            let mut pooled: Vec<f32> = noise.vector(WIDTH).into_iter().map(|value| 0.02 * value).collect();
            pooled[0] += 1.0 + class as f32 + 0.1 * noise.next();
            pooled
        })
    }

    /// Photos that say nothing about their class.
    fn hopeless() -> Self {
        Self::new(60, 2, |_, noise| noise.vector(WIDTH))
    }

    fn data(&self) -> LabelledPhotos<'_> {
        let Self { pooled, truth, directions, .. } = self;
        LabelledPhotos { pooled, truth, directions, scale: 10.0, bias: None }
    }

    fn tuned(&self, options: &TuneOptions) -> Tuned {
        quietly(|watch| tune(self.data(), &self.head, options, watch)).unwrap()
    }

    fn report(&self, options: &TuneOptions) -> TuneReport {
        self.tuned(options).report
    }

    fn ablation(&self, options: &AblationOptions) -> AblationReport {
        quietly(|watch| ablation(self.data(), &self.head, options, watch)).unwrap()
    }
}

fn quietly<T>(act: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    act(&mut Watch { cancel: &AtomicBool::new(false), progress: &mut |_| () })
}

fn options(parts: Parts) -> TuneOptions {
    let loss = Loss::Softmax;
    TuneOptions { parts, loss, pull: 0.0, learning_rate: 0.03, epochs: 25, patience: 25, folds: 4, seed: 1 }
}

fn few() -> AblationOptions {
    let TuneOptions { loss, pull, learning_rate, epochs, patience, folds, .. } = options(Parts::Both);
    AblationOptions { loss, pull, learning_rate, epochs, patience, folds, seeds: 2 }
}

fn accuracy(toy: &Toy, head: &Head) -> f64 {
    let directions = toy.directions.to_matrix().unwrap();
    let scores = head.apply(&toy.pooled).unit().affine(&directions, None);
    let best = |scores: &[f32]| (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
    let right = scores.rows().zip(&toy.truth).filter(|(scores, truth)| best(scores) == **truth);
    right.count() as f64 / toy.truth.len() as f64
}

fn is_finite(report: &TuneReport) -> bool {
    // JSON has no word for what is not finite: serde writes null.
    !serde_json::to_string(report).unwrap().replace("\"bias\":null", "").contains("null")
}

#[test]
fn classes_that_a_matrix_can_separate_are_learnt() {
    let toy = Toy::separable();
    for (parts, loss) in [(Parts::Weights, Loss::Softmax), (Parts::Weights, Loss::Sigmoid), (Parts::Mlp, Loss::Softmax)]
    {
        let Tuned { report, head } = toy.tuned(&TuneOptions { loss, ..options(parts) });
        let [before, after] = report.measures;
        assert_eq!((before.photos, before.accuracy), (60, accuracy(&toy, &toy.head)), "{parts:?}");
        assert!(before.accuracy < 0.7 && after.accuracy > 0.9, "{parts:?} {loss:?}: {before:?} {after:?}");
        assert!(after.mean_average_precision > 0.9 && after.macro_f1 > 0.9);
        assert_eq!((report.tuning.verdict, report.cancelled), (Verdict::Helped, false));
        assert!((report.tuning.difference.mean - (after.accuracy - before.accuracy)).abs() < 1e-12);
        assert!(report.tuning.difference.p_value < 1e-3);
        assert!(accuracy(&toy, &head.unwrap()) > 0.9);
        // Pooled held-out accuracy is the mean over the parts, and curves begin at the start and go down.
        let pooled: f64 = report.folds.iter().map(|fold| fold.accuracy_after * fold.held_out as f64).sum();
        assert!((pooled / 60.0 - after.accuracy).abs() < 1e-12);
        for fold in &report.folds {
            assert_eq!((fold.curve[0].epoch, fold.held_out), (0, 15));
            assert!(fold.curve[fold.best_epoch].held_out_loss < 0.7 * fold.curve[0].held_out_loss);
            assert!(fold.curve[fold.best_epoch].train_loss < 0.7 * fold.curve[0].train_loss);
        }
    }
}

#[test]
fn a_bias_helps_where_only_a_bias_can() {
    let toy = Toy::on_one_ray();
    for parts in [Parts::Bias, Parts::Both] {
        let report = toy.report(&options(parts));
        let bias = report.bias.unwrap();
        assert_eq!(bias.verdict, Verdict::Helped, "{parts:?} {bias:?}");
        assert!(bias.difference.low > 0.2 && bias.difference.p_value < 1e-3);
        assert!(report.measures[1].accuracy > 0.9, "{parts:?} {:?}", report.measures);
    }
    let weights = toy.report(&options(Parts::Weights));
    assert!(weights.measures[1].accuracy < 0.7 && weights.bias.is_none());
}

#[test]
fn nothing_helps_where_photos_say_nothing() {
    let toy = Toy::hopeless();
    let report = toy.report(&options(Parts::Both));
    assert_eq!(report.tuning.verdict, Verdict::NoDifference, "{:?}", report.tuning);
    assert_eq!(report.bias.unwrap().verdict, Verdict::NoDifference, "{:?}", report.bias);
}

#[test]
fn few_photos_are_no_evidence() {
    let mut toy = Toy::separable();
    toy.truth.truncate(18);
    toy.pooled = toy.pooled.select(0..18);
    assert_eq!(toy.report(&options(Parts::Weights)).tuning.verdict, Verdict::TooFew);
    toy.truth.fill(1);
    assert_eq!(toy.report(&options(Parts::Weights)).tuning.verdict, Verdict::TooFew);
}

#[test]
fn a_bias_frozen_at_zero_is_none_bit_for_bit() {
    let mut toy = Toy::separable();
    for loss in [Loss::Softmax, Loss::Sigmoid] {
        let options = TuneOptions { loss, pull: 0.1, ..options(Parts::Weights) };
        let without = toy.tuned(&options);
        let plain = toy.head.clone();
        toy.head = toy.head.shifted(&[0.0; EMBED]).unwrap();
        let frozen = toy.tuned(&options);
        toy.head = plain;
        assert_eq!(without.report, frozen.report);
        let (without, frozen) = (without.head.unwrap(), frozen.head.unwrap());
        assert_eq!(without.maps()[0].weight, frozen.maps()[0].weight);
        assert_eq!(frozen.maps()[0].bias.as_deref(), Some(&[0.0; EMBED][..]));
        assert_ne!(without, toy.head);
    }
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let toy = Toy::separable();
    for parts in [Parts::Both, Parts::Mlp] {
        let options = TuneOptions { epochs: 5, ..options(parts) };
        assert_eq!(toy.tuned(&options), toy.tuned(&options));
        let other = toy.report(&TuneOptions { seed: 2, ..options.clone() });
        assert_ne!(toy.report(&options).folds, other.folds);
    }
}

#[test]
fn stopping_returns_what_was_done() {
    let toy = Toy::separable();
    let cancel = AtomicBool::new(false);
    let stop_at = |passes: usize| {
        let cancel = &cancel;
        move |progress: Progress| cancel.store(progress.curve.len() > passes, Ordering::Relaxed)
    };
    let watched = |stop: &mut dyn FnMut(Progress)| {
        tune(toy.data(), &toy.head, &options(Parts::Both), &mut Watch { cancel: &cancel, progress: stop }).unwrap()
    };
    let Tuned { report, head } = watched(&mut stop_at(3));
    assert!(report.cancelled && report.bias.is_none() && head.is_none());
    assert!(report.folds.iter().all(|fold| fold.curve.len() == 4));
    assert_eq!(report.measures[1].photos, 60);
    // Before the first pass, nothing has changed.
    cancel.store(true, Ordering::Relaxed);
    let Tuned { report, .. } = watched(&mut |_| ());
    assert_eq!((report.measures[0], report.epochs), (report.measures[1], 0));
    let outcome = |fits: usize| {
        cancel.store(false, Ordering::Relaxed);
        let mut stop = |progress: Progress| cancel.store(progress.done >= fits, Ordering::Relaxed);
        ablation(toy.data(), &toy.head, &few(), &mut Watch { cancel: &cancel, progress: &mut stop })
    };
    // 16 fits are one seed.
    assert_eq!(outcome(8).unwrap_err(), TuneError::Cancelled);
    let report = outcome(20).unwrap();
    assert!(report.cancelled && report.seeds_done == 1 && report.rows.iter().all(|row| row.accuracy.sd == 0.0));
}

#[test]
fn progress_counts_every_fit() {
    let toy = Toy::separable();
    for (parts, expected) in [(Parts::Weights, 5), (Parts::Both, 9)] {
        let (mut last, mut passes) = ((0, 0), 0);
        let mut count = |progress: Progress| {
            assert!(progress.done >= last.0 && progress.curve.iter().enumerate().all(|(i, point)| point.epoch == i));
            last = (progress.done, progress.total);
            passes += 1;
        };
        let options = TuneOptions { epochs: 3, ..options(parts) };
        let mut watch = Watch { cancel: &AtomicBool::new(false), progress: &mut count };
        tune(toy.data(), &toy.head, &options, &mut watch).unwrap();
        assert_eq!(last, (expected, expected));
        assert_eq!(passes, 4 * (expected / 4) + 1);
    }
}

#[test]
fn odd_photos_leave_every_figure_finite() {
    let mut toy = Toy::separable();
    // A class with one photo, photos of zeros, and photos that are all the same.
    toy.truth = toy.truth.iter().enumerate().map(|(photo, class)| if photo == 7 { 2 } else { class % 2 }).collect();
    let mut values = toy.pooled.values().to_vec();
    values[..5 * WIDTH].fill(0.0);
    toy.pooled = Table::new(WIDTH, values);
    let same = Toy {
        pooled: Table::new(WIDTH, [0.5; WIDTH].repeat(60)),
        head: toy.head.clone(),
        truth: toy.truth.clone(),
        directions: toy.directions.clone(),
    };
    let zero = Toy {
        pooled: Table::new(WIDTH, vec![0.0; 60 * WIDTH]),
        head: toy.head.clone(),
        truth: toy.truth.clone(),
        directions: toy.directions.clone(),
    };
    for (toy, parts) in [&toy, &same, &zero].into_iter().flat_map(|toy| ALL_PARTS.map(|parts| (toy, parts))) {
        for loss in [Loss::Softmax, Loss::Sigmoid] {
            let Tuned { report, head } = toy.tuned(&TuneOptions { loss, epochs: 6, folds: 3, ..options(parts) });
            assert!(is_finite(&report), "{parts:?} {loss:?}: {report:?}");
            assert!(head.is_some());
        }
    }
    let report =
        quietly(|watch| ablation(zero.data(), &zero.head, &AblationOptions { epochs: 2, ..few() }, watch)).unwrap();
    assert!(report.pairs.iter().all(|pair| pair.judged.difference.mean == 0.0));
}

#[test]
fn a_strong_pull_keeps_the_matrix() {
    let toy = Toy::separable();
    let away = |pull: f64| {
        let head = toy.tuned(&TuneOptions { pull, learning_rate: 0.01, ..options(Parts::Weights) }).head.unwrap();
        let (found, start) = (&head.maps()[0].weight, &toy.head.maps()[0].weight);
        found.distance(start).unwrap() / start.frobenius_norm()
    };
    let [free, pulled, held] = [0.0, 3.0, 1e4].map(away);
    assert!(free > 0.1 && pulled < 0.8 * free && held < 0.03, "{free} {pulled} {held}");
}

#[test]
fn heads_that_are_none_or_an_mlp_are_tuned_too() {
    let mut toy = Toy::separable();
    toy.head = Head::new(WIDTH, Vec::new()).unwrap();
    toy.directions = Table::new(WIDTH, Noise(77).vector(3 * WIDTH)).unit();
    for parts in ALL_PARTS {
        let Tuned { report, head } = toy.tuned(&options(parts));
        assert!(report.measures[1].accuracy >= 0.9 || parts == Parts::Bias, "{parts:?} {:?}", report.measures);
        assert_eq!(head.unwrap().maps().len(), if parts == Parts::Mlp { 2 } else { 1 });
    }
    let mut noise = Noise(5);
    let mut matrix = |rows, columns| Matrix::from_f32(rows, columns, &noise.vector(rows * columns)).unwrap();
    let maps = [matrix(9, WIDTH), matrix(WIDTH, 9)].map(|weight| Map { weight, bias: None });
    toy.head = Head::new(WIDTH, maps.to_vec()).unwrap();
    for parts in ALL_PARTS {
        let Tuned { head, .. } = toy.tuned(&TuneOptions { epochs: 5, ..options(parts) });
        let maps = head.unwrap().maps().to_vec();
        let changed = |index: usize| maps[index].weight != toy.head.maps()[index].weight;
        assert_eq!([changed(0), changed(1)], [parts != Parts::Bias; 2], "{parts:?}");
        let expected = [parts == Parts::Mlp, parts != Parts::Weights];
        assert_eq!([maps[0].bias.is_some(), maps[1].bias.is_some()], expected, "{parts:?}");
    }
}

#[test]
fn an_ablation_finds_where_the_bias_counts() {
    let toy = Toy::on_one_ray();
    let report = toy.ablation(&few());
    let row = |form| report.rows.iter().find(|row| row.form == form).unwrap();
    let mean = |form| row(form).accuracy.mean;
    assert!((mean(None) - accuracy(&toy, &toy.head)).abs() < 1e-12 && row(None).accuracy.sd == 0.0);
    assert!(mean(Some(HeadForm::Linear)) < 0.7 && mean(Some(HeadForm::LinearBias)) > 0.9, "{report:?}");
    let parameters: Vec<usize> = report.rows.iter().map(|row| row.parameters).collect();
    assert_eq!(parameters, [0, 72, 78, 144 + 12 + 72, 144 + 12 + 72 + 6]);
    let verdict =
        |from, to| report.pairs.iter().find(|pair| pair.from == from && pair.to == to).unwrap().judged.verdict;
    assert_eq!(verdict(Some(HeadForm::Linear), HeadForm::LinearBias), Verdict::Helped);
    assert_eq!(verdict(None, HeadForm::Linear), Verdict::NoDifference);
    // The MLP's first layer has a bias anyway, so its last one finds nothing left to do.
    assert_eq!(verdict(Some(HeadForm::Linear), HeadForm::Mlp), Verdict::Helped);
    assert_eq!(verdict(Some(HeadForm::Mlp), HeadForm::MlpBias), Verdict::NoDifference);
    assert_eq!((report.seeds_done, report.cancelled, report.pairs.len()), (2, false, 5));
    assert_eq!(report, toy.ablation(&few()));
}

#[test]
fn input_that_does_not_fit_is_refused() {
    let toy = Toy::separable();
    let refused = |data: LabelledPhotos<'_>, options: TuneOptions| {
        quietly(|watch| tune(data, &toy.head, &options, watch)).unwrap_err()
    };
    let fine = options(Parts::Weights);
    let short = LabelledPhotos { truth: &toy.truth[1..], ..toy.data() };
    assert!(matches!(refused(short, fine.clone()), TuneError::Size { .. }));
    let truth = vec![3; 60];
    let unknown = refused(LabelledPhotos { truth: &truth, ..toy.data() }, fine.clone());
    assert_eq!(unknown, TuneError::Class { photo: 0, class: 3, classes: 3 });
    let one = toy.directions.select([0]);
    assert_eq!(
        refused(LabelledPhotos { directions: &one, ..toy.data() }, fine.clone()),
        TuneError::Classes { found: 1 }
    );
    let narrow = Table::new(WIDTH - 1, vec![0.0; 60 * (WIDTH - 1)]);
    assert!(matches!(refused(LabelledPhotos { pooled: &narrow, ..toy.data() }, fine.clone()), TuneError::Size { .. }));
    let mut values = toy.pooled.values().to_vec();
    values[WIDTH + 1] = f32::NAN;
    let broken = Table::new(WIDTH, values);
    let broken = refused(LabelledPhotos { pooled: &broken, ..toy.data() }, fine.clone());
    assert_eq!(broken.to_string(), "pooled feature 1 has a value that is not finite");
    for wrong in [
        TuneOptions { learning_rate: 0.0, ..fine.clone() },
        TuneOptions { learning_rate: f64::NAN, ..fine.clone() },
        TuneOptions { pull: -1.0, ..fine.clone() },
        TuneOptions { folds: 1, ..fine.clone() },
    ] {
        assert!(matches!(refused(toy.data(), wrong), TuneError::Range { .. }));
    }
    let none = LabelledPhotos { pooled: &toy.pooled.select([]), truth: &[], ..toy.data() };
    assert_eq!(refused(none, fine), TuneError::Photos { found: 0 });
}

/// How long it takes in the size of a real model. Run it in release:
/// `cargo test --release -p cliploupe-engine --test engine -- --ignored --nocapture tuning_takes`.
#[test]
#[ignore = "measures time"]
fn tuning_takes_seconds() {
    let [photos, width, embed, classes] = [500, 1280, 256, 10];
    let mut noise = Noise(3);
    let pooled = Table::new(width, noise.vector(photos * width));
    let directions = Table::new(embed, noise.vector(classes * embed)).unit();
    let weight: Vec<f32> = noise.vector(embed * width).into_iter().map(|value| 0.05 * value).collect();
    let weight = Matrix::from_f32(embed, width, &weight).unwrap();
    let head = Head::new(width, vec![Map { weight, bias: None }]).unwrap();
    let truth: Vec<usize> = (0..photos).map(|photo: usize| photo % classes).collect();
    let data = LabelledPhotos { pooled: &pooled, truth: &truth, directions: &directions, scale: 100.0, bias: None };
    for parts in ALL_PARTS {
        let options = TuneOptions { learning_rate: 1e-3, epochs: 40, patience: 40, folds: 5, ..options(parts) };
        let begun = std::time::Instant::now();
        quietly(|watch| tune(data, &head, &options, watch)).unwrap();
        println!("{parts:?}: {:.1} s", begun.elapsed().as_secs_f64());
    }
    let options = AblationOptions { learning_rate: 1e-3, epochs: 40, patience: 40, folds: 5, seeds: 3, ..few() };
    let begun = std::time::Instant::now();
    quietly(|watch| ablation(data, &head, &options, watch)).unwrap();
    println!("ablation of 3 seeds: {:.1} s", begun.elapsed().as_secs_f64());
}
