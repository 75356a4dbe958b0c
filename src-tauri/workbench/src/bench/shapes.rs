//! Checkpoints that are made for measuring: the shapes of published models, with random weights.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

/// What a checkpoint in open_clip's layout consists of.
pub const FILES: [&str; 2] = ["open_clip_config.json", "open_clip_model.safetensors"];

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
        std::fs::write(folder.join(FILES[0]), serde_json::to_vec_pretty(&config)?)
    }
}

/// A safetensors file, written piece by piece: header length, header, then the tensors in the header's order.
fn write_random(folder: &Path, tensors: &BTreeMap<String, Vec<usize>>) -> io::Result<()> {
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for (name, shape) in tensors {
        let bytes = 2 * shape.iter().product::<usize>();
        let entry = serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [offset, offset + bytes] });
        header.insert(name.clone(), entry);
        offset += bytes;
    }
    let header = serde_json::to_vec(&header)?;
    let mut file = io::BufWriter::new(std::fs::File::create(folder.join(FILES[1]))?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let mut state = 1_u32;
    for (name, shape) in tensors {
        let same = same_for_all(name);
        let values = (0..shape.iter().product::<usize>()).map(|_| same.unwrap_or_else(|| random(&mut state)));
        file.write_all(&values.flat_map(u16::to_le_bytes).collect::<Vec<u8>>())?;
    }
    file.flush()
}

/// The value of tensors that are not random, as f16. Norms have a gain of 1: with random gains each block would add next
/// to nothing, all pictures would have one embedding, and to compare programs by it would show nothing.
fn same_for_all(name: &str) -> Option<u16> {
    const ONE: u16 = 0x3c00;
    const LN_OF_100: u16 = 0x449b;
    let is_gain = name.contains("ln_") && name.ends_with(".weight");
    if name == "logit_scale" { Some(LN_OF_100) } else { is_gain.then_some(ONE) }
}

/// The next value, as f16. Sign and fraction are random, the exponent is fixed: about ±0.03, as weights have.
fn random(state: &mut u32) -> u16 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (((*state >> 16) & 0x83ff) as u16) | 0x2800
}

#[cfg(test)]
mod tests {
    use cliploupe_engine::{Checkpoint, Device, Model};

    use super::*;

    #[test]
    fn a_random_checkpoint_loads_and_tells_pictures_apart() {
        let folder = tempfile::tempdir().unwrap();
        let shape =
            Shape { name: "tiny", embed_dim: 8, patch_size: 112, vision: tower(16, 2, 8), text: tower(16, 1, 8) };
        shape.write(folder.path()).unwrap();
        let checkpoint = Checkpoint::find(folder.path(), None).unwrap();
        let model = Model::load(checkpoint, None, &Device::flex()).unwrap();
        assert!((model.clip.logit_scale() - 100.0).abs() < 0.2);
        let values: Vec<f32> = (0..2 * 3 * 224 * 224).map(|at| (at as f32 / 777.0).sin()).collect();
        let embeddings = model.image_embeddings(values);
        let (one, other) = embeddings.split_at(8);
        let cosine = one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        assert!(cosine < 0.999, "{cosine}");
        assert_eq!(model.tokenize(&["a cat"]).unwrap().length(), Shape::CONTEXT);
    }
}
