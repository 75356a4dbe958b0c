//! Models by name: installed, imported, removed, fetched beside other work, and exchanged under photos on the table.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cliploupe_workbench::{
    Options, Workbench,
    messages::{CatalogueModel, ModelState, PhotoState, ProblemCode, TransferState, WorkbenchEvent},
    model_source::ModelSource,
    settings::Settings,
    store::{Halt, Import, Outcome, RECORD, Store},
};

use crate::{
    Events,
    downloads::{CONFIG, REPO, WEIGHTS, fixture, hasty, hub_server, path_of},
    labels, root, samples,
    server::{Do, Server},
    tiny_png, workbench,
};

/// A folder of models, and a checkpoint that is not in it.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("models"));
        Self { folder, store }
    }

    /// A copy of a fixture, with things beside it that are no part of a model.
    fn checkpoint(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(root("tests/fixtures/clip").join(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
        folder
    }

    fn import(&self, import: &Import) -> Result<Outcome, ProblemCode> {
        self.store.import(import, &Halt::default(), &mut |_| {}).map_err(|problem| problem.code)
    }

    fn options(&self) -> Options {
        Options { store: Some(self.store.clone()), patience: hasty(), ..Options::default() }
    }
}

fn from(path: &Path) -> Import {
    Import { path: path.to_owned(), ..Import::default() }
}

fn row(bench: &Workbench, name: &str) -> CatalogueModel {
    bench.models().unwrap().models.into_iter().find(|model| model.name == name).unwrap()
}

/// Waits for something that another thread does.
pub fn wait_for(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing happened for a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_imported_folder_is_copied_without_what_is_no_part_of_it() {
    let place = Place::new();
    let path = place.checkpoint("clip-vit");
    fs::write(path.join("optimizer.pt"), "not ours").unwrap();
    assert!(matches!(place.import(&from(&path)), Ok(Outcome::Installed(_))));
    let installed = place.store.find("clip-vit").unwrap();
    assert_eq!(installed.folder, place.store.root().join("clip-vit"));
    let mut names: Vec<_> = fs::read_dir(&installed.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [RECORD, CONFIG, WEIGHTS]);
    assert!(fs::read(installed.folder.join(WEIGHTS)).unwrap() == fixture(WEIGHTS));
    assert_eq!(place.import(&from(&path)).unwrap_err(), ProblemCode::ModelExists);
    // The copy does not need the original.
    fs::remove_dir_all(&path).unwrap();
    let source = ModelSource::find("clip-vit", None, Some(&place.store)).unwrap();
    assert!(source.checkpoint().is_ok() && source.name() == "clip-vit");
}

#[test]
fn a_model_in_place_is_a_record_and_removing_it_leaves_the_files() {
    let place = Place::new();
    let path = place.checkpoint("clip-vit");
    let import = Import { in_place: true, name: Some("mine/tiny".into()), ..from(&path) };
    assert!(matches!(place.import(&import), Ok(Outcome::Installed(_))));
    let installed = place.store.find("mine/tiny").unwrap();
    assert_eq!(installed.path(), path);
    assert_eq!(fs::read_dir(&installed.folder).unwrap().count(), 1);
    let described = installed.describe();
    assert!(described.in_place && described.problem.is_none() && described.bytes > 900_000);

    place.store.remove("mine/tiny").unwrap();
    assert!(place.store.find("mine/tiny").is_none() && !installed.folder.exists());
    assert!(fs::read(path.join(WEIGHTS)).unwrap() == fixture(WEIGHTS));

    // A folder that goes leaves a model that says so.
    place.import(&import).unwrap();
    fs::remove_dir_all(&path).unwrap();
    let described = place.store.find("mine/tiny").unwrap().describe();
    assert_eq!(described.problem.unwrap().code, ProblemCode::ModelFolder);
}

#[test]
fn a_single_file_is_imported_with_the_configuration_that_is_named() {
    let place = Place::new();
    let folder = place.checkpoint("clip-vit");
    let (weights, config) = (place.folder.path().join("w.safetensors"), place.folder.path().join("c.json"));
    fs::rename(folder.join(WEIGHTS), &weights).unwrap();
    fs::rename(folder.join(CONFIG), &config).unwrap();
    let import = Import { config: Some(config.clone()), ..from(&weights) };
    place.import(&import).unwrap();
    let copied = place.store.find("w").unwrap();
    assert!(copied.folder.join(WEIGHTS).is_file() && copied.folder.join(CONFIG).is_file());
    place.import(&Import { in_place: true, name: Some("there".into()), ..import }).unwrap();
    let there = ModelSource::find("there", None, Some(&place.store)).unwrap().checkpoint().unwrap();
    assert_eq!((there.weights, there.config), (weights, config));
}

#[test]
fn a_single_file_takes_the_configuration_of_a_model_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("mine.safetensors");
    fs::write(&weights, [0; 16]).unwrap();
    let text = weights.to_str().unwrap();
    let find = |config: &str| ModelSource::find(text, Some(config.as_ref()), None).unwrap().checkpoint();
    let config = find("ViT-B-32/openai").unwrap().known_config.unwrap();
    assert_eq!(
        (&config["model_cfg"]["vision_cfg"]["patch_size"], &config["model_cfg"]["quick_gelu"]),
        (&32.into(), &true.into())
    );
    // A name that is none is a file that is not there.
    assert_eq!(find("ViT-B-33/openai").unwrap().known_config, None);
}

#[test]
fn what_does_not_load_is_not_imported() {
    let place = Place::new();
    let path = place.checkpoint("clip-vit");
    fs::write(path.join(WEIGHTS), [0; 32]).unwrap();
    for in_place in [false, true] {
        assert_eq!(place.import(&Import { in_place, ..from(&path) }).unwrap_err(), ProblemCode::ModelTensors);
    }
    assert_eq!(place.import(&from(&place.folder.path().join("nothing"))).unwrap_err(), ProblemCode::ModelFolder);
    assert!(place.store.list().unwrap().0.is_empty());
    assert!(fs::read_dir(place.store.root().join(".incoming")).unwrap().next().is_none(), "nothing is left over");
}

#[test]
fn a_copy_that_would_not_fit_is_not_begun() {
    let mut place = Place::new();
    place.store = place.store.with_free_space(|_| Ok(1000));
    let path = place.checkpoint("clip-vit");
    assert_eq!(place.import(&from(&path)).unwrap_err(), ProblemCode::DiskSpace);
    // A record always fits.
    assert!(place.import(&Import { in_place: true, ..from(&path) }).is_ok());
}

#[test]
fn only_folders_with_our_record_below_the_models_folder_are_removed() {
    let place = Place::new();
    place.import(&from(&place.checkpoint("clip-vit"))).unwrap();
    let outside = place.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::copy(place.store.root().join("clip-vit").join(RECORD), outside.join(RECORD)).unwrap();
    let stranger = place.store.root().join("stranger");
    fs::create_dir(&stranger).unwrap();
    for name in ["../outside", "stranger", "/etc", "", ".", "embedded", "CLIP-VIT/.."] {
        assert!(place.store.remove(name).is_err(), "{name:?}");
    }
    // A folder that was renamed by hand has a record of another name.
    fs::rename(place.store.root().join("clip-vit"), place.store.root().join("other")).unwrap();
    assert!(place.store.remove("other").is_err() && place.store.remove("clip-vit").is_err());
    assert!(outside.exists() && stranger.exists() && place.store.root().join("other").join(WEIGHTS).exists());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.store.root().join("other"), place.store.root().join("clip-vit")).unwrap();
        assert_eq!(place.store.remove("clip-vit").unwrap_err().code, ProblemCode::ModelStore);
        assert!(place.store.root().join("other").join(WEIGHTS).exists());
    }
}

#[test]
fn what_a_broken_off_copy_or_removal_left_is_swept_away_and_downloads_are_not() {
    let place = Place::new();
    let (incoming, removed) = (place.store.root().join(".incoming"), place.store.root().join(".removed-x-1"));
    for folder in ["copy", "download"] {
        fs::create_dir_all(incoming.join(folder)).unwrap();
        fs::write(incoming.join(folder).join("half"), "x").unwrap();
    }
    fs::write(incoming.join("download.json"), r#"{"name":"download","total":null,"files":{}}"#).unwrap();
    fs::create_dir_all(&removed).unwrap();
    place.store.sweep();
    assert!(!incoming.join("copy").exists() && !removed.exists() && incoming.join("download/half").exists());
    assert_eq!(place.store.unfinished()[0].name, "download");
}

#[test]
fn a_damaged_record_is_told_and_does_not_hide_the_others() {
    let place = Place::new();
    let path = place.checkpoint("clip-vit");
    for name in ["one", "two"] {
        place.import(&Import { name: Some(name.into()), ..from(&path) }).unwrap();
    }
    fs::write(place.store.root().join("one").join(RECORD), "{").unwrap();
    let (models, problems) = place.store.list().unwrap();
    assert_eq!(models.iter().map(|model| model.record.name.as_str()).collect::<Vec<_>>(), ["two"]);
    assert_eq!(problems[0].code, ProblemCode::ModelStore);
    assert!(place.store.remove("one").is_err());
}

#[test]
fn a_name_means_what_is_installed_and_says_how_to_get_the_rest() {
    let place = Place::new();
    place.import(&from(&place.checkpoint("clip-vit"))).unwrap();
    let find = |text: &str| ModelSource::find(text, None, Some(&place.store));
    assert_eq!(find("embedded").unwrap(), ModelSource::Embedded);
    assert!(matches!(find("clip-vit").unwrap(), ModelSource::Installed(_)));
    let path = root("tests/fixtures/clip/clip-vit").display().to_string();
    assert!(matches!(find(&path).unwrap(), ModelSource::Path { .. }));
    let missing = find("vit-b-32 laion2b_s34b_b79k").unwrap_err();
    assert_eq!(missing.code, ProblemCode::ModelNotInstalled);
    assert!(missing.message.contains("models pull ViT-B-32/laion2b_s34b_b79k"), "{}", missing.message);
    assert_eq!(find("no such model").unwrap_err().code, ProblemCode::ModelUnknown);
    // What can only be a path is missed as one.
    assert!(find("./nowhere").unwrap().checkpoint().is_err());
}

#[test]
fn the_list_has_the_embedded_model_the_installed_ones_and_the_catalogue() {
    let place = Place::new();
    place.import(&from(&place.checkpoint("clip-vit"))).unwrap();
    let (bench, _) = workbench(place.options());
    bench.wait_idle();
    let list = bench.models().unwrap();
    let states: Vec<_> = list.models.iter().take(3).map(|model| (model.name.as_str(), model.state)).collect();
    assert_eq!(states[..2], [("embedded", ModelState::Embedded), ("clip-vit", ModelState::Installed)]);
    assert_eq!(states[2].1, ModelState::Available);
    assert!(list.models.len() > 170 && list.models[0].active && !list.models[1].active);
    assert_eq!(list.folder, place.store.root().display().to_string());
    assert!(list.free_bytes.unwrap() > 0);
}

#[test]
fn downloads_of_a_window_can_be_paused_resumed_and_cancelled() {
    let place = Place::new();
    let server = hub_server();
    let (bench, events) = workbench(place.options());
    bench.set_hub_endpoint(Some(&server.url())).unwrap();
    let name = format!("hf-hub:{REPO}");
    let state = || row(&bench, REPO).state;
    server.next(&path_of(WEIGHTS), &[Do::Stall(100_000)]);
    bench.pull_model(&name).unwrap();
    assert_eq!(bench.pull_model(&name).unwrap_err().code, ProblemCode::ModelBusy);
    wait_for(|| !server.gets(&path_of(WEIGHTS)).is_empty());
    assert_eq!(state(), ModelState::Downloading);
    let part = place.store.root().join(".incoming/acme-tiny/open_clip_model.safetensors.part");
    wait_for(|| fs::metadata(&part).is_ok_and(|data| data.len() == 100_000));
    bench.pause_transfer(REPO).unwrap();
    wait_for(|| state() == ModelState::Paused);

    // Another run of the program finds it.
    drop(bench);
    let (bench, again) = workbench(place.options());
    let state = || row(&bench, REPO).state;
    assert_eq!(state(), ModelState::Paused);
    bench.set_hub_endpoint(Some(&server.url())).unwrap();
    // The other run lets go of it in a moment.
    wait_for(|| row(&bench, REPO).state == ModelState::Installed || bench.pull_model(REPO).is_ok());
    wait_for(|| state() == ModelState::Installed);
    assert_eq!(server.gets(&path_of(WEIGHTS)).last().unwrap().header("range"), Some("bytes=100000-"));
    let heard = |events: &Events, wanted: TransferState| {
        events
            .lock()
            .unwrap()
            .iter()
            .any(|event| matches!(event, WorkbenchEvent::TransferProgress { transfer } if transfer.state == wanted))
    };
    assert!(heard(&events, TransferState::Paused));
    // The model is there a moment before its download says so.
    wait_for(|| heard(&again, TransferState::Done));
    let changes = |event: &WorkbenchEvent| matches!(event, WorkbenchEvent::ModelsChanged { .. });
    wait_for(|| again.lock().unwrap().iter().filter(|event| changes(event)).count() >= 2);

    wait_for(|| bench.remove_model(REPO).is_ok());
    server.next(&path_of(WEIGHTS), &[Do::Stall(100_000)]);
    wait_for(|| bench.pull_model(&name).is_ok());
    wait_for(|| fs::metadata(&part).is_ok_and(|data| data.len() == 100_000));
    bench.cancel_transfer(REPO).unwrap();
    wait_for(|| bench.models().unwrap().models.iter().all(|model| model.name != REPO));
    wait_for(|| !part.exists());
}

#[test]
fn a_download_that_failed_says_why_until_it_is_tried_again_or_dropped() {
    let place = Place::new();
    let server = Server::start();
    server.serve(&path_of(CONFIG), &fixture(CONFIG));
    let (bench, _) = workbench(place.options());
    bench.set_hub_endpoint(Some(&server.url())).unwrap();
    bench.pull_model(&format!("hf-hub:{REPO}")).unwrap();
    wait_for(|| row(&bench, REPO).state == ModelState::Failed);
    assert_eq!(row(&bench, REPO).transfer.unwrap().problem.unwrap().code, ProblemCode::RemoteMissing);
    server.serve(&path_of(WEIGHTS), &fixture(WEIGHTS));
    wait_for(|| bench.pull_model(REPO).is_ok());
    wait_for(|| row(&bench, REPO).state == ModelState::Installed);
}

#[test]
fn what_cannot_be_downloaded_is_refused_at_once() {
    let place = Place::new();
    let (bench, _) = workbench(place.options());
    for name in ["no such model", "hf-hub:", "hf-hub:only-one-part", "hf-hub:a/b/c", "hf-hub:../x"] {
        assert!(bench.pull_model(name).is_err(), "{name}");
    }
    assert_eq!(bench.set_hub_endpoint(Some("nowhere")).unwrap_err().code, ProblemCode::Endpoint);
    assert_eq!(bench.models().unwrap().hub.endpoint, "https://huggingface.co");
}

#[test]
fn the_mirror_is_remembered() {
    let place = Place::new();
    let settings = place.folder.path().join("settings.json");
    let options = || Options { settings: Some(settings.clone()), ..place.options() };
    workbench(options()).0.set_hub_endpoint(Some("https://mirror.example/")).unwrap();
    assert_eq!(Settings::load(&settings).0.hub_endpoint.as_deref(), Some("https://mirror.example/"));
    let hub = workbench(options()).0.models().unwrap().hub;
    assert_eq!((hub.endpoint.as_str(), hub.from_environment), ("https://mirror.example", false));
}

#[test]
fn an_installed_model_is_chosen_and_remembered_by_name_and_not_removed_while_it_computes() {
    let place = Place::new();
    place.import(&Import { name: Some("tiny".into()), ..from(&place.checkpoint("e2e-clip-f16")) }).unwrap();
    let settings = place.folder.path().join("settings.json");
    let options = || Options { settings: Some(settings.clone()), ..place.options() };
    let (bench, _) = workbench(options());
    bench.choose_model_named("tiny").unwrap();
    assert!(row(&bench, "tiny").active);
    assert_eq!(bench.remove_model("tiny").unwrap_err().code, ProblemCode::ModelInUse);
    drop(bench);
    let (bench, _) = workbench(options());
    bench.wait_idle();
    assert_eq!(bench.snapshot().engine.model.unwrap().name, "tiny");
    bench.choose_model(ModelSource::Embedded).unwrap();
    bench.remove_model("tiny").unwrap();
    drop(bench);
    // A remembered model that is gone is told, and the embedded one stands in.
    Settings { model: "tiny".into(), ..Settings::default() }.save(&settings).unwrap();
    let (bench, events) = workbench(options());
    bench.wait_idle();
    assert!(bench.snapshot().engine.model.unwrap().embedded);
    let told = |event: &WorkbenchEvent| matches!(event, WorkbenchEvent::Problem { problem } if problem.code == ProblemCode::ModelUnknown);
    assert!(events.lock().unwrap().iter().any(told));
}

#[test]
fn photos_keep_their_results_until_the_new_model_has_its_own() {
    let tiny = ModelSource::Path { path: root("tests/fixtures/clip/e2e-clip-f16"), config: None };
    let (bench, events) = workbench(Options::default());
    bench.set_labels(labels(&["cat", "dog"])).unwrap();
    bench.add_paths(vec![samples()]);
    bench.wait_idle();
    let old: Vec<f32> = bench.photos().iter().map(|photo| photo.best[0].score).collect();
    events.lock().unwrap().clear();
    bench.choose_model(tiny).unwrap();
    // Whatever has not been encoded again still has what it had, in the grid and in the details.
    assert!(bench.photos().iter().all(|photo| photo.state == PhotoState::Labelled && photo.best.len() == 2));
    assert!(bench.photos().iter().all(|photo| bench.details(photo.id).unwrap().scores.len() == 2));
    bench.wait_idle();
    let heard = events.lock().unwrap();
    let waiting = |event: &WorkbenchEvent| matches!(event, WorkbenchEvent::PhotosWaiting { ids } if !ids.is_empty());
    assert!(!heard.iter().any(waiting), "results were taken back");
    let scored: usize = heard
        .iter()
        .map(|event| if let WorkbenchEvent::PhotosScored { photos, .. } = event { photos.len() } else { 0 })
        .sum();
    assert_eq!(scored, 7, "each photo is scored once by the new model");
    drop(heard);
    let new: Vec<f32> = bench.photos().iter().map(|photo| photo.best[0].score).collect();
    assert_ne!(old, new);
    for photo in bench.photos() {
        let sum: f32 = bench.details(photo.id).unwrap().scores.iter().map(|score| score.probability).sum();
        assert!((sum - 1.0).abs() < 1e-5, "the new model's labels compete");
    }
}

#[test]
fn labels_that_change_during_a_switch_take_old_results_back() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..60 {
        fs::write(folder.path().join(format!("{i:03}.png")), tiny_png()).unwrap();
    }
    let model = Some(ModelSource::Path { path: root("tests/fixtures/clip/e2e-clip-f16"), config: None });
    let (bench, _) = workbench(Options { model, ..Options::default() });
    bench.set_labels(labels(&["cat", "dog", "car"])).unwrap();
    bench.add_paths(vec![folder.path().to_owned()]);
    bench.wait_idle();
    bench.choose_model(ModelSource::Embedded).unwrap();
    bench.set_labels(labels(&["sea"])).unwrap();
    // Every index in a snapshot is one of the label list beside it, at any moment.
    for _ in 0..50 {
        let now = bench.snapshot();
        let labels = now.labels.labels.len() as u32;
        assert!(bench.photos().iter().flat_map(|photo| &photo.best).all(|best| best.label < labels));
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.wait_idle();
    assert!(bench.photos().iter().all(|photo| photo.state == PhotoState::Labelled && photo.best.len() == 1));
}

#[test]
fn a_model_that_fails_to_load_gives_way_to_the_one_before_and_no_photo_is_encoded_again() {
    let place = Place::new();
    let damaged = place.checkpoint("e2e-clip-f16");
    fs::write(damaged.join(WEIGHTS), [0; 32]).unwrap();
    let (bench, events) = workbench(Options::default());
    bench.set_labels(labels(&["cat", "dog"])).unwrap();
    bench.add_paths(vec![samples()]);
    bench.wait_idle();
    let before: Vec<_> = bench.photos().into_iter().map(|photo| photo.best).collect();
    events.lock().unwrap().clear();
    let problem = bench.choose_model(ModelSource::Path { path: damaged, config: None }).unwrap_err();
    assert_eq!(problem.code, ProblemCode::ModelTensors);
    bench.wait_idle();
    let now = bench.snapshot();
    assert!(now.engine.model.unwrap().embedded);
    assert_eq!(bench.photos().into_iter().map(|photo| photo.best).collect::<Vec<_>>(), before);
    let scored = |event: &WorkbenchEvent| {
        matches!(event, WorkbenchEvent::PhotosScored { .. } | WorkbenchEvent::PhotosRescored { .. })
    };
    assert!(!events.lock().unwrap().iter().any(scored));
    // It is really there: new photos and new labels are scored.
    bench.set_labels(labels(&["cat", "dog", "sea"])).unwrap();
    bench.wait_idle();
    assert!(bench.photos().iter().all(|photo| photo.best.len() == 3));
}
