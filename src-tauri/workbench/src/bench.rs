//! How fast this machine is at each stage. Times are medians of several runs, after one that does not count.

mod lab;
mod library;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Duration, Instant},
};

use cliploupe_engine::{
    Model,
    photo::{self, Limits, Mode, Picture},
    preprocess::{Pixels, normalise as normalise_pixels, resize_and_crop},
    zero_shot,
};
use serde::Serialize;

use crate::assets;

pub use lab::lab;
pub use library::library;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The median.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

fn figure(what: impl Into<String>, value: f64, unit: &'static str) -> Figure {
    Figure { what: what.into(), value, unit }
}

/// Median time of `work`, over at least three runs and about a second.
fn median(mut work: impl FnMut()) -> Duration {
    work();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || (start.elapsed() < Duration::from_secs(1) && times.len() < 50) {
        let run = Instant::now();
        work();
        times.push(run.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A picture with slopes, edges and grain, so that compressing it is neither trivial nor hopeless.
fn scene(height: usize, width: usize) -> Pixels {
    let mut state = 0x2545_f491_u32;
    let mut data = Vec::with_capacity(height * width * 3);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (state >> 28) as usize;
            let block = if (x / 97 + y / 61).is_multiple_of(2) { 60 } else { 0 };
            data.extend(
                [x * 180 / width + grain + block, y * 180 / height + grain, (x + y) % 190 + block].map(|v| v as u8),
            );
        }
    }
    Pixels { height, width, data }
}

/// Decoding and preprocessing, which need no model but its configuration.
pub fn pictures(model: &Model) -> Vec<Figure> {
    let limits = Limits::default();
    let mut figures = Vec::new();
    let decode = |bytes: &[u8]| photo::decode(bytes, &limits).expect("a picture made a moment ago");
    for (name, height, width) in [("12 MP", 3000, 4000), ("2 MP", 1200, 1600)] {
        let pixels = scene(height, width);
        let jpeg = photo::jpeg_bytes(&pixels, 90).expect("a picture fits into a JPEG");
        figures.push(figure(format!("decode {name} JPEG"), millis(median(|| drop(decode(&jpeg)))), "ms"));
        let picture = Picture::new(height, width, Mode::Rgb, pixels.data);
        let prepare = || drop(normalise_pixels(&resize_and_crop(&picture, &model.preprocess), &model.preprocess));
        figures.push(figure(format!("preprocess {name}"), millis(median(prepare)), "ms"));
    }
    figures
}

/// Both towers of a model on its device.
pub fn model(model: &Model) -> Vec<Figure> {
    let size = model.config.vision.image_size();
    let pixels = normalise_pixels(&scene(size[0], size[1]), &model.preprocess);
    let encode = |batch: usize| drop(model.image_embeddings(pixels.repeat(batch)));
    let mut figures = Vec::new();
    for batch in [1, 16] {
        let rate = batch as f64 / median(|| encode(batch)).as_secs_f64();
        figures.push(figure(format!("encode images, batch {batch}"), rate, "images/s"));
    }
    let labels: Vec<String> = assets::label_sets().into_iter().flat_map(|set| set.labels).take(100).collect();
    let sentences: Vec<String> = labels.iter().map(|label| zero_shot::fill("a photo of a {}.", label)).collect();
    if let Ok(tokens) = model.tokenize(&sentences) {
        let rate =
            tokens.count() as f64 / median(|| drop(zero_shot::text_embeddings(&model.clip, &tokens))).as_secs_f64();
        figures.push(figure("encode 100 labels, 1 template", rate, "labels/s"));
    }
    figures
}

/// What the system says of this process's memory in MiB: `VmHWM` is the largest it has had, `VmRSS` what it has now.
fn memory(key: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Largest memory this process has had, where the system tells.
pub fn peak_memory() -> Option<Figure> {
    Some(figure("peak memory", memory("VmHWM")?, "MiB"))
}

/// Loads a model and measures how long that takes and how much memory, the latter also as a multiple of what its values
/// take in the working precision. What was loaded before in this process makes the latter too small, never too large.
pub fn load<T, E>(load: impl FnOnce() -> Result<T, E>, parameters: impl Fn(&T) -> u64) -> Result<(T, Vec<Figure>), E> {
    let before = memory("VmRSS");
    let begin = Instant::now();
    let loaded = load()?;
    let mut figures = vec![figure("load the model", millis(begin.elapsed()), "ms")];
    if let (Some(before), Some(peak)) = (before, memory("VmHWM")) {
        let values = parameters(&loaded) as f64 * size_of::<f32>() as f64 / f64::from(1 << 20);
        figures.push(figure("memory for loading", peak - before, "MiB"));
        figures.push(figure("the same over its values in f32", (peak - before) / values, "×"));
    }
    Ok((loaded, figures))
}

/// A checkpoint that is made for measuring.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Its name.
    pub name: &'static str,
    embed_dim: usize,
    patch_size: usize,
    vision: TowerShape,
    text: TowerShape,
}

#[derive(Debug, Clone, Copy)]
struct TowerShape {
    width: usize,
    layers: usize,
    head_width: usize,
}

const fn tower(width: usize, layers: usize, head_width: usize) -> TowerShape {
    TowerShape { width, layers, head_width }
}

/// The shapes of three of open_clip's configurations.
pub const SHAPES: [Shape; 3] = [
    Shape { name: "vit-b-32", embed_dim: 512, patch_size: 32, vision: tower(768, 12, 64), text: tower(512, 12, 64) },
    Shape { name: "vit-l-14", embed_dim: 768, patch_size: 14, vision: tower(1024, 24, 64), text: tower(768, 12, 64) },
    Shape { name: "vit-h-14", embed_dim: 1024, patch_size: 14, vision: tower(1280, 32, 80), text: tower(1024, 24, 64) },
];

impl Shape {
    const IMAGE: usize = 224;
    const VOCABULARY: usize = 49408;
    const CONTEXT: usize = 77;

    /// Writes a checkpoint of this shape with random f16 weights into `folder`, in open_clip's layout.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let Self { embed_dim, patch_size, vision, text, .. } = *self;
        let cells = (Self::IMAGE / patch_size).pow(2);
        let mut tensors = BTreeMap::<String, Vec<usize>>::new();
        let mut add = |name: &str, shape: &[usize]| tensors.insert(name.to_owned(), shape.to_vec());
        add("logit_scale", &[]);
        add("visual.class_embedding", &[vision.width]);
        add("visual.conv1.weight", &[vision.width, 3, patch_size, patch_size]);
        add("visual.positional_embedding", &[cells + 1, vision.width]);
        add("visual.proj", &[vision.width, embed_dim]);
        add("token_embedding.weight", &[Self::VOCABULARY, text.width]);
        add("positional_embedding", &[Self::CONTEXT, text.width]);
        add("text_projection", &[text.width, embed_dim]);
        for (norm, width) in
            [("visual.ln_pre", vision.width), ("visual.ln_post", vision.width), ("ln_final", text.width)]
        {
            add(&format!("{norm}.weight"), &[width]);
            add(&format!("{norm}.bias"), &[width]);
        }
        for (tower, TowerShape { width, layers, .. }) in [("visual.transformer", vision), ("transformer", text)] {
            for layer in 0..layers {
                let name = format!("{tower}.resblocks.{layer}");
                for (part, shape) in [
                    ("ln_1.weight", vec![width]),
                    ("ln_1.bias", vec![width]),
                    ("attn.in_proj_weight", vec![3 * width, width]),
                    ("attn.in_proj_bias", vec![3 * width]),
                    ("attn.out_proj.weight", vec![width, width]),
                    ("attn.out_proj.bias", vec![width]),
                    ("ln_2.weight", vec![width]),
                    ("ln_2.bias", vec![width]),
                    ("mlp.c_fc.weight", vec![4 * width, width]),
                    ("mlp.c_fc.bias", vec![4 * width]),
                    ("mlp.c_proj.weight", vec![width, 4 * width]),
                    ("mlp.c_proj.bias", vec![width]),
                ] {
                    add(&format!("{name}.{part}"), &shape);
                }
            }
        }
        write_random(folder, &tensors)?;
        let config = serde_json::json!({
            "model_cfg": {
                "embed_dim": embed_dim,
                "vision_cfg": {
                    "image_size": Self::IMAGE,
                    "layers": vision.layers,
                    "width": vision.width,
                    "head_width": vision.head_width,
                    "patch_size": patch_size,
                },
                "text_cfg": {
                    "context_length": Self::CONTEXT,
                    "vocab_size": Self::VOCABULARY,
                    "width": text.width,
                    "heads": text.width / text.head_width,
                    "layers": text.layers,
                },
            },
            "preprocess_cfg": {},
        });
        std::fs::write(folder.join("open_clip_config.json"), serde_json::to_vec_pretty(&config)?)
    }
}

/// A safetensors file, written piece by piece: header length, header, then the tensors in the header's order.
fn write_random(folder: &Path, tensors: &BTreeMap<String, Vec<usize>>) -> io::Result<()> {
    use io::Write;
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for (name, shape) in tensors {
        let bytes = 2 * shape.iter().product::<usize>();
        let entry = serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [offset, offset + bytes] });
        header.insert(name.clone(), entry);
        offset += bytes;
    }
    let header = serde_json::to_vec(&header)?;
    let mut file = io::BufWriter::new(std::fs::File::create(folder.join("open_clip_model.safetensors"))?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let mut state = 1_u32;
    for _ in 0..offset / 2 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Sign and fraction are random, the exponent is fixed: values of about ±0.03, as weights have.
        let bits = (((state >> 16) & 0x83ff) as u16) | 0x2800;
        file.write_all(&bits.to_le_bytes())?;
    }
    file.flush()
}
