use cliploupe_engine::{Checkpoint, LoadError, chain};
use safetensors::Dtype;

use crate::support::{Copy, asset};

fn refused(copy: &Copy) -> LoadError {
    match copy.load() {
        Ok(_) => panic!("the checkpoint was accepted"),
        Err(error) => error,
    }
}

const NORM: &str = "visual.ln_post.weight";

#[test]
fn a_missing_tensor_is_named() {
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| drop(tensors.remove(NORM)));
    assert!(matches!(refused(&copy), LoadError::MissingTensor { name, .. } if name == NORM));
}

#[test]
fn a_missing_tensor_is_named_as_transformers_names_it() {
    let key = "vision_model.post_layernorm.weight";
    let copy = Copy::of("hf-clip").edit_tensors(|tensors| drop(tensors.remove(key)));
    assert!(matches!(refused(&copy), LoadError::MissingTensor { name, .. } if name == key));
}

#[test]
fn a_left_over_tensor_is_named() {
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| {
        tensors.insert("visual.proj_bias".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    assert!(matches!(refused(&copy), LoadError::UnknownTensors { names, .. } if names == ["visual.proj_bias"]));
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| tensors.get_mut("visual.proj").unwrap().1.reverse());
    let LoadError::Shape { name, expected, found, .. } = refused(&copy) else { panic!("another error") };
    assert_eq!((name.as_str(), expected, found), ("visual.proj", vec![64, 32], vec![32, 64]));
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| {
        tensors.get_mut(NORM).unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(matches!(refused(&copy), LoadError::NotFinite { name, count: 1, .. } if name == NORM));
}

#[test]
fn weights_in_integers_are_refused() {
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| tensors.get_mut(NORM).unwrap().0 = Dtype::I32);
    assert!(matches!(refused(&copy), LoadError::Dtype { name, .. } if name == NORM));
}

#[test]
fn an_unknown_key_is_named_wherever_it_stands() {
    for (section, pointer) in
        [("model_cfg", "/model_cfg"), ("vision", "/model_cfg/vision_cfg"), ("text", "/model_cfg/text_cfg"), ("top", "")]
    {
        let copy = Copy::of("clip-vit").edit_config(|json| json.pointer_mut(pointer).unwrap()["frobnicate"] = 1.into());
        let message = chain(&refused(&copy));
        assert!(message.contains("frobnicate"), "{section}: {message}");
    }
    let copy = Copy::of("hf-clip").edit_config(|json| json["text_config"]["frobnicate"] = 1.into());
    assert!(chain(&refused(&copy)).contains("frobnicate"));
}

#[test]
fn a_known_key_that_is_not_computed_is_refused_by_name() {
    let copy = Copy::of("clip-vit").edit_config(|json| json["model_cfg"]["vision_cfg"]["qk_norm"] = true.into());
    assert!(chain(&refused(&copy)).contains("qk_norm"));
    let copy = Copy::of("clip-vit")
        .edit_config(|json| json["model_cfg"]["vision_cfg"]["timm_model_name"] = "resnet9000".into());
    assert!(chain(&refused(&copy)).contains("resnet9000"));
}

#[test]
fn impossible_sizes_are_refused_before_anything_is_allocated() {
    for (key, value) in
        [("width", 65), ("width", 0), ("patch_size", 0), ("patch_size", 1000), ("image_size", 1_000_000)]
    {
        let copy = Copy::of("clip-vit").edit_config(|json| json["model_cfg"]["vision_cfg"][key] = value.into());
        refused(&copy);
    }
    let copy = Copy::of("clip-vit").edit_config(|json| json["model_cfg"]["vision_cfg"]["layers"] = u64::MAX.into());
    refused(&copy);
}

/// Rewrites the first bytes of the weights file.
fn with_weights(edit: impl FnOnce(&mut Vec<u8>)) -> LoadError {
    let copy = Copy::of("clip-vit");
    let mut bytes = std::fs::read(copy.weights_path()).unwrap();
    edit(&mut bytes);
    std::fs::write(copy.weights_path(), bytes).unwrap();
    refused(&copy)
}

#[test]
fn headers_that_lie_are_refused() {
    let is_header = |error: LoadError| assert!(matches!(error, LoadError::Header { .. }), "{error}");
    is_header(with_weights(|bytes| bytes.clear()));
    is_header(with_weights(|bytes| bytes.truncate(5)));
    is_header(with_weights(|bytes| bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes())));
    is_header(with_weights(|bytes| bytes[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes())));
    is_header(with_weights(|bytes| bytes[..8].copy_from_slice(&4_u64.to_le_bytes())));
    is_header(with_weights(|bytes| bytes.truncate(bytes.len() - 1)));
    is_header(with_weights(|bytes| bytes.extend([0; 16])));
    // The header says that a tensor is longer than its shape.
    is_header(with_weights(|bytes| {
        let at = bytes.windows(8).position(|window| window == b"\"shape\":").unwrap();
        bytes[at + 9] = if bytes[at + 9] == b'9' { b'8' } else { b'9' };
    }));
}

#[test]
fn a_folder_that_is_no_checkpoint_says_what_is_missing() {
    let reason = |path: &std::path::Path| match Checkpoint::find(path, None) {
        Err(LoadError::NotACheckpoint { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(reason(folder.path()).contains("neither open_clip_config.json nor config.json"));
    std::fs::write(folder.path().join("open_clip_config.json"), "{}").unwrap();
    assert!(reason(folder.path()).contains("no open_clip_model.safetensors"));
    std::fs::remove_file(folder.path().join("open_clip_config.json")).unwrap();
    std::fs::write(folder.path().join("open_clip_pytorch_model.bin"), "").unwrap();
    assert!(reason(folder.path()).contains("weights but neither open_clip_config.json"));
    assert!(reason(&folder.path().join("nowhere")).contains("no such file"));
}

#[test]
fn a_damaged_tokenizer_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["open_clip_config.json", "open_clip_model.safetensors", "config.json"] {
        std::fs::copy(asset(&format!("model/{file}")), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("tokenizer.json"), "{\"version\":").unwrap();
    let error = crate::support::load(folder.path(), &cliploupe_engine::Device::flex()).err().unwrap();
    assert!(chain(&error).contains("tokenizer.json"), "{}", chain(&error));
}
