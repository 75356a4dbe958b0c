//! Pictures and labels through the towers, in batches, and what is done when a device fails: less at once, the device
//! anew, the CPU. No photo is lost by any of it.

use std::{collections::BTreeSet, ops::Range};

use cliploupe_engine::{
    Model,
    device::{ComputeError, DeviceInfo as EngineDevice, DeviceKind, attempt},
    lab::Table,
};

use super::{EncodeJob, Loaded, Scorer, Worker, loading};
use crate::{
    devices::self_test,
    messages::{LabelProblem, LabelSettings, Problem},
    sentences::{Sentences, encode_sentences, sentences_of, usable_labels},
};

/// Sentences encoded between two looks at whether the person has changed the labels again.
const SENTENCES_PER_STEP: usize = 512;

/// A batch that is about to be computed.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// Where.
    pub device: &'a EngineDevice,
    /// Pictures or sentences in it.
    pub batch: usize,
}

type Fault = Box<dyn FnMut(&Attempt<'_>) -> Option<ComputeError> + Send>;

/// Lets batches fail: drivers do so when nobody looks, and tests have to see what comes of it.
pub struct Faults(Fault);

impl Faults {
    /// Asks `fault` before each batch whether it fails.
    pub fn new(fault: impl FnMut(&Attempt<'_>) -> Option<ComputeError> + Send + 'static) -> Self {
        Self(Box::new(fault))
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}

impl Worker {
    pub(super) fn encode(&mut self, jobs: Vec<EncodeJob>) {
        let Some(loaded) = &self.loaded else {
            // Neither a model nor one to stand in for it could be read.
            return jobs.iter().for_each(|job| self.shared.note_done(job.run, 1));
        };
        let version = loaded.version;
        let (jobs, stale): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.model_version == version);
        // Their pixels were made for another model.
        stale.into_iter().for_each(|job| self.shared.queue(job.id, job.run));
        let jobs: Vec<_> = jobs.into_iter().filter(|job| self.shared.is_wanted(job.id, job.run)).collect();
        if jobs.is_empty() {
            return;
        }
        let width = loaded.model.clip.image_projection().config().input_dim;
        let pooled = self.in_batches(jobs.len(), usize::MAX, |model, device, range| {
            let pictures: Vec<_> = jobs[range].iter().map(|job| &job.pixels).collect();
            Ok(self_test::pooled(model, device, &pictures))
        });
        match pooled {
            Ok(pooled) => {
                let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
                self.shared.note_pooled(jobs[0].run, &ids, Table::new(width, pooled));
            }
            Err(problem) => jobs.iter().for_each(|job| self.shared.note_failure(job.id, job.run, problem.clone())),
        }
    }

    /// Encodes labels that are new, then scores every photo on the table.
    pub(super) fn refresh_labels(&mut self) {
        let (settings, version) = self.shared.labels();
        if self.loaded.is_some() && self.shared.scorer().is_none_or(|scorer| scorer.version != version) {
            let result = self.encode_set(&settings, version);
            self.shared.label_progress(None);
            match result {
                Ok(Some((sentences, problems))) => {
                    let in_force = self.shared.in_force();
                    if let Some(now) = &*in_force {
                        let (text, scoring) = (&now.heads.text, now.scoring());
                        let scorer = Scorer::new(version, settings, sentences.into(), text, scoring);
                        self.shared.install_scorer(scorer, problems);
                        self.shared.rescore();
                    }
                }
                // A newer label set is waiting in the queue.
                Ok(None) => {}
                Err(problem) => self.shared.emit_problem(problem),
            }
        }
        self.shared.labels_ended(version);
    }

    /// Encodes what is new in a label set. `None` if the set was changed meanwhile.
    fn encode_set(
        &mut self,
        settings: &LabelSettings,
        version: u32,
    ) -> Result<Option<(Sentences, Vec<LabelProblem>)>, Problem> {
        let (good, problems) = usable_labels(&settings.labels);
        let labels: Vec<Vec<String>> =
            good.iter().map(|index| sentences_of(settings, settings.labels[*index as usize].trim())).collect();
        let all: BTreeSet<&String> = labels.iter().flatten().collect();
        let known = |loaded: &Loaded, sentence: &str| loaded.sentences.contains_key(sentence);
        let Some(loaded) = &self.loaded else { return Ok(None) };
        let missing: Vec<String> = all.into_iter().filter(|sentence| !known(loaded, sentence)).cloned().collect();
        let width = loaded.model.clip.text_projection().config().input_dim;
        for (index, sentences) in missing.chunks(SENTENCES_PER_STEP).enumerate() {
            if self.shared.labels().1 != version {
                return Ok(None);
            }
            self.shared.label_progress(Some(((index * SENTENCES_PER_STEP) as u32, missing.len() as u32)));
            let pooled = self.in_batches(sentences.len(), SENTENCES_PER_STEP, |model, _, range| {
                encode_sentences(model, &sentences[range]).map(|pooled| pooled.values().to_vec())
            })?;
            if let Some(loaded) = &mut self.loaded {
                let rows = pooled.chunks_exact(width).map(<[f32]>::to_vec);
                loaded.sentences.extend(sentences.iter().cloned().zip(rows));
            }
        }
        let Some(loaded) = &self.loaded else { return Ok(None) };
        let pooled = labels.iter().flatten().flat_map(|sentence| &loaded.sentences[sentence]).copied().collect();
        let counts = labels.iter().map(Vec::len).collect();
        Ok(Some((Sentences { columns: good, counts, pooled: Table::new(width, pooled) }, problems)))
    }

    /// Computes something for each of `count` items, at most `at_once` and no more than the device takes in one go.
    fn in_batches(
        &mut self,
        count: usize,
        at_once: usize,
        work: impl Fn(&Model, &EngineDevice, Range<usize>) -> Result<Vec<f32>, Problem>,
    ) -> Result<Vec<f32>, Problem> {
        let mut values = Vec::new();
        let mut start = 0;
        // Sentences come in larger steps than pictures; after a lack of memory they come in smaller ones too.
        let mut most = at_once;
        while start < count {
            let Some(loaded) = &self.loaded else { return Err(Problem::internal("the model has gone")) };
            let limit = if at_once == usize::MAX { loaded.place.batch } else { most };
            let range = start..count.min(start + limit);
            let (model, device) = (loaded.model.clone(), loaded.place.device.clone());
            let attempted = Attempt { device: &device, batch: range.len() };
            let fault = self.faults.as_mut().and_then(|Faults(fault)| fault(&attempted));
            let result = match fault {
                Some(error) => Err(error),
                None => attempt(|| work(&model, &device, range.clone())),
            };
            // The model must be gone before another takes its place.
            drop(model);
            match result {
                Ok(found) => {
                    values.extend(found?);
                    start = range.end;
                }
                Err(error) => {
                    let was_too_much = matches!(error, ComputeError::OutOfMemory(_));
                    self.recover(error, range.len())?;
                    if was_too_much {
                        most = (range.len() / 2).max(1);
                    }
                }
            }
        }
        Ok(values)
    }

    /// Makes another attempt possible after one with `batch` items failed, or says why there is none.
    fn recover(&mut self, error: ComputeError, batch: usize) -> Result<(), Problem> {
        let Some(loaded) = &mut self.loaded else { return Err(Problem::internal(&error.to_string())) };
        let place = &mut loaded.place;
        if matches!(error, ComputeError::OutOfMemory(_)) && batch > 1 {
            place.batch = place.batch.min(batch / 2).max(1);
            loaded.model.clip.device().memory_cleanup();
            let batch = place.batch as u32;
            self.shared.set_engine(|status| {
                if let Some(device) = &mut status.device {
                    device.batch = batch;
                }
            });
            return Ok(());
        }
        if place.device.kind == DeviceKind::Cpu {
            return Err(Problem::internal(&format!("a tower failed: {error}")));
        }
        let (source, choice) = self.shared.current();
        let (device, precision, batch) = (place.device.clone(), place.precision, place.batch);
        let is_first_time = !std::mem::replace(&mut place.was_recreated, true);
        if is_first_time {
            let again = loading::load_anew(&self.asked(&source, &choice), &device, precision);
            if let (Ok(model), Some(loaded)) = (again, &mut self.loaded) {
                loaded.model = model;
                loaded.place.batch = batch;
                return Ok(());
            }
        }
        self.go_on_with_cpu(&device, &error)
    }

    /// Puts the model onto the CPU, visibly.
    fn go_on_with_cpu(&mut self, device: &EngineDevice, error: &ComputeError) -> Result<(), Problem> {
        let (source, choice) = self.shared.current();
        let stopped = loading::stopped(device, error);
        let opened = loading::on_cpu(&self.asked(&source, &choice), Some(stopped))?;
        if let Some(loaded) = &mut self.loaded {
            loaded.model = opened.model;
            loaded.place = opened.place;
        }
        self.shared.set_engine(|status| status.device = Some(opened.status));
        Ok(())
    }

    /// After something else than a batch failed: whether the device still answers, and if not, what helps.
    pub(super) fn look_after_device(&mut self, text: &str) {
        let Some(loaded) = &self.loaded else { return };
        if loaded.place.device.kind == DeviceKind::Cpu {
            return;
        }
        let lost = match ComputeError::of_text(text) {
            error @ ComputeError::Lost(_) => Some(error),
            _ => loaded.model.clip.device().sync().err().map(|error| ComputeError::Lost(error.to_string())),
        };
        if let Some(error) = lost
            && let Err(problem) = self.recover(error, 1)
        {
            self.shared.emit_problem(problem);
        }
    }
}
