//! Commands about a library: photos that are kept, found, tagged and judged, by processes that meet and that are killed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    error_of,
    exiftool::{exiftool, xmp_of},
    json as parsed, run, sample,
};

/// Four samples, each of which shows something of its own.
const PHOTOS: [&str; 4] = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"];

/// Copies of photos, and a library.
struct Scene {
    home: TempDir,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("photos")).unwrap();
        for name in PHOTOS {
            fs::copy(sample(name), home.path().join("photos").join(name)).unwrap();
        }
        Self { home }
    }

    fn imported() -> Self {
        let scene = Self::new();
        let report = scene.ok(&["import", &scene.path("photos")]);
        assert_eq!((&report["added"], &report["failed"]), (&json!(4), &json!(0)), "{report}");
        scene
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn path(&self, path: &str) -> String {
        self.at(path).display().to_string()
    }

    fn photo(&self, name: &str) -> String {
        self.at("photos").join(name).display().to_string()
    }

    fn library(&self) -> String {
        self.path("library")
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&[args, &["--library", &self.library(), "--json", "--quiet"]].concat())
    }

    /// What a command says that ends well.
    fn ok(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {} {}", error_of(&output), parsed(&output));
        parsed(&output)
    }

    /// The tags of a photo.
    fn tags(&self, path: &str) -> Value {
        self.ok(&["tag", "list", path])["photos"][0]["tags"].clone()
    }

    /// A process that imports the photos, not waited for.
    fn importing(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cliploupe-cli"));
        command.args(["import", &self.path("photos"), "--library", &self.library(), "--json", "--quiet"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// File names of what was found, best first.
fn names(report: &Value) -> Vec<String> {
    let name =
        |hit: &Value| Path::new(hit["path"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned();
    report["hits"].as_array().unwrap().iter().map(name).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn importing_again_adds_nothing_and_a_moved_file_keeps_its_tags() {
    let scene = Scene::imported();
    let again = scene.ok(&["import", &scene.path("photos")]);
    assert_eq!((&again["added"], &again["unchanged"], &again["moved"]), (&json!(0), &json!(4), &json!(0)), "{again}");
    scene.ok(&["tag", "add", "drink", &scene.photo("coffee.png")]);
    fs::create_dir(scene.at("photos/new")).unwrap();
    fs::rename(scene.photo("coffee.png"), scene.photo("new/cup.png")).unwrap();
    fs::write(scene.photo("broken.jpg"), "no picture").unwrap();
    let output = scene.run(&["import", &scene.path("photos")]);
    let moved = parsed(&output);
    assert_eq!(output.status.code(), Some(1), "{moved}");
    assert_eq!((&moved["added"], &moved["unchanged"], &moved["moved"]), (&json!(0), &json!(3), &json!(1)), "{moved}");
    assert_eq!((&moved["failed"], moved["failures"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(moved["failures"][0]["path"], json!(scene.photo("broken.jpg")));
    assert_eq!(scene.tags(&scene.photo("new/cup.png")), json!(["drink"]));
}

#[test]
fn searches_find_what_is_asked_for_and_take_away_what_is_not_wanted() {
    let scene = Scene::imported();
    let cat = scene.ok(&["search", "--text", "a cat", "--top", "2"]);
    assert_eq!(names(&cat)[0], "chelsea.png", "{cat}");
    assert!(cat["cut"]["kept"].as_u64() >= Some(1) && cat["total"] == json!(4), "{cat}");

    // The cosine is that of the vectors that `embed` gives; features are kept as 16-bit numbers.
    let vector = |kind: &str, of: &str| -> Vec<f64> {
        let report = parsed(&run(&["embed", kind, of, "--json"]));
        report["vectors"][0].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let (text, image) = (vector("--text", "a cat"), vector("--image", &scene.photo("chelsea.png")));
    let cosine: f64 = text.iter().zip(&image).map(|(a, b)| a * b).sum();
    assert!((cat["hits"][0]["cosine"].as_f64().unwrap() - cosine).abs() < 2e-3, "{cat} {cosine}");

    let both = ["search", "--text", "a cup of coffee", "a cat", "--all"];
    let with = names(&scene.ok(&both));
    assert!(with[..2].contains(&"chelsea.png".to_owned()) && with.len() == 4, "{with:?}");
    let without = names(&scene.ok(&[&both[..], &["--not", "a cat", "--weight", "1", "1", "3"]].concat()));
    assert_eq!((without[0].as_str(), without[3].as_str()), ("coffee.png", "chelsea.png"));

    let like = scene.ok(&["search", "--image", &scene.photo("rocket.jpg"), "--all"]);
    assert_eq!(names(&like)[0], "rocket.jpg");
    assert!(like["hits"][0]["cosine"].as_f64() > Some(0.99), "{like}");
    let output = scene.run(&["search", "--image", &sample("grass.png")]);
    assert!(output.status.code() == Some(1) && error_of(&output).contains("Import it"), "{}", error_of(&output));
}

#[test]
fn filters_narrow_a_search_down() {
    let scene = Scene::imported();
    scene.ok(&["tag", "add", "animal/cat", &scene.photo("chelsea.png")]);
    let found = |filters: &[&str]| {
        let filters: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", *filter]).collect();
        let report = scene.ok(&[&["search", "--text", "a photo", "--all"], &filters[..]].concat());
        names(&report).into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(found(&["tag=animal"]), ["chelsea.png"]);
    assert_eq!(found(&["untagged=yes", "name=coffee"]), ["coffee.png"]);
    assert_eq!(found(&["without=animal/cat", &format!("folder={}", scene.path("photos"))]).len(), 3);
    assert!(found(&["missing=yes"]).is_empty());
}

#[test]
fn what_makes_no_sense_is_said_and_no_library_is_made_by_mistake() {
    let scene = Scene::new();
    let failing = |args: &[&str], code: i32, words: &str| {
        let output = scene.run(args);
        let error = error_of(&output);
        assert!(output.status.code() == Some(code) && error.contains(words), "{args:?}: {error}");
    };
    failing(&["search", "--text", "cat"], 1, "there is no library");
    failing(&["library", "info"], 1, "there is no library");
    assert!(!scene.at("library").exists());
    failing(&["search"], 2, "--text");
    failing(&["search", "--text", "cat", "--filter", "colour=red"], 2, "colour");
    failing(&["search", "--text", "cat", "--weight", "1", "2"], 2, "2 weights");
    failing(&["search", "--text", "cat", "--top", "0"], 2, "--top");
    failing(&["tag", "accept", "cat"], 2, "PATH");
    failing(&["tag", "accept", "cat", "--at-least", "7"], 2, "between 0 and 1");
    failing(&["tag", "add", " ", "photo.jpg"], 2, "empty");
    failing(&["tag", "threshold", "cat", "half"], 2, "half");
    failing(&["tag", "table", "tags.txt"], 2, "tags.txt");
    failing(&["eval", "--measure", "f7"], 2, "f7");
    failing(&["eval", "--truth", &scene.path("photos")], 2, "one folder per label");
    failing(&["library", "watch", &scene.photo("coffee.png")], 2, "only folders");
    assert!(!scene.at("library").exists());
}

#[test]
fn decisions_are_taken_back_done_again_and_kept() {
    let scene = Scene::imported();
    let (cat, cup) = (scene.photo("chelsea.png"), scene.photo("coffee.png"));
    assert_eq!(scene.ok(&["tag", "add", "animal/cat", &cat])["photos"], 1);
    assert_eq!(scene.ok(&["tag", "reject", "animal/cat", &cup])["verdict"], "reject");
    // A folder stands for its photos.
    assert_eq!(scene.ok(&["tag", "accept", "picture", &scene.path("photos")])["photos"], 4);
    assert_eq!(scene.tags(&cat), json!(["animal/cat", "picture"]));
    let undone = scene.ok(&["tag", "undo"]);
    assert_eq!((&undone["done"]["step"]["kind"], &undone["done"]["step"]["photos"]), (&json!("add"), &json!(4)));
    assert_eq!(scene.tags(&cat), json!(["animal/cat"]));
    scene.ok(&["tag", "redo"]);
    scene.ok(&["tag", "undo"]);
    scene.ok(&["tag", "rename", "animal/cat", "animal/tabby"]);
    let listed = scene.ok(&["tag", "list"]);
    let tabby = listed["labels"].as_array().unwrap().iter().find(|label| label["label"] == "animal/tabby").unwrap();
    assert_eq!((&tabby["accepted"], &tabby["rejected"]), (&json!(1), &json!(1)), "{listed}");
    scene.ok(&["tag", "remove", "animal/tabby", &cat]);
    assert_eq!(scene.tags(&cat), json!([]));
    let output = scene.run(&["tag", "add", "cat", &scene.path("elsewhere.jpg")]);
    assert!(output.status.code() == Some(1) && error_of(&output).contains("elsewhere.jpg"), "{}", error_of(&output));
}

#[test]
fn suggestions_wait_until_they_are_judged() {
    let scene = Scene::imported();
    let labels = "cat,cup of coffee,rocket,astronaut";
    let suggested = scene.ok(&["tag", "suggest", "--labels", labels]);
    let waiting = suggested["waiting"].as_u64().unwrap();
    assert_eq!(suggested["labels"].as_array().unwrap().len(), 4, "{suggested}");
    let queue = scene.ok(&["tag", "queue", "--order", "likely", "--top", "9"]);
    assert_eq!((queue["total"].as_u64(), queue["items"].as_array().unwrap().len() as u64), (Some(waiting), waiting));
    let of_cat = scene.ok(&["tag", "queue", "--label", "cat", "--order", "likely"]);
    let first = &of_cat["items"][0];
    assert_eq!((&first["label"], &first["path"]), (&json!("cat"), &json!(scene.photo("chelsea.png"))), "{of_cat}");
    let by = &first["by"];
    assert!(by["prompt"].as_str().is_some_and(|prompt| prompt.contains("cat")) && by["model"].is_string(), "{by}");
    assert!((0.0..=1.0).contains(&by["probability"].as_f64().unwrap()));

    assert_eq!(scene.ok(&["tag", "accept", "cat", &scene.photo("chelsea.png")])["photos"], 1);
    // Another round of suggestions leaves decisions alone, and does not ask about them again.
    scene.ok(&["tag", "suggest", "--labels", labels]);
    assert_eq!(scene.tags(&scene.photo("chelsea.png")), json!(["cat"]));
    let of_cat = scene.ok(&["tag", "queue", "--label", "cat"]);
    assert!(of_cat["items"].as_array().unwrap().iter().all(|item| item["path"] != first["path"]), "{of_cat}");
    let table = scene.path("tags.csv");
    scene.ok(&["tag", "table", &table]);
    let table = fs::read_to_string(table).unwrap();
    assert!(table.lines().any(|line| line.contains("chelsea.png") && line.contains("accepted")), "{table}");
}

#[test]
fn sidecars_are_shown_then_written_and_read_by_exiftool() {
    let scene = Scene::imported();
    let cat = scene.photo("chelsea.png");
    let before = fs::read(&cat).unwrap();
    scene.ok(&["tag", "add", "cat", &cat]);
    let sidecar = scene.at("photos/chelsea.png.xmp");
    let plan = scene.ok(&["tag", "export", "--dry-run"]);
    assert_eq!((&plan["changed"], &plan["written"]), (&json!(1), &json!(false)), "{plan}");
    let diff = plan["plans"][0]["diff"].as_str().unwrap();
    assert!(diff.lines().any(|line| line.starts_with('+') && line.contains("cat")) && !sidecar.exists(), "{diff}");
    let written = scene.ok(&["tag", "export", &cat]);
    assert_eq!((&written["changed"], &written["written"]), (&json!(1), &json!(true)), "{written}");
    assert_eq!(exiftool(&["-s3", "-XMP-dc:Subject"], &[&sidecar]).trim(), "cat");
    assert!(xmp_of(&sidecar).contains_key("XMP-digiKam:TagsList"));
    assert_eq!(fs::read(&cat).unwrap(), before);
    let again = scene.ok(&["tag", "export"]);
    assert_eq!(again["changed"], json!(0), "{again}");

    // What another program says of a photo comes in, once it is asked for.
    let other = scene.at("photos/rocket.jpg.xmp");
    exiftool(&["-XMP-dc:Subject=launch"], &[&other]);
    let found = scene.ok(&["tag", "import", "--dry-run", &scene.photo("rocket.jpg")]);
    assert_eq!((&found["found"][0]["adds"], &found["taken"]), (&json!(["launch"]), &json!(false)), "{found}");
    assert_eq!(scene.tags(&scene.photo("rocket.jpg")), json!([]));
    scene.ok(&["tag", "import"]);
    assert_eq!(scene.tags(&scene.photo("rocket.jpg")), json!(["launch"]));
}

#[test]
fn suggestions_are_judged_by_folders_named_after_what_they_show() {
    let scene = Scene::new();
    for (folder, name) in [("cat", "chelsea.png"), ("cup_of_coffee", "coffee.png"), ("rocket", "rocket.jpg")] {
        let folder = scene.at("truth").join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(sample(name), folder.join(name)).unwrap();
    }
    let page = scene.path("eval.md");
    // Without a library: the photos are read for this only.
    let args = ["eval", "--truth", &scene.path("truth"), "--report", &page, "--json", "--quiet"];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    let report = parsed(&output);
    let rows = report["this"]["rows"].as_array().unwrap();
    let labels: Vec<&str> = rows.iter().map(|row| row["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["cat", "cup of coffee", "rocket"]);
    for row in rows {
        assert_eq!((&row["positives"], &row["negatives"]), (&json!(1), &json!(2)), "{row}");
    }
    // The one photo that shows it comes first; to the embedded model the cup is more of a rocket than the rocket is.
    let precision: Vec<f64> = rows.iter().map(|row| row["averagePrecision"].as_f64().unwrap()).collect();
    assert_eq!(precision, [1.0, 1.0, 0.5]);
    assert!(fs::read_to_string(&page).unwrap().contains("| cup of coffee"));

    // A table names photos too, and one that is gone is said.
    let table = scene.path("truth.csv");
    fs::write(&table, "path,label\ntruth/cat/chelsea.png,cat\ntruth/rocket/rocket.jpg,rocket\ngone.jpg,cat\n").unwrap();
    let output = run(&["eval", "--truth", &table, "--json", "--quiet"]);
    let report = parsed(&output);
    assert!(output.status.code() == Some(1) && report["this"]["rows"].as_array().unwrap().len() == 2, "{report}");
    assert!(report["failed"][0]["path"].as_str().unwrap().ends_with("gone.jpg"), "{report}");
}

#[test]
fn damage_is_found_and_repaired() {
    let scene = Scene::imported();
    let sound = scene.ok(&["library", "check", "--deep"]);
    assert_eq!((&sound["total"], sound["checked"].as_u64() > Some(0)), (&json!(0), true), "{sound}");
    let thumbnails: Vec<PathBuf> = files_below(&scene.at("library/thumbnails"));
    assert_eq!(thumbnails.len(), 4);
    let bytes = fs::read(&thumbnails[0]).unwrap();
    fs::write(&thumbnails[0], &bytes[..bytes.len() / 2]).unwrap();
    let output = scene.run(&["library", "check", "--deep"]);
    let damaged = parsed(&output);
    assert!(output.status.code() == Some(1) && damaged["total"] == json!(1), "{damaged}");
    assert_eq!(damaged["findings"][0]["repairable"], json!(true), "{damaged}");
    scene.ok(&["library", "check", "--repair"]);
    assert_eq!(scene.ok(&["library", "check", "--deep"])["total"], json!(0));
    assert_eq!(fs::read(&thumbnails[0]).unwrap(), bytes);
    assert_eq!(scene.ok(&["library", "info"])["photos"], json!(4));
}

#[test]
fn two_processes_that_import_the_same_photos_make_one_library() {
    let scene = Scene::new();
    let processes = [0, 1].map(|_| scene.importing().spawn().unwrap());
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{} {}", error_of(&output), parsed(&output));
        assert_eq!(parsed(&output)["failed"], json!(0));
    }
    let info = scene.ok(&["library", "info"]);
    assert_eq!((&info["photos"], &info["files"], &info["failed"]), (&json!(4), &json!(4), &json!(0)), "{info}");
    assert_eq!(scene.ok(&["search", "--text", "a cat", "--all"])["hits"].as_array().unwrap().len(), 4);
}

/// `kill` is SIGKILL on Unix, and ends a process as suddenly elsewhere.
#[test]
fn an_import_that_is_killed_again_and_again_completes() {
    const FILES: u32 = 24;
    let scene = Scene::new();
    for index in 0..FILES - PHOTOS.len() as u32 {
        let pixel = |x: u32, y: u32| image::Rgb([x * 4, y * 4, index * 12].map(|value| value as u8));
        image::RgbImage::from_fn(64, 64, pixel).save(scene.photo(&format!("{index}.png"))).unwrap();
    }
    for millis in [150, 500, 900, 1400, 2000] {
        let mut process = scene.importing().spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let completed = scene.ok(&["import", &scene.path("photos")]);
    assert_eq!(completed["failed"], json!(0), "{completed}");
    let again = scene.ok(&["import", &scene.path("photos")]);
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(FILES)), "{again}");
    let info = scene.ok(&["library", "info"]);
    assert_eq!((&info["photos"], &info["files"]), (&json!(FILES), &json!(FILES)), "{info}");
    // Every photo was encoded, and once.
    let found = names(&scene.ok(&["search", "--text", "a cat", "--all", "--top", "99"]));
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (FILES as usize, FILES as usize));
    assert_eq!(scene.ok(&["library", "check", "--deep"])["total"], json!(0));
}

#[test]
fn watched_folders_are_looked_through_again() {
    let scene = Scene::new();
    fs::rename(scene.photo("rocket.jpg"), scene.path("rocket.jpg")).unwrap();
    assert_eq!(scene.ok(&["import", "--watch", &scene.path("photos")])["added"], json!(3));
    fs::rename(scene.path("rocket.jpg"), scene.photo("rocket.jpg")).unwrap();
    fs::remove_file(scene.photo("coffee.png")).unwrap();
    assert_eq!(scene.ok(&["library", "rescan"])["added"], json!(1));
    let info = scene.ok(&["library", "info"]);
    assert_eq!((&info["photos"], &info["missing"]), (&json!(4), &json!(1)), "{info}");
    assert_eq!(info["watched"][0]["path"], json!(scene.path("photos")));
    scene.ok(&["library", "unwatch", &scene.path("photos")]);
    assert_eq!(scene.ok(&["library", "info"])["watched"], json!([]));
}
