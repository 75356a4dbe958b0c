//! `inspect`: projections by themselves, on photos, changed, fitted and exported.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{error_of, json as parsed, model, run, sample};

fn inspect(args: &[&str]) -> Value {
    let output = run(&[&["inspect", "--json", "--quiet"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    parsed(&output)
}

#[test]
fn the_report_of_a_checkpoint_needs_no_photo() {
    let report = inspect(&["--model", &model("clip-vit-quickgelu")]);
    let [image, text] = [0, 1].map(|side| report["projections"][side].clone());
    assert_eq!((image["side"].as_str(), text["side"].as_str()), (Some("image"), Some("text")));
    assert_eq!(image["maps"][0]["key"], "visual.proj");
    assert_eq!(image["maps"][0]["storedShape"], json!([64, 56]));
    assert_eq!((&image["maps"][0]["bias"], &image["biasField"]), (&json!("absent"), &Value::Null));
    assert_eq!(text["biasField"], "text_cfg.proj_bias");
    // ‖W β‖ of the LayerNorm in front, as numpy has it.
    let golden: Value =
        serde_json::from_slice(&fs::read(Path::new(&model("clip-vit-quickgelu")).join("analysis.json")).unwrap())
            .unwrap();
    let expected = golden["projections"]["image"]["effective_bias_norm"].as_f64().unwrap();
    assert!((image["effectiveBias"]["norm"].as_f64().unwrap() / expected - 1.0).abs() < 1e-9);
    let sigma = &golden["psi_singular_values"][0].as_f64().unwrap();
    assert!((report["joint"]["psi"]["singularValues"][0].as_f64().unwrap() / sigma - 1.0).abs() < 1e-9);
    assert!(report.get("collection").is_none() && report["failed"] == json!([]));
}

#[test]
fn edits_from_a_file_change_labels_and_are_exported() {
    let home = tempfile::tempdir().unwrap();
    let edits = home.path().join("edits.json");
    let list = json!([
        { "kind": "addBias", "side": "image", "along": { "kind": "labels", "plus": ["rocket"], "minus": [] }, "strength": 0.5 },
    ]);
    fs::write(&edits, list.to_string()).unwrap();
    let folder = home.path().join("edited");
    let args = [
        &sample(""),
        "--labels",
        "cat,rocket,drink",
        "--edits",
        edits.to_str().unwrap(),
        "--export",
        folder.to_str().unwrap(),
        "--along",
        "bias:image",
    ];
    let report = inspect(&args);
    assert!(report["edited"] == json!(true) && report["effect"]["changed"].as_u64() > Some(0));
    assert_eq!(report["class_prior"][0]["label"], "rocket");
    assert_eq!(report["along"]["labels"][0]["label"], "rocket");
    assert_eq!(report["plan"]["image"], json!({ "kind": "field", "field": "vision_cfg.timm_proj_bias" }));
    assert!(report["exported"][0]["difference"].as_f64().unwrap() < 1e-4);
    // The folder is a model like any other, and labels as the edits did.
    let output = run(&[
        "label",
        &sample("chelsea.png"),
        "--model",
        folder.to_str().unwrap(),
        "--labels",
        "cat,rocket,drink",
        "--top",
        "1",
        "--json",
    ]);
    assert_eq!(parsed(&output)["photos"][0]["labels"][0]["label"], "rocket", "{}", error_of(&output));
}

#[test]
fn what_makes_no_sense_is_said_and_nothing_is_done() {
    let home = tempfile::tempdir().unwrap();
    let failing = |args: &[&str], code: i32, words: &str| {
        let output = run(&[&["inspect", "--quiet"], args].concat());
        let error = error_of(&output);
        assert!(output.status.code() == Some(code) && error.contains(words), "{args:?}: {error}");
    };
    failing(&["--along", "sideways"], 2, "is no direction");
    failing(&["--ablation", "/no/such/folder"], 2, "one folder per class");
    failing(&["--report", "a.md"], 2, "--ablation");
    let edits = home.path().join("edits.json");
    fs::write(&edits, r#"[{"kind": "explode"}]"#).unwrap();
    failing(&["--edits", edits.to_str().unwrap()], 1, "explode");
    // Nothing shifts the embedded model's pictures, so there is nothing to remove.
    fs::write(&edits, r#"[{"kind": "removeEffectiveBias", "side": "image"}]"#).unwrap();
    failing(&["--edits", edits.to_str().unwrap()], 1, "edit 1: the edit does not act");
    failing(&["--replace", "no-such-heads"], 1, "no projection");
    failing(&["--tensor", "no.such.tensor"], 1, "no.such.tensor");
    failing(&[&sample(""), "--tune", home.path().to_str().unwrap()], 1, "there are no classes");
}

#[test]
fn an_ablation_of_a_folder_is_a_table_with_intervals_and_a_page() {
    let home = tempfile::tempdir().unwrap();
    for (class, base) in [("red", [200_u32, 40, 40]), ("blue", [40, 60, 210])] {
        let folder = home.path().join("photos").join(class);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..10_u32 {
            let pixel = |x: u32, y: u32| {
                image::Rgb([0, 1, 2].map(|channel: usize| (base[channel] / 2 + (x * (index + 2) + y) % 60) as u8))
            };
            image::RgbImage::from_fn(48, 48, pixel).save(folder.join(format!("{index}.png"))).unwrap();
        }
    }
    let page = home.path().join("ablation.html");
    let report = inspect(&[
        "--ablation",
        home.path().join("photos").to_str().unwrap(),
        "--epochs",
        "3",
        "--folds",
        "2",
        "--seeds",
        "2",
        "--report",
        page.to_str().unwrap(),
    ]);
    let rows = report["ablation"]["rows"].as_array().unwrap();
    let forms: Vec<_> = rows.iter().map(|row| row["form"].as_str().unwrap_or("none")).collect();
    assert_eq!(forms, ["none", "linear", "linearBias", "mlp", "mlpBias"]);
    for pair in report["ablation"]["pairs"].as_array().unwrap() {
        let difference = &pair["judged"]["difference"];
        let [low, mean, high] = ["low", "mean", "high"].map(|key| difference[key].as_f64().unwrap());
        assert!(low <= mean && mean <= high, "{pair}");
    }
    let html = fs::read_to_string(page).unwrap();
    assert!(html.contains("<svg") && html.contains("blue (10), red (10)"));
}
