//! A model onto a device. A GPU is trusted once its self-test was passed; until then, and where it was not, the CPU
//! computes, visibly.

use std::sync::Arc;

use cliploupe_engine::{
    Device, Model,
    device::{self, ComputeError, DeviceChoice, DeviceInfo as EngineDevice, DeviceKind, attempt},
};

use super::{Control, Worker};
use crate::{
    devices::{
        Remembered, batches, precisions,
        self_test::{self, Reference},
    },
    messages::{
        DeviceInfo, DeviceStatus, Precision, Preparing, PreparingStep, Problem, ProblemCode, SelfTest, SpeedSettings,
    },
    model_source::ModelSource,
    problem::{of_device, of_encode, of_load},
};

/// A model and a device that somebody wants, and what bears on it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub source: &'a ModelSource,
    pub choice: &'a DeviceChoice,
    pub language: Option<&'a str>,
    /// Another input size than the model's own: `[height, width]`.
    pub image_size: Option<[usize; 2]>,
    pub speed: SpeedSettings,
    pub remembered: &'a Remembered,
    /// Whether an untested GPU is tested before anything else, and not beside the CPU's work.
    pub waits: bool,
}

/// Where a model is, and how it is used there.
pub struct Place {
    pub device: EngineDevice,
    pub precision: Precision,
    /// Pictures at once; less than at first after the device ran out of memory.
    pub batch: usize,
    /// Whether the device was lost once and opened again.
    pub was_recreated: bool,
}

impl Place {
    fn new(device: EngineDevice, precision: Precision) -> Self {
        let batch = batches(&device).last().copied().unwrap_or(1);
        Self { device, precision, batch, was_recreated: false }
    }
}

/// A model that is ready.
pub struct Opened {
    pub model: Arc<Model>,
    pub place: Place,
    pub status: DeviceStatus,
    /// A GPU that is to be prepared meanwhile.
    pub plan: Option<EngineDevice>,
}

/// A GPU that has taken a model and agrees with the CPU, or why it is not used.
pub struct Prepared {
    gpu: EngineDevice,
    outcome: Result<(Arc<Model>, SelfTest), Problem>,
}

/// What is known of a device with a model.
enum Known {
    Passed(SelfTest),
    Failed(SelfTest),
    Untested,
}

impl Asked<'_> {
    fn load(&self, device: &Device, precision: Precision) -> Result<Arc<Model>, Problem> {
        let load = || -> Result<Model, Problem> {
            let checkpoint = self.source.checkpoint().map_err(|error| of_load(&error))?;
            let mut model = Model::load_as(checkpoint, self.image_size, device, precision.into())
                .map_err(|error| of_load(&error))?;
            if let Some(code) = self.language {
                model.set_language(code).map_err(|error| of_encode(&error))?;
            }
            Ok(model)
        };
        // A driver or a reader may panic.
        attempt(load).unwrap_or_else(|error| Err(Problem::internal(&error.to_string()))).map(Arc::new)
    }

    fn known(&self, gpu: &EngineDevice) -> Known {
        let model = self.source.weights_key();
        let mut failed = None;
        for precision in precisions(gpu, self.speed.precision) {
            match self.remembered.get(&gpu.key(), &model, precision) {
                Some(test) if test.passed => return Known::Passed(test),
                Some(test) => failed = Some(test),
                None => return Known::Untested,
            }
        }
        failed.map_or(Known::Untested, Known::Failed)
    }

    fn shown(&self, device: &EngineDevice) -> DeviceInfo {
        DeviceInfo { tests: self.remembered.of_device(&device.key()), ..device.clone().into() }
    }

    fn opened(
        &self,
        model: Arc<Model>,
        place: Place,
        self_test: Option<SelfTest>,
        fell_back: Option<Problem>,
    ) -> Opened {
        let status = DeviceStatus {
            chosen: self.choice.to_string(),
            active: self.shown(&place.device),
            precision: place.precision,
            self_test,
            preparing: None,
            batch: place.batch as u32,
            fell_back,
        };
        Opened { model, place, status, plan: None }
    }
}

/// Loads a model where it was asked for, as far as that can be trusted.
pub fn open_model(asked: &Asked<'_>, tell: &mut dyn FnMut(Preparing)) -> Result<Opened, Problem> {
    let gpu = match device::find(asked.choice) {
        Ok(device) if device.kind == DeviceKind::Cpu => return on_cpu(asked, None),
        Ok(gpu) => gpu,
        Err(error) => return on_cpu(asked, Some(of_device(&error, &asked.choice.to_string()))),
    };
    match asked.known(&gpu) {
        Known::Passed(test) if is_too_slow(asked.choice, &test) => on_cpu(asked, Some(slower(&gpu, &test))),
        Known::Passed(test) => match on_gpu(asked, &gpu, test.precision) {
            Ok((model, gpu)) => {
                let place = Place::new(gpu, test.precision);
                Ok(asked.opened(model, place, Some(test), None))
            }
            Err(problem) => on_cpu(asked, Some(problem)),
        },
        Known::Failed(test) => on_cpu(asked, Some(refused(&gpu, &test))),
        Known::Untested if asked.waits => {
            let reference = Reference::of(&*asked.load(&Device::flex(), Precision::F32)?);
            match prepare(asked, &gpu, &reference, tell) {
                Ok((model, test)) => {
                    let place = Place::new(gpu, test.precision);
                    Ok(asked.opened(model, place, Some(test), None))
                }
                Err(problem) => on_cpu(asked, Some(problem)),
            }
        }
        Known::Untested => {
            let model = asked.load(&Device::flex(), Precision::F32)?;
            let opened = asked.opened(model, Place::new(device::cpu(), Precision::F32), None, None);
            Ok(Opened { plan: Some(gpu), ..opened })
        }
    }
}

/// Loads a model onto the CPU, in the precision that a person wants there.
pub fn on_cpu(asked: &Asked<'_>, fell_back: Option<Problem>) -> Result<Opened, Problem> {
    let precision = if asked.speed.half_at_rest { Precision::HalfAtRest } else { Precision::F32 };
    let model = asked.load(&Device::flex(), precision)?;
    Ok(asked.opened(model, Place::new(device::cpu(), precision), None, fell_back))
}

fn on_gpu(asked: &Asked<'_>, gpu: &EngineDevice, precision: Precision) -> Result<(Arc<Model>, EngineDevice), Problem> {
    let (device, gpu) = open(gpu)?;
    Ok((asked.load(&device, precision)?, gpu))
}

fn open(gpu: &EngineDevice) -> Result<(Device, EngineDevice), Problem> {
    let choice: DeviceChoice = gpu.id.parse().map_err(|error| of_device(&error, &gpu.id))?;
    attempt(|| device::open(&choice)).map_err(|error| stopped(gpu, &error))?.map_err(|error| of_device(&error, &gpu.id))
}

/// Opens a device that was lost, and puts the model onto it again.
pub fn load_anew(asked: &Asked<'_>, lost: &EngineDevice, precision: Precision) -> Result<Arc<Model>, Problem> {
    let (device, _) = attempt(|| device::open_again(lost))
        .map_err(|error| stopped(lost, &error))?
        .map_err(|error| of_device(&error, &lost.id))?;
    asked.load(&device, precision)
}

/// Puts a model onto a GPU and compares it with the CPU, in the best precision that is right.
fn prepare(
    asked: &Asked<'_>,
    gpu: &EngineDevice,
    reference: &Reference,
    tell: &mut dyn FnMut(Preparing),
) -> Result<(Arc<Model>, SelfTest), Problem> {
    let total = 2 + batches(gpu).len();
    let mut at = |step, done: usize| {
        tell(Preparing { name: gpu.name.clone(), step, done: done as u32, total: total as u32 });
    };
    at(PreparingStep::Loading, 0);
    let (device, _) = open(gpu)?;
    let model_key = asked.source.weights_key();
    let mut last = None;
    for precision in precisions(gpu, asked.speed.precision) {
        at(PreparingStep::Loading, 0);
        let model = asked.load(&device, precision)?;
        at(PreparingStep::Testing, 1);
        let mut tuned = |done| at(PreparingStep::Tuning, 2 + done);
        let test = self_test::test(&model, &asked.source.name(), gpu, reference, &mut tuned);
        asked.remembered.note(&gpu.key(), &model_key, test.clone());
        match test.passed {
            true if is_too_slow(asked.choice, &test) => return Err(slower(gpu, &test)),
            true => return Ok((model, test)),
            false => last = Some(test),
        }
    }
    Err(last.map_or_else(|| Problem::internal("a GPU without a precision"), |test| refused(gpu, &test)))
}

/// Whether the app would choose the CPU: whoever names a GPU gets it even so.
fn is_too_slow(choice: &DeviceChoice, test: &SelfTest) -> bool {
    *choice == DeviceChoice::Auto && test.speedup.is_some_and(|speedup| speedup < 1.0)
}

fn not_used(gpu: &EngineDevice, cause: &str, remedy: &str) -> Problem {
    let message = format!("{} is not used: {cause}. The CPU computes instead. {remedy}", gpu.name);
    Problem::new(ProblemCode::Device, &[("device", &gpu.name), ("cause", cause)], message)
}

fn refused(gpu: &EngineDevice, test: &SelfTest) -> Problem {
    let cause = test.cause.as_deref().unwrap_or("it failed its self-test");
    not_used(gpu, cause, "A newer driver may help; the self-test can be made again in Settings or by `devices --test`.")
}

fn slower(gpu: &EngineDevice, test: &SelfTest) -> Problem {
    let speedup = test.speedup.unwrap_or_default();
    let cause = format!("it is right, but only {speedup:.2} times as fast as the CPU with this model");
    not_used(gpu, &cause, "It can be chosen by its name.")
}

/// Why a GPU does not compute any more.
pub fn stopped(gpu: &EngineDevice, error: &ComputeError) -> Problem {
    not_used(gpu, &error.to_string(), "Choosing it again, or starting again, tries it once more.")
}

impl Worker {
    /// Has a GPU prepared on another thread. What the CPU makes of the test is computed first, while nothing else is, so
    /// that the speeds can be compared.
    pub(super) fn begin_to_prepare(&mut self, source: &ModelSource, gpu: EngineDevice) {
        let Some(loaded) = &self.loaded else { return };
        let (version, cpu) = (loaded.version, loaded.model.clone());
        let (shared, control, language) = (self.shared.clone(), self.control.clone(), self.language.clone());
        let (source, choice) = (source.clone(), shared.current().1);
        let begin = Preparing {
            name: gpu.name.clone(),
            step: PreparingStep::Loading,
            done: 0,
            total: 2 + batches(&gpu).len() as u32,
        };
        let tell = move |shared: &crate::workbench::Shared, preparing: Option<Preparing>| {
            shared.set_engine(|status| {
                if let Some(device) = &mut status.device {
                    device.preparing = preparing;
                }
            });
        };
        tell(&shared, Some(begin));
        let reference = attempt(|| Reference::of(&cpu));
        drop(cpu);
        let work = move || {
            let asked = Asked {
                source: &source,
                choice: &choice,
                language: language.as_deref(),
                image_size: None,
                speed: shared.speed(),
                remembered: &shared.remembered,
                waits: false,
            };
            let outcome = match reference {
                Ok(reference) => prepare(&asked, &gpu, &reference, &mut |now| tell(&shared, Some(now))),
                Err(error) => Err(Problem::internal(&error.to_string())),
            };
            // The program may be ending.
            let _ = control.send(Control::Prepared { version, prepared: Box::new(Prepared { gpu, outcome }) });
        };
        crate::workbench::spawn("prepare", work);
    }

    /// The GPU goes on where the CPU was, unless the person has chosen otherwise meanwhile.
    pub(super) fn take_over(&mut self, version: u32, prepared: Prepared) {
        let Prepared { gpu, outcome } = prepared;
        let (source, choice) = self.shared.current();
        let is_wanted = device::find(&choice).is_ok_and(|device| device.key() == gpu.key());
        if !is_wanted || self.loaded.as_ref().is_none_or(|loaded| loaded.version != version) {
            return;
        }
        let asked = self.asked(&source, &choice);
        let status = match outcome {
            Ok((model, test)) => {
                let place = Place::new(gpu, test.precision);
                let opened = asked.opened(model, place, Some(test), None);
                if let Some(loaded) = &mut self.loaded {
                    loaded.model = opened.model;
                    loaded.place = opened.place;
                }
                opened.status
            }
            // Meanwhile the CPU had the weights in f32, for the comparison.
            Err(problem) if asked.speed.half_at_rest => match on_cpu(&asked, Some(problem)) {
                Ok(opened) => {
                    if let Some(loaded) = &mut self.loaded {
                        loaded.model = opened.model;
                        loaded.place = opened.place;
                    }
                    opened.status
                }
                Err(problem) => return self.shared.emit_problem(problem),
            },
            Err(problem) => {
                let Some(loaded) = &self.loaded else { return };
                let place = Place::new(device::cpu(), loaded.place.precision);
                asked.opened(loaded.model.clone(), place, None, Some(problem)).status
            }
        };
        self.shared.set_engine(|engine| engine.device = Some(status));
    }

    /// Tests a device with the model in use, from the start.
    pub(super) fn test_device(&self, choice: &DeviceChoice) -> Result<SelfTest, Problem> {
        let gpu = device::find(choice).map_err(|error| of_device(&error, &choice.to_string()))?;
        let (source, _) = self.shared.current();
        let asked = self.asked(&source, choice);
        test(&asked, &gpu)
    }
}

/// Tests a GPU with a model in every precision that comes into question; gives the one that will be used.
pub fn test(asked: &Asked<'_>, gpu: &EngineDevice) -> Result<SelfTest, Problem> {
    if gpu.kind == DeviceKind::Cpu {
        let cause = "the CPU is what the others are compared with";
        let message = format!("there is nothing to test: {cause}. Name a GPU, as `devices` lists them.");
        return Err(Problem::new(ProblemCode::Device, &[("device", "CPU"), ("cause", cause)], message));
    }
    let reference = attempt(|| asked.load(&Device::flex(), Precision::F32).map(|cpu| Reference::of(&cpu)))
        .map_err(|error| Problem::internal(&error.to_string()))??;
    // Named, so that a slow device is tested like any other.
    let named: DeviceChoice = gpu.id.parse().map_err(|error| of_device(&error, &gpu.id))?;
    let asked = Asked { choice: &named, ..*asked };
    let outcome = prepare(&asked, gpu, &reference, &mut |_| {});
    match (outcome, asked.known(gpu)) {
        (Ok((_, test)), _) | (Err(_), Known::Failed(test) | Known::Passed(test)) => Ok(test),
        (Err(problem), Known::Untested) => Err(problem),
    }
}
