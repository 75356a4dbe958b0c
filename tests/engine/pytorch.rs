use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Seek, SeekFrom},
};

use cliploupe_engine::{
    Checkpoint, LoadError, chain,
    tensor_index::{Entry, TensorIndex},
};
use safetensors::Dtype;
use serde_json::Value;

use crate::{
    support::{Copy, fixture},
    torch_files::{Script, Tensors, archive, legacy, saved, saved_with_four, state_dict, torch_script, zipped},
};

// Models through PyTorch files, stage by stage.

#[test]
fn a_zip_archive_passes_the_golden() {
    Copy::of("clip-vit").with_weights("open_clip_pytorch_model.bin", zipped).check().unwrap();
}

#[test]
fn a_legacy_file_passes_the_golden() {
    Copy::of("clip-vit").with_weights("open_clip_pytorch_model.pth", legacy).check().unwrap();
}

#[test]
fn a_torch_script_archive_passes_the_golden() {
    Copy::of("clip-vit-layerscale").with_weights("model.pth", torch_script).check().unwrap();
}

#[test]
fn a_transformers_pickle_passes_the_golden() {
    Copy::of("hf-clip").with_weights("pytorch_model.bin", zipped).check().unwrap();
}

#[test]
fn transposed_views_pass_the_golden() {
    Copy::of("clip-vit").with_weights("model.pth", transposed).check().unwrap();
}

/// A zip archive whose matrices lie column by column.
pub fn transposed(tensors: &Tensors) -> Vec<u8> {
    let mut stored = tensors.clone();
    for (dtype, shape, data) in stored.values_mut() {
        if let [rows, columns] = shape[..] {
            let size = dtype.bitsize() / 8;
            let at = |row: usize, column: usize| &data[(row * columns + column) * size..][..size];
            *data = (0..columns).flat_map(|c| (0..rows).flat_map(move |r| at(r, c).to_vec())).collect();
        }
    }
    let put = |script: Script,
               (key, (name, (dtype, shape, data))): (usize, (&String, &crate::support::OwnedTensor))| {
        let class = if *dtype == Dtype::F32 { "FloatStorage" } else { "HalfStorage" };
        let elements = (data.len() * 8 / dtype.bitsize()) as i64;
        let sizes: Vec<i64> = shape.iter().map(|axis| *axis as i64).collect();
        let strides = match sizes[..] {
            [rows, _] => vec![1, rows],
            _ => (0..sizes.len()).map(|axis| sizes[axis + 1..].iter().product()).collect(),
        };
        script.text(name).view(|s| s.storage(class, &key.to_string(), elements, false), 0, &sizes, &strides)
    };
    saved(&stored.iter().enumerate().fold(Script::new().raw(b"}("), put).raw(b"u").stop(), &stored)
}

#[test]
fn what_training_leaves_passes_the_golden() {
    let training = |tensors: &Tensors| {
        let tensors: Tensors = tensors.iter().map(|(name, t)| (format!("module.{name}"), t.clone())).collect();
        let script = state_dict(Script::new().raw(b"}(").text("epoch").int(3).text("state_dict"), &tensors, false);
        let script = script.text("args").global("argparse", "Namespace").raw(b")\x81}").raw(b"b");
        let script = script.text("best").global("numpy.core.multiarray", "scalar").raw(b")R");
        saved(&script.raw(b"u").stop(), &tensors)
    };
    Copy::of("clip-vit").with_weights("open_clip_pytorch_model.bin", training).check().unwrap();
}

#[test]
fn an_old_text_tower_without_a_prefix_passes_the_golden_of_a_model_with_one() {
    let old = |tensors: &Tensors| {
        let strip = |name: &String| name.strip_prefix("text.").unwrap_or(name).to_owned();
        zipped(&tensors.iter().map(|(name, t)| (strip(name), t.clone())).collect())
    };
    Copy::of("custom-text").with_weights("open_clip_pytorch_model.bin", old).check().unwrap();
}

#[test]
fn a_half_renamed_text_tower_is_not_repaired() {
    let half = |tensors: &Tensors| {
        let mut tensors = tensors.clone();
        for name in ["text_projection", "positional_embedding"] {
            let moved = tensors.remove(&format!("text.{name}")).unwrap();
            tensors.insert(name.to_owned(), moved);
        }
        zipped(&tensors)
    };
    let error = Copy::of("custom-text").with_weights("model.pth", half).load().err().unwrap();
    assert!(matches!(error, LoadError::MissingTensor { .. }), "{error}");
}

#[test]
fn content_decides_what_a_file_is() {
    Copy::of("clip-vit").with_weights("open_clip_model.safetensors", zipped).check().unwrap();
    let copy = Copy::of("clip-vit");
    let to = copy.path().join("pytorch_model.bin");
    std::fs::rename(copy.weights_path(), to).unwrap();
    copy.check().unwrap();
}

#[test]
fn names_are_preferred_in_open_clips_order_but_safetensors_before_pickles() {
    let chosen = |config: &[&str], names: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        config.iter().chain(names).for_each(|name| std::fs::write(folder.path().join(name), "{}").unwrap());
        let weights = Checkpoint::find(folder.path(), None).unwrap().weights;
        weights.file_name().unwrap().to_str().unwrap().to_owned()
    };
    let order = [
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.safetensors",
        "model.safetensors",
        "open_clip_pytorch_model.bin",
        "open_clip_pytorch_model.pth",
        "pytorch_model.bin",
        "pytorch_model.pth",
        "model.pth",
    ];
    for first in 0..order.len() {
        assert_eq!(chosen(&["open_clip_config.json"], &order[first..]), order[first]);
    }
    assert_eq!(chosen(&["config.json"], &["pytorch_model.bin", "model.safetensors"]), "model.safetensors");
    assert_eq!(chosen(&["config.json"], &["pytorch_model.bin", "open_clip_model.safetensors"]), "pytorch_model.bin");
    let both = ["open_clip_config.json", "config.json"];
    assert_eq!(chosen(&both, &["open_clip_pytorch_model.bin", "pytorch_model.bin"]), "open_clip_pytorch_model.bin");
}

// Files of make.py, which CPython's pickle module wrote.

fn read(bytes: &[u8]) -> Result<TensorIndex, String> {
    TensorIndex::read(&mut Cursor::new(bytes.to_vec()), bytes.len() as u64).map_err(|error| chain(&error))
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).map(|index| index.tensors).expect_err("the file was accepted")
}

fn made(name: &str) -> Vec<u8> {
    std::fs::read(fixture("pytorch").join(name)).unwrap()
}

fn values(file: &[u8], entry: &Entry) -> Vec<f64> {
    let mut bytes = vec![0; entry.bytes as usize];
    let mut cursor = Cursor::new(file);
    cursor.seek(SeekFrom::Start(entry.offset)).unwrap();
    cursor.read_exact(&mut bytes).unwrap();
    let bytes = entry.in_order(bytes);
    let (halves, words, doubles) = (bytes.as_chunks::<2>().0, bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
    match entry.dtype {
        Dtype::F32 => words.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        Dtype::F16 => halves.iter().map(|b| half::f16::from_le_bytes(*b).into()).collect(),
        Dtype::BF16 => halves.iter().map(|b| half::bf16::from_le_bytes(*b).into()).collect(),
        Dtype::F64 => doubles.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::I64 => doubles.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("make.py writes no {other:?}"),
    }
}

/// Every tensor of the file with its numbers, and nothing else; `rename` turns a name of the file into one of make.py.
fn holds_what_was_written(name: &str, rename: impl Fn(&str) -> String) {
    let file = made(name);
    let index = read(&file).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_slice(&made("expected.json")).unwrap();
    assert_eq!(index.tensors.len(), expected.len());
    for (key, entry) in &index.tensors {
        let expected = &expected[&rename(key)];
        assert_eq!(format!("{:?}", entry.dtype), expected["dtype"].as_str().unwrap(), "{key}");
        assert_eq!(serde_json::to_value(&entry.shape).unwrap(), expected["shape"], "{key}");
        assert_eq!(serde_json::to_value(values(&file, entry)).unwrap(), expected["values"], "{key}");
    }
}

#[test]
fn archives_of_two_protocols_hold_what_was_written() {
    holds_what_was_written("zip.pt", str::to_owned);
    holds_what_was_written("zip_protocol_5.pt", str::to_owned);
}

#[test]
fn a_legacy_file_holds_what_was_written() {
    holds_what_was_written("legacy.pth", str::to_owned);
}

#[test]
fn a_training_checkpoint_holds_its_state_dict() {
    holds_what_was_written("training.pt", str::to_owned);
}

#[test]
fn a_torch_script_archive_holds_its_tensors_and_names_what_it_leaves_aside() {
    holds_what_was_written("script.pt", |name| name.trim_start_matches("visual.conv1.").to_owned());
    let mut ignored = read(&made("script.pt")).unwrap().ignored;
    ignored.sort();
    let expected = [
        "context_length",
        "input_resolution",
        "training",
        "visual._is_full_backward_hook",
        "visual.conv1.stride",
        "visual.training",
        "vocab_size",
    ];
    assert_eq!(ignored, expected);
}

#[test]
fn a_pickle_that_attacks_is_refused_though_its_weights_are_fine() {
    let message = refused(&made("attack.pt"));
    assert!(message.contains("asks to run `posix.system`"), "{message}");
    assert!(message.contains("nothing was run"), "{message}");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for name in ["zip.pt", "legacy.pth", "script.pt"] {
        let file = made(name);
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "{name} with {length} of {} bytes", file.len());
        }
    }
}

// Pickles that are wrong on purpose.

fn refuses(pickle: Script, reason: &str) {
    let message = refused(&saved_with_four(&pickle.stop()));
    assert!(message.contains(reason), "{message:?} instead of {reason:?}");
}

#[test]
fn functions_that_reach_outside_are_refused_however_they_are_named() {
    let four = || Script::new().raw(b"}(").text("weight").four().text("other");
    refuses(four().global("os", "system").text("true").raw(b"\x85Ru"), "asks to run `os.system`");
    refuses(four().global("builtins", "eval").text("1").raw(b"\x85Ru"), "`builtins.eval`");
    refuses(four().global("builtins", "getattr").raw(b"u"), "`builtins.getattr`");
    refuses(four().text("subprocess").text("Popen").raw(b"\x93u"), "`subprocess.Popen`");
    refuses(four().text("torch").text("os.system").raw(b"\x93u"), "`torch.os.system`");
    refuses(four().raw(b"(X\x01\0\0\0aios\nsystem\nu"), "`os.system`");
    refuses(
        Script::new().global("runpy", "run_path").raw(b"0").raw(b"}(").text("weight").four().raw(b"u"),
        "`runpy.run_path`",
    );
}

#[test]
fn functions_are_refused_in_every_pickle_of_a_legacy_file() {
    let attack = Script::new().global("socket", "socket").raw(b"0N").stop();
    let file = made("legacy.pth");
    let ends: Vec<usize> =
        (0..file.len() - 1).filter(|at| file[*at] == b'.' && file[*at + 1..].starts_with(b"\x80\x02")).collect();
    assert_eq!(ends.len(), 4);
    for end in [0, ends[0] + 1, ends[1] + 1, ends[2] + 1, ends[3] + 1] {
        let spoilt = [&file[..end], &attack, &file[end..]].concat();
        if end > 0 {
            assert!(refused(&spoilt).contains("`socket.socket`"), "{}", refused(&spoilt));
        } else {
            assert!(read(&spoilt).is_err());
        }
    }
}

#[test]
fn a_tensor_that_a_function_would_make_is_refused_by_name() {
    let script = || Script::new().raw(b"}(").text("fine").four().text("weight");
    refuses(
        script().global("mymodel.tricks", "decompress").raw(b")Ru"),
        "\"weight\" cannot be read: it asks to run `mymodel.tricks.decompress`",
    );
    // Through a storage, a parameter, and a type of tensor.
    let storage = |s: Script| s.global("mymodel", "Disk").raw(b")R");
    refuses(script().view(storage, 0, &[4], &[1]).raw(b"u"), "asks to run `mymodel.Disk`");
    let parameter =
        script().global("torch._utils", "_rebuild_parameter").raw(b"(").global("mymodel", "Lazy").raw(b")R\x88NtRu");
    refuses(parameter, "asks to run `mymodel.Lazy`");
    refuses(script().global("torch._utils", "_rebuild_qtensor").raw(b")Ru"), "`torch._utils._rebuild_qtensor`");
    refuses(script().global("torch.storage", "_load_from_bytes").raw(b")Ru"), "`torch.storage._load_from_bytes`");
}

#[test]
fn a_tensor_with_attributes_is_its_tensor() {
    let script = Script::new().raw(b"}(").text("weight").global("torch._tensor", "_rebuild_from_type_v2").raw(b"(");
    let script = script.global("torch._utils", "_rebuild_tensor_v2").global("torch", "Tensor").raw(b"(");
    let script = script.storage("FloatStorage", "0", 4, false).int(0).int(4).raw(b"\x85").int(1).raw(b"\x85\x89Nt}tRu");
    assert_eq!(read(&saved_with_four(&script.stop())).unwrap().tensors["weight"].shape, [4]);
}

#[test]
fn whatever_is_no_tensor_is_refused_by_name() {
    let with = |value: &[u8]| Script::new().raw(b"}(").text("weight").four().text("epoch").raw(value).raw(b"u");
    refuses(with(b"K\x03"), "\"epoch\" in its state dict is an int, not a tensor");
    refuses(with(b"N"), "is None");
    refuses(with(b"}"), "is a dict");
    refuses(with(b"(t"), "is a tuple");
    refuses(with(b"cargparse\nNamespace\n)\x81"), "is an object of `argparse.Namespace`");
    refuses(Script::new().raw(b"K\x03"), "it holds an int");
    refuses(Script::new().raw(b"}"), "it holds no tensors");
    refuses(Script::new().raw(b"}(K\x01").four().raw(b"u"), "an int as a key");
    refuses(Script::new().raw(b"}(").text("state_dict").raw(b"Nu"), "it holds None");
    let whole_model = Script::new().global("open_clip.model", "CLIP").raw(b")\x81}(").text("visual").four().raw(b"ub");
    refuses(whole_model, "an object of `open_clip.model.CLIP`");
}

#[test]
fn names_must_be_there_once_and_agree_on_their_prefix() {
    refuses(Script::new().raw(b"}(").text("a").four().text("a").four().raw(b"u"), "\"a\" is there twice");
    refuses(
        Script::new().raw(b"}(").text("module.a").four().text("b").four().raw(b"u"),
        "\"b\" lacks the prefix of the first one, `module.`",
    );
    let long = "x".repeat(300);
    refuses(Script::new().raw(b"}(").text(&long).four().raw(b"u"), "more than 256 bytes in a tensor's name");
}

#[test]
fn a_view_must_lie_in_its_storage() {
    let view = |elements, offset, shape: &[i64], strides: &[i64]| {
        let storage = |s: Script| s.storage("FloatStorage", "0", elements, false);
        Script::new().raw(b"}(").text("weight").view(storage, offset, shape, strides).raw(b"u")
    };
    read(&saved_with_four(&view(4, 0, &[2, 2], &[1, 2]).stop())).unwrap();
    read(&saved_with_four(&view(4, 4, &[0], &[1]).stop())).unwrap();
    // The product of these overflowed while strides were compared; found by fuzz::views.
    read(&saved_with_four(&view(4, 0, &[0, 1 << 40, 1 << 40], &[1, 1 << 40, 1]).stop())).unwrap();
    for (offset, shape, strides) in [
        (1, &[4][..], &[1][..]),
        (5, &[0], &[1]),
        (0, &[2, 2], &[1, 3]),
        (0, &[2], &[i64::MAX]),
        (i64::MAX, &[1], &[1]),
        (0, &[3, 2], &[i64::MAX / 2, i64::MAX / 2]),
    ] {
        refuses(view(4, offset, shape, strides), "");
    }
    refuses(view(4, 1, &[4], &[1]), "reaches outside of its storage");
    refuses(view(5, 0, &[5], &[1]), "shorter than it says");
    refuses(view(i64::MAX, 0, &[4], &[1]), "shorter than it says");
    refuses(view(-1, 0, &[4], &[1]), "negative length");
    refuses(view(4, -1, &[1], &[1]), "no natural numbers");
    refuses(view(4, 0, &[-1], &[1]), "no natural numbers");
    refuses(view(4, 0, &[1, 1], &[1]), "more strides than axes");
    refuses(view(4, 0, &[1; 17], &[1; 17]), "or too many");
    // A stride of zero repeats a number, which is fine as long as there are no more of them than are stored.
    read(&saved_with_four(&view(4, 0, &[4], &[0]).stop())).unwrap();
    refuses(view(4, 0, &[1 << 40], &[0]), "more numbers than its storage");
    refuses(view(4, 0, &[1 << 32, 1 << 32], &[0, 0]), "reaches outside");
    let missing = |s: Script| s.storage("FloatStorage", "../../4", 4, false);
    refuses(Script::new().raw(b"}(").text("weight").view(missing, 0, &[4], &[1]).raw(b"u"), "which the file has not");
    let quantised = |s: Script| s.storage("QInt8Storage", "0", 4, false);
    refuses(Script::new().raw(b"}(").text("weight").view(quantised, 0, &[4], &[1]).raw(b"u"), "`torch.QInt8Storage`");
}

#[test]
fn a_storage_cannot_be_counted_again_and_again() {
    let shared = |count: usize| {
        let put = |script: Script, number: usize| script.text(&format!("t{number}")).four();
        saved_with_four(&(0..count).fold(Script::new().raw(b"}("), put).raw(b"u").stop())
    };
    assert_eq!(read(&shared(8)).unwrap().tensors.len(), 8);
    // Instructions cost more than the sixteen bytes of the storage, so the storage is larger here.
    let large = |count: usize| {
        let storage = |s: Script| s.storage("FloatStorage", "0", 1 << 16, false);
        let put = |script: Script, number: usize| script.text(&format!("t{number}")).view(storage, 0, &[1 << 16], &[1]);
        let data = vec![0; 4 << 16];
        let pickle = (0..count).fold(Script::new().raw(b"}("), put).raw(b"u").stop();
        archive([("data.pkl".to_owned(), pickle.as_slice()), ("data/0".to_owned(), &data)])
    };
    assert_eq!(read(&large(4)).unwrap().tensors.len(), 4);
    assert!(refused(&large(6)).contains("larger than the file can explain"));
}

#[test]
fn bombs_are_refused() {
    // A memo with a million places, and one whose only place has the largest number.
    refuses(Script::new().raw(b"N").raw(&vec![0x94; 1 << 20]), "more than 1048576 instructions");
    read(&saved_with_four(&Script::new().raw(b"}r\xff\xff\xff\xff(").text("a").four().raw(b"u").stop())).unwrap();
    // A list that is copied into an OrderedDict again and again.
    let pairs = (0..50_000).fold(Script::new().raw(b"]("), |s, _| s.raw(b"NN\x86")).raw(b"eq\x000");
    let copies = (0..100).fold(pairs, |s, _| s.global("collections", "OrderedDict").raw(b"h\0\x85R0"));
    refuses(copies.raw(b"N"), "instructions");
    // Numbers and texts longer than the file.
    refuses(Script::new().raw(b"\x8b\xff\xff\xff\x7f"), "ends before");
    refuses(Script::new().raw(b"X\xff\xff\xff\xff"), "ends before");
    refuses(Script::new().raw(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "ends before");
    refuses(Script::new().raw(b"\x96\0\0\0\0\0\0\0\x80"), "ends before");
    // A number of a million bytes is a value like another.
    refuses(Script::new().raw(b"\x8b\x40\x42\x0f\0").raw(&vec![7; 1_000_000]), "it holds an int");
    let long = "x".repeat(300);
    refuses(Script::new().global(&long, "f"), "bytes in the name of a function");
}

#[test]
fn nesting_costs_no_call_stack() {
    refuses(Script::new().raw(b")").raw(&vec![0x85; 500_000]), "it holds a tuple");
    refuses(Script::new().raw(&vec![b']'; 300_000]).raw(&vec![b'a'; 299_999]), "it holds a list");
    refuses(Script::new().raw(&vec![b'('; 500_000]).raw(b"}"), "it holds no tensors");
    // Functions that are to be called on what functions would return.
    let calls = Script::new().global("a", "b").raw(&b")R".repeat(400_000));
    refuses(calls, "it holds what `a.b` would return");
}

/// Each of these took the square of its length, which is hours, when names were read to their end each time.
#[test]
fn what_is_repeated_costs_once() {
    let long = "x".repeat(4 << 20);
    let keys = Script::new().text(&long).raw(b"q\x000}(").raw(&b"h\0N".repeat(60_000)).raw(b"u");
    refuses(keys, "a dict with a text of 4194304 bytes as a key");
    let storages = Script::new().text(&long).raw(b"q\x000(").text("storage").global("torch", "FloatStorage");
    let storages = storages.raw(b"h\0h\0K\x04tQq\x010}(");
    let named = |script: Script, n: usize| script.text(&n.to_string()).view(|s| s.raw(b"h\x01"), 0, &[4], &[1]);
    refuses((0..5000).fold(storages, named).raw(b"u"), "a storage without a key");
    // What a function returns is called, and so on; then thousands of attributes of that kind.
    let calls = Script::new().global("torch", "device").raw(&b")R".repeat(200_000)).raw(b"q\x000");
    let attributes = |script: Script, n: usize| script.text(&n.to_string()).raw(b"h\0");
    let module = calls.global("__torch__", "Module").raw(b")\x81}(").text("weight").four();
    read(&saved_with_four(&(0..20_000).fold(module, attributes).raw(b"ub").stop())).unwrap();
}

fn script_module() -> Script {
    Script::new().global("__torch__", "Module").raw(b"q\0)\x81q\x01}(")
}

#[test]
fn modules_that_contain_themselves_end() {
    refuses(script_module().text("m").raw(b"h\x01ub"), "more than 64 modules within modules");
    // Each module holds the one below it twice: 2^60 paths to the last.
    let twice = |script: Script, _| script.raw(b"q\x020h\0)\x81}(").text("a").raw(b"h\x02").text("b").raw(b"h\x02ub");
    let doubled = (0..60).fold(script_module().text("t").four().raw(b"ub"), twice);
    refuses(doubled, "more than 65536 attributes");
}

#[test]
fn attributes_that_a_function_would_make_are_refused_unless_they_are_lists() {
    let list = script_module().text("stride").global("torch.jit._pickle", "build_intlist").raw(b"(](K\x02etR");
    read(&saved_with_four(&list.text("weight").four().raw(b"ub").stop())).unwrap();
    let hidden = script_module().text("weight").global("torch.jit._pickle", "build_tensor_from_id").raw(b"(K\0tR");
    refuses(hidden.raw(b"ub"), "asks to run `torch.jit._pickle.build_tensor_from_id`");
}

#[test]
fn damaged_pickles_say_where() {
    refuses(Script::new().raw(b"\xff"), "damaged at byte 2: the instruction 0xff");
    refuses(Script::new().raw(b"R"), "nothing is on the stack");
    refuses(Script::new().raw(b"t"), "no mark");
    refuses(Script::new().raw(b"h\x07"), "nothing is in the memo at 7");
    refuses(Script::new().raw(b"N(0b"), "nothing is on the stack");
    refuses(Script::new().raw(b"}(Nu"), "a key without a value");
    refuses(Script::new().raw(b"NNa"), "holds none");
    refuses(Script::new().raw(b"N)R"), "it holds what `a value` would return");
    refuses(Script::new().raw(b"NQ"), "a persistent id that is no tuple");
    refuses(Script::new().raw(b"\x82\x01"), "not one that torch.save writes");
}

// Archives that are wrong on purpose.

fn spoilt(name: &str, edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut file = made(name);
    edit(&mut file);
    refused(&file)
}

/// Where the directory's entry of the member is.
fn entry_of(file: &[u8], member: &str) -> usize {
    let mut starts = (0..file.len() - 4).filter(|at| file[*at..].starts_with(b"PK\x01\x02"));
    starts.find(|at| file[at + 46..].starts_with(format!("archive/{member}").as_bytes())).unwrap()
}

#[test]
fn members_that_torch_does_not_write_are_refused_by_name() {
    let at = |offset: usize, value: u8| {
        move |file: &mut Vec<u8>| {
            let entry = entry_of(file, "data.pkl");
            file[entry + offset] = value;
        }
    };
    assert!(spoilt("zip.pt", at(10, 8)).contains("\"archive/data.pkl\" is compressed"));
    assert!(spoilt("zip.pt", at(8, 0x09)).contains("\"archive/data.pkl\" is encrypted"));
    assert!(spoilt("zip.pt", at(20, 1)).contains("two different sizes"));
    assert!(spoilt("zip.pt", at(42, 1)).contains("not where the directory says"));
    assert!(spoilt("zip.pt", at(45, 0x7f)).contains("outside of the file"));
    let storage = |file: &mut Vec<u8>| {
        let entry = entry_of(file, "data/3");
        file[entry + 10] = 8;
    };
    assert!(spoilt("zip.pt", storage).contains("\"archive/data/3\" is compressed"));
}

#[test]
fn archives_that_contradict_themselves_are_refused() {
    let from_end = |offset: usize, value: u8| {
        move |file: &mut Vec<u8>| {
            let at = file.len() - offset;
            file[at] = value;
        }
    };
    // In the end record: members, length and start of the directory, length of the comment.
    assert!(spoilt("zip.pt", from_end(14, 3)).contains("part of a larger one"));
    assert!(spoilt("zip.pt", from_end(10, 3)).contains("do not agree"));
    assert!(spoilt("zip.pt", from_end(6, 3)).contains("do not agree"));
    assert!(spoilt("zip.pt", from_end(2, 3)).contains("no end record"));
    // In the locator, and in the record it points to.
    assert!(spoilt("zip.pt", from_end(22 + 12, 3)).contains("not where its locator says"));
    assert!(spoilt("zip.pt", from_end(22 + 20 + 56, 3)).contains("is missing"));
    assert!(spoilt("zip.pt", from_end(22 + 20 + 56 - 32, 3)).contains("part of a larger one"));
    assert!(spoilt("zip.pt", |file| file.extend(b"more")).contains("no end record"));
    let empty = archive([]);
    assert!(refused(&[b"PK\x03\x04".as_slice(), &empty].concat()).contains("does not end where"));
}

#[test]
fn an_archive_must_be_one_of_torch_and_little_endian() {
    let pickle = Script::new().raw(b"}(").text("weight").four().raw(b"u").stop();
    let data = [0; 16];
    let with = |members: &[(&str, &[u8])]| {
        let own = [("data.pkl", pickle.as_slice()), ("data/0", &data)];
        archive(own.iter().chain(members).map(|(name, bytes)| ((*name).to_owned(), *bytes)))
    };
    read(&with(&[("byteorder", b"little")])).unwrap();
    read(&with(&[])).unwrap();
    assert!(refused(&with(&[("byteorder", b"big")])).contains("a big-endian file is not supported"));
    assert!(refused(&archive([("word/document.xml".to_owned(), b"x".as_slice())])).contains("no data.pkl"));
    let old = archive([("model.json".to_owned(), b"{}".as_slice())]);
    assert!(refused(&old).contains("TorchScript archive of torch before 1.3"));
}

#[test]
fn a_pickle_that_torch_did_not_write_is_refused() {
    assert!(refused(&Script::new().raw(b"}").stop()).contains("a pickle that torch.save did not write"));
    let mut file = made("legacy.pth");
    let little_endian = file.windows(13).position(|window| window == b"little_endian").unwrap();
    let flag = little_endian + file[little_endian..].iter().position(|byte| *byte == 0x88).unwrap();
    file[flag] = 0x89;
    assert!(refused(&file).contains("big-endian"));
}

#[test]
fn weights_in_several_files_are_refused_by_name() {
    for name in
        ["pytorch_model.bin.index.json", "model.safetensors.index.json", "open_clip_pytorch_model.bin.index.json"]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        std::fs::write(folder.path().join(name), "{}").unwrap();
        let error = Checkpoint::find(folder.path(), None).unwrap_err();
        assert!(chain(&error).contains("split over several files"), "{}", chain(&error));
    }
}

#[test]
fn the_message_names_the_file() {
    let copy = Copy::of("clip-vit").with_weights("model.pth", |_| made("attack.pt"));
    let error = copy.load().err().unwrap();
    assert!(matches!(error, LoadError::PyTorch { .. }));
    assert!(chain(&error).contains("model.pth\": the file asks to run `posix.system`"), "{}", chain(&error));
}
