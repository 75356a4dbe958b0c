//! `bench` measures what it says and hands it over in one shape. Figures of a debug build say nothing, so only that they
//! are there and are numbers is looked at.

use std::fs;

use serde_json::Value;

use crate::{error_of, json, run, sample};

fn bench(args: &[&str]) -> Value {
    let output = run(&[&["bench", "--json", "--device", "cpu"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    json(&output)
}

/// A figure of the section that begins like this, which is a number.
fn value(section: &Value, what: &str) -> f64 {
    let figures = section["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["what"].as_str().unwrap().starts_with(what));
    figure.unwrap_or_else(|| panic!("{what} is not among {figures:#?}"))["value"].as_f64().unwrap()
}

#[test]
fn pictures_are_decoded_in_every_way_and_the_machine_is_named() {
    let report = bench(&["--only", "pictures"]);
    let machine = &report["machine"];
    assert!(machine["cores"].as_u64().unwrap() > 0 && !machine["os"].as_str().unwrap().is_empty());
    assert_eq!((machine["version"].as_str(), machine["profile"].as_str()), (Some("0.1.0"), Some("debug")));
    let [section] = report["models"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!((section["section"].as_str(), section["device"].as_str()), (Some("pictures"), Some("cpu")));
    for size in ["12 MP", "2 MP"] {
        for what in ["decode SIZE JPEG", "decode SIZE JPEG, fast", "decode SIZE PNG", "preprocess SIZE"] {
            assert!(value(section, &what.replace("SIZE", size)) > 0.0);
        }
    }
    assert_eq!(report["failed"], Value::Array(vec![]));
}

#[test]
fn an_import_says_which_stage_bounds_it() {
    let report = bench(&["--only", "import", "--import-of", "3"]);
    let section = &report["models"][0];
    assert_eq!((section["section"].as_str(), section["model"].as_str()), (Some("import"), Some("embedded")));
    let bound = section["bound"].as_str().unwrap();
    let stages = ["read", "encode", "library"].map(|stage| (stage, value(section, &format!("{stage} alone"))));
    let slowest = stages.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(bound, slowest.0);
    let import = value(section, "import 3 photos");
    let ratio = value(section, &format!("import over its slowest stage alone ({bound})"));
    assert!(import > 0.0 && (ratio - import / slowest.1).abs() < 1e-9);
    assert!((value(section, "import over that") - import / value(section, "the work of all stages")).abs() < 1e-9);
}

/// Several parts are measured in a process each, and come together in one document.
#[test]
fn search_finds_everything_and_a_start_is_a_start() {
    let report = bench(&["--only", "search,start", "--search-of", "500,2000"]);
    let [search, start] = report["models"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!((search["section"].as_str(), start["section"].as_str()), (Some("search"), Some("start")));
    for photos in ["500", "2,000"] {
        assert!(value(search, &format!("search {photos}, top 100")) > 0.0);
        assert_eq!(value(search, &format!("recall in {photos}")), 1.0);
    }
    assert_eq!((start["model"].as_str(), start["device"].as_str()), (Some("embedded"), Some("cpu")));
    assert!(value(start, "cold start to first labels") > 0.0);
    assert!(value(start, "size of the program") > 1.0);
    if cfg!(target_os = "linux") {
        assert!(value(start, "peak memory of that") > 1.0);
    }
}

#[test]
fn fast_decoding_is_compared_with_exact_decoding_and_bad_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rocket.jpg", "hubble_deep_field.jpg", "chelsea.png"] {
        fs::copy(sample(name), folder.path().join(name)).unwrap();
    }
    let whole = fs::read(sample("rocket.jpg")).unwrap();
    fs::write(folder.path().join("short.jpg"), &whole[..whole.len() / 2]).unwrap();
    let photos = folder.path().to_str().unwrap();
    let output = run(&["bench", "--json", "--device", "cpu", "--only", "fidelity", "--photos", photos]);
    assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
    let report = json(&output);
    let section = &report["models"][0];
    assert_eq!(value(section, "JPEG photos"), 2.0);
    let (median, lowest) = (value(section, "median cosine"), value(section, "lowest"));
    assert!((0.99..1.000_001).contains(&lowest) && lowest <= median, "{lowest} {median}");
    assert!(section["worst"].as_str().unwrap().ends_with(".jpg"));
    let [failed] = report["failed"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert!(failed["path"].as_str().unwrap().ends_with("short.jpg") && !failed["error"].as_str().unwrap().is_empty());
}

#[test]
fn options_that_lack_something_are_bad_usage_and_a_checkpoint_is_not_replaced() {
    let code = |args: &[&str]| run(&[&["bench"], args].concat()).status.code();
    assert_eq!(code(&["--only", "fidelity"]), Some(2));
    assert_eq!(code(&["--only", "library"]), Some(2));
    assert_eq!(code(&["--only", "everything"]), Some(2));
    assert_eq!(code(&["--batch", "0"]), Some(2));
    assert_eq!(code(&["--keep", "somewhere"]), Some(2));
    assert_eq!(code(&["--only", "import", "--image-size", "64"]), Some(2));
    assert_eq!(code(&["--only", "encode", "--device", "cuda"]), Some(2));

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("open_clip_config.json"), "somebody's").unwrap();
    let keep = folder.path().to_str().unwrap();
    let output = run(&["bench", "--only", "encode", "--shape", "vit-b-32", "--keep", keep]);
    assert!(output.status.code() == Some(2) && error_of(&output).contains("does not replace"), "{}", error_of(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
