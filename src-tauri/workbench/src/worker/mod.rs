//! The one thread that owns the model: it loads, encodes pictures and labels, and scores.

mod encoding;
pub mod loading;
mod results;
mod scorer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use cliploupe_engine::{
    Model,
    device::{DeviceChoice, panic_text},
    preprocess::Pixels,
};
use crossbeam_channel::{Receiver, Sender, select_biased};

use self::loading::{Asked, Opened, Prepared, open_model};
use crate::{
    devices::CPU_BATCH,
    lab::{Base, InForce},
    messages::{EngineState, EngineStatus, PhotoId, Problem, SelfTest},
    model_source::{ModelSource, describe},
    sentences::KnownSentences,
    workbench::Shared,
};

pub use encoding::{Attempt, Faults};
pub use scorer::Scorer;

/// What the worker is asked to do besides encoding photos; it comes first.
pub enum Control {
    /// Load this model onto this device, and tell how it went.
    Load { source: ModelSource, device: DeviceChoice, gone: Option<Problem>, reply: Sender<Result<(), Problem>> },
    /// A GPU was prepared for the model of this version, or found to be of no use.
    Prepared { version: u32, prepared: Box<Prepared> },
    /// Test a device with the model in use, and tell how that ended.
    Test { device: DeviceChoice, reply: Sender<Result<SelfTest, Problem>> },
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

/// A model, and where it is.
struct Loaded {
    model: Arc<Model>,
    version: u32,
    sentences: KnownSentences,
    place: loading::Place,
}

/// The worker's own state.
pub struct Worker {
    shared: Arc<Shared>,
    /// To itself, for what another thread prepares.
    control: Sender<Control>,
    loaded: Option<Loaded>,
    versions: u32,
    /// Nothing was loaded yet, nor failed to be.
    fresh: bool,
    /// What every model is told, if it can be.
    language: Option<String>,
    /// Whether the first photos wait until a GPU is prepared.
    waits_for_gpu: bool,
    /// What tests let go wrong.
    faults: Option<Faults>,
}

impl Worker {
    pub fn new(
        shared: Arc<Shared>,
        control: Sender<Control>,
        language: Option<String>,
        waits_for_gpu: bool,
        faults: Option<Faults>,
    ) -> Self {
        Self { shared, control, loaded: None, versions: 0, fresh: true, language, waits_for_gpu, faults }
    }

    /// Works until told to stop, or until nobody can ask any more.
    pub fn run(mut self, control: &Receiver<Control>, photos: &Receiver<EncodeJob>) {
        loop {
            select_biased! {
                recv(control) -> message => match message {
                    Ok(Control::Load { source, device, gone, reply }) => {
                        // Nobody waits for the first load of a program that ends at once.
                        let _ = reply.send(self.load(&source, &device, gone));
                    }
                    Ok(Control::Prepared { version, prepared }) => self.take_over(version, *prepared),
                    Ok(Control::Test { device, reply }) => {
                        // Whoever asked may have gone.
                        let _ = reply.send(self.test_device(&device));
                    }
                    Ok(Control::Labels) => self.refresh_labels(),
                    Ok(Control::Ask(question)) => self.answer(question),
                    Ok(Control::Stop) | Err(_) => return,
                },
                recv(photos) -> job => match job {
                    Ok(job) => {
                        let batch = self.loaded.as_ref().map_or(CPU_BATCH, |loaded| loaded.place.batch);
                        self.encode(std::iter::once(job).chain(photos.try_iter().take(batch - 1)).collect());
                        if photos.is_empty() {
                            self.shared.sync_features();
                        }
                    }
                    Err(_) => return,
                },
            }
        }
    }

    fn asked<'a>(&'a self, source: &'a ModelSource, choice: &'a DeviceChoice) -> Asked<'a> {
        Asked {
            source,
            choice,
            language: self.language.as_deref(),
            image_size: None,
            speed: self.shared.speed(),
            remembered: &self.shared.remembered,
            waits: self.waits_for_gpu,
        }
    }

    /// Loads a model after the one before it is gone, so that two never share the memory. If that fails, the one before
    /// is loaded again and goes on as if nothing had been.
    fn load(&mut self, source: &ModelSource, choice: &DeviceChoice, gone: Option<Problem>) -> Result<(), Problem> {
        self.shared.set_engine(|status| status.state = EngineState::Loading);
        let before = self.loaded.take().map(|loaded| {
            let Loaded { model, version, sentences, .. } = loaded;
            drop(model);
            (version, sentences)
        });
        let result = self.try_load(source, choice, gone);
        if let Err(problem) = &result {
            let is_back = before.is_some_and(|(version, sentences)| self.load_again(version, sentences));
            // Without one before, the program's own takes its place, and the problem is shown.
            let stands_in = is_back
                || (*source != ModelSource::Embedded && self.try_load(&ModelSource::Embedded, choice, None).is_ok());
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
        let opened = open_model(&self.asked(&source, &choice), &mut |_| {});
        let is_back = opened.is_ok();
        self.loaded = opened.ok().map(|Opened { model, place, .. }| Loaded { model, version, sentences, place });
        is_back
    }

    fn try_load(&mut self, source: &ModelSource, choice: &DeviceChoice, gone: Option<Problem>) -> Result<(), Problem> {
        let tell = |preparing| {
            self.shared.set_engine(|status| {
                if let Some(device) = &mut status.device {
                    device.preparing = preparing;
                }
            });
        };
        let mut opened = open_model(&self.asked(source, choice), &mut |preparing| tell(Some(preparing)))?;
        let base =
            Base::of(source, &opened.model, self.versions + 1).map_err(|error| crate::lab::of_analysis(&error))?;
        self.shared.set_current(source, choice);
        opened.status.fell_back = opened.status.fell_back.or(gone);
        self.install(source, opened, base);
        Ok(())
    }

    fn install(&mut self, source: &ModelSource, opened: Opened, base: Base) {
        let Opened { model, place, status: device, plan } = opened;
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
        self.loaded = Some(Loaded { model, version: self.versions, sentences: KnownSentences::new(), place });
        self.shared.set_engine(|status| {
            *status =
                EngineStatus { state: EngineState::Ready, model: Some(info), device: Some(device), problem: None };
        });
        self.refresh_labels();
        if let Some(gpu) = plan {
            self.begin_to_prepare(source, gpu);
        }
        // After the labels, so that the first photos have theirs before the last ones have been read.
        self.shared.take_up_all();
        // On a table, photos that came before the first model wait for it in the decoders; a library knows of more.
        if !is_first || self.shared.shelf.is_some() {
            self.shared.encode_again();
        }
    }

    fn answer(&mut self, question: Question) {
        // Whoever asks hears of a panic by the answer that does not come.
        let model = self.loaded.as_ref().map(|loaded| loaded.model.clone());
        let answered = catch_unwind(AssertUnwindSafe(|| question(model.as_deref())));
        if let Err(panic) = answered {
            drop(model);
            self.look_after_device(&panic_text(&*panic));
        }
    }
}
