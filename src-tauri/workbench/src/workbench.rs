//! The workbench itself: threads, queues, and the state they share.
//!
//! ```text
//! paths ─► scanner ─► queue ─► decoders (a few threads) ─► bounded queue ─► model worker (one thread)
//! ```
//! State is changed and told about under one lock, the table's, so a window that attaches in between misses nothing
//! and hears nothing twice.

mod activity;
mod device_calls;
mod evaluation_calls;
mod inspect_calls;
mod kept_features;
mod lab_calls;
mod label_set_calls;
mod library_calls;
mod model_calls;
mod near_calls;
mod photo_calls;
mod reading;
pub(crate) mod recording;
mod review_calls;
mod room;
mod search_calls;
mod shelf_calls;
mod sidecar_calls;
mod sidecar_files;
mod sidecar_reading;
mod suggesting;
mod watch_calls;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cliploupe_engine::{
    device::DeviceChoice,
    photo::{self, Limits, Picture},
    preprocess::{self, Pixels, PreprocessConfig},
};
use cliploupe_library::{import::Finder, watch::Watcher};
use crossbeam_channel::{Sender, bounded, unbounded};

use self::{
    activity::Activity,
    reading::{Errand, SeenBy, Work, decode_all, scan_all},
    room::Room,
    search_calls::KnownWords,
    suggesting::KnownMargins,
};
use crate::{
    assets,
    devices::{self, Remembered},
    lab::{InForce, Lab},
    messages::{
        EngineState, EngineStatus, LabelProblem, LabelSettings, PhotoDecoded, PhotoDetails, PhotoFile, PhotoId,
        PhotoState, Problem, ProblemCode, Progress, Snapshot, SpeedSettings, WorkbenchEvent,
    },
    model_source::ModelSource,
    models::Models,
    problem::of_photo,
    review::Judgement,
    settings::{Settings, default_labels},
    shelf::{Shelf, lock},
    store::{Halt, Hub, Patience, Store},
    table::{Table, file_name},
    thumbnails::{Thumbnails, large_jpeg},
    worker::{Control, Faults, Scorer, Worker},
};

/// Decoded photos that may wait for the model: enough to keep it busy, and a bound on memory.
const DECODED_AHEAD: usize = 32;
/// Photos that may wait for the library to note them; their pixels are small by then.
const NOTED_AHEAD: usize = 64;
/// Progress is told at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Which library photos are kept in.
#[derive(Debug, Clone)]
pub enum LibraryPlace {
    /// The one that the person chose last, or the platform's own.
    Own,
    /// The one in this folder.
    At(PathBuf),
}

/// How a workbench is set up.
#[derive(Debug, Default)]
pub struct Options {
    /// The model; the settings' when absent.
    pub model: Option<ModelSource>,
    /// The device; the settings' when absent.
    pub device: Option<DeviceChoice>,
    /// Where settings are kept; nothing is remembered without.
    pub settings: Option<PathBuf>,
    /// Whether thumbnails are made.
    pub thumbnails: bool,
    /// Language of labels and templates, by a code such as `fra_Latn`, for models that are told.
    pub language: Option<String>,
    /// The library that photos are kept in; without one they are only on the table.
    pub library: Option<LibraryPlace>,
    /// The models folder; the person's own when absent.
    pub store: Option<Store>,
    /// How long downloads wait for what.
    pub patience: Patience,
    /// Where self-tests of GPUs and their fastest kernels are kept; nothing is remembered without.
    pub devices: Option<PathBuf>,
    /// Whether an untested GPU is tested before anything is computed, and not beside the CPU's work.
    pub waits_for_gpu: bool,
    /// How photos are read and models are kept; the settings' when absent.
    pub speed: Option<SpeedSettings>,
    /// What is to go wrong on a device, for tests.
    pub faults: Option<Faults>,
}

pub use photo_calls::PhotoList;

type Sink = Box<dyn Fn(WorkbenchEvent) + Send>;

/// What the loaded model wants of a picture.
#[derive(Default)]
struct Wanted {
    preprocess: Option<(u32, PreprocessConfig)>,
    failed: bool,
}

/// What the threads share.
pub struct Shared {
    table: Mutex<Table>,
    sink: Mutex<Option<Sink>>,
    activity: Mutex<Activity>,
    idle: Condvar,
    wanted: Mutex<Wanted>,
    wanted_changed: Condvar,
    engine: Mutex<EngineStatus>,
    labels: Mutex<(LabelSettings, bool)>,
    labels_version: AtomicU32,
    scorer: Mutex<Option<Arc<Scorer>>>,
    /// The heads that take features to the joint space. Locked before the table, and for as long as features are
    /// projected and stored, so that all photos and labels are of the same heads.
    in_force: Mutex<Option<InForce>>,
    thumbnails: Option<Thumbnails>,
    /// The library behind the photos.
    pub shelf: Option<Shelf>,
    /// The model and device in use, which need not be those of the settings.
    current: Mutex<(ModelSource, DeviceChoice)>,
    /// How photos are read and models are kept.
    speed: Mutex<SpeedSettings>,
    /// Which devices were found to be right.
    pub remembered: Remembered,
    /// Room for decoded pictures.
    room: Room,
    /// Which model is in use is told there.
    models: OnceLock<Arc<Models>>,
    queue: Sender<Work>,
}

/// Photos, words and a model, joined.
pub struct Workbench {
    shared: Arc<Shared>,
    control: Sender<Control>,
    scans: Option<Sender<Errand>>,
    settings: Mutex<Settings>,
    settings_path: Option<PathBuf>,
    start_problems: Vec<Problem>,
    /// Why there is no models folder, if there is none.
    models: Result<Arc<Models>, Problem>,
    lab: Lab,
    /// Words that were searched for.
    known_words: Mutex<KnownWords>,
    /// Share of suggesting that is done, while it is under way, and whether a person wants it to stop.
    suggesting: Mutex<Option<f32>>,
    stop_suggesting: AtomicBool,
    /// The label whose threshold was looked at last.
    known_margins: Mutex<Option<KnownMargins>>,
    /// The newest evaluation.
    evaluation: Mutex<Option<Judgement>>,
    /// Models that are being checked, and how to stop that.
    checks: Mutex<Vec<(String, Halt)>>,
    samples: Mutex<Option<tempfile::TempDir>>,
    /// Tells of changes in watched folders, if there are any.
    watcher: Mutex<Option<Watcher>>,
    /// Folders of pasted pictures, which go with the program.
    pasted: Mutex<Vec<tempfile::TempDir>>,
    worker: Option<JoinHandle<()>>,
}

impl Workbench {
    /// Starts the threads and begins to load the model.
    pub fn new(options: Options) -> Result<Self, Problem> {
        let (settings, damaged) = match &options.settings {
            Some(path) => Settings::load(path),
            None => (Settings::default(), None),
        };
        let mut start_problems: Vec<Problem> = damaged.into_iter().collect();
        let store = options.store.map_or_else(Store::of_user, Ok);
        let folder = options.library.and_then(|place| match place {
            LibraryPlace::Own => settings.library_folder().or_else(Shelf::default_folder),
            LibraryPlace::At(folder) => Some(folder),
        });
        let shelf = folder.and_then(|folder| match Shelf::open(&folder) {
            Ok(shelf) => Some(shelf),
            Err(problem) => {
                start_problems.push(problem);
                None
            }
        });
        let thumbnails =
            (options.thumbnails && shelf.is_none()).then(Thumbnails::new).transpose().map_err(|error| {
                Problem::file(ProblemCode::Thumbnail, "cannot keep thumbnails in", &std::env::temp_dir(), &error)
            })?;
        let remembered = || ModelSource::find(&settings.model, None, store.as_ref().ok());
        let source = options.model.map_or_else(remembered, Ok).unwrap_or_else(|problem| {
            start_problems.push(problem);
            ModelSource::Embedded
        });
        let (choice, gone) = match options.device {
            Some(choice) => (choice, None),
            None => devices::choice_of_settings(&settings.device, settings.adapter.as_deref()),
        };
        let remembered = Remembered::load(options.devices.as_deref());
        devices::keep_tuning(&remembered);
        let speed = options.speed.unwrap_or(settings.speed);
        let (queue, work) = unbounded();
        let (control, orders) = unbounded();
        let (decoded, photos) = bounded(DECODED_AHEAD);
        let (scans, to_scan) = unbounded();
        let labels = settings.labels.clone();
        let shared = Arc::new(Shared::new(labels, thumbnails, shelf, queue, speed, remembered));
        if let Err(problem) = shared.take_up_library() {
            start_problems.push(problem);
        }
        let models = store.map(|store| {
            let hub = Hub::new(settings.hub_endpoint.as_deref());
            let onlooker = Arc::downgrade(&shared);
            let tell = move |event| {
                if let Some(shared) = onlooker.upgrade() {
                    shared.emit(event);
                }
            };
            shared.models.get_or_init(|| Arc::new(Models::new(store, hub, options.patience, Box::new(tell)))).clone()
        });
        let worker = spawn("model", {
            let (shared, control) = (shared.clone(), control.clone());
            let (language, waits, faults) = (options.language, options.waits_for_gpu, options.faults);
            move || Worker::new(shared, control, language, waits, faults).run(&orders, &photos)
        });
        let (noted, to_record) = bounded(NOTED_AHEAD);
        for _ in 0..decoders() {
            let (shared, work, decoded, noted) = (shared.clone(), work.clone(), decoded.clone(), noted.clone());
            spawn("decode", move || decode_all(&shared, &work, &decoded, &noted));
        }
        if shared.shelf.is_some() {
            let shared = shared.clone();
            spawn("record", move || shared.record_all(&to_record, &decoded));
        }
        spawn("scan", {
            let shared = shared.clone();
            move || scan_all(&shared, &to_scan)
        });
        // The worker drops the receiving end only when it is told to stop.
        let (reply, _) = bounded(1);
        let _ = control.send(Control::Load { source, device: choice, gone, reply });
        let mut bench = Self {
            shared,
            control,
            scans: Some(scans),
            settings: Mutex::new(settings),
            settings_path: options.settings,
            start_problems,
            models,
            lab: Lab::default(),
            known_words: Mutex::default(),
            suggesting: Mutex::default(),
            stop_suggesting: AtomicBool::new(false),
            known_margins: Mutex::default(),
            evaluation: Mutex::default(),
            checks: Mutex::default(),
            samples: Mutex::new(None),
            watcher: Mutex::default(),
            pasted: Mutex::default(),
            worker: Some(worker),
        };
        if let Err(problem) = bench.begin_watching() {
            bench.start_problems.push(problem);
        }
        Ok(bench)
    }

    /// Sends all further events to `sink`, and gives what there is now.
    pub fn attach(&self, sink: impl Fn(WorkbenchEvent) + Send + 'static) -> Snapshot {
        let table = self.shared.table();
        *lock(&self.shared.sink) = Some(Box::new(sink));
        for problem in &self.start_problems {
            self.shared.emit_problem(problem.clone());
        }
        self.shared.snapshot(&table)
    }

    /// Adds files and folders; photos come as events.
    pub fn add_paths(&self, paths: Vec<PathBuf>) {
        self.look_through(paths, Finder::Person);
    }

    /// Walks files and folders for photos, on behalf of a person or of a watched folder.
    fn look_through(&self, paths: Vec<PathBuf>, finder: Finder) {
        if let Some(scans) = &self.scans {
            self.shared.look_through(scans, paths, finder);
        }
    }

    /// Adds the sample photos: unpacked into the library, or without one into a folder that lasts as long as the program.
    pub fn add_samples(&self) -> Result<(), Problem> {
        let folder = match &self.shared.shelf {
            Some(shelf) => {
                let folder = shelf.library.folder().join("samples");
                unpack_samples(&folder)?;
                folder
            }
            None => {
                let mut samples = lock(&self.samples);
                if samples.is_none() {
                    let folder = tempfile::Builder::new().prefix("cliploupe-samples-").tempdir();
                    let folder = folder.map_err(|error| temp_problem(&error))?;
                    unpack_samples(folder.path())?;
                    *samples = Some(folder);
                }
                samples.iter().map(|folder| folder.path().to_owned()).collect()
            }
        };
        self.add_paths(vec![folder]);
        Ok(())
    }

    /// Adds a picture that has no file, as from the clipboard. It gets one in the library, or without one a file that lasts
    /// as long as the program.
    pub fn add_picture(&self, name: &str, png: &[u8]) -> Result<(), Problem> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("cliploupe-pasted-");
        let path = match &self.shared.shelf {
            Some(shelf) => {
                let folder = shelf.library.folder().join("pasted");
                let made = std::fs::create_dir_all(&folder).and_then(|()| builder.tempdir_in(&folder));
                let folder = made.map_err(|e| Problem::file(ProblemCode::Library, "cannot write to", &folder, &e))?;
                folder.keep().join(name)
            }
            None => {
                let folder = builder.tempdir().map_err(|e| temp_problem(&e))?;
                let path = folder.path().join(name);
                lock(&self.pasted).push(folder);
                path
            }
        };
        std::fs::write(&path, png).map_err(|e| Problem::file(ProblemCode::Unreadable, "cannot write", &path, &e))?;
        self.add_paths(vec![path]);
        Ok(())
    }

    /// Stops reading and encoding; what is done stays.
    pub fn cancel(&self) {
        lock(&self.shared.activity).cancel();
        self.shared.drop_outdated(|_| true);
        self.shared.tell_progress(true);
        self.shared.notify_if_idle();
    }

    /// Reads these photos again, those that failed or were cancelled.
    pub fn retry(&self, ids: &[PhotoId]) -> Result<(), Problem> {
        self.shared.forget_failures(ids)?;
        let mut table = self.shared.table();
        let mut waiting = Vec::new();
        for id in ids {
            if let Some(row) = table.get_mut(*id).filter(|row| row.state != PhotoState::Labelled) {
                row.reset();
                waiting.push(*id);
            }
        }
        self.shared.emit(WorkbenchEvent::PhotosWaiting { ids: waiting.clone() });
        drop(table);
        lock(&self.shared.activity).begin();
        self.shared.start_work(&waiting);
        Ok(())
    }

    /// Takes photos out of the library, or off the table; their files stay, and so does what was decided about them.
    pub fn remove(&self, ids: &[PhotoId]) -> Result<(), Problem> {
        self.shared.take_out(ids)?;
        let mut table = self.shared.table();
        let removed: Vec<PhotoId> = ids.iter().copied().filter(|id| table.remove(*id)).collect();
        if let Some(thumbnails) = &self.shared.thumbnails {
            removed.iter().for_each(|id| thumbnails.remove(*id));
        }
        self.shared.emit(WorkbenchEvent::PhotosRemoved { ids: removed });
        drop(table);
        self.shared.forget_in_index(ids);
        self.shared.tell_library();
        Ok(())
    }

    /// Replaces the label set; photos are scored again, none is encoded again.
    pub fn set_labels(&self, settings: LabelSettings) -> Result<(), Problem> {
        let labels = Some(settings.clone());
        self.shared.replace_labels(settings);
        let _ = self.control.send(Control::Labels);
        self.remember(|settings| settings.labels = labels)
    }

    /// Everything about one photo.
    pub fn details(&self, id: PhotoId) -> Option<PhotoDetails> {
        let table = self.shared.table();
        let row = table.get(id)?;
        let scores = match (&row.embedding, row.outdated.clone().or_else(|| self.shared.scorer())) {
            (Some(embedding), Some(scorer)) => scorer.all(embedding),
            _ => Vec::new(),
        };
        let mut details = PhotoDetails {
            id,
            name: file_name(&row.path),
            path: row.path.display().to_string(),
            facts: row.facts.as_deref().cloned(),
            scores,
            problem: row.problem.as_deref().cloned(),
            files: vec![PhotoFile { path: row.path.display().to_string(), missing_since_ms: None }],
            decisions: Vec::new(),
            suggestions: Vec::new(),
        };
        drop(table);
        if let Err(problem) = self.add_what_the_library_knows(&mut details) {
            self.shared.emit_problem(problem);
        }
        Some(details)
    }

    /// The path of a photo.
    pub fn path(&self, id: PhotoId) -> Option<PathBuf> {
        self.shared.table().get(id).map(|row| row.path.clone())
    }

    /// Loads another model; the photos are encoded again and keep their results until then. Returns when the model is
    /// there; only then is it remembered. If it cannot be loaded, the one before it goes on.
    pub fn choose_model(&self, source: ModelSource) -> Result<(), Problem> {
        source.checkpoint().map_err(|error| crate::problem::of_load(&error))?;
        let (_, choice) = self.shared.current();
        let text = source.text();
        self.load(source, choice)?;
        self.remember(|settings| settings.model = text)
    }

    pub(super) fn load(&self, source: ModelSource, device: DeviceChoice) -> Result<(), Problem> {
        lock(&self.shared.activity).loading = true;
        let (reply, answer) = bounded(1);
        let is_other = source != self.shared.current().0;
        let _ = self.control.send(Control::Load { source, device, gone: None, reply });
        answer.recv().unwrap_or_else(|_| Err(Problem::internal("the model worker has ended")))?;
        if is_other {
            self.forget_lab();
        }
        Ok(())
    }

    /// The thumbnail of a photo, JPEG.
    pub fn thumbnail(&self, id: PhotoId) -> Option<Vec<u8>> {
        if let Some(shelf) = &self.shared.shelf {
            return self.shared.kept_thumbnail(shelf, id);
        }
        self.shared.thumbnails.as_ref()?.get(id)
    }

    /// The picture of a photo at the size of a screen, JPEG.
    pub fn picture(&self, id: PhotoId) -> Option<Result<Vec<u8>, Problem>> {
        let path = self.path(id)?;
        let photo = photo::open(&path, &Limits::default()).map_err(|error| of_photo(&error, &path));
        Some(photo.and_then(|photo| large_jpeg(&photo.picture)))
    }

    /// Waits until nothing is under way.
    pub fn wait_idle(&self) {
        let mut activity = lock(&self.shared.activity);
        while !activity.is_idle() {
            activity = self.shared.idle.wait(activity).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is going on, without the photos.
    pub fn progress(&self) -> Progress {
        lock(&self.shared.activity).progress()
    }

    /// Photos in order, with their state, for those who do not listen to events.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot(&self.shared.table())
    }

    fn remember(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Problem> {
        let mut settings = lock(&self.settings);
        change(&mut settings);
        match &self.settings_path {
            Some(path) => settings.save(path),
            None => Ok(()),
        }
    }
}

impl Workbench {
    /// Stops all work and removes what only this run needs. A window's program ends without dropping its values.
    pub fn close(&self) {
        // It holds an end of the queue that the scanner waits at.
        lock(&self.watcher).take();
        self.cancel();
        self.stop_model_work();
        if let Some(thumbnails) = &self.shared.thumbnails {
            thumbnails.close();
        }
        lock(&self.samples).take();
        lock(&self.pasted).clear();
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        self.close();
        self.scans = None;
        let _ = self.control.send(Control::Stop);
        if let Some(worker) = self.worker.take() {
            // A panic of the worker was told when it happened.
            let _ = worker.join();
        }
    }
}

fn temp_problem(error: &std::io::Error) -> Problem {
    Problem::file(ProblemCode::Internal, "cannot write to", &std::env::temp_dir(), error)
}

fn unpack_samples(folder: &Path) -> Result<(), Problem> {
    let failed = |error| Problem::file(ProblemCode::Unreadable, "cannot write the samples to", folder, &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Those that are there have not changed, and would be found to be new if they were written again.
    let missing = assets::SAMPLES.iter().filter(|(name, _)| !folder.join(name).exists());
    missing.into_iter().try_for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes)).map_err(failed)
}

/// One core is left to the model, which has most of the work.
pub(crate) fn decoders() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).clamp(1, 8)
}

pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).expect("the system can start a thread")
}

impl Shared {
    fn new(
        labels: Option<LabelSettings>,
        thumbnails: Option<Thumbnails>,
        shelf: Option<Shelf>,
        queue: Sender<Work>,
        speed: SpeedSettings,
        remembered: Remembered,
    ) -> Self {
        let is_own = labels.is_some();
        Self {
            table: Mutex::default(),
            sink: Mutex::new(None),
            activity: Mutex::new(Activity::new()),
            idle: Condvar::new(),
            wanted: Mutex::default(),
            wanted_changed: Condvar::new(),
            engine: Mutex::new(EngineStatus { state: EngineState::Loading, model: None, device: None, problem: None }),
            labels: Mutex::new((labels.unwrap_or_else(|| default_labels(0.3)), is_own)),
            labels_version: AtomicU32::new(1),
            scorer: Mutex::new(None),
            in_force: Mutex::default(),
            thumbnails,
            shelf,
            current: Mutex::new((ModelSource::Embedded, DeviceChoice::Auto)),
            speed: Mutex::new(speed),
            remembered,
            room: Room::new(speed.picture_memory_mib),
            models: OnceLock::new(),
            queue,
        }
    }

    fn snapshot(&self, table: &Table) -> Snapshot {
        // The scores in the records are those of the scorer, which a newer label set may be about to replace. While a
        // new model reads the labels, they are those of the model before.
        let before = || table.iter().find_map(|(_, row)| row.outdated.clone());
        let (labels, labels_version) = match self.scorer().or_else(before) {
            Some(scorer) => (scorer.settings.clone(), scorer.version),
            None => self.labels(),
        };
        Snapshot {
            photos: table.len() as u32,
            failures: table.failures(),
            outdated: table.iter().filter(|(_, row)| row.outdated.is_some()).count() as u32,
            library: self.shelf.as_ref().and_then(|_| self.library_state().ok()),
            progress: lock(&self.activity).progress(),
            engine: lock(&self.engine).clone(),
            labels,
            labels_version,
            label_sets: assets::label_sets(),
            template_sets: assets::template_sets(),
            samples_available: !assets::SAMPLES.is_empty(),
        }
    }

    pub fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// The heads in force; none before there is a model.
    pub fn in_force(&self) -> MutexGuard<'_, Option<InForce>> {
        lock(&self.in_force)
    }

    /// Tells the onlooker. Called under the table's lock where photos are concerned.
    pub fn emit(&self, event: WorkbenchEvent) {
        if let Some(sink) = &*lock(&self.sink) {
            sink(event);
        }
    }

    pub fn emit_problem(&self, problem: Problem) {
        self.emit(WorkbenchEvent::Problem { problem });
    }

    /// Whether work that was begun in this run is still wanted.
    pub fn is_on(&self, run: u64) -> bool {
        lock(&self.activity).run == run
    }

    /// Whether a photo is still to be worked on.
    pub fn is_wanted(&self, id: PhotoId, run: u64) -> bool {
        if !self.is_on(run) {
            return false;
        }
        let exists = self.table().get(id).is_some();
        if !exists {
            self.note_done(run, 1);
        }
        exists
    }

    pub fn queue(&self, id: PhotoId, run: u64) {
        // The decoders hold the other end for as long as the program runs.
        let _ = self.queue.send(Work { id, run, path: None });
    }

    fn note_decoded(&self, id: PhotoId, facts: photo::Facts) {
        let mut table = self.table();
        let Some(row) = table.get_mut(id) else { return };
        let (width, height) = (facts.width as u32, facts.height as u32);
        row.size = [width, height];
        row.facts = Some(Box::new(facts.into()));
        if row.state == PhotoState::Waiting {
            row.state = PhotoState::Decoded;
        }
        self.emit(WorkbenchEvent::PhotosDecoded { photos: vec![PhotoDecoded { id, width, height }] });
    }

    /// Notes why a photo has no results, for as long as the program runs.
    pub fn note_failure(&self, id: PhotoId, run: u64, problem: Problem) {
        let mut table = self.table();
        if let Some(row) = table.get_mut(id) {
            let failure = row.fail(id, problem);
            self.emit(WorkbenchEvent::PhotosFailed { failures: vec![failure] });
        }
        drop(table);
        {
            let mut activity = lock(&self.activity);
            activity.failed += u32::from(activity.run == run);
        }
        self.note_done(run, 1);
    }

    /// `count` photos of `run` are through, one way or another.
    pub fn note_done(&self, run: u64, count: u32) {
        let is_last = {
            let mut activity = lock(&self.activity);
            if activity.run != run {
                return;
            }
            activity.done += count;
            activity.done >= activity.total && activity.scanning == 0
        };
        self.tell_progress(false);
        if is_last {
            self.tell_library();
        }
        self.notify_if_idle();
    }

    fn tell_progress(&self, at_once: bool) {
        let mut activity = lock(&self.activity);
        if !at_once && activity.told.elapsed() < PROGRESS_INTERVAL && activity.done < activity.total {
            return;
        }
        activity.told = Instant::now();
        let progress = activity.progress();
        drop(activity);
        self.emit(WorkbenchEvent::Progress { progress });
    }

    fn notify_if_idle(&self) {
        if lock(&self.activity).is_idle() {
            self.idle.notify_all();
        }
    }

    pub fn set_engine(&self, change: impl FnOnce(&mut EngineStatus)) {
        let mut engine = lock(&self.engine);
        change(&mut engine);
        let now = engine.clone();
        drop(engine);
        {
            let mut wanted = lock(&self.wanted);
            wanted.failed = now.state == EngineState::Failed;
        }
        self.wanted_changed.notify_all();
        self.emit(WorkbenchEvent::Engine { engine: Box::new(now) });
    }

    /// What a model sees of a picture: the one that it was decoded for, or the first that comes; `None` if there is no
    /// model to see it.
    fn prepare(&self, picture: &Picture, seen_by: Option<SeenBy>) -> Option<(u32, Pixels)> {
        let (model_version, config) = seen_by.or_else(|| self.wait_for_preprocess())?;
        Some((model_version, preprocess::resize_and_crop(picture, &config)))
    }

    /// What the model takes that is there now.
    fn known_preprocess(&self) -> Option<SeenBy> {
        lock(&self.wanted).preprocess.clone()
    }

    /// Waits for a model; `None` once it is certain that there is none.
    fn wait_for_preprocess(&self) -> Option<(u32, PreprocessConfig)> {
        let mut wanted = lock(&self.wanted);
        loop {
            if wanted.failed {
                return None;
            }
            if let Some(found) = &wanted.preprocess {
                return Some(found.clone());
            }
            wanted = self.wanted_changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn install_preprocess(&self, version: u32, config: PreprocessConfig, default_threshold: f32) {
        lock(&self.wanted).preprocess = Some((version, config));
        // Vectors of another model mean nothing to this one's labels. Its results stay, marked as such, until this
        // model's are there.
        let mut table = self.table();
        let scorer = lock(&self.scorer).take();
        let mut ids = Vec::new();
        for (id, row) in table.iter_mut().filter(|(_, row)| row.state == PhotoState::Labelled) {
            row.outdated = row.outdated.take().or_else(|| scorer.clone());
            if row.outdated.is_none() {
                row.forget_results();
                ids.push(id);
            }
        }
        self.emit(WorkbenchEvent::PhotosWaiting { ids });
        drop(table);
        let mut labels = lock(&self.labels);
        if !labels.1 {
            labels.0.threshold = default_threshold;
        }
    }

    /// Encodes every photo that the loaded model has not seen and that can be read.
    pub fn encode_again(&self) {
        if self.shelf.as_ref().is_some_and(|shelf| shelf.library.is_read_only().is_some()) {
            return;
        }
        let mut table = self.table();
        let (mut ids, mut gone, mut failed) = (Vec::new(), Vec::new(), 0);
        for (id, row) in table.iter_mut() {
            match () {
                () if row.state == PhotoState::Failed => failed += 1,
                () if row.pooled.is_some() && row.outdated.is_none() => {}
                () if row.missing => {
                    row.forget_results();
                    gone.push(id);
                }
                () => ids.push(id),
            }
        }
        if !gone.is_empty() {
            self.emit(WorkbenchEvent::PhotosWaiting { ids: gone });
        }
        if ids.is_empty() {
            return;
        }
        {
            let mut activity = lock(&self.activity);
            // What is still in the queues is part of `ids`.
            activity.run += 1;
            (activity.total, activity.done, activity.failed) = (failed, failed, failed);
            activity.cancelled = false;
            activity.started = Instant::now();
        }
        self.start_work(&ids);
    }

    /// How photos are read and models are kept.
    pub fn speed(&self) -> SpeedSettings {
        *lock(&self.speed)
    }

    /// The model and device in use.
    pub fn current(&self) -> (ModelSource, DeviceChoice) {
        lock(&self.current).clone()
    }

    pub fn set_current(&self, source: &ModelSource, device: &DeviceChoice) {
        *lock(&self.current) = (source.clone(), device.clone());
        if let Some(models) = self.models.get() {
            models.set_active(&source.text());
        }
    }

    /// Takes back results of the model before, those that `which` says, from photos that nobody will encode soon or
    /// whose labels have changed.
    fn drop_outdated(&self, which: impl Fn(&Scorer) -> bool) {
        let mut table = self.table();
        let outdated = table.iter_mut().filter(|(_, row)| row.outdated.as_ref().is_some_and(|scorer| which(scorer)));
        let ids: Vec<PhotoId> = outdated
            .map(|(id, row)| {
                row.forget_results();
                id
            })
            .collect();
        if !ids.is_empty() {
            self.emit(WorkbenchEvent::PhotosWaiting { ids });
        }
    }

    pub fn loading_ended(&self) {
        lock(&self.activity).loading = false;
        self.notify_if_idle();
    }

    /// The label set and its version.
    pub fn labels(&self) -> (LabelSettings, u32) {
        let labels = lock(&self.labels);
        (labels.0.clone(), self.labels_version.load(SeqCst))
    }

    fn replace_labels(&self, settings: LabelSettings) {
        lock(&self.activity).labels_pending = true;
        let mut labels = lock(&self.labels);
        *labels = (settings, true);
        self.labels_version.fetch_add(1, SeqCst);
    }

    pub fn label_progress(&self, progress: Option<(u32, u32)>) {
        lock(&self.activity).labels = progress;
        self.tell_progress(progress.is_none());
    }

    pub fn labels_ended(&self, version: u32) {
        if version == self.labels_version.load(SeqCst) {
            lock(&self.activity).labels_pending = false;
        }
        self.tell_progress(true);
        self.notify_if_idle();
    }

    pub fn scorer(&self) -> Option<Arc<Scorer>> {
        lock(&self.scorer).clone()
    }

    pub fn install_scorer(&self, scorer: Scorer, problems: Vec<LabelProblem>) {
        let (labels_version, labels) = (scorer.version, scorer.settings.clone());
        // Indices of another label list mean nothing beside this one's.
        self.drop_outdated(|before| before.version != labels_version);
        *lock(&self.scorer) = Some(Arc::new(scorer));
        self.emit(WorkbenchEvent::Labels { labels, labels_version, problems });
    }
}
