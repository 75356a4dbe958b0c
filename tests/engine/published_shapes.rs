//! Every published configuration against the names and shapes of its tensors.
//!
//! Goldens are tiny. This loads each of open_clip's configurations in its real size, from a file of zeros that has exactly
//! the tensors of the published checkpoint, and runs one picture and one text through it. Strict loading then proves that
//! no name, shape or number of layers is wrong.
//!
//! The shapes are those of `model.state_dict()` for every model that open_clip can create, as JSON:
//! `{"ViT-B-32": {"keys": {"visual.proj": [768, 512], …}}, …}`, in the file that `CLIPLOUPE_SHAPES` names. Models with
//! more values than `CLIPLOUPE_SHAPES_LIMIT` are left out, and said: each value takes 4 bytes of memory.

use std::{collections::BTreeMap, io::Write, path::Path};

use cliploupe_engine::{Checkpoint, Device, Model, clip::TokenBatch, probe::Probe};
use serde_json::{Value, json};

use crate::support::asset;

/// A safetensors file of zeros; only its header takes room on the disk.
fn write_zeros(path: &Path, keys: &BTreeMap<String, Vec<usize>>) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in keys {
        let is_counter = name.ends_with("num_batches_tracked") || name.ends_with("position_ids");
        let (dtype, size) = if is_counter { ("I64", 8) } else { ("F16", 2) };
        let start = end;
        end += shape.iter().product::<usize>() * size;
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }));
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
}

fn load_and_run(config: &Value, keys: &BTreeMap<String, Vec<usize>>) -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    write_zeros(&folder.path().join("open_clip_model.safetensors"), keys);
    let json = json!({ "model_cfg": config, "preprocess_cfg": {} });
    std::fs::write(folder.path().join("open_clip_config.json"), json.to_string()).unwrap();
    let checkpoint = Checkpoint::find(folder.path(), None).map_err(|error| error.to_string())?;
    let model = Model::load(checkpoint, None, &Device::flex()).map_err(|error| error.to_string())?;
    let [height, width] = model.config.vision.image_size();
    let pixels = model.pixel_batch(vec![0.0; 3 * height * width]);
    let image = model.clip.image_projection().forward(model.clip.image_pooled(pixels, &mut Probe::off()));
    let tokens = TokenBatch::new(vec![2; model.config.context_length], model.config.context_length);
    let text = model.clip.text_projection().forward(model.clip.text_pooled(&tokens, &mut Probe::off()));
    assert_eq!(image.dims(), [1, model.config.embed_dim]);
    assert_eq!(text.dims(), [1, model.config.embed_dim]);
    Ok(model.clip.parameters())
}

#[test]
#[ignore = "needs CLIPLOUPE_SHAPES, some 20 GB of memory and a quarter of an hour in release"]
fn every_published_configuration_loads_strictly() {
    let shapes = std::env::var("CLIPLOUPE_SHAPES").expect("CLIPLOUPE_SHAPES names the file of shapes");
    let shapes: Value = serde_json::from_slice(&std::fs::read(shapes).unwrap()).unwrap();
    let configs: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(asset("models/configs.json")).unwrap()).unwrap();
    let limit: usize = std::env::var("CLIPLOUPE_SHAPES_LIMIT").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let mut failed = Vec::new();
    for (name, config) in &configs {
        let keys: BTreeMap<String, Vec<usize>> =
            serde_json::from_value(shapes[name]["keys"].clone()).unwrap_or_else(|_| panic!("no shapes of {name}"));
        let values: usize = keys.values().map(|shape| shape.iter().product::<usize>()).sum();
        if values > limit {
            println!("{name}: left out, {values} values");
            continue;
        }
        match load_and_run(config, &keys) {
            Ok(parameters) => println!("{name}: {parameters} parameters"),
            Err(error) => {
                println!("{name}: {error}");
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), configs.len());
}
