//! The figures of every projection against numpy's: `analysis.json` beside each golden model.
//!
//! The weights are read straight from the file by their keys, so that these tests say something about the linear
//! algebra alone; [`a_loaded_projection_reports_the_same_figures`] adds the way through the towers' loader.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use cliploupe_engine::{
    Device,
    analysis::{
        Matrix,
        embeddings::{cka, mean_cosine, modality_gap, null_space_energy},
        geometry::{effective_bias, principal_angles_deg, psi_singular_values},
        matrix::norm,
        report::{Kind, MapReport, ProjectionReport},
        spectrum::{Spectrum, energy_at, spectrum},
    },
    projection::Orientation,
};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::support::{Copy, Golden, Goldens, fixture, goldens, load};

/// How far a figure may be from numpy's, as a share of it.
const TOLERANCE: f64 = 1e-9;

/// How many of the strongest directions the principal angles are between.
const TOP: usize = 8;

/// Golden models with an analysis.
fn models() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(fixture("clip")).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> = folders.filter(|folder| folder.join("analysis.json").exists()).collect();
    models.sort();
    assert!(models.len() >= 29, "only {} golden models have an analysis", models.len());
    models
}

fn expected_figures(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("analysis.json")).unwrap()).unwrap()
}

/// A tensor of a weights file.
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f64>,
}

type Tensors = BTreeMap<String, Tensor>;

fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let widen = |dtype, data: &[u8]| -> Vec<f64> {
        let (halves, words) = (data.as_chunks::<2>().0, data.as_chunks::<4>().0);
        match dtype {
            Dtype::F32 => words.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
            Dtype::F16 => halves.iter().map(|bytes| half::f16::from_le_bytes(*bytes).into()).collect(),
            Dtype::BF16 => halves.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).into()).collect(),
            // Counters of BatchNorm.
            Dtype::I64 => Vec::new(),
            other => panic!("weights are not {other:?}"),
        }
    };
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        (name, Tensor { shape: view.shape().to_vec(), values: widen(view.dtype(), view.data()) })
    };
    file.tensors().into_iter().map(read).collect()
}

/// A linear map that `analysis.json` has figures of.
struct Head {
    /// Its name there.
    name: &'static str,
    /// `[output, input]`.
    weight: Matrix,
    bias: Option<Vec<f64>>,
    shift: Option<Vec<f64>>,
}

impl Head {
    fn figures(&self) -> Value {
        let effective = effective_bias(&self.weight, self.shift.as_deref(), self.bias.as_deref()).unwrap();
        figures(&spectrum(&self.weight).unwrap(), self.bias.as_deref().map(norm), &effective)
    }
}

/// Figures under the names of `analysis.json`.
fn figures(spectrum: &Spectrum, explicit_bias_norm: Option<f64>, effective_bias: &[f64]) -> Value {
    assert!((energy_at(&spectrum.singular_values).last().unwrap() - 1.0).abs() < 1e-12);
    json!({
        "shape": [spectrum.output_norms.len(), spectrum.input_norms.len()],
        "singular_values": spectrum.singular_values,
        "fro": spectrum.frobenius_norm,
        "effective_rank": spectrum.effective_rank,
        "stable_rank": spectrum.stable_rank,
        "participation_ratio": spectrum.participation_ratio,
        "condition": spectrum.condition_number,
        "row_norms": spectrum.output_norms,
        "col_norms": spectrum.input_norms,
        "explicit_bias_norm": explicit_bias_norm,
        "effective_bias": effective_bias,
        "effective_bias_norm": norm(effective_bias),
    })
}

/// The heads of a checkpoint, by the keys that are in it.
fn heads(file: &Tensors) -> Vec<Head> {
    let values = |key: &str| file.get(key).map(|tensor| tensor.values.clone());
    let stored = |key: &str| {
        let Tensor { shape, values } = file.get(key)?;
        Some(Matrix::new(shape[0], shape[1], values.clone()).unwrap())
    };
    // An `nn.Linear`, stored `[output, input]`, behind a layer with this shift.
    let linear = |name, key: &str, shift: Option<&str>| {
        let weight = stored(&format!("{key}.weight"))?;
        Some(Head { name, weight, bias: values(&format!("{key}.bias")), shift: shift.and_then(values) })
    };
    // A bare parameter, stored `[input, output]`, behind a layer with this shift.
    let bare = |name, key: &str, shift: &str| {
        Some(Head { name, weight: stored(key)?.transposed(), bias: None, shift: values(shift) })
    };
    let has_attention_pool = file.keys().any(|key| key.starts_with("visual.trunk.attn_pool."));
    let trunk_norm = (!has_attention_pool).then_some("visual.trunk.norm.bias");
    let head_norm =
        ["visual.trunk.head.norm.bias", "visual.trunk.fc_norm.bias"].into_iter().find(|key| values(key).is_some());
    let image = bare("image", "visual.proj", "visual.ln_post.bias")
        .or_else(|| linear("image", "visual.attnpool.c_proj", Some("visual.attnpool.v_proj.bias")))
        .or_else(|| linear("image", "visual.head.proj", head_norm))
        .or_else(|| linear("image.fc2", "visual.head.mlp.fc2", None))
        .or_else(|| linear("image", "visual.trunk.head", trunk_norm))
        .or_else(|| linear("image", "visual.trunk.head.fc", None));
    let native = |prefix: &str| {
        let (key, shift) = (format!("{prefix}text_projection"), format!("{prefix}ln_final.bias"));
        bare("text", &key, &shift).or_else(|| linear("text", &key, Some(&shift)))
    };
    let text = native("").or_else(|| native("text.")).or_else(|| linear("text", "text.proj", None));
    let mlp = [("text.0", "text.proj.0"), ("text.2", "text.proj.2")].map(|(name, key)| linear(name, key, None));
    [image, text].into_iter().chain(mlp).flatten().collect()
}

fn table(golden: &Golden) -> Matrix {
    Matrix::from_f32(golden.shape[0], golden.shape[1], &golden.values).unwrap()
}

/// Every figure of `analysis.json`, computed here.
fn computed_figures(folder: &Path) -> Value {
    let heads = heads(&tensors(&folder.join("open_clip_model.safetensors")));
    let golden: Goldens = goldens(&folder.join("golden.safetensors"));
    let mut found = Map::new();
    let mut put = |key: &str, figure: Value| assert!(found.insert(key.into(), figure).is_none());
    put("projections", heads.iter().map(|head| (head.name.to_owned(), head.figures())).collect::<Map<_, _>>().into());
    let [image, text] =
        ["image", "text"].map(|name| heads.iter().find(|head| head.name == name).map(|head| &head.weight));
    if let (Some(image), Some(text)) = (image, text) {
        put("psi_singular_values", json!(psi_singular_values(image, text).unwrap()));
        let top = TOP.min(image.shape()[1]).min(text.shape()[1]);
        let angles = principal_angles_deg(&image.svd().unwrap(), &text.svd().unwrap(), top).unwrap();
        put(&format!("principal_angles_top{top}_deg"), json!(angles));
    }
    let (images, texts) = (table(&golden["image_features_norm"]), table(&golden["text_features_norm"]));
    put("modality_gap", json!(norm(&modality_gap(&images, &texts).unwrap())));
    put("mean_cos_image_image", json!(mean_cosine(&images).unwrap()));
    put("mean_cos_text_text", json!(mean_cosine(&texts).unwrap()));
    for side in ["image", "text"] {
        let tower = if side == "image" { "visual" } else { "text" };
        if let Some(pooled) = golden.get(&format!("{tower}.pooled")) {
            let features = table(&golden[&format!("{side}_features")]);
            put(&format!("cka_{side}_pre_post"), json!(cka(&table(pooled), &features).unwrap()));
        }
    }
    if let (Some(image), Some(pooled)) = (image, golden.get("visual.pooled")) {
        let lost = null_space_energy(&image.svd().unwrap(), &table(pooled)).unwrap();
        put("image_null_space_energy", json!(lost));
    }
    found.into()
}

/// Compares two documents key by key and number by number; a key that only one of them has is a difference.
fn compare(path: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(found), keys(expected), "keys of {path}");
            expected.iter().for_each(|(key, expected)| compare(&format!("{path}.{key}"), &found[key], expected));
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "length of {path}");
            let pairs = found.iter().zip(expected).enumerate();
            pairs.for_each(|(index, (found, expected))| compare(&format!("{path}.{index}"), found, expected));
        }
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            // A share of energy is 1 less what is kept: its scale is 1, and it is 0 where nothing is lost.
            let scale = if path.contains("null_space_energy") { 1.0 } else { expected.abs() };
            assert!((found - expected).abs() <= TOLERANCE * scale, "{path} is {found:e}, numpy has {expected:e}");
        }
        _ => assert_eq!(found, expected, "{path}"),
    }
}

#[test]
fn every_figure_is_numpys() {
    for folder in models() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        compare(&name, &computed_figures(&folder), &expected_figures(&folder));
    }
}

/// The figures of a report under the names of `analysis.json`.
fn reported_figures(side: &str, report: &ProjectionReport) -> Map<String, Value> {
    let figures = |map: &MapReport| figures(&map.spectrum, map.explicit_bias_norm, &map.effective_bias);
    let names: &[(usize, &str)] = match (report.kind, side) {
        (Kind::Linear, _) => &[(0, "")],
        // The other way round from transformers' heads, the generator has no figures of fc1.
        (Kind::Mlp, "image") => &[(1, ".fc2")],
        (Kind::Mlp, _) => &[(0, ".0"), (1, ".2")],
        (Kind::Identity, _) => &[],
    };
    names.iter().map(|(index, name)| (format!("{side}{name}"), figures(&report.maps[*index]))).collect()
}

#[test]
fn a_loaded_projection_reports_the_same_figures() {
    for folder in models() {
        let model = load(&folder, &Device::flex()).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut found = Map::new();
        for (side, projection) in [("image", model.clip.image_projection()), ("text", model.clip.text_projection())] {
            found.extend(reported_figures(side, &ProjectionReport::of(projection).unwrap()));
        }
        let mut expected = expected_figures(&folder)["projections"].take();
        if model.clip.text_projection().config().key == "text.proj" {
            // The generator leaves out the norm at the end of transformers' towers, whose shift we count.
            for figures in
                found.iter_mut().map(|(_, figures)| figures).chain(expected.as_object_mut().unwrap().values_mut())
            {
                figures.as_object_mut().unwrap().retain(|key, _| !key.starts_with("effective_bias"));
            }
        }
        compare(&name, &found.into(), &expected);
    }
}

#[test]
fn a_report_says_where_and_how_the_file_has_the_matrix() {
    let report = |name: &str| {
        let model = Copy::of(name).load().unwrap();
        let of = |projection| ProjectionReport::of(projection).unwrap();
        (of(model.clip.image_projection()), of(model.clip.text_projection()))
    };
    let place = |report: &ProjectionReport| {
        let map = &report.maps[0];
        (map.key.clone(), map.stored_shape, map.orientation)
    };
    let (image, text) = report("clip-vit-quickgelu");
    assert_eq!(place(&image), ("visual.proj".into(), [64, 56], Orientation::InOut));
    assert_eq!(place(&text), ("text_projection".into(), [48, 56], Orientation::InOut));
    assert_eq!(image.affine_before.as_ref().unwrap().key, "visual.ln_post");
    assert_eq!((image.kind, image.input_dim, image.output_dim), (Kind::Linear, 64, 56));
    assert_eq!((image.maps[0].explicit_bias_norm, text.maps[0].spectrum.spanned_share), (None, 48.0 / 56.0));
    // The same weights in transformers' layout: another key, the other way round, the same figures.
    let (twin, _) = report("hf-clip");
    assert_eq!(place(&twin), ("visual_projection.weight".into(), [56, 64], Orientation::OutIn));
    assert_eq!(twin.maps[0].spectrum, image.maps[0].spectrum);
    assert_eq!(twin.maps[0].effective_bias, image.maps[0].effective_bias);

    let (image, text) = report("siglip");
    assert_eq!((image.kind, image.maps.len()), (Kind::Identity, 0));
    assert_eq!(place(&text), ("text.text_projection.weight".into(), [48, 48], Orientation::OutIn));
    assert!(text.maps[0].explicit_bias_norm.unwrap() > 0.1);

    let (image, _) = report("convnext-mlp");
    assert_eq!((image.kind, image.maps[0].stored_shape, image.maps[1].stored_shape), (Kind::Mlp, [80, 48], [40, 80]));
    assert!(image.maps[0].explicit_bias_norm.is_some() && image.maps[1].explicit_bias_norm.is_none());
    assert!(image.maps[0].effective_bias_norm > 0.1 && image.maps[1].effective_bias_norm == 0.0);

    let (image, _) = report("clip-rn");
    let before = image.affine_before.unwrap();
    assert_eq!((before.key.as_str(), before.scale_norm), ("visual.attnpool.v_proj.bias", None));

    // The generator's parameters are never zero, as the biases of converted MobileCLIP and PE checkpoints are.
    let zero_bias = Copy::of("mobileclip-s").edit_tensors(|tensors| {
        tensors.get_mut("visual.trunk.head.fc.bias").unwrap().2.fill(0);
    });
    let model = zero_bias.load().unwrap();
    let report = ProjectionReport::of(model.clip.image_projection()).unwrap();
    assert_eq!((report.maps[0].explicit_bias_norm, report.maps[0].effective_bias_norm), (Some(0.0), 0.0));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kind"], "linear");
    assert_eq!(json["maps"][0]["orientation"], "out_in");
    assert_eq!(json["maps"][0]["spectrum"]["singular_values"].as_array().unwrap().len(), 40);
}
