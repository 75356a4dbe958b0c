//! Whole checkpoints and small files with changed heads, written and read back.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

use cliploupe_engine::{
    Checkpoint, Device, Model,
    analysis::Matrix,
    clip::{ScoreKind, normalise},
    device::read,
    files::{Files, MemoryFile},
    lab::{
        Head, Map, Table,
        export::{ExportError, Refusal, SidePlan, plan, write},
        file::{FileError, Scores, read_heads, write_heads},
    },
    probe::Probe,
};
use safetensors::SafeTensors;

use crate::{
    support::{Copy, Goldens, OwnedTensor, asset, fixture, input_tokens, load},
    torch_files::zipped,
};

/// Entries without a pattern, in −1…1.
fn scattered(count: usize, seed: u64) -> Vec<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ seed.wrapping_mul(0xD134_2543_DE82_EF95);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A head that turns and stretches a little more, and shifts if asked to.
fn changed(head: &Head, shifts: bool, seed: u64) -> Head {
    let size = head.output_dim();
    let mut turn = scattered(size * size, seed);
    turn.iter_mut().enumerate().for_each(|(at, value)| *value = *value * 0.2 + f64::from(at % (size + 1) == 0));
    let turned = head.then(&Matrix::new(size, size, turn).unwrap()).unwrap();
    if shifts { turned.shifted(&scattered(size, seed + 1)).unwrap() } else { turned }
}

/// What the towers make of the inputs, before the heads.
struct Pooled {
    image: Table,
    text: Table,
}

impl Pooled {
    fn of(model: &Model, golden: &Goldens) -> Self {
        let image =
            model.clip.image_pooled(model.pixel_batch(golden["input.pixels"].values.clone()), &mut Probe::off());
        let text = model.clip.text_pooled(&input_tokens(golden), &mut Probe::off());
        let table = |tensor: cliploupe_engine::Tensor<2>| Table::new(tensor.dims()[1], read(tensor));
        Self { image: table(image), text: table(text) }
    }
}

/// Unit vectors of both sides as a model makes them all by itself.
fn embeddings(model: &Model, golden: &Goldens) -> [Vec<f32>; 2] {
    let image = model.clip.image_pooled(model.pixel_batch(golden["input.pixels"].values.clone()), &mut Probe::off());
    let text = model.clip.text_pooled(&input_tokens(golden), &mut Probe::off());
    [
        read(normalise(model.clip.image_projection().forward(image))),
        read(normalise(model.clip.text_projection().forward(text))),
    ]
}

fn heads(model: &Model) -> [Head; 2] {
    [model.clip.image_projection(), model.clip.text_projection()].map(|projection| Head::of(projection).unwrap())
}

fn on(_: cliploupe_engine::lab::export::Copied) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Writes `model` with these heads, reads it back, and gives the largest difference of an embedding.
fn round_trip(model: &Model, [image, text]: &[Head; 2], golden: &Goldens) -> f32 {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("exported");
    let plan = plan(model, image, text).unwrap();
    let bytes = write(&plan, &place, false, &mut on).unwrap();
    assert_eq!(bytes, plan.checkpoint_bytes);
    let written = load(&place, &Device::flex()).unwrap();
    let pooled = Pooled::of(model, golden);
    let expected = [image.apply(&pooled.image).unit(), text.apply(&pooled.text).unit()];
    let found = embeddings(&written, golden);
    let sides = expected.iter().zip(&found);
    sides.flat_map(|(a, b)| a.values().iter().zip(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn short(plan: &SidePlan) -> String {
    match plan {
        SidePlan::Unchanged => "unchanged".into(),
        SidePlan::Weights => "weights".into(),
        SidePlan::Folded { key, share, .. } => {
            assert!(*share < 1e-9, "{share}");
            format!("into {key}")
        }
        SidePlan::Field { field } => field.clone(),
        SidePlan::Refused(refusal) => format!("refused: {refusal}"),
    }
}

/// How each family takes a head with a bias that is new, and one without.
#[rustfmt::skip]
const FAMILIES: &[(&str, [&str; 2], [&str; 2])] = &[
    ("clip-vit", ["into visual.ln_post.bias", "into ln_final.bias"], ["weights", "weights"]),
    // More dimensions in the joint space than in a text.
    ("clip-vit-quickgelu", ["into visual.ln_post.bias", "text_cfg.proj_bias"], ["weights", "weights"]),
    ("clipa", ["into visual.ln_post.bias", "into ln_final.bias"], ["weights", "weights"]),
    ("custom-text", ["into visual.ln_post.bias", "into text.ln_final.bias"], ["weights", "weights"]),
    ("siglip", ["vision_cfg.timm_proj, vision_cfg.timm_proj_bias", "weights"],
        ["vision_cfg.timm_proj, vision_cfg.timm_proj_bias", "weights"]),
    ("siglip-proj-none", ["vision_cfg.timm_proj, vision_cfg.timm_proj_bias", "text_cfg.proj_type, text_cfg.proj_bias"],
        ["vision_cfg.timm_proj, vision_cfg.timm_proj_bias", "text_cfg.proj_type, text_cfg.proj_bias"]),
    ("bias-text-linear", ["into visual.ln_post.bias", "weights"], ["weights", "weights"]),
    ("bias-timm-linear", ["weights", "into ln_final.bias"], ["weights", "weights"]),
    ("bias-timm-mlp", ["weights", "into ln_final.bias"], ["weights", "weights"]),
    ("convnext-linear", ["into visual.trunk.head.norm.bias", "into ln_final.bias"], ["weights", "weights"]),
    ("convnext-mlp", ["vision_cfg.timm_proj_bias", "into ln_final.bias"], ["weights", "weights"]),
    ("eva02", ["weights", "into text.ln_final.bias"], ["weights", "weights"]),
    ("pe-core", ["weights", "text_cfg.proj_bias"], ["weights", "weights"]),
    ("mobileclip-s", ["weights", "into text.ln_final.bias"], ["weights", "weights"]),
    ("vitamin", ["into visual.trunk.fc_norm.bias", "into text.ln_final.bias"], ["weights", "weights"]),
    ("clip-rn", ["weights", "into ln_final.bias"], ["weights", "weights"]),
    ("nllb-linear", ["into visual.ln_post.bias", "into text.transformer.layer_norm.bias"], ["weights", "weights"]),
    ("hf-clip-gelu", ["into vision_model.post_layernorm.bias", "into text_model.final_layer_norm.bias"],
        ["weights", "weights"]),
    ("hf-chinese-clip", ["into vision_model.post_layernorm.bias",
        "into text_model.encoder.layer.1.output.LayerNorm.bias"], ["weights", "weights"]),
];

#[test]
fn heads_of_every_family_come_back_as_they_were_in_force() {
    for (name, with, without) in FAMILIES {
        let copy = Copy::of(name);
        let (model, golden) = (copy.load().unwrap(), copy.golden());
        let own = heads(&model);
        for (shifts, expected) in [(true, with), (false, without)] {
            let changed = [changed(&own[0], shifts, 1), changed(&own[1], shifts, 2)];
            let found = plan(&model, &changed[0], &changed[1]).unwrap();
            assert_eq!([short(&found.image), short(&found.text)].each_ref().map(String::as_str), *expected, "{name}");
            let difference = round_trip(&model, &changed, &golden);
            assert!(difference <= 1e-5, "{name}, shifted {shifts}: {difference:e}");
        }
        let same = plan(&model, &own[0], &own[1]).unwrap();
        assert_eq!((&same.image, &same.text), (&SidePlan::Unchanged, &SidePlan::Unchanged), "{name}");
    }
}

/// Why heads cannot be written: image, then text.
#[rustfmt::skip]
const REFUSED: &[(&str, [&str; 2])] = &[
    ("coca", ["refused: open_clip's vision transformer has no option for a bias, and its norm visual.ln_post also feeds \
        the caption decoder", "into text.ln_final.bias"]),
    ("roberta-mlp", ["into visual.ln_post.bias",
        "refused: a text tower of transformers has no option for a bias, and no norm in front of it could take it"]),
    ("hf-clip", ["into vision_model.post_layernorm.bias", "refused: a model in transformers' layout has no option for a bias, \
        and folded into text_model.final_layer_norm.bias a share of 3.1e-1 of it would be lost"]),
    ("hf-siglip", ["refused: a model in transformers' layout has no option for a matrix in this place", "weights"]),
];

#[test]
fn what_open_clip_could_not_read_is_refused_and_nothing_is_written() {
    for (name, expected) in REFUSED {
        let copy = Copy::of(name);
        let model = copy.load().unwrap();
        let own = heads(&model);
        let plan = plan(&model, &changed(&own[0], true, 1), &changed(&own[1], true, 2)).unwrap();
        assert_eq!([short(&plan.image), short(&plan.text)].each_ref().map(String::as_str), *expected, "{name}");
        let folder = tempfile::tempdir().unwrap();
        let error = write(&plan, &folder.path().join("exported"), true, &mut on).unwrap_err();
        assert!(matches!(error, ExportError::Refused(_)), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_bias_of_a_rank_cut_is_refused_with_what_would_be_lost() {
    let copy = Copy::of("clip-vit");
    let model = copy.load().unwrap();
    let [image, text] = heads(&model);
    let mut weight = image.maps()[0].weight.values().to_vec();
    let columns = image.input_dim();
    // The last output is silent, so no shift of the input reaches it.
    let last = weight.len() - columns;
    weight[last..].fill(0.0);
    let weight = Matrix::new(image.output_dim(), columns, weight).unwrap();
    let mut bias = vec![0.0; image.output_dim()];
    (bias[0], bias[image.output_dim() - 1]) = (3.0, 4.0);
    let cut = Head::new(columns, vec![Map { weight, bias: Some(bias) }]).unwrap();
    let SidePlan::Refused(Refusal::Residual { residual, share, norm, .. }) = plan(&model, &cut, &text).unwrap().image
    else {
        panic!("not refused")
    };
    assert!((residual - 4.0).abs() < 1e-9 && (share - 0.8).abs() < 1e-9 && norm == "visual.ln_post.bias");
}

fn tensors_of(path: &Path) -> BTreeMap<String, OwnedTensor> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect()
}

#[test]
fn everything_else_is_copied_byte_for_byte() {
    for name in ["siglip", "clip-rn", "hf-clip"] {
        let copy = Copy::of(name);
        let model = copy.load().unwrap();
        let own = heads(&model);
        // Of the ResNet and of SigLIP only the side that has a matrix is changed.
        let plan = plan(&model, &own[0], &changed(&own[1], false, 3)).unwrap();
        let place = copy.path().join("exported");
        write(&plan, &place, false, &mut on).unwrap();
        let weights = copy.weights_path();
        let written = place.join(weights.file_name().unwrap());
        let (before, after) = (tensors_of(&weights), tensors_of(&written));
        assert!(before.keys().eq(after.keys()), "{name}");
        let differ: Vec<_> =
            before.iter().filter(|(key, tensor)| after[*key] != **tensor).map(|(key, _)| key).collect();
        assert!(!differ.is_empty() && differ.iter().all(|key| key.contains("text_projection")), "{name}: {differ:?}");
        let config = |folder: &Path, file: &str| std::fs::read(folder.join(file)).unwrap();
        for file in ["open_clip_config.json", "config.json", "preprocessor_config.json"] {
            if copy.path().join(file).exists() {
                assert_eq!(config(&place, file), config(copy.path(), file), "{name}: {file}");
            }
        }
    }
}

#[test]
fn a_pickle_becomes_safetensors_and_an_old_text_tower_gets_its_prefix() {
    let copy = Copy::of("clip-vit").with_weights("open_clip_pytorch_model.bin", zipped);
    let (model, golden) = (copy.load().unwrap(), copy.golden());
    assert!(round_trip(&model, &heads(&model).map(|head| changed(&head, true, 5)), &golden) <= 1e-5);

    let copy = Copy::of("custom-text").edit_tensors(|tensors| {
        let prefixed = std::mem::take(tensors).into_iter();
        *tensors = prefixed.map(|(name, t)| (name.trim_start_matches("text.").to_owned(), t)).collect();
    });
    let (model, golden) = (copy.load().unwrap(), copy.golden());
    assert!(round_trip(&model, &heads(&model).map(|head| changed(&head, true, 5)), &golden) <= 1e-5);
}

fn embedded_in_memory() -> Model {
    let file = |name: &'static str| {
        let bytes = std::fs::read(asset(&format!("model/{name}"))).unwrap().leak();
        MemoryFile { name, bytes }
    };
    let names = [
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    let files = Vec::from(names.map(file)).leak();
    Model::load(Checkpoint::in_memory("embedded", files), None, &Device::flex()).unwrap()
}

/// Features that a tower could have made: it would take seconds to make them.
fn features(model: &Model) -> [Table; 2] {
    let table = |columns: usize, seed| {
        Table::new(columns, scattered(7 * columns, seed).into_iter().map(|value| value as f32).collect())
    };
    [table(model.config.image_projection.input_dim, 11), table(model.config.text_projection.input_dim, 12)]
}

fn largest_difference(a: &Table, b: &Table) -> f32 {
    a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_embedded_model_takes_a_bias_and_every_head_that_lies_beside_it() {
    let model = embedded_in_memory();
    let own = heads(&model);
    let unscored = Scores::default();
    let mut cases = vec![("shifted".to_owned(), own.each_ref().map(|head| changed(head, true, 7)), unscored)];
    for name in ["linear-bias", "mlp", "mlp-bias"] {
        let path = asset(&format!("model/projections/{name}.safetensors"));
        let heads = read_heads(Files::Disk, &path, &model.config).unwrap();
        assert!(heads.scores.logit_scale.is_some() && heads.scores.logit_bias.is_some());
        cases.push((name.to_owned(), [heads.image.unwrap(), heads.text.unwrap()], heads.scores));
    }
    let mlp = "vision_cfg.timm_proj, vision_cfg.timm_proj_bias";
    let expected = [
        ["vision_cfg.timm_proj_bias", "into text.transformer.encoder.layer.3.output.LayerNorm.bias"],
        ["vision_cfg.timm_proj_bias", "weights"],
        [mlp, "text_cfg.hf_proj_type"],
        [mlp, "text_cfg.hf_proj_type"],
    ];
    let features = features(&model);
    for ((name, changed, scores), expected) in cases.iter().zip(expected) {
        let plan = plan(&model, &changed[0], &changed[1]).unwrap().scored(*scores).unwrap();
        assert_eq!([short(&plan.image), short(&plan.text)].each_ref().map(String::as_str), expected, "{name}");
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("exported");
        write(&plan, &place, false, &mut on).unwrap();
        let written = load(&place, &Device::flex()).unwrap();
        assert_eq!(written.tokenize(&["a cat"]).unwrap(), model.tokenize(&["a cat"]).unwrap());
        let (scale, bias) = (written.clip.logit_scale(), written.clip.logit_bias().unwrap());
        assert!((scale - scores.logit_scale.unwrap_or(model.clip.logit_scale())).abs() < 1e-5 * scale);
        assert_eq!(bias, scores.logit_bias.unwrap_or(model.clip.logit_bias().unwrap()));
        let read_back = heads(&written);
        let image =
            largest_difference(&changed[0].apply(&features[0]).unit(), &read_back[0].apply(&features[0]).unit());
        assert!(image <= 1e-5, "{name}: {image:e}");
        if name == "shifted" {
            // The shift went into the tower, so its head alone does not have it.
            let moved = written.clip.text_projection().affine_before().unwrap();
            let before = model.clip.text_projection().affine_before().unwrap();
            assert!(moved.beta != before.beta && moved.gamma == before.gamma);
        } else {
            let text =
                largest_difference(&changed[1].apply(&features[1]).unit(), &read_back[1].apply(&features[1]).unit());
            assert!(text <= 1e-5, "{name}: {text:e}");
        }
    }
}

#[test]
fn a_text_of_the_embedded_model_is_shifted_by_its_last_norm() {
    let model = embedded_in_memory();
    let [image, text] = heads(&model);
    let text = changed(&text, true, 9);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("exported");
    write(&plan(&model, &image, &text).unwrap(), &place, false, &mut on).unwrap();
    let written = load(&place, &Device::flex()).unwrap();
    let tokens = model.tokenize(&["a cat", "two dogs on the grass in front of a red house"]).unwrap();
    let pooled = |model: &Model| {
        let pooled = model.clip.text_pooled_short(&tokens);
        Table::new(pooled.dims()[1], read(pooled))
    };
    let expected = text.apply(&pooled(&model)).unit();
    let found = heads(&written)[1].apply(&pooled(&written)).unit();
    assert!(largest_difference(&expected, &found) <= 1e-5);
}

#[test]
fn nothing_is_overwritten_without_being_told_and_nothing_foreign_ever() {
    let copy = Copy::of("clip-vit");
    let model = copy.load().unwrap();
    let [image, text] = heads(&model);
    let plan = plan(&model, &changed(&image, false, 1), &text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("exported");
    std::fs::create_dir(&place).unwrap();
    write(&plan, &place, false, &mut on).unwrap();
    let again = write(&plan, &place, false, &mut on).unwrap_err();
    assert!(matches!(again, ExportError::Exists { .. }), "{again}");
    let scores = Scores { logit_scale: None, logit_bias: Some(1.0) };
    let sigmoid = plan.clone().scored(scores).unwrap_err();
    assert!(matches!(sigmoid, ExportError::Refused(Refusal::LogitBias)), "{sigmoid}");
    write(&plan, &place, true, &mut on).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    std::fs::write(place.join("holiday.jpg"), b"").unwrap();
    let foreign = write(&plan, &place, true, &mut on).unwrap_err();
    assert!(matches!(foreign, ExportError::NoCheckpoint { .. }), "{foreign}");
    assert!(place.join("holiday.jpg").exists());
    let stopped = write(&plan, &folder.path().join("stopped"), false, &mut |copied| {
        if copied.bytes > copied.of / 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(ExportError::Stopped { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what was begun is removed");
}

/// A model onto itself: read, changed, and written in its own place.
#[test]
fn a_checkpoint_can_be_replaced_by_its_own_export() {
    let copy = Copy::of("clip-vit");
    let place = tempfile::tempdir().unwrap();
    for file in ["open_clip_config.json", "open_clip_model.safetensors"] {
        std::fs::copy(copy.path().join(file), place.path().join(file)).unwrap();
    }
    let model = load(place.path(), &Device::flex()).unwrap();
    let [image, text] = heads(&model);
    let changed = changed(&image, true, 1);
    write(&plan(&model, &changed, &text).unwrap(), place.path(), true, &mut on).unwrap();
    let written = load(place.path(), &Device::flex()).unwrap();
    assert_ne!(heads(&written)[0], image);
}

#[test]
fn small_files_of_every_family_come_back() {
    for name in FAMILIES.iter().map(|(name, ..)| *name).chain(REFUSED.iter().map(|(name, _)| *name)) {
        let model = Copy::of(name).load().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let logit_bias = (model.config.score_kind == ScoreKind::Sigmoid).then_some(-3.5);
        for shifts in [false, true] {
            let path = folder.path().join(format!("heads-{shifts}.safetensors"));
            let [image, text] = heads(&model).map(|head| changed(&head, shifts, 4));
            let scores = Scores { logit_scale: shifts.then_some(1.0), logit_bias };
            write_heads(&path, &image, &text, scores, &model.config, false).unwrap();
            let found = read_heads(Files::Disk, &path, &model.config).unwrap();
            let rounded = |head: &Head| {
                let maps = head.maps().iter().map(|map| {
                    let [rows, columns] = map.weight.shape();
                    let round =
                        |values: &[f64]| values.iter().map(|value| f64::from(*value as f32)).collect::<Vec<_>>();
                    let weight = Matrix::new(rows, columns, round(map.weight.values())).unwrap();
                    Map { weight, bias: map.bias.as_deref().map(round) }
                });
                Some(Head::new(head.input_dim(), maps.collect()).unwrap())
            };
            assert_eq!((found.image, found.text), (rounded(&image), rounded(&text)), "{name}");
            assert_eq!(found.scores, scores, "{name}");
            let again = write_heads(&path, &image, &text, scores, &model.config, false).unwrap_err();
            assert!(matches!(again, FileError::Io { .. }), "{again}");
        }
    }
}

#[test]
fn heads_that_do_not_fit_are_refused_by_name() {
    let model = Copy::of("clip-vit").load().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heads.safetensors");
    let [image, text] = heads(&model);
    write_heads(&path, &image, &text, Scores::default(), &model.config, false).unwrap();
    let written = tensors_of(&path);
    let refused = |edit: &dyn Fn(&mut BTreeMap<String, OwnedTensor>)| {
        let mut tensors = written.clone();
        edit(&mut tensors);
        crate::support::write_tensors(&tensors, &path);
        read_heads(Files::Disk, &path, &model.config).unwrap_err().to_string()
    };
    let unknown = refused(&|tensors| drop(tensors.insert("ln_final.bias".into(), tensors["text_projection"].clone())));
    assert!(unknown.starts_with("tensor \"ln_final.bias\" is part of no projection"), "{unknown}");
    let twice =
        refused(&|tensors| drop(tensors.insert("visual_projection.weight".into(), tensors["visual.proj"].clone())));
    assert!(twice.starts_with("both \"visual.proj\" and \"visual_projection\" are heads"), "{twice}");
    let turned = refused(&|tensors| crate::support::transpose(tensors.get_mut("visual.proj").unwrap()));
    assert!(turned.contains("has shape [32, 64], this model needs [64, 32]"), "{turned}");
    let damaged = refused(&|tensors| tensors.get_mut("visual.proj").unwrap().2[..4].fill(0xff));
    assert!(damaged.starts_with("cannot use the head \"visual.proj\""), "{damaged}");
    let bias = (safetensors::Dtype::F32, Vec::new(), 1f32.to_le_bytes().to_vec());
    let sigmoid = refused(&|tensors| drop(tensors.insert("logit_bias".into(), bias.clone())));
    assert!(sigmoid.starts_with("tensor \"logit_bias\" is part of no projection"), "{sigmoid}");
    let empty = refused(&|tensors| tensors.clear());
    assert!(empty.starts_with("there is no projection in"), "{empty}");
    // What lies beside it must not say something else.
    crate::support::write_tensors(&written, &path);
    std::fs::write(path.with_extension("json"), br#"{"model_cfg": {"embed_dim": 512}}"#).unwrap();
    let contradiction = read_heads(Files::Disk, &path, &model.config).unwrap_err().to_string();
    assert!(contradiction.contains("says embed_dim = 512"), "{contradiction}");
}

/// No JPEG: decoders round its colours differently, by a level here and there.
const PHOTO: &str = "embedded/photos/motorcycle_left.png";

/// Writes what `tests/python/check_export.py` compares with open_clip, into the folder that `CLIPLOUPE_EXPORTS` names.
#[test]
#[ignore = "writes files for the check in Python"]
fn writes_exports_for_python() {
    let root = std::env::var("CLIPLOUPE_EXPORTS").expect("CLIPLOUPE_EXPORTS names a folder");
    let root = Path::new(&root);
    let write_json = |path: &Path, vectors: &Table| {
        let rows: Vec<_> = vectors.rows().collect();
        std::fs::write(path, serde_json::json!({ "stage": "embedding", "vectors": rows }).to_string()).unwrap();
    };
    for name in ["clip-vit", "clip-vit-quickgelu", "custom-text", "bias-text-linear", "clip-rn", "clipa"] {
        let copy = Copy::of(name);
        let (model, golden) = (copy.load().unwrap(), copy.golden());
        let changed = heads(&model).map(|head| changed(&head, true, 1));
        let place = root.join(name);
        write(&plan(&model, &changed[0], &changed[1]).unwrap(), &place, true, &mut on).unwrap();
        let pooled = Pooled::of(&model, &golden);
        write_json(&root.join(format!("{name}.image.json")), &changed[0].apply(&pooled.image).unit());
        write_json(&root.join(format!("{name}.text.json")), &changed[1].apply(&pooled.text).unit());
        let inputs = root.join(format!("{name}.inputs.safetensors"));
        write_inputs(&golden, &inputs);
    }
    let model = embedded_in_memory();
    let own = heads(&model);
    let beside = read_heads(Files::Disk, &asset("model/projections/mlp-bias.safetensors"), &model.config).unwrap();
    let cases = [
        ("embedded-shifted", own.each_ref().map(|head| changed(head, true, 7)), Scores::default()),
        ("embedded-mlp-bias", [beside.image.unwrap(), beside.text.unwrap()], beside.scores),
    ];
    for (name, changed, scores) in cases {
        let plan = plan(&model, &changed[0], &changed[1]).unwrap().scored(scores).unwrap();
        write(&plan, &root.join(name), true, &mut on).unwrap();
        let photo = cliploupe_engine::photo::open(&fixture(PHOTO), &Default::default()).unwrap();
        let pixels = cliploupe_engine::preprocess::resize_and_crop(&photo.picture, &model.preprocess);
        let pixels = cliploupe_engine::preprocess::normalise(&pixels, &model.preprocess);
        let image = model.clip.image_pooled(model.pixel_batch(pixels), &mut Probe::off());
        let text = model.clip.text_pooled_short(&model.tokenize(&["a photo of a cat", "a red house"]).unwrap());
        let table = |tensor: cliploupe_engine::Tensor<2>| Table::new(tensor.dims()[1], read(tensor));
        write_json(&root.join(format!("{name}.image.json")), &changed[0].apply(&table(image)).unit());
        write_json(&root.join(format!("{name}.text.json")), &changed[1].apply(&table(text)).unit());
    }
}

fn write_inputs(golden: &Goldens, path: &Path) {
    let stored = |name: &str, integers: bool| {
        let golden = &golden[name];
        let bytes = golden.values.iter().flat_map(|value| match integers {
            true => (*value as i32).to_le_bytes(),
            false => value.to_le_bytes(),
        });
        let dtype = if integers { safetensors::Dtype::I32 } else { safetensors::Dtype::F32 };
        (name.to_owned(), (dtype, golden.shape.clone(), bytes.collect()))
    };
    crate::support::write_tensors(&[stored("input.pixels", false), stored("input.tokens", true)].into(), path);
}
