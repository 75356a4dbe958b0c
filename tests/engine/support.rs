//! Finding fixtures, and comparing with goldens stage by stage.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use cliploupe_engine::{
    Checkpoint, Device, LoadError, Model, Precision, Tensor, TensorData,
    clip::{TokenBatch, normalise},
    device::read,
    probe::{Probe, Stage},
    zero_shot::Scoring,
};
use safetensors::{Dtype, SafeTensors};

/// A file below `tests/fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(path)
}

/// A file below `assets`.
pub fn asset(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(path)
}

/// A tensor of a golden file; integers become floats.
pub type Golden = Stage;

pub type Goldens = BTreeMap<String, Golden>;

/// The goldens in a file, with the input pixels that it shares with another fixture (see `tests/fixtures/trim.py`).
pub fn goldens(path: &Path) -> Goldens {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap_or_default();
    let mut goldens: Goldens = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let golden = match tensor.dtype() {
                Dtype::U8 => pixels_of(&metadata, tensor.shape(), tensor.data()),
                dtype => golden_of(dtype, tensor.shape(), tensor.data()),
            };
            (name, golden)
        })
        .collect();
    if let Some(keeper) = metadata.get("input.pixels") {
        let shared = self::goldens(&fixture(&format!("clip/{keeper}/golden.safetensors"))).remove("input.pixels");
        goldens.insert("input.pixels".into(), shared.unwrap());
    }
    goldens
}

/// Pixels `[batch, 3, height, width]` from the levels they were normalised from.
fn pixels_of(metadata: &std::collections::HashMap<String, String>, shape: &[usize], levels: &[u8]) -> Golden {
    let three = |key: &str| serde_json::from_str::<[f32; 3]>(&metadata[key]).unwrap();
    let (mean, std) = (three("mean"), three("std"));
    let plane = shape[2] * shape[3];
    let values = levels.iter().enumerate().map(|(i, level)| {
        let channel = i / plane % 3;
        (f32::from(*level) / 255.0 - mean[channel]) / std[channel]
    });
    Golden { shape: shape.to_vec(), values: values.collect() }
}

fn golden_of(dtype: Dtype, shape: &[usize], data: &[u8]) -> Golden {
    let words = data.as_chunks::<4>().0;
    let values = match dtype {
        Dtype::F32 => words.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::I32 => words.iter().map(|bytes| i32::from_le_bytes(*bytes) as f32).collect(),
        other => panic!("goldens are f32 or i32, not {other:?}"),
    };
    Golden { shape: shape.to_vec(), values }
}

/// The golden's `input.tokens`.
pub fn input_tokens(golden: &Goldens) -> TokenBatch {
    let tokens = &golden["input.tokens"];
    TokenBatch::new(tokens.values.iter().map(|id| *id as u32).collect(), tokens.shape[1])
}

/// How far a stage may be from its golden: `absolute + relative · |golden|`.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    pub absolute: f32,
    pub relative: f32,
}

/// What may differ where, by device: attention kernels alone differ by 1.8e-6 between two versions of open_clip.
#[derive(Debug, Clone, Copy)]
pub struct Tolerances {
    hidden: Tolerance,
    features: f32,
    unit: f32,
    logits: f32,
    probabilities: f32,
}

pub const CPU: Tolerances = Tolerances {
    hidden: Tolerance { absolute: 2e-4, relative: 1e-4 },
    features: 1e-4,
    unit: 2e-5,
    logits: 3e-4,
    probabilities: 2e-5,
};

/// WGSL lets a driver reorder sums and use approximate exponentials.
pub const WGPU: Tolerances = Tolerances {
    hidden: Tolerance { absolute: 1e-3, relative: 0.0 },
    features: 5e-4,
    unit: 1e-4,
    logits: 2e-3,
    probabilities: 2e-4,
};

/// One golden model of each family of towers.
pub const FAMILIES: [&str; 13] = [
    "clip-vit",
    "clip-rn",
    "coca",
    "convnext-mlp",
    "eva02",
    "eva02-postnorm",
    "mobileclip-b",
    "mobileclip-s",
    "nllb-linear",
    "pe-core",
    "siglip2",
    "vitamin",
    "xlmr-mlp",
];

impl Tolerances {
    pub fn of(self, stage: &str) -> Tolerance {
        let absolute = |absolute| Tolerance { absolute, relative: 0.0 };
        match stage {
            "image_features" | "text_features" => absolute(self.features),
            "image_features_norm" | "text_features_norm" => absolute(self.unit),
            "logits_per_image" => absolute(self.logits),
            "probs" => absolute(self.probabilities),
            _ => self.hidden,
        }
    }
}

/// Loads a checkpoint of the fixtures.
pub fn load(folder: &Path, device: &Device) -> Result<Model, LoadError> {
    Model::load(Checkpoint::find(folder, None)?, None, device)
}

/// The order in which stages are computed, so that the first wrong one is the one to look at.
const ORDER: &[&str] = &[
    "visual.patch_conv",
    "visual.patch_embed",
    "visual.embeds",
    "visual.rope",
    "visual.stem",
    "visual.attn.0",
    "visual.block.0",
    "visual.attn.1",
    "visual.block.1",
    "visual.stage.0",
    "visual.stage.1",
    "visual.stage.2",
    "visual.stage.3",
    "visual.attn.pool",
    "visual.attn_pool",
    "visual.pooled",
    "visual.lens.0",
    "visual.lens.1",
    "visual.lens.2",
    "visual.dense",
    "visual.head.fc1",
    "visual.head.act",
    "image_features",
    "image_features_norm",
    "text.token_embedding",
    "text.block.0",
    "text.block.1",
    "text.ln_final",
    "text.pooled",
    "text.proj.0",
    "text.proj.1",
    "text_features",
    "text_features_norm",
    "logits_per_image",
    "probs",
];

/// Runs the golden's own pixels and tokens through `model` and compares every stage the golden has.
pub fn check(model: &Model, golden: &Goldens, tolerances: Tolerances) -> Result<(), String> {
    let stages = run(model, golden);
    for name in golden.keys().filter(|name| !name.starts_with("input.")) {
        assert!(ORDER.contains(&name.as_str()), "the golden has a stage that nothing compares: {name}");
    }
    for name in ORDER {
        let Some(expected) = golden.get(*name) else { continue };
        let found = stages.get(*name).ok_or_else(|| format!("stage {name} was not computed"))?;
        compare(name, found, expected, tolerances.of(name))?;
    }
    Ok(())
}

/// Hidden states of a golden have their first row only.
pub fn compare(name: &str, found: &Golden, expected: &Golden, tolerance: Tolerance) -> Result<(), String> {
    let mut found = found.clone();
    if expected.shape.len() > 2 && expected.shape[0] == 1 {
        found.shape[0] = 1;
        found.values.truncate(found.shape.iter().product());
    }
    if found.shape != expected.shape {
        return Err(format!("{name} has shape {:?}, expected {:?}", found.shape, expected.shape));
    }
    let excess = |(a, b): (&f32, &f32)| (a - b).abs() - tolerance.absolute - tolerance.relative * b.abs();
    let worst = found
        .values
        .iter()
        .zip(&expected.values)
        .map(excess)
        .fold(f32::NEG_INFINITY, |worst, e| if e.is_nan() { f32::INFINITY } else { worst.max(e) });
    if worst <= 0.0 { Ok(()) } else { Err(format!("{name} is off by {worst:e} more than {tolerance:?}")) }
}

/// Every stage that a golden may have, for the golden's own pixels and tokens.
pub fn run(model: &Model, golden: &Goldens) -> Goldens {
    let clip = &model.clip;
    let pixels = model.pixel_batch(golden["input.pixels"].values.clone());
    let mut probe = Probe::on();
    let pooled = clip.image_pooled(pixels, &mut probe);
    let image = clip.image_projection().forward_seen(pooled, &mut probe);
    let pooled = clip.text_pooled(&input_tokens(golden), &mut probe);
    let text = clip.text_projection().forward_seen(pooled, &mut probe);
    let mut stages: Goldens = probe.into_stages();
    project_lens(model, &mut stages);
    for (ours, golden) in [
        ("visual.head.mlp.hidden", "visual.head.fc1"),
        ("visual.head.mlp.active", "visual.head.act"),
        ("text.proj.hidden", "text.proj.0"),
        ("text.proj.active", "text.proj.1"),
    ] {
        if let Some(stage) = stages.remove(ours) {
            stages.insert(golden.into(), stage);
        }
    }
    let (image_unit, text_unit) = (normalise(image.clone()), normalise(text.clone()));
    let scoring = Scoring::of(clip);
    let cosines = image_unit.clone().matmul(text_unit.clone().transpose());
    let [images, texts] = cosines.dims();
    let scores: Vec<_> = read(cosines).chunks_exact(texts).flat_map(|row| scoring.scores(row)).collect();
    let table = |values: Vec<f32>| Golden { shape: vec![images, texts], values };
    stages.insert("logits_per_image".into(), table(scores.iter().map(|s| s.logit).collect()));
    stages.insert("probs".into(), table(scores.iter().map(|s| s.probability).collect()));
    for (name, tensor) in [
        ("image_features", image),
        ("text_features", text),
        ("image_features_norm", image_unit),
        ("text_features_norm", text_unit),
    ] {
        stages.insert(name.into(), Golden { shape: tensor.dims().to_vec(), values: read(tensor) });
    }
    stages
}

/// The goldens have the logit lens and the dense features after the projection.
fn project_lens(model: &Model, stages: &mut Goldens) {
    let mut depth = 0;
    while let Some(pooled) = stages.remove(&format!("visual.pooled_at.{depth}")) {
        stages.insert(format!("visual.lens.{depth}"), project(model, &pooled));
        depth += 1;
    }
    if let Some(patches) = stages.remove("visual.patches") {
        stages.insert("visual.dense".into(), project(model, &patches));
    }
}

fn project(model: &Model, x: &Golden) -> Golden {
    let projection = model.clip.image_projection();
    let width = *x.shape.last().unwrap();
    let rows =
        Tensor::<2>::from_data(TensorData::new(x.values.clone(), [x.values.len() / width, width]), model.clip.device());
    let mut shape = x.shape.clone();
    *shape.last_mut().unwrap() = projection.config().output_dim;
    Golden { shape, values: read(projection.forward(rows)) }
}

/// Writes the `model.safetensors` that `weights.json` describes: the tensors of another fixture, renamed and rearranged.
fn put_together(folder: &Path) {
    #[derive(serde::Deserialize)]
    struct Described {
        fixture: String,
        tensors: BTreeMap<String, DescribedTensor>,
    }
    #[derive(serde::Deserialize)]
    struct DescribedTensor {
        dtype: Dtype,
        shape: Vec<usize>,
        pieces: Vec<Piece>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Piece {
        Slice(String, usize, usize),
        Transposed(String),
    }
    let described: Described = serde_json::from_slice(&std::fs::read(folder.join("weights.json")).unwrap()).unwrap();
    let original = fixture(&format!("clip/{}/open_clip_model.safetensors", described.fixture));
    let bytes = std::fs::read(original).unwrap();
    let original = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: BTreeMap<String, OwnedTensor> = described
        .tensors
        .into_iter()
        .map(|(name, tensor)| {
            let data = tensor.pieces.iter().flat_map(|piece| match piece {
                Piece::Slice(key, from, to) => original.tensor(key).unwrap().data()[*from..*to].to_vec(),
                Piece::Transposed(key) => {
                    let view = original.tensor(key).unwrap();
                    let mut owned = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
                    transpose(&mut owned);
                    owned.2
                }
            });
            (name, (tensor.dtype, tensor.shape, data.collect()))
        })
        .collect();
    write_tensors(&tensors, &folder.join("model.safetensors"));
}

/// Swaps rows and columns of a stored matrix.
pub fn transpose((dtype, shape, data): &mut OwnedTensor) {
    let size = if *dtype == Dtype::F32 { 4 } else { 2 };
    let [rows, columns] = shape[..] else { panic!("not a matrix") };
    let element = |row: usize, column: usize| &data[(row * columns + column) * size..][..size];
    let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
    *data = turned.flat_map(|(row, column)| element(row, column).to_vec()).collect();
    shape.reverse();
}

/// Writes a safetensors file.
pub fn write_tensors(tensors: &BTreeMap<String, OwnedTensor>, path: &Path) {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// A copy of a fixture in a folder of its own, to be spoilt.
pub struct Copy {
    folder: tempfile::TempDir,
    weights: &'static str,
    config: &'static str,
}

pub type OwnedTensor = (Dtype, Vec<usize>, Vec<u8>);

impl Copy {
    pub fn of(name: &str) -> Self {
        let from = fixture(&format!("clip/{name}"));
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        if folder.path().join("weights.json").exists() {
            put_together(folder.path());
        }
        let is_open_clip = folder.path().join("open_clip_config.json").exists();
        let (weights, config) = if is_open_clip {
            ("open_clip_model.safetensors", "open_clip_config.json")
        } else {
            ("model.safetensors", "config.json")
        };
        Self { folder, weights, config }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn weights_path(&self) -> PathBuf {
        self.path().join(self.weights)
    }

    pub fn golden(&self) -> Goldens {
        goldens(&self.path().join("golden.safetensors"))
    }

    /// Changes the configuration.
    pub fn edit_config(self, edit: impl FnOnce(&mut serde_json::Value)) -> Self {
        let path = self.path().join(self.config);
        let mut json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut json);
        std::fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
        self
    }

    /// Replaces the weights file by one of another name and kind.
    pub fn with_weights(self, name: &str, write: impl FnOnce(&BTreeMap<String, OwnedTensor>) -> Vec<u8>) -> Self {
        let tensors = self.tensors();
        std::fs::remove_file(self.weights_path()).unwrap();
        std::fs::write(self.path().join(name), write(&tensors)).unwrap();
        self
    }

    fn tensors(&self) -> BTreeMap<String, OwnedTensor> {
        let bytes = std::fs::read(self.weights_path()).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let owned =
            file.tensors().into_iter().map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec())));
        owned.collect()
    }

    /// Changes the tensors.
    pub fn edit_tensors(self, edit: impl FnOnce(&mut BTreeMap<String, OwnedTensor>)) -> Self {
        let mut tensors = self.tensors();
        edit(&mut tensors);
        write_tensors(&tensors, &self.weights_path());
        self
    }

    pub fn load(&self) -> Result<Model, LoadError> {
        self.load_on(&Device::flex())
    }

    pub fn load_on(&self, device: &Device) -> Result<Model, LoadError> {
        load(self.path(), device)
    }

    pub fn load_as(&self, device: &Device, precision: Precision) -> Result<Model, LoadError> {
        Model::load_as(Checkpoint::find(self.path(), None)?, None, device, precision)
    }

    /// Loads and compares; a checkpoint that is refused fails too.
    pub fn check(&self) -> Result<(), String> {
        check(&self.load().map_err(|error| error.to_string())?, &self.golden(), CPU)
    }
}
