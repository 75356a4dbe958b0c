//! `inspect`: what a model's projections do, on their own and on photos; and how they are changed, fitted and exported.

mod text;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use cliploupe_workbench::{
    Options, Workbench,
    messages::{
        AblationOptions, CompareWith, Direction, Edit, EditKind, ExportForm, LabelSettings, MatrixSource, PhotoState,
        Problem, ScoreKind, Side, TuneLoss, TuneOptions, TuneParts, WorkbenchEvent,
    },
    settings::default_labels,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    Report,
    args::{Common, Fit, Inspect, Loss, Parts},
    failure::Failed,
    label::{check_engine, label_list, templates, wait},
    setup::options,
};

pub fn run(command: &Inspect, common: &Common) -> Result<Report, Failed> {
    if common.image_size.is_some() {
        return Err(Failed::usage("--image-size is for embed and preprocess"));
    }
    let bar = Arc::new(Mutex::new(None));
    let bench = opened(command, common, &bar)?;
    let failed = added(&bench, command, common);
    let mut json = json!({ "failed": failed });
    let mut out = Out { json: &mut json, text: String::new() };
    change(&bench, command, &mut out)?;
    if let Some(folder) = command.tune.as_ref().or(command.ablation.as_ref()) {
        fit(&bench, command, folder, common, &bar, &mut out)?;
    }
    describe(&bench, command, &mut out)?;
    export(&bench, command, &mut out)?;
    let mut text = out.text;
    text.push_str(&text::failures(&failed));
    Ok(Report { text, json, complete: failed.is_empty() })
}

/// What a command says, in both forms.
struct Out<'a> {
    json: &'a mut Value,
    text: String,
}

impl Out<'_> {
    fn put(&mut self, key: &str, value: impl serde::Serialize, text: &str) {
        self.json[key] = json!(value);
        self.text.push_str(text);
    }
}

type Bar = Arc<Mutex<Option<ProgressBar>>>;

/// A workbench with the model and the labels.
fn opened(command: &Inspect, common: &Common, bar: &Bar) -> Result<Workbench, Failed> {
    let labels = label_list(command.labels.as_deref())?;
    let templates = templates(&command.template)?;
    let bench = Workbench::new(Options { language: command.texts.language.clone(), ..options(common)? })?;
    let problem: Arc<Mutex<Option<Problem>>> = Arc::default();
    let (heard, bar) = (problem.clone(), bar.clone());
    bench.attach(move |event| match event {
        WorkbenchEvent::Problem { problem } => {
            if let Ok(mut heard) = heard.lock() {
                heard.get_or_insert(problem);
            }
        }
        WorkbenchEvent::TuneProgress { progress } => {
            if let Some(bar) = bar.lock().ok().as_deref().and_then(Option::as_ref) {
                bar.set_length(progress.total.into());
                bar.set_position(progress.done.into());
            }
        }
        _ => {}
    });
    let base = default_labels(0.0);
    let templates = if templates.is_empty() { base.templates.clone() } else { templates };
    bench.set_labels(LabelSettings { labels, templates, ..base })?;
    bench.wait_idle();
    check_engine(&bench.snapshot())?;
    // A model without a tokenizer has projections all the same; what needs labels says that there are none.
    drop(problem);
    Ok(bench)
}

/// Encodes the photos; those that failed.
fn added(bench: &Workbench, command: &Inspect, common: &Common) -> Vec<Value> {
    let folders = command.tune.iter().chain(&command.ablation);
    let paths: Vec<PathBuf> = command.paths.iter().chain(folders).cloned().collect();
    if paths.is_empty() {
        return Vec::new();
    }
    bench.add_paths(paths);
    wait(bench, common.quiet);
    let photos = bench.photos();
    let failed = photos.iter().filter(|photo| photo.state == PhotoState::Failed);
    failed.filter_map(|photo| Some(json!({ "path": photo.path, "error": photo.problem.as_ref()?.message }))).collect()
}

/// Puts edits in force; one that does not act is an error, because a script has no eyes for a small sign beside it.
fn change(bench: &Workbench, command: &Inspect, out: &mut Out<'_>) -> Result<(), Failed> {
    let mut edits = match &command.edits {
        Some(path) => read_edits(path)?,
        None => Vec::new(),
    };
    if let Some(name) = &command.replace {
        let name = if Path::new(name).is_file() { bench.add_head_file(Path::new(name))? } else { name.clone() };
        edits.insert(0, Edit { id: 0, enabled: true, strength: 1.0, what: EditKind::Replace { name } });
    }
    if edits.is_empty() {
        return Ok(());
    }
    edits.iter_mut().zip(1..).for_each(|(edit, id)| edit.id = id);
    let effect = bench.set_edits(edits)?;
    if let Some(refused) = bench.lab()?.problems.into_iter().next() {
        return Err(Failed::work(format!("edit {}: {}", refused.id, refused.problem.message)));
    }
    out.put("effect", &effect, &text::effect(bench, &effect));
    Ok(())
}

/// A list of edits; what is left out is on, and all of it.
fn read_edits(path: &Path) -> Result<Vec<Edit>, Failed> {
    const MOST_BYTES: u64 = 16 << 20;
    let wrong = |cause: String| Failed::work(format!("cannot use the edits in {path:?}: {cause}"));
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(wrong(format!("it has {size} bytes, and a list of edits has at most {MOST_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut list: Vec<Value> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let whole = |entry: &mut Value| {
        let Some(fields) = entry.as_object_mut() else { return entry.take() };
        let or = |value: Option<Value>, other: Value| value.unwrap_or(other);
        let (enabled, strength) =
            (or(fields.remove("enabled"), json!(true)), or(fields.remove("strength"), json!(1.0)));
        // As the window keeps it, or with the fields of `what` beside the others.
        let what = fields.remove("what").unwrap_or_else(|| Value::Object(fields.clone()));
        json!({ "id": 0, "enabled": enabled, "strength": strength, "what": what })
    };
    list.iter_mut()
        .map(whole)
        .map(|entry| serde_json::from_value(entry).map_err(|error| wrong(error.to_string())))
        .collect()
}

fn fit(
    bench: &Workbench,
    command: &Inspect,
    folder: &Path,
    common: &Common,
    bar: &Bar,
    out: &mut Out<'_>,
) -> Result<(), Failed> {
    if !folder.is_dir() {
        return Err(Failed::usage(format!("{folder:?} is not a folder with one folder per class")));
    }
    if !common.quiet
        && let Ok(mut bar) = bar.lock()
    {
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len} fits · {elapsed}");
        *bar = Some(ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
    }
    let result = if command.tune.is_some() { tune(bench, &command.fit, out) } else { ablation(bench, command, out) };
    if let Some(bar) = bar.lock().ok().and_then(|mut bar| bar.take()) {
        bar.finish_and_clear();
    }
    result
}

fn loss(bench: &Workbench, fit: &Fit) -> TuneLoss {
    let kind = bench.snapshot().engine.model.map(|model| model.score_kind);
    match (fit.loss, kind) {
        (Some(Loss::Softmax), _) | (None, Some(ScoreKind::Softmax) | None) => TuneLoss::Softmax,
        (Some(Loss::Sigmoid), _) | (None, Some(ScoreKind::Sigmoid)) => TuneLoss::Sigmoid,
    }
}

/// Fits the image head, and puts the result in the place of it for what follows.
fn tune(bench: &Workbench, fit: &Fit, out: &mut Out<'_>) -> Result<(), Failed> {
    let report = bench.tune(&TuneOptions {
        parts: match fit.parts {
            Parts::Weights => TuneParts::Weights,
            Parts::Bias => TuneParts::Bias,
            Parts::Both => TuneParts::Both,
            Parts::Mlp => TuneParts::Mlp,
        },
        loss: loss(bench, fit),
        pull: fit.pull,
        learning_rate: fit.rate,
        epochs: fit.epochs,
        patience: fit.patience,
        folds: fit.folds,
        seed: fit.seed,
    })?;
    out.put("tune", &report, &text::tune(&report));
    if let Some(name) = report.replacement {
        let mut edits = bench.lab()?.edits;
        let id = edits.iter().map(|edit| edit.id).max().unwrap_or(0) + 1;
        edits.push(Edit { id, enabled: true, strength: 1.0, what: EditKind::Replace { name } });
        bench.set_edits(edits)?;
    }
    Ok(())
}

fn ablation(bench: &Workbench, command: &Inspect, out: &mut Out<'_>) -> Result<(), Failed> {
    let fit = &command.fit;
    let report = bench.ablation(&AblationOptions {
        loss: loss(bench, fit),
        pull: fit.pull,
        learning_rate: fit.rate,
        epochs: fit.epochs,
        patience: fit.patience,
        folds: fit.folds,
        seeds: fit.seeds,
    })?;
    let (markdown, _) = bench.ablation_text("markdown")?;
    out.put("ablation", &report, &markdown);
    if let Some(path) = &command.report {
        let is_html = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
        let (page, _) = bench.ablation_text(if is_html { "html" } else { "markdown" })?;
        let path = bench.write_file(path, page.as_bytes())?;
        out.put("report", &path, &format!("\nwritten: {path}\n"));
    }
    Ok(())
}

fn describe(bench: &Workbench, command: &Inspect, out: &mut Out<'_>) -> Result<(), Failed> {
    let report = bench.projection_report()?;
    out.json["model"] = json!(report.model);
    out.json["edited"] = json!(report.edited);
    out.put("projections", [&report.image, &report.text], &text::projections(&report));
    out.put("joint", &report.joint, &text::joint(&report.joint));
    if !bench.photos().is_empty() {
        let collection = bench.collection_report()?;
        out.put("collection", &collection, &text::collection(&collection));
    }
    if command.labels.is_some() {
        let prior = bench.class_prior()?;
        out.put("class_prior", &prior, &text::prior(&report, &prior));
    }
    if let Some(along) = &command.along {
        let meaning = bench.meaning(&direction(along)?)?;
        out.put("along", &meaning, &text::meaning(bench, along, &meaning));
    }
    if let Some(other) = &command.compare {
        let comparison = bench.compare(&compare_with(bench, other)?)?;
        out.put("comparison", &comparison, &text::comparison(&comparison));
    }
    if command.tensors {
        let tensors = bench.tensors()?;
        out.put("tensors", &tensors, &text::tensors(&tensors));
    }
    if let Some(name) = &command.tensor {
        let facts = bench.open_matrix(&MatrixSource::Tensor { name: name.clone() })?;
        out.put("tensor", &facts, &text::matrix(&facts));
    }
    Ok(())
}

fn direction(text: &str) -> Result<Direction, Failed> {
    let wrong = || {
        Failed::usage(format!(
            "{text:?} is no direction: image:K, text:K, bias:image, bias:text, dimension:K, gap, label:NAME"
        ))
    };
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let number = || rest.parse::<u32>().map_err(|_| wrong());
    let side = |name: &str| match name {
        "image" => Ok(Side::Image),
        "text" => Ok(Side::Text),
        _ => Err(wrong()),
    };
    Ok(match kind {
        "gap" => Direction::Gap,
        "label" if !rest.is_empty() => Direction::Label { label: rest.to_owned() },
        "dimension" => Direction::Dimension { index: number()? },
        "bias" => Direction::EffectiveBias { side: side(rest)? },
        _ => Direction::Singular { side: side(kind)?, index: number()? },
    })
}

/// What `--compare` names.
pub fn compare_with(bench: &Workbench, other: &str) -> Result<CompareWith, Failed> {
    if other == "unedited" {
        return Ok(CompareWith::Unedited);
    }
    let Some(name) = other.strip_prefix("heads:") else { return Ok(CompareWith::Model { name: other.to_owned() }) };
    let path = Path::new(name);
    Ok(CompareWith::Head { name: if path.is_file() { bench.add_head_file(path)? } else { name.to_owned() } })
}

fn export(bench: &Workbench, command: &Inspect, out: &mut Out<'_>) -> Result<(), Failed> {
    let wanted = [(ExportForm::Checkpoint, &command.export), (ExportForm::Heads, &command.export_heads)];
    let mut written = Vec::new();
    for (form, path) in wanted.iter().filter_map(|(form, path)| Some((*form, path.as_ref()?))) {
        let exported = bench.export_heads(form, path, false)?;
        out.text.push_str(&text::exported(&exported));
        written.push(exported);
    }
    if !written.is_empty() {
        let plan = bench.export_plan()?;
        out.text.push_str(&text::plan(&plan));
        out.json["plan"] = json!(plan);
        out.json["exported"] = json!(written);
    }
    Ok(())
}
