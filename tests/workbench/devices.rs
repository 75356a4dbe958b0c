//! GPUs that are tested before they are trusted, run out of memory, get lost, and are not there any more. On a machine
//! without a GPU the adapter is llvmpipe, which must be asked for by its number.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cliploupe_workbench::{
    Faults, Options, Workbench,
    engine::device::{self, ComputeError, DeviceKind as EngineKind},
    messages::{
        DeviceKind, DeviceStatus, PhotoState, Precision, PrecisionChoice, ProblemCode, SpeedSettings, WorkbenchEvent,
    },
    model_source::ModelSource,
};

use crate::{Events, labels, root, samples, workbench};

/// A device is one for the whole process, so tests that lose it take turns.
static GPU: Mutex<()> = Mutex::new(());

/// The turn, if this machine has an adapter.
pub fn turn() -> Option<MutexGuard<'static, ()>> {
    let has_adapter = device::list().len() > 1;
    // `cargo xtask test` installs llvmpipe on Linux; elsewhere a machine may have no adapter at all.
    assert!(has_adapter || !cfg!(target_os = "linux"), "no adapter: is mesa-vulkan-drivers installed?");
    has_adapter.then(|| GPU.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn small() -> Option<ModelSource> {
    Some(ModelSource::Path { path: root("tests/fixtures/clip/e2e-clip-f16"), config: None })
}

/// The adapter, tested before anything is computed, in f32.
fn on_gpu(folder: &Path) -> Options {
    Options {
        model: small(),
        device: Some("gpu:0".parse().unwrap()),
        devices: Some(folder.to_owned()),
        waits_for_gpu: true,
        speed: Some(SpeedSettings { precision: PrecisionChoice::F32, ..SpeedSettings::default() }),
        ..Options::default()
    }
}

/// The sample photos through a workbench: its device afterwards, and the best scores of each photo by its name.
fn labelled(options: Options) -> (DeviceStatus, Vec<(String, Vec<f32>)>, Workbench, Events) {
    let (bench, events) = workbench(options);
    bench.set_labels(labels(&["cat", "dog", "rocket"])).unwrap();
    bench.add_paths(vec![samples()]);
    bench.wait_idle();
    let mut scores: Vec<(String, Vec<f32>)> = bench
        .photos()
        .into_iter()
        .map(|photo| {
            assert_eq!((photo.state, photo.problem), (PhotoState::Labelled, None), "{}", photo.name);
            let scores = bench.details(photo.id).unwrap().scores;
            (photo.name, scores.into_iter().map(|score| score.cosine).collect())
        })
        .collect();
    scores.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(scores.len() > 5);
    (bench.snapshot().engine.device.unwrap(), scores, bench, events)
}

fn assert_alike(a: &[(String, Vec<f32>)], b: &[(String, Vec<f32>)]) {
    assert_eq!(a.len(), b.len());
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert_eq!(name, other);
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{name}: {a:?} {b:?}");
    }
}

fn on_cpu() -> Options {
    Options { model: small(), device: Some("cpu".parse().unwrap()), ..Options::default() }
}

#[test]
fn a_batch_that_does_not_fit_is_halved_until_it_does() {
    let (whole, expected, ..) = labelled(on_cpu());
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = largest.clone();
    let faults = Faults::new(move |attempt| {
        if attempt.batch > 2 {
            return Some(ComputeError::of_text("out of device memory allocating 4096 bytes"));
        }
        seen.fetch_max(attempt.batch, SeqCst);
        None
    });
    let (device, scores, _, events) = labelled(Options { faults: Some(faults), ..on_cpu() });
    assert_alike(&scores, &expected);
    assert!(device.batch <= 2 && device.batch < whole.batch, "{}", device.batch);
    assert_eq!((largest.load(SeqCst), device.fell_back), (2, None));
    let told = events.lock().unwrap();
    let has_told = |event: &WorkbenchEvent| match event {
        WorkbenchEvent::Engine { engine } => engine.device.as_ref().is_some_and(|status| status.batch == device.batch),
        _ => false,
    };
    assert!(told.iter().any(has_told));
}

#[test]
fn a_single_picture_that_does_not_fit_anywhere_fails_and_the_program_goes_on() {
    let fails = Arc::new(AtomicUsize::new(1));
    let now = fails.clone();
    let faults =
        Faults::new(move |_| (now.load(SeqCst) == 1).then(|| ComputeError::of_text("out of memory, and that is all")));
    let (bench, _) = workbench(Options { faults: Some(faults), ..on_cpu() });
    bench.wait_idle();
    bench.add_paths(vec![samples()]);
    bench.wait_idle();
    let photos = bench.photos();
    let message = photos[0].problem.clone().unwrap().message;
    assert!(photos.iter().all(|photo| photo.state == PhotoState::Failed) && message.contains("out of memory"));
    fails.store(0, SeqCst);
    bench.retry(&photos.iter().map(|photo| photo.id).collect::<Vec<_>>()).unwrap();
    bench.wait_idle();
    assert!(bench.photos().iter().all(|photo| photo.state == PhotoState::Labelled));
}

#[test]
fn a_gpu_is_used_once_it_agrees_with_the_cpu_and_that_is_remembered() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (cpu, expected, ..) = labelled(on_cpu());
    assert_eq!((cpu.active.kind, cpu.precision, cpu.self_test), (DeviceKind::Cpu, Precision::F32, None));

    let (first, scores, bench, _) = labelled(on_gpu(folder.path()));
    assert_eq!((first.active.id.as_str(), &first.fell_back), ("gpu:0", &None));
    let test = first.self_test.unwrap();
    assert!(test.passed && test.stages > 8 && test.difference.unwrap() < 1e-3 && test.cosine.unwrap() > 0.9999);
    assert!(test.speedup.unwrap() > 0.0);
    assert_alike(&scores, &expected);
    assert_eq!(bench.devices()[1].tests, std::slice::from_ref(&test));
    drop(bench);

    let (second, scores, ..) = labelled(on_gpu(folder.path()));
    assert_eq!((second.active.id.as_str(), second.self_test), ("gpu:0", Some(test)));
    assert_alike(&scores, &expected);
}

#[test]
fn the_cpu_computes_while_a_gpu_is_prepared() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, _, bench, events) = labelled(Options { waits_for_gpu: false, ..on_gpu(folder.path()) });
    let begin = Instant::now();
    let device = || bench.snapshot().engine.device.unwrap();
    while device().active.kind == DeviceKind::Cpu && device().preparing.is_some() {
        assert!(begin.elapsed() < Duration::from_secs(300), "the GPU is prepared in the end");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((device().active.id.as_str(), device().preparing, device().fell_back), ("gpu:0", None, None));
    assert!(device().self_test.unwrap().passed);
    let told = events.lock().unwrap();
    let statuses: Vec<&DeviceStatus> = told
        .iter()
        .filter_map(|event| match event {
            WorkbenchEvent::Engine { engine } => engine.device.as_ref(),
            _ => None,
        })
        .collect();
    let first = statuses[0];
    assert_eq!(first.active.kind, DeviceKind::Cpu);
    assert!(statuses.iter().any(|status| status.preparing.as_ref().is_some_and(|now| now.total > 2)));
    drop(told);
    // What comes now is computed on the GPU, and none of what was there is computed again.
    let scored = |events: &Events| {
        let is_scored = |event: &WorkbenchEvent| matches!(event, WorkbenchEvent::PhotosScored { .. });
        events.lock().unwrap().iter().filter(|event| is_scored(event)).count()
    };
    let before = scored(&events);
    bench.wait_idle();
    assert_eq!(scored(&events), before);
}

/// The driver really takes the device away here, in the middle of the photos.
#[test]
fn a_lost_device_is_opened_again_once_and_no_photo_is_lost() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, expected, ..) = labelled(on_cpu());
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let faults = Faults::new(move |attempt| {
        if attempt.device.kind != EngineKind::Cpu && count.fetch_add(1, SeqCst) == 2 {
            device::lose(attempt.device);
        }
        None
    });
    let (device, scores, ..) = labelled(Options { faults: Some(faults), ..on_gpu(folder.path()) });
    assert!(attempts.load(SeqCst) > 3);
    assert_eq!((device.active.id.as_str(), device.fell_back), ("gpu:0", None));
    assert_alike(&scores, &expected);
}

#[test]
fn a_device_that_is_lost_again_gives_way_to_the_cpu_visibly() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, expected, ..) = labelled(on_cpu());
    let faults = Faults::new(move |attempt| {
        (attempt.device.kind != EngineKind::Cpu).then(|| ComputeError::of_text("Parent device is lost"))
    });
    let (device, scores, ..) = labelled(Options { faults: Some(faults), ..on_gpu(folder.path()) });
    assert_eq!((device.active.kind, device.chosen.as_str()), (DeviceKind::Cpu, "gpu:0"));
    let problem = device.fell_back.unwrap();
    assert_eq!(problem.code, ProblemCode::Device);
    assert!(problem.message.contains("it was lost") && problem.message.contains("The CPU computes"), "{problem}");
    assert_alike(&scores, &expected);
}

#[test]
fn a_gpu_that_failed_its_test_is_not_used_and_the_figure_is_shown() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (bench, _) = workbench(on_gpu(folder.path()));
    bench.wait_idle();
    assert_eq!(bench.snapshot().engine.device.unwrap().active.id, "gpu:0");
    drop(bench);
    // What a wrong kernel would have left.
    let path = folder.path().join("self-tests.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    kept[0]["test"]["passed"] = false.into();
    kept[0]["test"]["cause"] = "it leaves the CPU at the stage image.block.3 by 2.1e-1 of its size".into();
    fs::write(&path, kept.to_string()).unwrap();

    let (bench, _) = workbench(on_gpu(folder.path()));
    bench.wait_idle();
    let device = bench.snapshot().engine.device.unwrap();
    assert_eq!(device.active.kind, DeviceKind::Cpu);
    let message = device.fell_back.unwrap().message;
    assert!(
        message.contains("image.block.3 by 2.1e-1") && message.contains("self-test can be made again"),
        "{message}"
    );
    // Made again, it counts.
    assert!(bench.test_device("gpu:0").unwrap().passed);
    bench.choose_device("gpu:0").unwrap();
    assert_eq!(bench.snapshot().engine.device.unwrap().active.id, "gpu:0");
    assert_eq!(bench.test_device("cpu").unwrap_err().code, ProblemCode::Device);
}

#[test]
fn a_chosen_adapter_that_is_gone_at_the_next_start_is_said_to_be() {
    let Some(_turn) = turn() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.json");
    let options = || Options {
        device: None,
        settings: Some(settings.clone()),
        model: small(),
        devices: Some(folder.path().to_owned()),
        waits_for_gpu: true,
        ..Options::default()
    };
    let (bench, _) = workbench(options());
    bench.set_speed(SpeedSettings { precision: PrecisionChoice::F32, ..SpeedSettings::default() }).unwrap();
    bench.choose_device("gpu:0").unwrap();
    drop(bench);
    let (bench, _) = workbench(options());
    bench.wait_idle();
    assert_eq!(bench.snapshot().engine.device.unwrap().active.id, "gpu:0", "the choice is there at the next start");
    assert_eq!(bench.speed().precision, PrecisionChoice::F32);
    drop(bench);
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&settings).unwrap()).unwrap();
    assert!(kept["adapter"].as_str().unwrap().contains('('));
    kept["adapter"] = "Voodoo 2 (Vulkan)".into();
    fs::write(&settings, kept.to_string()).unwrap();
    let (bench, _) = workbench(options());
    bench.wait_idle();
    let device = bench.snapshot().engine.device.unwrap();
    assert_ne!(device.active.kind, DeviceKind::Software);
    assert!(device.fell_back.unwrap().message.starts_with("Voodoo 2 (Vulkan) was chosen"));
}

#[test]
fn speed_settings_are_checked_remembered_and_act() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { settings: Some(folder.path().join("settings.json")), device: None, ..on_cpu() };
    let (bench, _) = workbench(options());
    bench.wait_idle();
    let too_little = SpeedSettings { picture_memory_mib: 1, ..SpeedSettings::default() };
    assert_eq!(bench.set_speed(too_little).unwrap_err().code, ProblemCode::Settings);
    let wanted = SpeedSettings { half_at_rest: true, exact_decoding: true, picture_memory_mib: 64, ..too_little };
    bench.set_speed(wanted).unwrap();
    assert_eq!(bench.snapshot().engine.device.unwrap().precision, Precision::HalfAtRest);
    drop(bench);
    let (device, ..) = labelled(options());
    assert_eq!(device.precision, Precision::HalfAtRest);
    let (bench, _) = workbench(options());
    assert_eq!(bench.speed(), wanted);
}
