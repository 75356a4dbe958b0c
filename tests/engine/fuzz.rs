//! Files and configurations changed at random: whatever they say, the readers answer, without a panic and without taking
//! more memory than the file explains.
//!
//! Every test run has ten thousand cases for most readers. A long one, of a million cases for each reader:
//! `PROPTEST_CASES=1000000 cargo test --release --test engine -- fuzz::`
//! A case that fails is made smaller and printed; it belongs into a test of its own beside the reader.

use std::{
    env,
    io::{Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use cliploupe_engine::{
    clip::{config::ClipConfig, transformers::read_config},
    files::{Files, MemoryFile},
    preprocess::PreprocessConfig,
    tensor_index::TensorIndex,
    tokenizer::{Clean, FileRules, Language, Tokenizer, TokenizerConfig},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use zip::ZipArchive;

use crate::{
    support::fixture,
    torch_files::{Script, archive},
};

/// Runs `cases` cases, or as many as `PROPTEST_CASES` says.
fn run<S: Strategy>(cases: u32, strategy: S, check: impl Fn(S::Value)) {
    let mut config = ProptestConfig::default();
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    config.failure_persistence = None;
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&strategy, |value| {
        check(value);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

// Bytes.

/// A change of a file.
#[derive(Debug, Clone)]
enum Edit {
    /// Another byte.
    Byte(Index, u8),
    /// A little-endian number where another may have stood, in the given number of bytes.
    Number(Index, u64, usize),
    /// Bytes between others.
    Insert(Index, Vec<u8>),
    /// A part of the file somewhere else in it.
    Splice(Index, Index, usize),
    /// Bytes that are missing.
    Cut(Index, usize),
    /// Everything behind that is missing.
    Truncate(Index),
}

impl Edit {
    fn apply(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        let length = file.len();
        match self {
            Self::Byte(at, byte) => file[at.index(length)] = *byte,
            Self::Number(at, number, bytes) => {
                let at = at.index(length);
                let end = length.min(at + bytes);
                file[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
            Self::Insert(at, bytes) => drop(file.splice(at.index(length)..at.index(length), bytes.iter().copied())),
            Self::Splice(from, to, bytes) => {
                let from = from.index(length);
                let part = file[from..length.min(from + bytes)].to_vec();
                let to = to.index(length);
                drop(file.splice(to..to, part));
            }
            Self::Cut(at, bytes) => drop(file.drain(at.index(length)..length.min(at.index(length) + bytes))),
            Self::Truncate(at) => file.truncate(at.index(length)),
        }
    }
}

/// Numbers at which arithmetic goes wrong.
fn edge() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![
        0..16_u64,
        (0..64_u32, 0..3_u64).prop_map(|(bits, off)| (1_u64 << bits).wrapping_add(off).wrapping_sub(1)),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(u32::MAX.into()),
        any::<u64>(),
    ]
}

/// Half of them leave everything where it is, as an archive is refused when its end moves.
fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let in_place = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        (any::<Index>(), edge(), select(vec![1, 2, 4, 8])).prop_map(|(at, n, bytes)| Edit::Number(at, n, bytes)),
    ];
    let any_edit = prop_oneof![
        6 => in_place.clone(),
        2 => (any::<Index>(), vec(any::<u8>(), 0..12)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (any::<Index>(), any::<Index>(), 0..200_usize).prop_map(|(from, to, n)| Edit::Splice(from, to, n)),
        1 => (any::<Index>(), 0..40_usize).prop_map(|(at, bytes)| Edit::Cut(at, bytes)),
        1 => any::<Index>().prop_map(Edit::Truncate),
    ];
    prop_oneof![vec(in_place, 1..4), vec(any_edit, 1..6)]
}

fn edited(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (select(seeds), edits()).prop_map(|(mut file, edits)| {
        edits.iter().for_each(|edit| edit.apply(&mut file));
        file
    })
}

/// Every tensor that the index promises must be there.
fn index_is_honest(file: &[u8]) {
    let mut cursor = Cursor::new(file.to_vec());
    let Ok(index) = TensorIndex::read(&mut cursor, file.len() as u64) else { return };
    for (name, entry) in &index.tensors {
        assert!(entry.offset + entry.bytes <= file.len() as u64, "{name} ends behind the file: {entry:?}");
        let mut bytes = vec![0; entry.bytes as usize];
        cursor.seek(SeekFrom::Start(entry.offset)).unwrap();
        cursor.read_exact(&mut bytes).unwrap();
        let count: usize = entry.shape.iter().product();
        assert_eq!(entry.in_order(bytes).len(), (count * entry.dtype.bitsize()).div_ceil(8), "{name}: {entry:?}");
    }
}

fn pytorch_seeds() -> Vec<Vec<u8>> {
    ["zip.pt", "zip_protocol_5.pt", "legacy.pth", "training.pt", "script.pt", "attack.pt"]
        .map(|name| std::fs::read(fixture("pytorch").join(name)).unwrap())
        .into()
}

fn pytorch_files(cases: u32) {
    run(cases, edited(pytorch_seeds()), |file| index_is_honest(&file));
}

/// Pickles that are changed, in an archive that is not.
fn pickles_in_archives(cases: u32) {
    let seeds: Vec<Vec<u8>> = pytorch_seeds()
        .into_iter()
        .filter_map(|file| {
            let mut zip = ZipArchive::new(Cursor::new(file)).ok()?;
            let at = (0..zip.len()).find(|at| zip.name_for_index(*at).unwrap().unwrap().ends_with("data.pkl"))?;
            let mut pickle = Vec::new();
            zip.by_index(at).unwrap().read_to_end(&mut pickle).unwrap();
            Some(pickle)
        })
        .collect();
    assert_eq!(seeds.len(), 5);
    run(cases, edited(seeds), |pickle| index_is_honest(&with_storages(&pickle)));
}

/// An archive with `pickle` and eleven storages, as the seeds have them.
fn with_storages(pickle: &[u8]) -> Vec<u8> {
    let data = [0; 64];
    let storages = (0..11).map(|key| (format!("data/{key}"), data.as_slice()));
    archive([("data.pkl".to_owned(), pickle)].into_iter().chain(storages))
}

/// Sizes, and strides that fit them more often than not.
fn shape_and_strides() -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> + Clone {
    let axis = prop_oneof![8 => 0..4_i64, 1 => edge().prop_map(|n| (n >> 1) as i64)];
    (vec(axis.clone(), 0..5), vec(axis, 0..5), 0..10_u8).prop_map(|(shape, other, kind)| {
        let strides =
            (0..shape.len()).map(|axis| shape[axis + 1..].iter().fold(1, |n: i64, axis| n.wrapping_mul(*axis)));
        let strides: Vec<i64> = match kind {
            0 => other,
            1 => strides.rev().collect(),
            _ => strides.collect(),
        };
        (shape, strides)
    })
}

/// State dicts of one tensor, whose place in its storage is often impossible.
fn views(cases: u32) {
    run(cases, view(), |view| {
        let script = Script::new().raw(b"}(").text("weight").raw(&view.0).raw(b"u");
        index_is_honest(&with_storages(&script.stop()));
    });
}

/// Programs of whole instructions, most of which fit each other.
fn pickle_programs(cases: u32) {
    let instructions: Vec<&[u8]> = vec![
        b"(",
        b"t",
        b")",
        b"\x85",
        b"\x86",
        b"\x87",
        b"]",
        b"e",
        b"a",
        b"}",
        b"u",
        b"s",
        b"d",
        b"l",
        b"R",
        b"\x81",
        b"\x92",
        b"b",
        b"Q",
        b"0",
        b"1",
        b"2",
        b"N",
        b"\x88",
        b"q\0",
        b"q\x01",
        b"h\0",
        b"h\x01",
        b"\x94",
        b"j\0\0\0\0",
        b"o",
        b"\x8f",
        b"\x90",
        b"\x91",
        b"\x93",
        b"\x95\0\0\0\0\0\0\0\0",
        b"G\0\0\0\0\0\0\0\0",
        b"I01\n",
        b"L7L\n",
        b"S'x'\n",
        b"\x80\x05",
        b"}(",
        b")\x81}(",
        b"ub",
        b")R",
        b"0}",
    ];
    let fragment = prop_oneof![
        6 => select(instructions).prop_map(<[u8]>::to_vec),
        2 => text().prop_map(|script| script.0),
        1 => edge().prop_map(|number| Script::default().int(number as i64).0),
        1 => global().prop_map(|script| script.0),
        1 => Just(Script::default().global("os", "system").0),
        2 => view().prop_map(|script| script.0),
    ];
    let wrapped = (any::<bool>(), vec(fragment, 0..40)).prop_map(|(in_dict, fragments)| {
        let start = if in_dict { Script::new().raw(b"}(").text("weight") } else { Script::new() };
        let script = fragments.iter().fold(start, |script, fragment| script.raw(fragment));
        script.raw(if in_dict { b"u" } else { b"" }).stop()
    });
    run(cases, wrapped, |pickle| index_is_honest(&with_storages(&pickle)));
}

/// Names that mean something, and some that do not.
fn global() -> impl Strategy<Value = Script> + Clone {
    let names = select(vec![
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch._tensor", "_rebuild_from_type_v2"),
        ("torch", "Size"),
        ("torch", "FloatStorage"),
        ("torch", "QInt8Storage"),
        ("__torch__", "Module"),
        ("torch.jit._pickle", "build_intlist"),
        ("argparse", "Namespace"),
    ]);
    names.prop_map(|(module, name)| Script::default().global(module, name))
}

fn text() -> impl Strategy<Value = Script> + Clone {
    let texts = select(vec!["storage", "weight", "module.weight", "state_dict", "", "training", "0", "vocab_size"]);
    texts.prop_map(|text| Script::default().text(text))
}

/// A tensor in one of the storages, or nearly.
fn view() -> impl Strategy<Value = Script> {
    let number = prop_oneof![12 => 0..17_i64, 1 => edge().prop_map(|n| n as i64)];
    let class = select(vec!["FloatStorage", "HalfStorage", "BoolStorage", "DoubleStorage", "QInt8Storage"]);
    let place = (class, select(vec!["0", "3", "99"]), number.clone(), number, shape_and_strides());
    place.prop_map(|(class, key, elements, offset, (shape, strides))| {
        let storage = |script: Script| script.storage(class, key, elements, false);
        Script::default().view(storage, offset, &shape, &strides)
    })
}

/// Pickles without a mistake in their form, of values within values that need not make sense.
fn pickle_values(cases: u32) {
    let leaf = prop_oneof![
        1 => Just(Script::default().raw(b"N")),
        1 => any::<i64>().prop_map(|number| Script::default().int(number)),
        1 => text(),
        1 => global(),
        3 => view(),
        1 => (0..3_u8).prop_map(|place| Script::default().raw(&[b'h', place])),
    ];
    let value = leaf.prop_recursive(6, 60, 6, |inner| {
        let all = |start: &'static [u8], end: &'static [u8]| {
            move |items: Vec<Script>| {
                let start = Script::default().raw(start);
                items.iter().fold(start, |script, item| script.raw(&item.0)).raw(end)
            }
        };
        let pair = |(key, value): (Script, Script)| key.raw(&value.0);
        let pairs = vec((text(), inner.clone()).prop_map(pair), 0..6);
        prop_oneof![
            1 => vec(inner.clone(), 0..6).prop_map(all(b"(", b"t")),
            1 => vec(inner.clone(), 0..6).prop_map(all(b"](", b"e")),
            3 => pairs.clone().prop_map(all(b"}(", b"u")),
            2 => pairs.prop_map(all(b"c__torch__\nModule\n)\x81}(", b"ub")),
            1 => (inner.clone(), vec(inner.clone(), 0..4).prop_map(all(b"(", b"tR"))).prop_map(pair),
            1 => (global(), vec(inner.clone(), 0..7).prop_map(all(b"(", b"tR"))).prop_map(pair),
            1 => (inner.clone(), inner.clone()).prop_map(|(object, state)| object.raw(&state.0).raw(b"b")),
            1 => (inner, 0..3_u8).prop_map(|(value, place)| value.raw(&[b'q', place])),
        ]
    });
    run(cases, value, |value| {
        index_is_honest(&with_storages(&Script::new().raw(b"Nq\0q\x01q\x020").raw(&value.0).stop()))
    });
}

fn safetensors_seed() -> (Value, Vec<u8>) {
    let header = json!({
        "__metadata__": { "format": "pt" },
        "logit_scale": { "dtype": "F32", "shape": [], "data_offsets": [0, 4] },
        "visual.proj": { "dtype": "F16", "shape": [2, 3], "data_offsets": [4, 16] },
        "bits": { "dtype": "F4", "shape": [2, 2], "data_offsets": [16, 18] },
        "empty": { "dtype": "I64", "shape": [0, 7], "data_offsets": [18, 18] },
        "counter": { "dtype": "I64", "shape": [1], "data_offsets": [18, 26] },
    });
    (header, vec![0; 26])
}

fn safetensors_file(header: &Value, data: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(header).unwrap();
    [&(json.len() as u64).to_le_bytes(), json.as_slice(), data].concat()
}

fn safetensors_files(cases: u32) {
    let (header, data) = safetensors_seed();
    let file = safetensors_file(&header, &data);
    assert_eq!(TensorIndex::read(&mut Cursor::new(file.clone()), file.len() as u64).unwrap().tensors.len(), 5);
    let bytes = edited(vec![file]);
    let headers = changed(vec![header]).prop_map(move |header| safetensors_file(&header, &data));
    run(cases, prop_oneof![bytes, headers], |file| index_is_honest(&file));
}

// JSON.

/// A change of one value of a document.
#[derive(Debug, Clone)]
enum Change {
    /// Another value, often of another type.
    Replace(Value),
    /// No value.
    Remove,
    /// The value twice, the second time under another name.
    Repeat(String),
}

/// Values that no reader expects, and numbers that may be a size.
fn odd() -> impl Strategy<Value = Value> {
    let text = select(vec!["", "gelu", "tok", "F64", "0", "\u{0}", "é𝄞", "../../etc/passwd", "[UNK]", "</w>"]);
    prop_oneof![
        2 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => (1..300_u64).prop_map(Value::from),
        4 => edge().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        2 => select(vec![-1.0, -0.0, 0.5, 1e-300, 1e300, f64::MAX, 3.0]).prop_map(Value::from),
        2 => text.prop_map(Value::from),
        1 => "\\PC{0,12}".prop_map(Value::from),
        1 => (0..2000_usize).prop_map(|length| Value::from("x".repeat(length))),
        1 => vec(edge(), 0..6).prop_map(Value::from),
        1 => Just(json!({})),
        1 => (0..120_usize).prop_map(|depth| (0..depth).fold(json!(0), |inner, _| json!([inner]))),
    ]
}

fn changed(seeds: Vec<Value>) -> impl Strategy<Value = Value> {
    let change = prop_oneof![
        8 => odd().prop_map(Change::Replace),
        2 => Just(Change::Remove),
        1 => select(vec!["width", "layers", "timm_proj", "dtype", "x", ""]).prop_map(|key| Change::Repeat(key.to_owned())),
    ];
    (select(seeds), vec((any::<Index>(), change), 1..5)).prop_map(|(mut document, changes)| {
        for (at, change) in changes {
            let mut left = at.index(count(&document));
            apply(&mut document, &mut left, &change);
        }
        document
    })
}

/// Values below the root.
fn count(document: &Value) -> usize {
    match document {
        Value::Array(items) => items.iter().map(|item| 1 + count(item)).sum::<usize>(),
        Value::Object(map) => map.values().map(|item| 1 + count(item)).sum::<usize>(),
        _ => 0,
    }
    .max(1)
}

/// Changes the value at position `left` in reading order; whether it was found.
fn apply(document: &mut Value, left: &mut usize, change: &Change) -> bool {
    match document {
        Value::Array(items) => {
            for at in 0..items.len() {
                if *left == 0 {
                    match change {
                        Change::Replace(value) => items[at] = value.clone(),
                        Change::Remove => drop(items.remove(at)),
                        Change::Repeat(_) => items.insert(at, items[at].clone()),
                    }
                    return true;
                }
                *left -= 1;
                if apply(&mut items[at], left, change) {
                    return true;
                }
            }
        }
        Value::Object(map) => {
            for key in map.keys().cloned().collect::<Vec<_>>() {
                if *left == 0 {
                    match change {
                        Change::Replace(value) => drop(map.insert(key, value.clone())),
                        Change::Remove => drop(map.remove(&key)),
                        Change::Repeat(name) => drop(map.insert(name.clone(), map[&key].clone())),
                    }
                    return true;
                }
                *left -= 1;
                if apply(map.get_mut(&key).unwrap(), left, change) {
                    return true;
                }
            }
        }
        _ => {}
    }
    false
}

/// The configurations of all fixtures with this name.
fn configurations(name: &str) -> Vec<Value> {
    let folders = std::fs::read_dir(fixture("clip")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = folders.map(|folder| folder.join(name)).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.push(fixture("../../assets/model").join(name));
    let texts = paths.iter().filter_map(|path| std::fs::read(path).ok());
    texts.map(|text| serde_json::from_slice(&text).unwrap()).collect()
}

/// What some configurations look for beside them.
static BESIDE: [MemoryFile; 1] =
    [MemoryFile { name: "config.json", bytes: include_bytes!("../../assets/model/config.json") }];

fn open_clip_configurations(cases: u32) {
    let seeds = configurations("open_clip_config.json");
    assert!(seeds.len() > 5);
    let image_size = prop_oneof![
        4 => Just(None),
        1 => (1..600_usize, 1..600_usize).prop_map(|(height, width)| Some([height, width])),
        1 => (edge(), edge()).prop_map(|(height, width)| Some([height as usize, width as usize])),
    ];
    run(cases, (changed(seeds), image_size), |(json, image_size)| {
        let path = Path::new("open_clip_config.json");
        let model = ClipConfig::from_open_clip(json["model_cfg"].clone(), Files::Memory(&BESIDE), path, image_size);
        let size = model.map_or([224, 224], |model| model.vision.image_size());
        drop(PreprocessConfig::from_open_clip(&json["preprocess_cfg"], size));
    });
}

fn transformers_configurations(cases: u32) {
    let seeds = configurations("config.json");
    assert!(seeds.len() > 1);
    run(cases, (changed(seeds), proptest::option::of((1..600_usize, 1..600_usize))), |(json, size)| {
        drop(read_config(&json, Path::new("config.json"), size.map(|(height, width)| [height, width])));
    });
    let seeds = configurations("preprocessor_config.json");
    run(cases, changed(seeds), |json| drop(PreprocessConfig::from_transformers(&json)));
}

/// The `tokenizers` crate may panic on these; what counts is that its panics stay inside.
fn tokenizer_files(cases: u32) {
    let names = ["unigram_t5_style.json", "wordpiece_bert_style.json", "bpe_gemma_style.json"];
    let seeds =
        names.map(|name| serde_json::from_slice(&std::fs::read(fixture("tokenizer").join(name)).unwrap()).unwrap());
    run(cases, changed(seeds.into()), |json| {
        let config =
            TokenizerConfig { context_length: 16, pad_id: 0, clean: Clean::Whitespace, strip_sep_token: false };
        let text = serde_json::to_vec(&json).unwrap();
        if let Ok(tokenizer) = Tokenizer::from_json(&text, Path::new("tokenizer.json"), config) {
            drop(tokenizer.encode_label("a photo of a crème brûlée 🍮, 東京 [SEP]"));
        }
    });
}

#[test]
fn pytorch_files_do_no_harm() {
    pytorch_files(10_000);
}

#[test]
fn pickles_in_archives_do_no_harm() {
    pickles_in_archives(10_000);
}

#[test]
fn pickle_programs_do_no_harm() {
    pickle_programs(10_000);
}

#[test]
fn pickle_values_do_no_harm() {
    pickle_values(10_000);
}

#[test]
fn views_do_no_harm() {
    views(10_000);
}

#[test]
fn safetensors_files_do_no_harm() {
    safetensors_files(10_000);
}

#[test]
fn open_clip_configurations_do_no_harm() {
    open_clip_configurations(10_000);
}

#[test]
fn transformers_configurations_do_no_harm() {
    transformers_configurations(10_000);
}

/// What lies beside a tokenizer and says how it is used, and BERT's list of words.
fn tokenizer_settings(cases: u32) {
    let file = |name: &str| std::fs::read(fixture("tokenizer").join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rules = FileRules { clean: None, class: "", strip_sep_token: false, language: Language::Default, pad_id: None };
    let read = |rules: &FileRules| {
        if let Ok(Some(tokenizer)) = Tokenizer::beside(&path("config.json"), Files::Disk, rules, 16) {
            drop(tokenizer.encode_label("a photo of a crème brûlée 🍮, 東京 [SEP]"));
        }
    };
    let seeds = ["nllb/tokenizer_config.json", "siglip2/tokenizer_config.json"];
    let seeds = seeds.map(|name| serde_json::from_slice(&file(name)).unwrap());
    std::fs::write(path("tokenizer.json"), file("nllb/tokenizer.json")).unwrap();
    run(cases, (changed(seeds.clone().into()), any::<bool>()), |(json, is_map)| {
        let name = if is_map { "special_tokens_map.json" } else { "tokenizer_config.json" };
        std::fs::write(path(name), json.to_string()).unwrap();
        read(&rules);
        read(&FileRules { language: Language::Untold, ..rules.clone() });
        std::fs::remove_file(path(name)).unwrap();
    });
    std::fs::remove_file(path("tokenizer.json")).unwrap();
    let words = FileRules { language: Language::Untold, pad_id: Some(0), ..rules.clone() };
    run(cases, (edited(vec![file("bert/vocab.txt")]), changed(seeds.into())), |(vocab, json)| {
        std::fs::write(path("vocab.txt"), vocab).unwrap();
        read(&words);
        std::fs::write(path("tokenizer_config.json"), json.to_string()).unwrap();
        read(&words);
        std::fs::remove_file(path("tokenizer_config.json")).unwrap();
    });
}

#[test]
fn tokenizer_files_do_no_harm() {
    tokenizer_files(300);
}

#[test]
fn tokenizer_settings_do_no_harm() {
    tokenizer_settings(500);
}

/// The most memory this process has had, in MiB.
#[cfg(target_os = "linux")]
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// Other tests take memory too, so this one starts the program again, for the next one alone.
#[cfg(target_os = "linux")]
#[test]
fn readers_take_little_memory() {
    let test = "fuzz::memory_of_the_readers";
    let output = std::process::Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("PROPTEST_CASES", "300")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by readers_take_little_memory, in a process of its own"]
fn memory_of_the_readers() {
    let start = peak_mib();
    pytorch_files(300);
    pickles_in_archives(300);
    views(300);
    pickle_values(300);
    pickle_programs(300);
    safetensors_files(300);
    open_clip_configurations(300);
    transformers_configurations(300);
    let random = peak_mib();
    assert!(random - start < 64, "from {start} to {random} MiB");
    // The most that a pickle can make of a million instructions: values, a full stack, a full memo.
    let programs: [&[u8]; 6] = [b"]", b"\x85", b"2", b"N\x94", b"}N\x85a", b"(K\x07N\x86"];
    for program in programs {
        let pickle = Script::new().raw(b")").raw(&program.repeat((1 << 20) / program.len() - 10)).stop();
        index_is_honest(&with_storages(&pickle));
    }
    let bombs = peak_mib();
    assert!(bombs - random < 128, "from {random} to {bombs} MiB");
    println!("start {start} MiB, random files {random} MiB, bombs {bombs} MiB");
}
