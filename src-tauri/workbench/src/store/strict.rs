//! Whether a folder holds a model that can be used, found out before it is called one.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use cliploupe_engine::{
    Checkpoint, Device, Model,
    checkpoint::{Layout, read_json},
    clip::config::ClipConfig,
    files::Files,
    weights::{Weights, open_clip_keys},
};

use crate::{messages::Problem, problem::of_load};

/// Up to this size weights are loaded as a proof. Larger ones would not fit beside the model in use; of them the
/// header is read, and `verify` loads them when asked.
const PROOF_BYTES: u64 = 2 << 30;

/// Whether the configuration in `folder` is one that can be computed, before its weights are there.
pub fn check_config(folder: &Path) -> Result<(), Problem> {
    let path = folder.join("open_clip_config.json");
    // transformers' configuration is read with its weights.
    if !path.is_file() {
        return Ok(());
    }
    let mut json = read_json(Files::Disk, &path).map_err(|error| of_load(&error))?;
    let model_cfg = json.get_mut("model_cfg").map(serde_json::Value::take).unwrap_or_default();
    let read = || ClipConfig::from_open_clip(model_cfg, Files::Disk, &path, None).map(drop);
    guarded(|| read().map_err(|error| of_load(&error)))
}

/// Whether the checkpoint in `folder` loads; gives the name of its weights file.
pub fn check_folder(folder: &Path) -> Result<String, Problem> {
    let checkpoint = Checkpoint::find(folder, None).map_err(|error| of_load(&error))?;
    let weights = checkpoint.weights.clone();
    let name = weights.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check(checkpoint)?;
    Ok(name)
}

/// Whether a checkpoint loads, as far as its size lets one try.
pub fn check(checkpoint: Checkpoint) -> Result<(), Problem> {
    let bytes = fs::metadata(&checkpoint.weights).map_or(0, |data| data.len());
    guarded(|| {
        if bytes <= PROOF_BYTES {
            return Model::load(checkpoint, None, &Device::flex()).map(drop).map_err(|error| of_load(&error));
        }
        if checkpoint.layout == Layout::OpenClip {
            check_config(checkpoint.config.parent().unwrap_or(Path::new(".")))?;
        }
        let open = Weights::open(checkpoint.files, &checkpoint.weights, open_clip_keys, &Device::flex());
        open.map(drop).map_err(|error| of_load(&error))
    })
}

/// A panic while reading somebody's files is an error of these files.
fn guarded<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Problem::internal(&cliploupe_engine::device::panic_text(&*panic))))
}
