//! The one thread that owns the model: it loads, encodes pictures and labels, and scores.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use cliploupe_engine::{
    Device, Model,
    device::{self, DeviceChoice, read},
    lab::{Head, Table},
    photo::Picture,
    preprocess::{self, Pixels, PreprocessConfig},
    probe::Probe,
    zero_shot::{self, Scoring},
};
use crossbeam_channel::{Receiver, Sender, select_biased};

use crate::{
    lab::{Base, InForce},
    messages::{
        BEST_PER_PHOTO, BestLabel, DeviceStatus, EngineState, EngineStatus, LabelProblem, LabelScore, LabelSettings,
        PhotoBest, PhotoId, PhotoState, Problem, ProblemCode, WorkbenchEvent,
    },
    model_source::{ModelSource, describe},
    problem::{of_device, of_encode, of_load},
    sentences::{KnownSentences, Sentences, encode_sentences, sentences_of, usable_labels},
    workbench::Shared,
};

/// Pictures encoded at once. More does not make the CPU faster, and makes the first results wait.
const IMAGE_BATCH: usize = 16;
/// Sentences encoded between two looks at whether the person has changed the labels again.
const SENTENCES_PER_STEP: usize = 512;
/// A GPU whose embedding of the test picture is further from the CPU's than this in any number is not trusted.
const AGREEMENT_LIMIT: f32 = 1e-3;

/// What the worker is asked to do besides encoding photos; it comes first.
pub enum Control {
    /// Load this model onto this device, and tell how it went.
    Load { source: ModelSource, device: DeviceChoice, reply: Sender<Result<(), Problem>> },
    /// The label set has changed; the newest one counts.
    Labels,
    /// Ask the model something; there is none while none could be loaded.
    Ask(Question),
    /// End.
    Stop,
}

/// What is asked of the model; the answer travels its own way.
pub type Question = Box<dyn FnOnce(Option<&Model>) + Send>;

/// A decoded photo on its way to the model.
pub struct EncodeJob {
    pub id: PhotoId,
    pub run: u64,
    pub model_version: u32,
    pub pixels: Pixels,
}

/// Everything that turns an embedding into scores.
pub struct Scorer {
    pub version: u32,
    /// The labels.
    pub sentences: Arc<Sentences>,
    /// `[column, embed]`, unit vectors.
    pub directions: Vec<f32>,
    embed: usize,
    pub scoring: Scoring,
    /// The label set it was built from.
    pub settings: LabelSettings,
}

impl Scorer {
    fn new(version: u32, settings: LabelSettings, sentences: Arc<Sentences>, head: &Head, scoring: Scoring) -> Self {
        let directions = sentences.directions(head);
        Self { version, sentences, directions, embed: head.output_dim(), scoring, settings }
    }

    /// The same labels by another text head.
    pub fn with_head(&self, head: &Head, scoring: Scoring) -> Self {
        Self::new(self.version, self.settings.clone(), self.sentences.clone(), head, scoring)
    }

    /// The direction of the label at this place of [`Self::labels`], `[embed]`.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn direction(&self, at: usize) -> &[f32] {
        &self.directions[at * self.embed..][..self.embed]
    }

    /// The labels that have a direction, in the order of the directions.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sentences.columns.iter().map(|label| self.settings.labels[*label as usize].as_str())
    }

    /// Best labels of pictures.
    ///
    /// # Shapes
    /// - embeddings: `[image, embed]`
    pub fn best(&self, embeddings: &[f32]) -> Vec<Vec<BestLabel>> {
        let images = embeddings.len() / self.embed;
        let columns = &self.sentences.columns;
        if columns.is_empty() {
            return vec![Vec::new(); images];
        }
        let cosines = zero_shot::cosines(embeddings, &self.directions, self.embed);
        let best_of = |row: &[f32]| {
            let scores = self.scoring.scores(row);
            let best = zero_shot::top_k(&scores, BEST_PER_PHOTO).into_iter();
            best.map(|i| BestLabel { label: columns[i], score: scores[i].probability }).collect()
        };
        cosines.chunks_exact(columns.len()).map(best_of).collect()
    }

    /// Scores of one picture against every label, in the order of the set.
    pub fn all(&self, embedding: &[f32]) -> Vec<LabelScore> {
        let cosines = zero_shot::cosines(embedding, &self.directions, self.embed);
        let scores = self.scoring.scores(&cosines);
        let named = self.labels().zip(scores);
        named
            .map(|(label, score)| LabelScore {
                label: label.to_owned(),
                cosine: score.cosine,
                logit: score.logit,
                probability: score.probability,
            })
            .collect()
    }
}

struct Loaded {
    model: Model,
    version: u32,
    sentences: KnownSentences,
}

/// The worker's own state.
pub struct Worker {
    shared: Arc<Shared>,
    loaded: Option<Loaded>,
    versions: u32,
    /// Nothing was loaded yet, nor failed to be.
    fresh: bool,
    /// What every model is told, if it can be.
    language: Option<String>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, language: Option<String>) -> Self {
        Self { shared, loaded: None, versions: 0, fresh: true, language }
    }

    /// Works until told to stop, or until nobody can ask any more.
    pub fn run(mut self, control: &Receiver<Control>, photos: &Receiver<EncodeJob>) {
        loop {
            select_biased! {
                recv(control) -> message => match message {
                    Ok(Control::Load { source, device, reply }) => {
                        // Nobody waits for the first load of a program that ends at once.
                        let _ = reply.send(self.load(&source, &device));
                    }
                    Ok(Control::Labels) => self.refresh_labels(),
                    Ok(Control::Ask(question)) => self.answer(question),
                    Ok(Control::Stop) | Err(_) => return,
                },
                recv(photos) -> job => match job {
                    Ok(job) => {
                        self.encode(std::iter::once(job).chain(photos.try_iter().take(IMAGE_BATCH - 1)).collect());
                        if photos.is_empty() {
                            self.shared.sync_features();
                        }
                    }
                    Err(_) => return,
                },
            }
        }
    }

    /// Loads a model after the one before it is gone, so that two never share the memory. If that fails, the one before
    /// is loaded again and goes on as if nothing had been.
    fn load(&mut self, source: &ModelSource, choice: &DeviceChoice) -> Result<(), Problem> {
        self.shared.set_engine(|status| status.state = EngineState::Loading);
        let before = self.loaded.take().map(|loaded| {
            let Loaded { model, version, sentences } = loaded;
            drop(model);
            (version, sentences)
        });
        let result = self.try_load(source, choice);
        if let Err(problem) = &result {
            let is_back = before.is_some_and(|(version, sentences)| self.load_again(version, sentences));
            // Without one before, the program's own takes its place, and the problem is shown.
            let stands_in =
                is_back || (*source != ModelSource::Embedded && self.try_load(&ModelSource::Embedded, choice).is_ok());
            self.fresh = false;
            self.shared.set_engine(|status| {
                status.state = if stands_in { EngineState::Ready } else { EngineState::Failed };
                status.problem = Some(problem.clone());
            });
        }
        self.shared.loading_ended();
        result
    }

    /// Brings back the model in use, under the version that the photos' vectors are of.
    fn load_again(&mut self, version: u32, sentences: KnownSentences) -> bool {
        let (source, choice) = self.shared.current();
        let opened = opened(&source, &choice, self.language.as_deref());
        let is_back = opened.is_ok();
        self.loaded = opened.ok().map(|(model, _)| Loaded { model, version, sentences });
        is_back
    }

    fn try_load(&mut self, source: &ModelSource, choice: &DeviceChoice) -> Result<(), Problem> {
        let (model, device) = opened(source, choice, self.language.as_deref())?;
        let base = Base::of(source, &model, self.versions + 1).map_err(|error| crate::lab::of_analysis(&error))?;
        self.shared.set_current(source, choice);
        self.install(source, model, device, base);
        Ok(())
    }

    fn install(&mut self, source: &ModelSource, model: Model, device: DeviceStatus, base: Base) {
        let is_first = std::mem::replace(&mut self.fresh, false);
        self.versions += 1;
        let info = describe(source, &model);
        {
            let mut in_force = self.shared.in_force();
            let before = in_force.take();
            *in_force = Some(InForce::after(before.as_ref(), base));
        }
        self.shared.install_preprocess(self.versions, model.preprocess.clone(), info.default_threshold);
        self.shared.use_features_of(source.key(&model), model.clip.image_projection().config().input_dim);
        self.loaded = Some(Loaded { model, version: self.versions, sentences: KnownSentences::new() });
        self.shared.set_engine(|status| {
            *status =
                EngineStatus { state: EngineState::Ready, model: Some(info), device: Some(device), problem: None };
        });
        self.refresh_labels();
        // After the labels, so that the first photos have theirs before the last ones have been read.
        self.shared.take_up_all();
        // On a table, photos that came before the first model wait for it in the decoders; a library knows of more.
        if !is_first || self.shared.shelf.is_some() {
            self.shared.encode_again();
        }
    }

    fn answer(&self, question: Question) {
        // Whoever asks hears of a panic by the answer that does not come.
        let _ = catch_unwind(AssertUnwindSafe(|| question(self.loaded.as_ref().map(|loaded| &loaded.model))));
    }

    /// Encodes labels that are new, then scores every photo on the table.
    fn refresh_labels(&mut self) {
        let (settings, version) = self.shared.labels();
        if let Some(loaded) = &mut self.loaded
            && self.shared.scorer().is_none_or(|scorer| scorer.version != version)
        {
            let result = catch_unwind(AssertUnwindSafe(|| encode_set(loaded, &settings, version, &self.shared)));
            self.shared.label_progress(None);
            match result {
                Ok(Ok(Some((sentences, problems)))) => {
                    let in_force = self.shared.in_force();
                    if let Some(now) = &*in_force {
                        let (text, scoring) = (&now.heads.text, now.scoring());
                        let scorer = Scorer::new(version, settings, sentences.into(), text, scoring);
                        self.shared.install_scorer(scorer, problems);
                        self.shared.rescore();
                    }
                }
                // A newer label set is waiting in the queue.
                Ok(Ok(None)) => {}
                Ok(Err(problem)) => self.shared.emit_problem(problem),
                Err(panic) => self.shared.emit_problem(Problem::internal(&panic_text(&*panic))),
            }
        }
        self.shared.labels_ended(version);
    }

    fn encode(&mut self, jobs: Vec<EncodeJob>) {
        let Some(loaded) = &self.loaded else {
            // Neither a model nor one to stand in for it could be read.
            return jobs.iter().for_each(|job| self.shared.note_done(job.run, 1));
        };
        let (jobs, stale): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.model_version == loaded.version);
        // Their pixels were made for another model.
        stale.into_iter().for_each(|job| self.shared.queue(job.id, job.run));
        let jobs: Vec<_> = jobs.into_iter().filter(|job| self.shared.is_wanted(job.id, job.run)).collect();
        if jobs.is_empty() {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| encode_pixels(loaded, jobs.iter().map(|job| &job.pixels))));
        let ids = jobs.iter().map(|job| job.id);
        match result {
            Ok(pooled) => self.shared.note_pooled(jobs[0].run, &ids.collect::<Vec<_>>(), pooled),
            Err(panic) => {
                let problem = Problem::internal(&format!("the image tower failed: {}", panic_text(&*panic)));
                jobs.iter().for_each(|job| self.shared.note_failure(job.id, job.run, problem.clone()));
            }
        }
    }
}

/// Pooled features, `[photo, width]`.
fn encode_pixels<'a>(loaded: &Loaded, pixels: impl Iterator<Item = &'a Pixels>) -> Table {
    let model = &loaded.model;
    let values = pixels.flat_map(|pixels| preprocess::normalise(pixels, &model.preprocess)).collect();
    let pooled = model.clip.image_pooled(model.pixel_batch(values), &mut Probe::off());
    Table::new(model.clip.image_projection().config().input_dim, read(pooled))
}

/// Encodes what is new in a label set. `None` if the set was changed meanwhile.
fn encode_set(
    loaded: &mut Loaded,
    settings: &LabelSettings,
    version: u32,
    shared: &Shared,
) -> Result<Option<(Sentences, Vec<LabelProblem>)>, Problem> {
    let (good, problems) = usable_labels(&settings.labels);
    let labels: Vec<Vec<String>> =
        good.iter().map(|index| sentences_of(settings, settings.labels[*index as usize].trim())).collect();
    let all: BTreeSet<&String> = labels.iter().flatten().collect();
    let missing: Vec<String> =
        all.into_iter().filter(|sentence| !loaded.sentences.contains_key(*sentence)).cloned().collect();
    for (index, sentences) in missing.chunks(SENTENCES_PER_STEP).enumerate() {
        if shared.labels().1 != version {
            return Ok(None);
        }
        shared.label_progress(Some(((index * SENTENCES_PER_STEP) as u32, missing.len() as u32)));
        let pooled = encode_sentences(&loaded.model, sentences)?;
        loaded.sentences.extend(sentences.iter().cloned().zip(pooled.rows().map(<[f32]>::to_vec)));
    }
    let pooled = labels.iter().flatten().flat_map(|sentence| &loaded.sentences[sentence]).copied().collect();
    let pooled = Table::new(loaded.model.clip.text_projection().config().input_dim, pooled);
    let counts = labels.iter().map(Vec::len).collect();
    Ok(Some((Sentences { columns: good, counts, pooled }, problems)))
}

/// [`open_model`], where a panic of a driver or of a reader is an error.
fn opened(
    source: &ModelSource,
    choice: &DeviceChoice,
    language: Option<&str>,
) -> Result<(Model, DeviceStatus), Problem> {
    catch_unwind(AssertUnwindSafe(|| open_model(source, choice, language)))
        .unwrap_or_else(|panic| Err(Problem::internal(&panic_text(&*panic))))
}

/// Opens the device, loads, and checks a GPU against the CPU. A device that cannot be used gives way to the CPU, visibly.
fn open_model(
    source: &ModelSource,
    choice: &DeviceChoice,
    language: Option<&str>,
) -> Result<(Model, DeviceStatus), Problem> {
    let load = |device: &Device| -> Result<Model, Problem> {
        let checkpoint = source.checkpoint().map_err(|error| of_load(&error))?;
        let mut model = Model::load(checkpoint, None, device).map_err(|error| of_load(&error))?;
        if let Some(code) = language {
            model.set_language(code).map_err(|error| of_encode(&error))?;
        }
        Ok(model)
    };
    let asked = choice.to_string();
    let on_cpu = |fell_back| -> Result<(Model, DeviceStatus), Problem> {
        let active = device::cpu().into();
        Ok((load(&Device::flex())?, DeviceStatus { chosen: asked.clone(), active, agreement: None, fell_back }))
    };
    let (device, info) = match device::open(choice) {
        Ok(opened) => opened,
        Err(error) => return on_cpu(Some(of_device(&error, &asked))),
    };
    if info.kind == device::DeviceKind::Cpu {
        return on_cpu(None);
    }
    let reference = load(&Device::flex())?;
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let model = load(&device)?;
        let difference = disagreement(&model, &reference);
        Ok::<_, Problem>((model, difference))
    }));
    let refuse = |cause: String| {
        let message = format!("{} was not used: {cause}. The CPU computes instead.", info.name);
        Problem::new(ProblemCode::Device, &[("device", &info.name), ("cause", &cause)], message)
    };
    match checked {
        Ok(Ok((model, difference))) if difference <= AGREEMENT_LIMIT => {
            let status =
                DeviceStatus { chosen: asked, active: info.into(), agreement: Some(difference), fell_back: None };
            Ok((model, status))
        }
        Ok(Ok((_, difference))) => {
            on_cpu(Some(refuse(format!("its test embedding differs from the CPU's by {difference:.1e}"))))
        }
        Ok(Err(problem)) => Err(problem),
        Err(panic) => on_cpu(Some(refuse(panic_text(&*panic)))),
    }
}

/// The largest difference of the two models' embeddings of one synthetic picture; infinite where it is no number.
fn disagreement(model: &Model, reference: &Model) -> f32 {
    let embed = |model: &Model| {
        model.image_embeddings(preprocess::normalise(&test_pixels(&model.preprocess), &model.preprocess))
    };
    let differences = embed(model).into_iter().zip(embed(reference)).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |largest, d| if d.is_nan() { f32::INFINITY } else { f32::max(largest, d) })
}

/// A picture with edges and slopes of every colour.
pub fn test_pixels(config: &PreprocessConfig) -> Pixels {
    const SIDE: usize = 64;
    let pixel = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        [(x * 4) as u8, (y * 4) as u8, if (x / 8 + y / 8).is_multiple_of(2) { 230 } else { 20 }]
    };
    let data = (0..SIDE * SIDE).flat_map(pixel).collect();
    let picture = Picture::new(SIDE, SIDE, cliploupe_engine::photo::Mode::Rgb, data);
    preprocess::resize_and_crop(&picture, config)
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".into())
}

impl Shared {
    /// Projects pooled features by the heads in force, stores both with the scores, and tells about it.
    fn note_pooled(&self, run: u64, ids: &[PhotoId], pooled: Table) {
        let (pooled, places) = match self.keep_features(ids, pooled) {
            Ok(kept) => kept,
            Err(problem) => return self.halt(problem),
        };
        // Held to the end, so that no edit comes in between.
        let in_force = self.in_force();
        let Some(heads) = in_force.as_ref().map(|in_force| in_force.heads.clone()) else { return };
        let embeddings = heads.image.apply(&pooled).unit();
        let scorer = self.scorer();
        let best: Vec<Vec<BestLabel>> = match &scorer {
            Some(scorer) => scorer.best(embeddings.values()),
            None => vec![Vec::new(); ids.len()],
        };
        let version = scorer.map_or(0, |scorer| scorer.version);
        let mut table = self.table();
        // A batch that was under way when a person stopped the work belongs to what can be gone on with. Looked at under
        // the table's lock, so that whoever sees the table after a stop sees it as it stays.
        if !self.is_on(run) {
            return;
        }
        let mut photos = Vec::with_capacity(best.len());
        for (((id, place), embedding), best) in ids.iter().zip(places).zip(embeddings.rows()).zip(best) {
            if let Some(row) = table.get_mut(*id) {
                row.pooled = Some(place);
                row.embedding = Some(embedding.into());
                row.outdated = None;
                row.state = PhotoState::Labelled;
                row.best.clone_from(&best);
                photos.push(PhotoBest { id: *id, best });
            }
        }
        self.emit(WorkbenchEvent::PhotosScored { labels_version: version, photos });
        drop(table);
        self.index_found(ids, &embeddings);
        drop(in_force);
        self.note_done(run, ids.len() as u32);
    }

    /// Scores every photo, some thousand at a time, so that the window can ask in between.
    pub fn rescore(&self) {
        const STEP: usize = 4096;
        let Some(scorer) = self.scorer() else { return };
        let ids: Vec<PhotoId> = self.table().iter().map(|(id, _)| id).collect();
        for ids in ids.chunks(STEP) {
            let (ids, embeddings) = self.embeddings(ids);
            let best = scorer.best(&embeddings);
            let mut table = self.table();
            for (id, best) in ids.into_iter().zip(best) {
                if let Some(row) = table.get_mut(id).filter(|row| row.embedding.is_some()) {
                    row.best = best;
                }
            }
        }
        self.emit(WorkbenchEvent::PhotosRescored { labels_version: scorer.version });
    }

    /// The embeddings of those of `ids` that have one of this model: `[photo, embed]`.
    pub fn embeddings(&self, ids: &[PhotoId]) -> (Vec<PhotoId>, Vec<f32>) {
        let table = self.table();
        let mut values = Vec::new();
        let current = |id: &PhotoId| Some((*id, table.get(*id).filter(|row| row.outdated.is_none())?));
        let found = ids.iter().filter_map(current).filter_map(|(id, row)| {
            values.extend_from_slice(row.embedding.as_ref()?);
            Some(id)
        });
        (found.collect(), values)
    }
}
