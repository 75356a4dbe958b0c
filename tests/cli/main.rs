//! `cliploupe-cli` as scripts meet it: arguments in, text or JSON and an exit code out.

/// How fast this machine is.
mod bench;
/// ExifTool, which the tests ask what files say.
#[path = "../library/exiftool.rs"]
mod exiftool;
/// Projections.
mod inspect;
/// Photos that are kept: import, search, tags, sidecars, evaluation, health.
mod library;
/// Checkpoints by name.
mod models;
/// A hub on this machine.
#[path = "../workbench/server.rs"]
mod server;

use std::{
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use assert_cmd::Command;
use serde_json::Value;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn cli() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cliploupe-cli"))
}

fn run(args: &[&str]) -> Output {
    cli().args(args).timeout(Duration::from_secs(300)).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sample(name: &str) -> String {
    root(&format!("assets/samples/{name}")).display().to_string()
}

fn model(name: &str) -> String {
    root(&format!("tests/fixtures/clip/{name}")).display().to_string()
}

#[test]
fn samples_are_labelled_with_the_persons_words() {
    let output = run(&["label", &sample(""), "--labels", "cat,cup of coffee,person", "--top", "2", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    let report = json(&output);
    assert_eq!((report["model"].as_str(), report["device"].as_str()), (Some("embedded"), Some("cpu")));
    assert_eq!(report["labels"].as_array().unwrap().len(), 3);
    assert_eq!(report["failed"], Value::Array(vec![]));
    let photos = report["photos"].as_array().unwrap();
    assert_eq!(photos.len(), 7);
    let best = |name: &str| {
        let photo = photos.iter().find(|photo| photo["path"].as_str().unwrap().ends_with(name)).unwrap();
        let labels = photo["labels"].as_array().unwrap();
        assert_eq!(labels.len(), 2);
        assert!(labels[0]["score"].as_f64() >= labels[1]["score"].as_f64());
        labels[0]["label"].as_str().unwrap().to_owned()
    };
    assert_eq!(best("chelsea.png"), "cat");
    assert_eq!(best("coffee.png"), "cup of coffee");
    assert_eq!(best("astronaut.png"), "person");
}

#[test]
fn the_text_report_names_photos_and_labels() {
    let output = run(&["label", &sample("chelsea.png"), "--labels", "cat,dog", "--top", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("chelsea.png\n") && text.contains("%  cat\n"), "{text}");
}

#[test]
fn one_bad_file_is_listed_and_the_rest_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(sample("chelsea.png"), folder.path().join("cat.png")).unwrap();
    std::fs::write(folder.path().join("empty.jpg"), "").unwrap();
    std::fs::write(folder.path().join("text.jpg"), "no picture").unwrap();
    let missing = folder.path().join("missing.png");
    let output = run(&["label", folder.path().to_str().unwrap(), missing.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["photos"].as_array().unwrap().len(), 1);
    let failed: Vec<_> = report["failed"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert!(report["failed"].as_array().unwrap().iter().all(|failure| !failure["error"].as_str().unwrap().is_empty()));
}

#[test]
fn odd_labels_neither_crash_nor_move_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.txt");
    let long = "word ".repeat(1000);
    std::fs::write(&labels, format!("cat\n😀 party\n猫\n<end_of_text> cat\n{long}\n")).unwrap();
    let score = |labels: &str, wanted: &str| {
        let report = json(&run(&["label", &sample("chelsea.png"), "--labels", labels, "--top", "9", "--json"]));
        let scores = report["photos"][0]["labels"].as_array().unwrap().clone();
        scores.iter().find(|s| s["label"] == wanted).unwrap()["cosine"].as_f64().unwrap()
    };
    let with_odd_ones = score(labels.to_str().unwrap(), "cat");
    assert!((with_odd_ones - score("cat,dog", "cat")).abs() < 1e-5);
    // The special token is left out, so both labels say the same.
    assert!((score(labels.to_str().unwrap(), "<end_of_text> cat") - score("cat,dog", "cat")).abs() < 0.5);
}

#[test]
fn an_empty_label_is_left_out() {
    let report = json(&run(&["label", &sample("chelsea.png"), "--labels", "cat,,dog", "--json"]));
    let labels: Vec<_> =
        report["photos"][0]["labels"].as_array().unwrap().iter().map(|l| l["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["cat", "dog"]);
    assert_eq!(report["labels"], serde_json::json!(["cat", "dog"]));
}

#[test]
fn a_softmax_model_has_scores_that_sum_to_one() {
    let args = [
        "label",
        &sample("chelsea.png"),
        "--model",
        &model("e2e-clip-f16"),
        "--labels",
        "cat,dog,sunset",
        "--template",
        "one",
        "--json",
    ];
    let report = json(&run(&args));
    let scores = report["photos"][0]["labels"].as_array().unwrap();
    let sum: f64 = scores.iter().map(|score| score["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5);
}

#[test]
fn embeddings_have_unit_length_and_stages_their_own_sizes() {
    let embed = |stage: &str| {
        let report = json(&run(&[
            "embed",
            "--image",
            &sample("chelsea.png"),
            &sample("coffee.png"),
            "--stage",
            stage,
            "--json",
        ]));
        let vectors = report["vectors"].as_array().unwrap().clone();
        assert_eq!(vectors.len(), 2);
        assert_eq!(report["stage"], stage);
        (
            report["dim"].as_u64().unwrap(),
            vectors[0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>(),
        )
    };
    assert_eq!((embed("pooled").0, embed("projected").0), (1280, 256));
    let (_, unit) = embed("embedding");
    assert!((unit.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-5);
}

/// `--pixels` and `--tokens` take a golden file as it is.
#[test]
fn goldens_go_through_the_command_line() {
    let golden = root("tests/fixtures/clip/clip-vit/golden.safetensors");
    let bytes = std::fs::read(&golden).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (input, stage, key) in [
        ("--pixels", "pooled", "visual.pooled"),
        ("--pixels", "projected", "image_features"),
        ("--tokens", "pooled", "text.pooled"),
        ("--tokens", "embedding", "text_features_norm"),
    ] {
        let args =
            ["embed", input, golden.to_str().unwrap(), "--model", &model("clip-vit"), "--stage", stage, "--json"];
        let report = json(&run(&args));
        let found = report["vectors"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
        let expected = file.tensor(key).unwrap();
        let expected = expected.data().as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
        let worst = found.zip(expected).map(|(a, b)| (a.as_f64().unwrap() - b).abs()).fold(0.0, f64::max);
        assert!(worst < 2e-4, "{key}: {worst}");
    }
}

#[test]
fn texts_are_tokenised_as_open_clip_does() {
    let report = json(&run(&["tokenize", "a photo of a cat", "--json"]));
    let ids: Vec<u64> = report["ids"][0].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 64);
    assert_eq!(ids[..8], [2, 43, 3546, 74, 43, 2822, 3, 0]);
}

#[test]
fn a_model_that_is_told_the_language_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for from in ["clip/nllb-linear", "tokenizer/nllb"] {
        for entry in std::fs::read_dir(root(&format!("tests/fixtures/{from}"))).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let model = folder.path().to_str().unwrap();
    let first = |language: &[&str]| {
        let report = json(&run(&[&["tokenize", "un chat", "--model", model, "--json"], language].concat()));
        report["ids"][0][0].as_u64().unwrap()
    };
    assert_eq!((first(&[]), first(&["--language", "fra_Latn"])), (153, 154));

    let photo = sample("chelsea.png");
    let label = ["label", &photo, "--labels", "chat,chien", "--model", model, "--json"];
    let score = |language: &str| json(&run(&[&label[..], &["--language", language]].concat()))["photos"][0].clone();
    assert_ne!(score("fra_Latn"), score("eng_Latn"));
    for command in [&label[..4], &["tokenize", "chat"][..], &["embed", "--text", "chat"]] {
        let output = run(&[command, &["--language", "fra_Latn", "--model", "embedded"]].concat());
        let error = error_of(&output);
        assert!(output.status.code() == Some(1) && error.contains("not told the language"), "{command:?}: {error}");
    }
    let output = run(&["tokenize", "nuqneH", "--model", model, "--language", "tlh_Latn"]);
    assert!(error_of(&output).contains("tlh_Latn"), "{}", error_of(&output));
}

#[test]
fn preprocessing_writes_levels_and_normalised_values() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let output = run(&["preprocess", &sample("chelsea.png"), "--out", out.to_str().unwrap(), "--json"]);
    assert_eq!(json(&output)["shape"], serde_json::json!([260, 260, 3]));
    let bytes = std::fs::read(out).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (levels, values) = (file.tensor("pixels_u8").unwrap(), file.tensor("pixels").unwrap());
    assert_eq!((levels.shape(), values.shape()), (&[260, 260, 3][..], &[3, 260, 260][..]));
    let first = f32::from_le_bytes(values.data()[..4].try_into().unwrap());
    assert!((first - (f32::from(levels.data()[0]) / 255.0 - 0.5) / 0.5).abs() < 1e-6);
}

#[test]
fn devices_begin_with_the_cpu() {
    let report = json(&run(&["devices", "--json"]));
    assert_eq!(report["devices"][0]["id"], "cpu");
    assert_eq!(report["devices"][0]["kind"], "cpu");
}

/// On a machine without a GPU the adapter is llvmpipe, which must be asked for by its number.
#[test]
fn a_device_is_tested_and_what_was_found_is_kept_with_its_kernels() {
    let home = tempfile::tempdir().unwrap();
    let in_home = |args: &[&str]| {
        let mut command = cli();
        command.env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("data"));
        command.args(args).timeout(Duration::from_secs(300)).output().unwrap()
    };
    let before = json(&in_home(&["devices", "--json"]));
    let Some(adapter) = before["devices"].as_array().unwrap().iter().find(|device| device["id"] == "gpu:0") else {
        return;
    };
    assert!(
        adapter["limits"]["largestBuffer"].as_u64().unwrap() > 1 << 20 && adapter["tests"] == serde_json::json!([])
    );
    let model = root("tests/fixtures/clip/e2e-clip-f16").display().to_string();
    let test = ["devices", "--test", "--device", "gpu:0", "--model", &model, "--precision", "f32"];
    let tested = json(&in_home(&[&test[..], &["--json"]].concat()));
    assert_eq!((&tested["tested"]["passed"], &tested["tested"]["precision"]), (&true.into(), &"f32".into()));
    let text = String::from_utf8(in_home(&["devices"]).stdout).unwrap();
    assert!(text.contains("e2e-clip-f16 in f32 agrees with the CPU to") && text.contains("f16 "), "{text}");
    let kept: Vec<_> = walkdir(home.path());
    assert!(kept.iter().any(|path| path.ends_with("self-tests.json")), "{kept:?}");
    if cfg!(target_os = "linux") {
        assert!(kept.iter().any(|path| path.contains("kernels") && path.ends_with(".db")), "{kept:?}");
    }
    assert_eq!(in_home(&["devices", "--test", "--device", "cpu"]).status.code(), Some(1));
}

/// Every file below a folder.
fn walkdir(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walkdir(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn bad_usage_ends_with_two_and_failed_work_with_one() {
    let code = |args: &[&str]| run(args).status.code();
    assert_eq!(code(&["label"]), Some(2));
    assert_eq!(code(&["embed", "--text", "a", "--image", "b"]), Some(2));
    assert_eq!(code(&["label", &sample("chelsea.png"), "--device", "cuda"]), Some(2));
    assert_eq!(code(&["label", &sample("chelsea.png"), "--labels", " , "]), Some(2));
    assert_eq!(code(&["label", &sample("chelsea.png"), "--template", "no place"]), Some(2));
    assert_eq!(code(&["label", &sample("chelsea.png"), "--model", "no/such/model"]), Some(1));
    assert_eq!(code(&["label", &sample("chelsea.png"), "--device", "gpu:99"]), Some(1));
}

#[test]
fn errors_name_what_was_wrong() {
    let output = run(&["tokenize", "cat", "--model", "no/such/model"]);
    assert!(
        error_of(&output).starts_with("error: ") && error_of(&output).contains("no/such/model"),
        "{}",
        error_of(&output)
    );
    let output = run(&["label", &sample("chelsea.png"), "--model", &model("clip-vit")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("tokenizer"), "{}", error_of(&output));
    let output = run(&["tokenize", "cat", "--model", &model("clip-vit")]);
    assert!(error_of(&output).contains("tokenizer"), "{}", error_of(&output));
}

#[cfg(unix)]
#[test]
fn file_names_that_are_not_unicode_are_labelled() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(sample("chelsea.png"), folder.path().join(OsStr::from_bytes(b"caf\xe9.png"))).unwrap();
    let report = json(&run(&["label", folder.path().to_str().unwrap(), "--json"]));
    assert_eq!(report["photos"].as_array().unwrap().len(), 1);
}
