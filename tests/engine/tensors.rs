//! Any tensor of any file, as a person looks at it.

use std::{fs::File, io::Write, path::Path};

use cliploupe_engine::{
    Checkpoint,
    files::{Files, MemoryFile},
    inspect::{Pyramid, TensorError, TensorFile},
};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::{
    pytorch::transposed,
    support::{Copy, asset, fixture},
    torch_files::{legacy, torch_script, zipped},
};

fn open(path: &Path) -> TensorFile {
    TensorFile::open(Files::Disk, path).unwrap()
}

/// Names, shapes and values of all tensors.
fn all(tensors: &mut TensorFile) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let infos = tensors.list();
    infos.into_iter().map(|info| (info.name.clone(), info.shape, tensors.read(&info.name).unwrap().values)).collect()
}

#[test]
fn every_tensor_is_listed_and_read_as_the_file_has_it() {
    let path = fixture("clip/clip-rn/open_clip_model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = open(&path);
    assert_eq!(tensors.list().len(), expected.len());
    for info in tensors.list() {
        let view = expected.tensor(&info.name).unwrap();
        assert_eq!((info.shape.as_slice(), &info.dtype), (view.shape(), &format!("{:?}", view.dtype())));
        let values = tensors.read(&info.name).unwrap().values;
        assert_eq!(values.len() as u64, info.count);
        if view.dtype() == Dtype::F16 {
            let mut pairs = view.data().as_chunks::<2>().0.iter().zip(&values);
            assert!(pairs.all(|(bytes, value)| half_of(*bytes) == *value), "{}", info.name);
        }
    }
}

/// IEEE 754 binary16, written out: nothing of it comes from what the engine uses.
fn half_of(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, fraction) = (i32::from((bits >> 10) & 31), f32::from(bits & 1023));
    let size = if exponent == 0 {
        fraction / 1024.0 * 2f32.powi(-14)
    } else {
        (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15)
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[test]
fn a_file_of_any_kind_shows_the_same_numbers() {
    let original = all(&mut open(&fixture("clip/clip-vit/open_clip_model.safetensors")));
    for write in [zipped, legacy, transposed, torch_script] {
        let copy = Copy::of("clip-vit").with_weights("model.pth", write);
        assert_eq!(all(&mut open(&copy.path().join("model.pth"))), original);
    }
}

#[test]
fn the_embedded_model_shows_its_tensors_from_memory() {
    let bytes: &'static [u8] = std::fs::read(asset("model/open_clip_model.safetensors")).unwrap().leak();
    let files: &'static [MemoryFile] = vec![MemoryFile { name: "open_clip_model.safetensors", bytes }].leak();
    let mut tensors = TensorFile::of(&Checkpoint::in_memory("embedded", files)).unwrap();
    let weight = tensors.read("visual.head.proj.weight").unwrap();
    assert_eq!((weight.info.shape.as_slice(), weight.info.dtype.as_str()), ([256, 1280].as_slice(), "F16"));
    let facts = Pyramid::of_tensor(&weight.info.shape, weight.values).facts();
    assert_eq!((facts.nan, facts.row_norms.len(), facts.column_norms.len()), (0, 256, 1280));
    assert_eq!(facts.histogram.iter().sum::<u64>(), 256 * 1280);
    let counter = tensors.list().into_iter().find(|info| info.dtype == "I64");
    if let Some(counter) = counter {
        assert_eq!(tensors.read(&counter.name).unwrap().values.len() as u64, counter.count);
    }
}

#[test]
fn a_damaged_tensor_is_shown_though_no_model_loads_with_it() {
    let copy = Copy::of("clip-vit").edit_tensors(|tensors| {
        let (_, _, data) = tensors.get_mut("visual.proj").unwrap();
        data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        tensors.insert("counter".into(), (Dtype::I64, vec![2], [3_i64, -4].map(i64::to_le_bytes).concat()));
    });
    assert!(copy.load().is_err());
    let mut tensors = open(&copy.weights_path());
    let proj = tensors.read("visual.proj").unwrap();
    assert_eq!(Pyramid::of_tensor(&proj.info.shape, proj.values).facts().nan, 1);
    assert_eq!(tensors.read("counter").unwrap().values, [3.0, -4.0]);
    let error = tensors.read("nothing").unwrap_err();
    assert!(matches!(error, TensorError::Missing { .. }), "{error}");
}

/// A file of zeros that takes no place on the disk.
#[test]
fn a_tensor_that_is_too_large_is_refused_by_name_before_it_is_read() {
    let count: u64 = (1 << 28) + 1;
    let header = json!({ "huge": { "dtype": "U8", "shape": [count], "data_offsets": [0, count] } }).to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.safetensors");
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + count).unwrap();
    let error = open(&path).read("huge").unwrap_err();
    assert!(
        matches!(&error, TensorError::TooLarge { name, count: found } if name == "huge" && *found == count),
        "{error}"
    );
}
