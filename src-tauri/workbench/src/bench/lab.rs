//! How long a report of projections takes, and an edit that a hundred thousand photos follow.

use std::sync::Arc;

use cliploupe_engine::{
    analysis::{Matrix, band::flat_band, geometry::psi_singular_values, spectrum::spectrum},
    lab::{
        Context, Edit, EditKind, Head, Heads, Map, Pooled, RankKeep, Side, Table, edit,
        measures::top_labels,
        project::{cosines, reproject},
    },
};

use super::{Figure, figure, median, millis};

const PHOTOS: usize = 100_000;
const LABELS: usize = 40;
const WIDTHS: [usize; 2] = [768, 512];
const EMBED: usize = 512;

/// Numbers without a pattern, in −1…1.
fn scattered(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn matrix(rows: usize, columns: usize, seed: u64) -> Matrix {
    Matrix::from_f32(rows, columns, &scattered(rows * columns, seed)).expect("the numbers are finite")
}

fn head(width: usize, seed: u64) -> Head {
    let map = Map { weight: matrix(EMBED, width, seed), bias: Some(vec![0.1; EMBED]) };
    Head::new(width, vec![map]).expect("the bias fits the matrix")
}

/// Reports and edits of made-up projections. It takes a gigabyte of memory.
pub fn lab() -> Vec<Figure> {
    let mut figures = vec![report()];
    figures.extend(edits());
    figures
}

/// All that a report computes of two projections into a joint space of 1024.
fn report() -> Figure {
    let (image, text) = (matrix(1024, 1280, 1), matrix(1024, 1024, 2));
    let report = || {
        let spectra = spectrum(&image).and_then(|_| spectrum(&text));
        spectra.and_then(|_| psi_singular_values(&image, &text)).map(|values| flat_band(&values)).is_ok()
    };
    figure("report of 1280 and 1024 → 1024", millis(median(|| assert!(report(), "random matrices decompose"))), "ms")
}

/// Each kind of edit: the heads, all photos in the joint space, and their best labels.
fn edits() -> Vec<Figure> {
    let [photos, texts] = [(PHOTOS, WIDTHS[0], 1), (LABELS, WIDTHS[1], 2)]
        .map(|(count, width, seed)| Arc::new(Table::new(width, scattered(count * width, seed))));
    let base = Heads { image: head(WIDTHS[0], 3), text: head(WIDTHS[1], 4) };
    let pooled = [&photos, &texts].map(|table| Arc::new(Pooled::new(table.clone())));
    let context = Context::new(pooled[0].clone(), pooled[1].clone(), Some(vec![0.3; WIDTHS[0]]), None);
    let projected = base.image.apply(&photos);
    let side = Side::Image;
    let cut = |keep| EditKind::RankCut { side, keep };
    let kinds = [
        ("a bias", EditKind::AddBias { side, direction: vec![1.0; EMBED] }),
        ("centring", EditKind::Centre { side }),
        ("the gap", EditKind::GapShift),
        ("whitening", EditKind::Whiten { side }),
        ("a rank cut", cut(RankKeep::Top { k: 128 })),
        ("a band", cut(RankKeep::Band { drop_top: 150, drop_bottom: 50 })),
    ];
    let time = |what: EditKind| {
        let edits = [Edit { strength: 0.7, what }];
        median(|| {
            let (heads, problems) = edit::apply(&base, &edits, &context);
            assert!(problems.is_empty(), "every edit can act on these heads");
            let labels = heads.text.apply(&texts).unit();
            let projected = reproject(&heads.image, &photos, &base.image, &projected);
            top_labels(&cosines(&projected, &labels));
        })
    };
    kinds
        .into_iter()
        .map(|(name, what)| figure(format!("100,000 photos follow {name}"), millis(time(what)), "ms"))
        .collect()
}
