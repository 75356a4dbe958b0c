//! `models`: finds, downloads, imports, checks and removes checkpoints.

use std::io::{self, BufRead, IsTerminal, Write};

use cliploupe_workbench::{
    catalogue::Catalogue,
    messages::{
        CatalogueModel, Check, CheckOutcome, InstalledModel, ModelState, Transfer, TransferState, VerifyReport,
    },
    model_source::ModelSource,
    models,
    settings::{self, Settings},
    store::{Halt, Hub, Import, Installed, Outcome, Patience, Store, size},
    verify,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    Report,
    args::{Common, Models, ModelsImport, ModelsList, ModelsPull, ModelsRemove, ModelsVerify},
    failure::Failed,
};

pub fn run(command: &Models, common: &Common) -> Result<Report, Failed> {
    match command {
        Models::List(command) => list(command),
        Models::Pull(command) => pull(command, common),
        Models::Import(command) => import(command, common),
        Models::Verify(command) => check(command, common),
        Models::Remove(command) => remove(command),
    }
}

/// The hub as the window's settings have it, so that both take models from the same mirror.
fn hub() -> Hub {
    let settings = settings::default_path().map(|path| Settings::load(&path).0).unwrap_or_default();
    Hub::new(settings.hub_endpoint.as_deref())
}

fn list(command: &ModelsList) -> Result<Report, Failed> {
    let store = Store::of_user()?;
    let list = models::list(&store, &hub(), store.unfinished(), "")?;
    let query = command.words.join(" ");
    let found = Catalogue::get().search(&query);
    let is_found = |model: &CatalogueModel| {
        found.iter().any(|entry| entry.name == model.name)
            || command.words.iter().all(|word| model.name.to_lowercase().contains(&word.to_lowercase()))
    };
    let is_here = |model: &CatalogueModel| model.state != ModelState::Available;
    let rows: Vec<&CatalogueModel> =
        list.models.iter().filter(|m| is_found(m) && (!command.installed || is_here(m))).collect();
    let width = rows.iter().map(|model| model.name.len()).max().unwrap_or(0);
    let mut text: String = rows.iter().map(|model| row(model, width)).collect();
    if rows.is_empty() {
        text = format!("no model has all of: {query}\n");
    }
    let json = json!({ "folder": list.folder, "freeBytes": list.free_bytes, "hub": list.hub, "models": rows });
    Ok(Report { text, json, complete: true })
}

/// State, name, size, input, accuracy, licence and what is to be known.
fn row(model: &CatalogueModel, width: usize) -> String {
    let state = match model.state {
        ModelState::Available => "",
        ModelState::Embedded => "built in",
        ModelState::Installed => "installed",
        ModelState::Paused | ModelState::Downloading => "in part",
        ModelState::Failed => "failed",
    };
    let bytes = model.bytes.map(size).unwrap_or_default();
    let side = model.image_size.map(|[side, _]| format!("{side} px")).unwrap_or_default();
    let accuracy = model.imagenet_top1.map(|top1| format!("{:.1} %", top1 * 100.0)).unwrap_or_default();
    let licence = model.licence.as_deref().unwrap_or_default();
    let mut remarks = vec![licence.to_owned()];
    remarks.extend(model.recommended.map(|purpose| format!("recommended: {purpose}")));
    remarks.extend(model.unsupported.as_ref().map(|what| format!("not supported: {what}")));
    remarks.retain(|remark| !remark.is_empty());
    let name = &model.name;
    let line = format!("{state:<9} {name:<width$} {bytes:>7} {side:>6} {accuracy:>6}  {}", remarks.join(", "));
    format!("{}\n", line.trim_end())
}

/// A bar for a transfer, on a terminal.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} · {bytes_per_sec} · {msg}");
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    fn show(&self, now: &Transfer) {
        self.bar.set_length(now.total.unwrap_or(now.received));
        self.bar.set_position(now.received);
        let left = now.secs_left.map(|secs| format!("{} left", duration(secs))).unwrap_or_default();
        self.bar.set_message(match now.state {
            TransferState::Connecting => "connecting".to_owned(),
            TransferState::Retrying => "the connection failed, trying again".to_owned(),
            TransferState::Checking => "checking".to_owned(),
            _ => left,
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn duration(secs: f64) -> String {
    let secs = secs.ceil() as u64;
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

fn pull(command: &ModelsPull, common: &Common) -> Result<Report, Failed> {
    let (store, hub) = (Store::of_user()?, hub());
    let recipe = models::recipe(&command.name, &hub)?;
    let name = recipe.name.clone();
    if let Some(installed) = store.find(&name) {
        return Ok(done(&installed, "is installed already, in"));
    }
    // The program has no handler for Ctrl-C: whenever it ends, what has arrived is on the disk.
    if !common.quiet && io::stderr().is_terminal() {
        eprintln!("pulling {name}; Ctrl-C stops, and pulling it again goes on from there");
    }
    let bar = Bar::new(common.quiet);
    let outcome = store.pull(&recipe, &hub, &Patience::default(), &Halt::default(), &mut |now| bar.show(now))?;
    drop(bar);
    finish(outcome, &name)
}

fn import(command: &ModelsImport, common: &Common) -> Result<Report, Failed> {
    let store = Store::of_user()?;
    let import = Import {
        path: command.path.clone(),
        config: common.config.clone(),
        name: command.name.clone(),
        in_place: command.in_place,
    };
    let bar = Bar::new(common.quiet);
    let outcome = store.import(&import, &Halt::default(), &mut |now| bar.show(now))?;
    drop(bar);
    finish(outcome, &import.name())
}

fn finish(outcome: Outcome, name: &str) -> Result<Report, Failed> {
    match outcome {
        Outcome::Installed(installed) => Ok(done(&installed, "is installed in")),
        // Nobody here asks for either.
        Outcome::Paused | Outcome::Cancelled => Err(Failed::work(format!("{name} was stopped"))),
    }
}

fn done(installed: &Installed, how: &str) -> Report {
    let model: InstalledModel = installed.describe();
    let text = format!("{} {how} {} ({})\n", model.name, model.path, size(model.bytes));
    Report { text, json: json!({ "installed": model }), complete: true }
}

fn check(command: &ModelsVerify, common: &Common) -> Result<Report, Failed> {
    let store = Store::of_user().ok();
    let source = ModelSource::find(&command.model, common.config.as_deref(), store.as_ref())?;
    let bar = if common.quiet { ProgressBar::hidden() } else { ProgressBar::new(1000) };
    let style = ProgressStyle::with_template("{bar:30} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let report = verify::verify(&source, &common.device.parse()?, &Halt::default(), &mut |progress| {
        bar.set_position((progress.fraction * 1000.0) as u64);
        bar.set_message(id_text(&progress.id));
    });
    bar.finish_and_clear();
    let report = report?;
    let complete = report.outcome != CheckOutcome::Fail;
    Ok(Report { text: report_text(&report), json: json!(report), complete })
}

fn id_text(id: &impl serde::Serialize) -> String {
    json!(id).as_str().unwrap_or_default().to_owned()
}

fn report_text(report: &VerifyReport) -> String {
    let lines: String = report.checks.iter().map(check_line).collect();
    let verdict = match report.outcome {
        CheckOutcome::Fail => "something is wrong with it",
        CheckOutcome::Warn => "it can be used, and something is unusual",
        CheckOutcome::Pass | CheckOutcome::Skipped => "it is as it should be",
    };
    format!("{lines}{}: {verdict}\n", report.name)
}

fn check_line(check: &Check) -> String {
    let outcome = match check.outcome {
        CheckOutcome::Pass => "pass",
        CheckOutcome::Warn => "WARN",
        CheckOutcome::Fail => "FAIL",
        CheckOutcome::Skipped => "skip",
    };
    format!("{outcome}  {:<14} {}\n", id_text(&check.id), check.message)
}

fn remove(command: &ModelsRemove) -> Result<Report, Failed> {
    let store = Store::of_user()?;
    let installed = models::installed(&store, &command.name);
    let unfinished = || {
        let own = Catalogue::get().find(&command.name).map_or(command.name.as_str(), |entry| &entry.name).to_owned();
        store.unfinished().into_iter().find(|transfer| transfer.name == own)
    };
    let (name, bytes, what) = match (&installed, unfinished()) {
        (Some(model), _) if model.record.in_place.is_some() => {
            (model.record.name.clone(), 0, format!("the record of {}; its files stay", model.path().display()))
        }
        (Some(model), _) => {
            let bytes = model.record.bytes();
            (model.record.name.clone(), bytes, format!("{} in {}", size(bytes), model.folder.display()))
        }
        (None, Some(transfer)) => {
            let bytes = transfer.received;
            (transfer.name, bytes, format!("{} of an unfinished download", size(bytes)))
        }
        (None, None) => return Err(store.remove(&command.name).err().map_or_else(gone, Into::into)),
    };
    if !command.yes && !confirmed(&name, &what)? {
        return Ok(Report { text: format!("{name} stays\n"), json: json!({ "removed": null }), complete: true });
    }
    match installed {
        Some(_) => store.remove(&name)?,
        None => store.discard(&name)?,
    }
    Ok(Report {
        text: format!("removed {name}: {what}\n"),
        json: json!({ "removed": name, "bytes": bytes }),
        complete: true,
    })
}

fn gone() -> Failed {
    Failed::work("the model went while it was looked for")
}

/// Asks on a terminal. A script says `--yes`.
fn confirmed(name: &str, what: &str) -> Result<bool, Failed> {
    if !io::stdin().is_terminal() {
        return Err(Failed::usage(format!("removing {name} needs --yes where nobody can be asked")));
    }
    eprint!("Remove {name} ({what})? [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
