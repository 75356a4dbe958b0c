//! The bias lab: edits that photos follow, what is said of them, fits, and exports that give the same again.

use std::{collections::BTreeMap, fs, path::Path};

use cliploupe_workbench::{
    Options, Workbench,
    messages::{
        Ask, BiasDirection, CompareWith, Direction, Edit, EditKind, Explanation, ExportForm, MatrixSource, PhotoId,
        ProblemCode, RankKeep, Side, SidePlan, Tile, TuneLoss, TuneOptions, TuneParts, Unavailable, WorkbenchEvent,
    },
    model_source::ModelSource,
};

use crate::{count, labels, samples, workbench};

const NAMES: [&str; 5] = ["cat", "drink", "person", "rocket", "grass"];

/// The samples with a few labels on the embedded model.
fn at_work(options: Options) -> Workbench {
    let (bench, _) = workbench(options);
    bench.set_labels(labels(&NAMES)).unwrap();
    bench.add_paths(vec![samples()]);
    bench.wait_idle();
    bench
}

fn edit(id: u32, strength: f64, what: EditKind) -> Edit {
    Edit { id, enabled: true, strength, what }
}

fn towards(label: &str) -> EditKind {
    let along = BiasDirection::Labels { plus: vec![label.into()], minus: Vec::new() };
    EditKind::AddBias { side: Side::Image, along }
}

/// The cosine of every photo with every label, by file name.
fn cosines(bench: &Workbench) -> BTreeMap<String, Vec<f32>> {
    let ids: Vec<PhotoId> = bench.photos().iter().map(|photo| photo.id).collect();
    let of = |id| {
        let details = bench.details(id).unwrap();
        (details.name, details.scores.iter().map(|score| score.cosine).collect())
    };
    ids.into_iter().map(of).collect()
}

fn largest_difference(a: &BTreeMap<String, Vec<f32>>, b: &BTreeMap<String, Vec<f32>>) -> f32 {
    assert!(a.keys().eq(b.keys()) && !a.is_empty());
    let pairs = a.values().flatten().zip(b.values().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn photos_and_labels_follow_an_edit_and_come_back_when_it_is_undone() {
    let bench = at_work(Options::default());
    let before = cosines(&bench);
    let effect = bench.set_edits(vec![edit(1, 0.5, towards("rocket"))]).unwrap();
    assert!(effect.photos == 7 && effect.changed > 0 && effect.flips.len() == effect.changed as usize);
    assert!(effect.flips.iter().all(|flip| flip.after.label == "rocket" && flip.before.label != "rocket"));
    assert!(largest_difference(&before, &cosines(&bench)) > 0.05);
    let flip = bench.flip_arithmetic(effect.flips[0].id).unwrap();
    assert!(flip.lead <= 0.0 && flip.total > 0.0 && (flip.lead + flip.shift - flip.total).abs() < 1e-9);
    assert!(!flip.text_edited);
    let search = bench.search_side_by_side("rocket", 3).unwrap();
    assert!(search.before.len() == 3 && search.after.iter().all(|hit| hit.value > search.before[2].value));
    assert_eq!(bench.undo_edit().unwrap().changed, 0);
    // Photos come in batches and are projected again all at once: sums of other shapes are made in another order.
    assert!(largest_difference(&cosines(&bench), &before) < 1e-6);
    assert!(bench.redo_edit().unwrap().changed > 0);
}

#[test]
fn photos_that_come_later_are_projected_by_the_edits_in_force() {
    let bench = at_work(Options::default());
    bench.set_edits(vec![edit(1, 0.5, towards("rocket"))]).unwrap();
    let edited = cosines(&bench);
    let (late, _) = workbench(Options::default());
    late.set_labels(labels(&NAMES)).unwrap();
    late.wait_idle();
    late.add_paths(vec![samples().join("chelsea.png")]);
    late.wait_idle();
    // The direction does not depend on photos, its length is that of the mean photo: a replaced head depends on neither.
    late.set_edits(vec![edit(1, 1.0, EditKind::Replace { name: "mlp-bias".into() })]).unwrap();
    late.add_paths(vec![samples()]);
    late.wait_idle();
    bench.set_edits(vec![edit(1, 1.0, EditKind::Replace { name: "mlp-bias".into() })]).unwrap();
    assert!(largest_difference(&cosines(&late), &cosines(&bench)) < 1e-5);
    assert!(largest_difference(&edited, &cosines(&bench)) > 1e-3);
}

#[test]
fn edits_that_cannot_act_are_named_and_the_others_act() {
    let bench = at_work(Options::default());
    let stack = vec![
        // Nothing is known to shift the embedded model's picture features, and they have no bias.
        edit(7, 1.0, EditKind::RemoveEffectiveBias { side: Side::Image }),
        edit(8, 1.0, EditKind::Replace { name: "no such heads".into() }),
        edit(9, 1.0, EditKind::Centre { side: Side::Image }),
    ];
    let effect = bench.set_edits(stack).unwrap();
    let lab = bench.lab().unwrap();
    let problems: Vec<_> = lab.problems.iter().map(|problem| (problem.id, problem.problem.code)).collect();
    assert_eq!(problems.len(), 2);
    assert!(problems.contains(&(7, ProblemCode::Edit)) && problems.contains(&(8, ProblemCode::Edit)));
    let (before, after) = (effect.before.cone_image.unwrap(), effect.after.cone_image.unwrap());
    assert!(after < before - 0.2, "centred photos lie in no cone: {before} → {after}");
}

#[test]
fn stacks_are_kept_under_names_and_another_model_starts_without_edits() {
    let home = tempfile::tempdir().unwrap();
    let options = || Options { settings: Some(home.path().join("settings.json")), ..Options::default() };
    let stack = vec![edit(3, 0.25, EditKind::RankCut { side: Side::Image, keep: RankKeep::Top { k: 40 } })];
    {
        let bench = at_work(options());
        bench.set_edits(stack.clone()).unwrap();
        bench.save_edits("forty").unwrap();
        let tiny = crate::root("tests/fixtures/clip/e2e-clip-f16");
        bench.choose_model(ModelSource::Path { path: tiny, config: None }).unwrap();
        assert!(bench.lab().unwrap().edits.is_empty() && !bench.projection_report().unwrap().edited);
    }
    let bench = at_work(Options { model: Some(ModelSource::Embedded), ..options() });
    assert_eq!(bench.lab().unwrap().saved, ["forty"]);
    bench.load_edits("forty").unwrap();
    let lab = bench.lab().unwrap();
    assert!(lab.edits == stack && lab.name.as_deref() == Some("forty") && lab.can_undo);
    bench.forget_edits("forty").unwrap();
    assert!(bench.lab().unwrap().saved.is_empty());
    assert_eq!(bench.load_edits("forty").unwrap_err().code, ProblemCode::Edit);
}

#[test]
fn an_exported_checkpoint_labels_as_the_edits_did() {
    let home = tempfile::tempdir().unwrap();
    let bench = at_work(Options::default());
    let stack = vec![
        edit(1, 1.0, EditKind::Replace { name: "linear-bias".into() }),
        edit(2, 0.4, EditKind::Centre { side: Side::Text }),
        edit(3, 0.3, towards("grass")),
    ];
    bench.set_edits(stack).unwrap();
    let plan = bench.export_plan().unwrap();
    assert!(matches!(&plan.image, SidePlan::Field { field } if field == "vision_cfg.timm_proj_bias"), "{plan:?}");
    assert!(matches!(&plan.text, SidePlan::Folded { share, .. } if *share < 1e-10), "{plan:?}");
    let edited = cosines(&bench);
    let folder = home.path().join("edited");
    let written = bench.export_heads(ExportForm::Checkpoint, &folder, false).unwrap();
    assert!(written.difference < 2e-5, "{written:?}");
    let again = bench.export_heads(ExportForm::Checkpoint, &folder, true).unwrap_err();
    assert_eq!(again.code, ProblemCode::Export, "a folder is never replaced");

    let heads = home.path().join("heads.safetensors");
    assert!(bench.export_heads(ExportForm::Heads, &heads, false).unwrap().difference < 1e-6);
    bench.set_edits(Vec::new()).unwrap();
    let name = bench.add_head_file(&heads).unwrap();
    bench.set_edits(vec![edit(1, 1.0, EditKind::Replace { name })]).unwrap();
    assert!(largest_difference(&edited, &cosines(&bench)) < 1e-5);

    bench.choose_model(ModelSource::Path { path: folder, config: None }).unwrap();
    bench.wait_idle();
    assert!(largest_difference(&edited, &cosines(&bench)) < 1e-4);
}

/// Pictures of two kinds in folders named after them.
fn paint(home: &Path) {
    for (name, base) in [("red_paint", [210, 30, 30]), ("green_paint", [30, 170, 50])] {
        fs::create_dir_all(home.join(name)).unwrap();
        for index in 0..12_u32 {
            let pixel = |x: u32, y: u32| {
                let wave = (x * (index + 3) + y * 5) % 40;
                image::Rgb([0, 1, 2].map(|channel: usize| (base[channel] / 2 + wave + index * 2) as u8))
            };
            image::RgbImage::from_fn(64, 64, pixel).save(home.join(name).join(format!("{index}.png"))).unwrap();
        }
    }
}

#[test]
fn a_fit_to_folders_is_judged_on_photos_held_out_and_can_be_put_in() {
    let home = tempfile::tempdir().unwrap();
    paint(home.path());
    let settings = tempfile::tempdir().unwrap();
    let remembering = || Options { settings: Some(settings.path().join("settings.json")), ..Options::default() };
    let (bench, events) = workbench(remembering());
    bench.set_labels(labels(&NAMES)).unwrap();
    let options = TuneOptions {
        parts: TuneParts::Both,
        loss: TuneLoss::Softmax,
        pull: 0.1,
        learning_rate: 1e-3,
        epochs: 12,
        patience: 4,
        folds: 3,
        seed: 0,
    };
    bench.wait_idle();
    assert_eq!(bench.tune(&options).unwrap_err().code, ProblemCode::NothingAtHand);
    bench.add_paths(vec![home.path().to_owned()]);
    bench.wait_idle();
    let classes = bench.lab().unwrap().classes;
    assert_eq!(classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["green paint", "red paint"]);
    let report = bench.tune(&options).unwrap();
    assert_eq!(report.folds.iter().map(|fold| fold.held_out).sum::<u32>(), 24);
    assert!(report.measures[1].accuracy >= report.measures[0].accuracy && report.bias.is_some());
    assert!(count(&events, |event| matches!(event, WorkbenchEvent::TuneProgress { .. })) > 3);
    let name = report.replacement.unwrap();
    let effect = bench.set_edits(vec![edit(1, 1.0, EditKind::Replace { name })]).unwrap();
    let [before, after] = effect.measures.unwrap();
    assert!(after.photos == 24 && after.accuracy >= before.accuracy);
    assert_eq!(bench.ablation_text("html").unwrap_err().code, ProblemCode::NothingAtHand);
    let tuned = cosines(&bench);
    drop(bench);

    let (bench, _) = workbench(remembering());
    bench.add_paths(vec![home.path().to_owned()]);
    bench.wait_idle();
    let name = "tuned 1".to_owned();
    assert!(bench.lab().unwrap().replacements.iter().any(|kept| kept.name == name), "what was tuned is kept");
    bench.set_edits(vec![edit(1, 1.0, EditKind::Replace { name })]).unwrap();
    assert!(largest_difference(&tuned, &cosines(&bench)) < 1e-5);
}

#[test]
fn directions_have_a_meaning_and_figures_tell_before_from_after() {
    let bench = at_work(Options::default());
    let report = bench.collection_report().unwrap();
    let photos = report.image.unwrap();
    let lost = photos.null_space.unwrap();
    assert_eq!((photos.count, photos.ids.len(), lost.dim), (7, 7, 1280 - 256));
    assert!(lost.mean > 0.1 && lost.most.is_sorted_by(|a, b| a.value >= b.value));
    assert_eq!(photos.planes.unwrap()[1].points.len(), 7);
    assert!(report.gap.unwrap().norm > 0.1);
    let cat = bench.meaning(&Direction::Label { label: "cat".into() }).unwrap();
    assert!((cat.labels[0].value - 1.0).abs() < 1e-5 && cat.labels[0].label == "cat");
    let name = |id| bench.details(id).unwrap().name;
    assert_eq!(name(cat.photos[0].id), "chelsea.png");
    let first = bench.meaning(&Direction::Singular { side: Side::Image, index: 0 }).unwrap();
    let sigma = bench.projection_report().unwrap().image.maps[0].figures.singular_values[0];
    assert!((first.length - sigma).abs() < 1e-9);
    let beyond = bench.meaning(&Direction::Dimension { index: 256 }).unwrap_err();
    assert_eq!(beyond.code, ProblemCode::Architecture);
    // The embedded model's picture side has no effective bias, so it favours no label.
    assert!(bench.class_prior().unwrap().is_empty());
    bench.set_edits(vec![edit(1, 0.5, towards("grass"))]).unwrap();
    assert_eq!(bench.class_prior().unwrap()[0].label, "grass");
}

#[test]
fn any_matrix_is_served_in_tiles() {
    let bench = at_work(Options::default());
    let name = "visual.head.proj.weight".to_owned();
    assert!(bench.tensors().unwrap().iter().any(|row| row.name == name && row.shape == [256, 1280]));
    let source = MatrixSource::Tensor { name };
    let facts = bench.open_matrix(&source).unwrap();
    assert_eq!((facts.rows, facts.columns, facts.nan, facts.dtype.as_str()), (256, 1280, 0, "F16"));
    let tile = |level, row, column| Tile { source: source.clone(), level, row, column, rows: 4, columns: 3 };
    let values = |bytes: Vec<u8>| -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let fine = values(bench.tile(&tile(0, 0, 0)).unwrap());
    assert_eq!(fine.len(), 12);
    // Beyond the edge there is nothing, and no panic.
    assert_eq!(values(bench.tile(&tile(0, 255, 1279)).unwrap()).len(), 1);
    assert!(values(bench.tile(&tile(9, u32::MAX, 7)).unwrap()).is_empty());
    let missing = bench.open_matrix(&MatrixSource::Tensor { name: "nothing".into() }).unwrap_err();
    assert_eq!(missing.code, ProblemCode::Analysis);
    let psi = bench.open_matrix(&MatrixSource::Psi).unwrap();
    assert_eq!([psi.rows, psi.columns], [1280, 384]);
}

#[test]
fn one_photo_is_explained_as_far_as_its_tower_goes() {
    let bench = at_work(Options::default());
    let id = bench.photos().iter().find(|photo| photo.name == "chelsea.png").unwrap().id;
    let found = bench.explain(id, &Ask::PatchMap { label: "cat".into() }).unwrap();
    let Explanation::Grid { grid, values, seen, .. } = found.explanation else { panic!("{found:?}") };
    assert_eq!(values.len() as u32, grid[0] * grid[1]);
    // The middle of a picture of 451 × 300.
    assert!((seen[0] - 0.167).abs() < 0.01 && seen[1].abs() < 0.01 && (seen[2] - 0.833).abs() < 0.01, "{seen:?}");
    assert_eq!(bench.explain_abilities().unwrap().attention, Some(Unavailable::Convolutional));
    let refused = bench.explain(id, &Ask::Attention { layer: 0, head: None, from: None }).unwrap_err();
    assert_eq!(refused.code, ProblemCode::Architecture);
    let unknown = bench.explain(id, &Ask::PatchMap { label: "zebra".into() }).unwrap_err();
    assert_eq!(unknown.code, ProblemCode::BadLabel);
}

#[test]
fn heads_and_models_are_compared_on_the_photos_at_hand() {
    let bench = at_work(Options::default());
    let same = bench.compare(&CompareWith::Unedited).unwrap();
    assert_eq!((same.agreement, same.photos, same.image.distance), (Some(1.0), 7, Some([0.0, 0.0])));
    assert!(same.image.procrustes.unwrap() < 1e-6 && same.disagreements.is_empty());
    let other = bench.compare(&CompareWith::Head { name: "linear-bias".into() }).unwrap();
    assert!(other.image.distance.unwrap()[1] > 0.01 && other.image.bias_distance.unwrap() > 0.0);
    let mlp = bench.compare(&CompareWith::Head { name: "mlp".into() }).unwrap();
    assert!(mlp.image.distance.is_none() && mlp.image.cka.unwrap() > 0.3);
    let tiny = crate::root("tests/fixtures/clip/e2e-clip-f16").display().to_string();
    let random = bench.compare(&CompareWith::Model { name: tiny }).unwrap();
    assert!(random.photos == 7 && random.image.cka.is_some() && random.image.angles.is_none());
}
