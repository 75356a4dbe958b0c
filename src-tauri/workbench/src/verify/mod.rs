//! Whether a model is what was published, and does what it was trained for.
//!
//! A checkpoint that is read a little wrong still gives vectors, and they are just worse. So beside the bytes and the
//! tensors the model is tried: on photos that everybody can name, with the configuration it has and with the ones it is
//! often confused with. The list is that of the questions one asks when a model performs badly.

mod agreement;
mod projections;
mod trial;
mod variants;

use std::{
    collections::BTreeMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
};

use cliploupe_engine::{
    Device, Model,
    clip::ScoreKind,
    device::DeviceChoice,
    preprocess::{Interpolation, PreprocessConfig, ResizeMode},
    zero_shot::Scoring,
};
use sha2::{Digest, Sha256};

use self::trial::{Score, Trial};
use crate::{
    catalogue::Catalogue,
    messages::{Check, CheckId, CheckOutcome, Problem, VerifyProgress, VerifyReport},
    model_source::ModelSource,
    problem::of_load,
    stages::Run,
    store::{DownloadError, Halt, hash_all, hex},
};

/// Every check, in the order in which they are made.
const CHECKS: [CheckId; 15] = [
    CheckId::Files,
    CheckId::Load,
    CheckId::Tokenizer,
    CheckId::Pooling,
    CheckId::Preprocessing,
    CheckId::LogitScale,
    CheckId::Spread,
    CheckId::Samples,
    CheckId::Language,
    CheckId::Orientation,
    CheckId::Rank,
    CheckId::EffectiveBias,
    CheckId::Activation,
    CheckId::NormEpsilon,
    CheckId::Agreement,
];

/// A scale below makes every label equally probable, one above makes every score 0 or 1. Trained models have 14 to 120.
const PLAUSIBLE_SCALE: std::ops::RangeInclusive<f32> = 5.0..=300.0;
/// Pictures of different things whose vectors are closer than this have nothing left to tell them apart.
const COLLAPSED: f64 = 0.98;
const NEARLY_COLLAPSED: f64 = 0.93;
/// How a check came out, before it has its name.
struct Finding {
    outcome: CheckOutcome,
    figure: Option<f64>,
    params: BTreeMap<String, String>,
    message: String,
}

impl Finding {
    fn new(outcome: CheckOutcome, message: impl Into<String>) -> Self {
        Self { outcome, figure: None, params: BTreeMap::new(), message: message.into() }
    }

    fn skipped(reason: &str, message: impl Into<String>) -> Self {
        Self::new(CheckOutcome::Skipped, message).with("reason", reason)
    }

    fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.params.insert(key.to_owned(), value.to_string());
        self
    }

    fn figure(mut self, figure: f64) -> Self {
        self.figure = Some(figure);
        self
    }
}

/// The checks of one model, and who hears of them.
struct Checks<'a> {
    name: String,
    done: Vec<Check>,
    halt: &'a Halt,
    tell: &'a mut dyn FnMut(VerifyProgress),
}

impl Checks<'_> {
    /// Makes a check, unless a person has had enough. A panic while a model is tried is a finding about the model.
    fn make(&mut self, id: CheckId, check: impl FnOnce() -> Finding) {
        let finding = if self.halt.asked().is_some() {
            Finding::skipped("stopped", "not made: stopped before")
        } else {
            self.say(id);
            catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
                let cause = cliploupe_engine::device::panic_text(&*panic);
                Finding::new(CheckOutcome::Fail, format!("the check broke off: {cause}")).with("cause", cause)
            })
        };
        let Finding { outcome, figure, params, message } = finding;
        self.done.push(Check { id, outcome, figure, params, message });
    }

    fn say(&mut self, id: CheckId) {
        let fraction = self.done.len() as f32 / CHECKS.len() as f32;
        (self.tell)(VerifyProgress { name: self.name.clone(), id, fraction, checks: self.done.clone() });
    }

    fn skip_rest(&mut self, reason: &str, message: &str) {
        for id in &CHECKS[self.done.len()..] {
            self.make(*id, || Finding::skipped(reason, message));
        }
    }

    fn report(self) -> VerifyReport {
        // What could not be checked says nothing against the model, and comes first in their order.
        let outcome = self.done.iter().map(|check| check.outcome).max().unwrap_or(CheckOutcome::Skipped);
        VerifyReport { name: self.name, outcome, checks: self.done }
    }
}

/// Checks a model on the CPU, and on a GPU where there is one: that of `device`, or the first real one.
pub fn verify(
    source: &ModelSource,
    device: &DeviceChoice,
    halt: &Halt,
    tell: &mut dyn FnMut(VerifyProgress),
) -> Result<VerifyReport, Problem> {
    let checkpoint = source.checkpoint().map_err(|error| of_load(&error))?;
    let mut checks = Checks { name: source.name(), done: Vec::new(), halt, tell };
    checks.make(CheckId::Files, || files(source, halt));

    let mut loaded = None;
    checks.make(CheckId::Load, || match Model::load(checkpoint.clone(), None, &Device::flex()) {
        Ok(model) => {
            let parameters = model.clip.parameters();
            loaded = Some(model);
            let message = format!("every tensor is used, none is missing: {parameters} values, all of them numbers");
            Finding::new(CheckOutcome::Pass, message).with("parameters", parameters)
        }
        Err(error) => {
            let cause = of_load(&error).message;
            Finding::new(CheckOutcome::Fail, cause.clone()).with("cause", cause)
        }
    });
    let Some(model) = loaded else {
        checks.skip_rest("notLoaded", "not made: the model does not load");
        return Ok(checks.report());
    };
    let described = variants::Described::read(&checkpoint);
    checks.make(CheckId::Tokenizer, || tokenizer(&model));
    checks.make(CheckId::Pooling, || pooling(&model, &described));
    checks.make(CheckId::Preprocessing, || preprocessing(&model.preprocess));
    checks.make(CheckId::LogitScale, || logit_scale(&model));

    let mut trial = None;
    checks.make(CheckId::Spread, || match Trial::run(&model, &described) {
        Ok(made) => {
            let finding = spread(&made);
            trial = Some(made);
            finding
        }
        Err(cause) => {
            Finding::new(CheckOutcome::Fail, format!("the model cannot be tried: {cause}")).with("cause", cause)
        }
    });
    let needs_words =
        || Finding::skipped("noTokenizer", "not made: without a tokenizer there are no words to compare with");
    let score = trial.as_ref().and_then(Trial::score);
    checks.make(CheckId::Samples, || score.as_ref().map_or_else(needs_words, samples));
    checks.make(CheckId::Language, || language(source));
    checks.make(CheckId::Orientation, || match (&trial, &score) {
        (Some(trial), Some(score)) => projections::orientation(&model, trial, score),
        _ => needs_words(),
    });
    let reports = projections::Reports::of(&model);
    checks.make(CheckId::Rank, || reports.rank());
    checks.make(CheckId::EffectiveBias, || reports.effective_bias(trial.as_ref()));

    let reference = Run::of(&model);
    // Two models at a time are enough.
    drop(model);
    for id in [CheckId::Activation, CheckId::NormEpsilon] {
        checks.make(id, || match &score {
            Some(score) => variants::swapped(id, &checkpoint, &described, score),
            None => needs_words(),
        });
    }
    checks.make(CheckId::Agreement, || agreement::check(&checkpoint, device, &reference));
    Ok(checks.report())
}

fn files(source: &ModelSource, halt: &Halt) -> Finding {
    let installed = match source {
        ModelSource::Installed(installed) => installed,
        ModelSource::Embedded => return Finding::skipped("embedded", "not made: the model is inside the program"),
        ModelSource::Path { .. } => {
            return Finding::skipped("noRecord", "not made: only of installed models the hashes are known");
        }
    };
    let folder = installed.files_folder();
    for file in &installed.record.files {
        // A single file that was imported in place may have its configuration elsewhere.
        let beside = folder.join(&file.name);
        let elsewhere = installed.config().filter(|config| config.file_name().is_some_and(|name| name == &*file.name));
        let path = elsewhere.map_or(beside, std::path::Path::to_owned);
        let mut hash = Sha256::new();
        let read = File::open(&path)
            .map_err(DownloadError::disk("read", &path))
            .and_then(|mut open| hash_all(&mut open, &mut hash, halt, &path, &mut |_| {}));
        let wrong = |message: String| Finding::new(CheckOutcome::Fail, message).with("file", &file.name);
        match read {
            Err(DownloadError::Stopped(_)) => return Finding::skipped("stopped", "not made: stopped before"),
            Err(error) => {
                let cause = cliploupe_engine::chain(&error);
                return wrong(format!("{} cannot be read: {cause}", file.name)).with("cause", cause);
            }
            Ok(bytes) if bytes != file.bytes => {
                let message = format!("{} has {bytes} bytes and had {} when it was installed", file.name, file.bytes);
                return wrong(message).with("expected", file.bytes).with("found", bytes);
            }
            Ok(_) => {}
        }
        let found = hex(&hash.finalize());
        if found != file.sha256 {
            let message = format!(
                "{} has changed since it was installed: its hash was {} and is {found}",
                file.name, file.sha256
            );
            return wrong(message).with("expected", &file.sha256).with("found", found);
        }
    }
    let count = installed.record.files.len();
    Finding::new(CheckOutcome::Pass, format!("all {count} files are as they were installed")).with("count", count)
}

fn tokenizer(model: &Model) -> Finding {
    let fail = |cause: String| {
        Finding::new(CheckOutcome::Fail, format!("labels cannot be read: {cause}")).with("cause", cause)
    };
    if let Err(error) = model.tokenizer() {
        return fail(cliploupe_engine::chain(&error));
    }
    let tokens = match model.tokenize(&trial::SENTENCES) {
        Ok(tokens) => tokens,
        Err(error) => return fail(cliploupe_engine::chain(&error)),
    };
    let vocabulary = model.config.text.vocab_size();
    let largest = tokens.ids().iter().copied().max().unwrap_or(0);
    let firsts: Vec<u32> = tokens.rows().map(|row| row[0]).collect();
    let ends: Vec<u32> = tokens.rows().map(trial::end_token).collect();
    let constant = |ids: &[u32]| ids.first().copied().filter(|first| ids.iter().all(|id| id == first));
    let text = |id: Option<u32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let (start, end) = (text(constant(&firsts)), text(constant(&ends)));
    let rows: std::collections::BTreeSet<&[u32]> = tokens.rows().collect();
    let (outcome, message) = if rows.len() < trial::SENTENCES.len() {
        (CheckOutcome::Fail, "different sentences become the same tokens".to_owned())
    } else if constant(&firsts).is_none() && constant(&ends).is_none() {
        (CheckOutcome::Warn, "sentences neither begin nor end with a token of their own".to_owned())
    } else {
        (CheckOutcome::Pass, format!("{vocabulary} words; sentences begin with {start} and end with {end}"))
    };
    let finding = Finding::new(outcome, message).with("vocabulary", vocabulary).with("largest", largest);
    finding.with("start", start).with("end", end)
}

fn pooling(model: &Model, described: &variants::Described) -> Finding {
    let context = model.config.context_length;
    let (pooling, causal) = (described.text_pooling(), described.is_causal());
    let finding = |outcome, message: String| {
        let finding = Finding::new(outcome, message).with("pooling", &pooling).with("context", context);
        finding.with("causal", causal.map_or("unknown", |causal| if causal { "yes" } else { "no" }))
    };
    let sight = match causal {
        Some(true) => ", each token sees those before it",
        Some(false) => ", each token sees all",
        None => "",
    };
    let fine = format!("a text's feature is taken by {pooling} of {context} tokens{sight}");
    let Ok(tokens) = model.tokenize(&trial::SENTENCES) else { return finding(CheckOutcome::Pass, fine) };
    // Under a causal mask only the last token has seen the whole text, so the pooled one must be it.
    if pooling == "argmax" {
        let is_end = |row: &[u32]| row.iter().max() == Some(&trial::end_token(row));
        if !tokens.rows().all(is_end) {
            let message = "the feature is taken at the largest token id, which is not the end of the text";
            return finding(CheckOutcome::Fail, message.to_owned());
        }
    }
    if pooling == "first" && causal == Some(true) {
        let message = "the feature is taken at the first token, which sees nothing of the text";
        return finding(CheckOutcome::Fail, message.to_owned());
    }
    finding(CheckOutcome::Pass, fine)
}

/// Mean and standard deviation, and whose they are. open_clip constants.py and its pretrained tags.
const FAMILIES: [(&str, &str, [f32; 3], [f32; 3]); 4] = [
    ("openai", "OpenAI's models", [0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1]),
    ("half", "SigLIP and its kin", [0.5; 3], [0.5; 3]),
    ("imagenet", "models with ImageNet's mean", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ("zeroOne", "models of plain values", [0.0; 3], [1.0; 3]),
];

fn preprocessing(config: &PreprocessConfig) -> Finding {
    let near = |a: &[f32; 3], b: &[f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
    let family = FAMILIES.iter().find(|(_, _, mean, std)| near(&config.mean, mean) && near(&config.std, std));
    let resize = match config.resize_mode {
        ResizeMode::Shortest => "shortest",
        ResizeMode::Longest => "longest",
        ResizeMode::Squash => "squash",
    };
    let interpolation = match config.interpolation {
        Interpolation::Bicubic => "bicubic",
        Interpolation::Bilinear => "bilinear",
    };
    let (outcome, message) = match family {
        Some((_, models, ..)) => {
            (CheckOutcome::Pass, format!("pictures are prepared as {models} want it: {resize}, {interpolation}"))
        }
        None => {
            let message =
                format!("mean {:?} and standard deviation {:?} are of no known family", config.mean, config.std);
            (CheckOutcome::Warn, message)
        }
    };
    let list = |values: &[f32; 3]| values.map(|value| value.to_string()).join(", ");
    Finding::new(outcome, message)
        .with("family", family.map_or("unknown", |(family, ..)| family))
        .with("mean", list(&config.mean))
        .with("std", list(&config.std))
        .with("resize", resize)
        .with("interpolation", interpolation)
}

fn logit_scale(model: &Model) -> Finding {
    let scoring = Scoring::of(&model.clip);
    let (scale, bias) = (scoring.scale, model.clip.logit_bias());
    let kind = match scoring.kind {
        ScoreKind::Softmax => "softmax",
        ScoreKind::Sigmoid => "sigmoid",
    };
    let (outcome, message) = if !scale.is_finite() || scale <= 0.0 {
        (CheckOutcome::Fail, format!("a cosine is multiplied with {scale}"))
    } else if !PLAUSIBLE_SCALE.contains(&scale) {
        let message = format!("a cosine is multiplied with {scale:.3}, where trained models have 14 to 120");
        (CheckOutcome::Warn, message)
    } else if scoring.kind == ScoreKind::Sigmoid && bias.is_none_or(|bias| bias >= 0.0) {
        let message = "it scores each label on its own, and has no negative bias to hold back those that do not fit";
        (CheckOutcome::Warn, message.to_owned())
    } else {
        let bias = bias.map(|bias| format!(", bias {bias:.2}")).unwrap_or_default();
        (CheckOutcome::Pass, format!("scale {scale:.2}{bias}, {kind}"))
    };
    let finding = Finding::new(outcome, message).figure(scale.into()).with("scale", scale).with("kind", kind);
    finding.with("bias", bias.map_or_else(|| "none".to_owned(), |bias| bias.to_string()))
}

fn spread(trial: &Trial) -> Finding {
    let count = trial.picture_count();
    let mean = trial.mean_cosine_of_pictures();
    let finding = |outcome, message: String| {
        Finding::new(outcome, message).with("mean", format!("{mean:.3}")).with("count", count)
    };
    if !mean.is_finite() {
        return finding(CheckOutcome::Fail, "vectors of pictures are not numbers".to_owned());
    }
    let (outcome, what) = if mean >= COLLAPSED {
        (CheckOutcome::Fail, "all pictures look the same to it")
    } else if mean >= NEARLY_COLLAPSED {
        (CheckOutcome::Warn, "pictures look much alike to it")
    } else {
        (CheckOutcome::Pass, "different pictures have different vectors")
    };
    finding(outcome, format!("{what}: mean cosine {mean:.2} over {count} pictures")).figure(mean)
}

fn samples(score: &Score) -> Finding {
    let Score { margin, right, count } = *score;
    // By chance one of seven is right, and four of them once in a hundred models.
    let (outcome, what) = if margin <= 0.0 || right * 2 < count {
        (CheckOutcome::Fail, "it does not know what is on photos")
    } else if right * 3 < count * 2 {
        (CheckOutcome::Warn, "it names few photos rightly")
    } else {
        (CheckOutcome::Pass, "it knows what is on photos")
    };
    let message = format!("{what}: {right} of {count} rightly named, own labels {margin:+.3} above the others");
    let finding = Finding::new(outcome, message).figure(margin).with("margin", format!("{margin:.3}"));
    finding.with("right", right).with("count", count)
}

fn language(source: &ModelSource) -> Finding {
    let entry = match source {
        ModelSource::Embedded => return Finding::new(CheckOutcome::Pass, "labels in English").with("language", "en"),
        ModelSource::Installed(installed) => Catalogue::get().find(&installed.record.name),
        ModelSource::Path { .. } => None,
    };
    match entry {
        Some(entry) => {
            let message = match entry.language.as_str() {
                "multilingual" => "labels in many languages",
                _ => "labels in English",
            };
            Finding::new(CheckOutcome::Pass, message).with("language", &entry.language)
        }
        None => {
            Finding::skipped("unknown", "not made: the model is not in the catalogue, so its languages are not known")
        }
    }
}
