//! Writes PyTorch files: fixtures turned into them, and files that are wrong on purpose.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
};

use safetensors::Dtype;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::OwnedTensor;

pub type Tensors = BTreeMap<String, OwnedTensor>;

/// Instructions of a pickle, one after the other.
#[derive(Default, Clone)]
pub struct Script(pub Vec<u8>);

impl Script {
    /// A pickle of protocol 2.
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    pub fn int(self, number: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&number.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    fn tuple(self, numbers: &[i64]) -> Self {
        numbers.iter().fold(self.raw(b"("), |script, number| script.int(*number)).raw(b"t")
    }

    pub fn storage(self, class: &str, key: &str, elements: i64, legacy: bool) -> Self {
        let script = self.raw(b"(").text("storage").global("torch", class).text(key).text("cpu").int(elements);
        script.raw(if legacy { b"NtQ" } else { b"tQ" })
    }

    /// `_rebuild_tensor_v2` of the storage that `storage` writes.
    pub fn view(self, storage: impl FnOnce(Self) -> Self, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        let script = storage(self.global("torch._utils", "_rebuild_tensor_v2").raw(b"("));
        let script = script.int(offset).tuple(shape).tuple(strides).raw(b"\x89");
        script.global("collections", "OrderedDict").raw(b")RtR")
    }

    /// A tensor of four f32 in storage `0`, as the other functions of this file lay it out.
    pub fn four(self) -> Self {
        self.view(|script| script.storage("FloatStorage", "0", 4, false), 0, &[4], &[1])
    }

    pub fn stop(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

fn class_of(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "FloatStorage",
        Dtype::F16 => "HalfStorage",
        Dtype::BF16 => "BFloat16Storage",
        Dtype::I64 => "LongStorage",
        other => panic!("fixtures have no {other:?}"),
    }
}

fn strides_of(shape: &[usize]) -> Vec<i64> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>() as i64).collect()
}

fn tensor(script: Script, key: usize, (dtype, shape, data): &OwnedTensor, legacy: bool) -> Script {
    let elements = data.len() * 8 / dtype.bitsize();
    let sizes: Vec<i64> = shape.iter().map(|axis| *axis as i64).collect();
    let storage = |script: Script| script.storage(class_of(*dtype), &key.to_string(), elements as i64, legacy);
    script.view(storage, 0, &sizes, &strides_of(shape))
}

/// A state dict with the storages numbered in the order of the names.
pub fn state_dict(script: Script, tensors: &Tensors, legacy: bool) -> Script {
    let script = script.global("collections", "OrderedDict").raw(b")R(");
    let put = |script: Script, (key, (name, value)): (usize, (&String, &OwnedTensor))| {
        tensor(script.text(name), key, value, legacy)
    };
    tensors.iter().enumerate().fold(script, put).raw(b"u")
}

/// A zip archive with these members below `archive/`, written by another library than the one that reads it.
pub fn archive<'a>(members: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).with_alignment(64);
    for (name, bytes) in members {
        writer.start_file(format!("archive/{name}"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// `torch.save` since 1.6, of what `pickle` builds.
pub fn saved(pickle: &[u8], tensors: &Tensors) -> Vec<u8> {
    let storages = tensors.values().enumerate().map(|(key, (.., data))| (format!("data/{key}"), data.as_slice()));
    let start: [(String, &[u8]); 2] = [("data.pkl".into(), pickle), ("byteorder".into(), b"little")];
    archive(start.into_iter().chain(storages).chain([("version".to_owned(), b"3\n".as_slice())]))
}

/// The same with one storage, `0`, of four f32.
pub fn saved_with_four(pickle: &[u8]) -> Vec<u8> {
    saved(pickle, &[("four".to_owned(), (Dtype::F32, vec![4], vec![0; 16]))].into())
}

pub fn zipped(tensors: &Tensors) -> Vec<u8> {
    saved(&state_dict(Script::new(), tensors, false).stop(), tensors)
}

/// `torch.save` before 1.6.
pub fn legacy(tensors: &Tensors) -> Vec<u8> {
    let mut file = Script::new().raw(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19").stop();
    file.extend(Script::new().int(1001).stop());
    file.extend(Script::new().raw(b"}(").text("little_endian").raw(b"\x88u").stop());
    file.extend(state_dict(Script::new(), tensors, true).stop());
    // The keys in another order than the tensors.
    let keys = (0..tensors.len()).rev();
    file.extend(
        keys.clone().fold(Script::new().raw(b"]("), |script, key| script.text(&key.to_string())).raw(b"e").stop(),
    );
    for (_, (dtype, _, data)) in tensors.iter().rev() {
        file.extend(((data.len() * 8 / dtype.bitsize()) as u64).to_le_bytes());
        file.extend(data);
    }
    file
}

/// A TorchScript archive of modules within modules, as OpenAI published CLIP, with its three constants.
pub fn torch_script(tensors: &Tensors) -> Vec<u8> {
    let mut tensors = tensors.clone();
    for (name, value) in [("input_resolution", 224_i64), ("context_length", 77), ("vocab_size", 49408)] {
        tensors.insert(name.to_owned(), (Dtype::I64, vec![], value.to_le_bytes().to_vec()));
    }
    let numbered: Vec<(Vec<&str>, usize, &OwnedTensor)> =
        tensors.iter().enumerate().map(|(key, (name, value))| (name.split('.').collect(), key, value)).collect();
    saved(&module(Script::new(), &numbered, 0).stop(), &tensors)
}

/// One module: its tensors, and below it the modules of those whose names go on.
fn module(script: Script, tensors: &[(Vec<&str>, usize, &OwnedTensor)], depth: usize) -> Script {
    let mut script =
        script.global("__torch__.multimodal.model", "Module").raw(b")\x81}(").text("training").raw(b"\x89");
    for group in tensors.chunk_by(|a, b| a.0[depth] == b.0[depth]) {
        let (path, key, value) = &group[0];
        script = script.text(path[depth]);
        script =
            if path.len() == depth + 1 { tensor(script, *key, value, false) } else { module(script, group, depth + 1) };
    }
    script.raw(b"ub")
}
