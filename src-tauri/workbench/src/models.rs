//! Every model one can have: the embedded one, the installed ones, the catalogue's, and those on their way.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cliploupe_engine::{LoadError, clip::config::ClipConfig, files::Files};

use crate::{
    assets,
    catalogue::{Catalogue, Entry, Purpose, Source},
    messages::{CatalogueModel, ModelList, ModelState, Problem, ProblemCode, Transfer, TransferState, WorkbenchEvent},
    store::{Halt, Hub, Import, Installed, Outcome, Patience, REPO_PREFIX, Recipe, Stop, Store, folder_name, transfer},
};

/// Downloads and copies at a time; more would only share the line and the disk.
const AT_ONCE: usize = 2;
/// How often a transfer that waits for its turn looks whether it has come.
const TURN_INTERVAL: Duration = Duration::from_millis(100);

type Tell = Box<dyn Fn(WorkbenchEvent) + Send + Sync>;

/// A transfer of this run of the program, or one that an earlier run left.
struct Running {
    transfer: Transfer,
    halt: Halt,
    is_running: bool,
    /// It holds one of the places at a time.
    has_turn: bool,
}

struct State {
    transfers: BTreeMap<String, Running>,
    hub: Hub,
    /// The model that computes.
    active: String,
}

/// The models of a window: what there is, and the threads that fetch more.
pub struct Models {
    store: Store,
    patience: Patience,
    state: Mutex<State>,
    tell: Tell,
}

impl Models {
    /// The models in `store`. `tell` hears of every change; it is called under a lock and must not ask back.
    pub fn new(store: Store, hub: Hub, patience: Patience, tell: Tell) -> Self {
        let left = store.unfinished().into_iter().map(|transfer| {
            let running = Running { transfer, halt: Halt::default(), is_running: false, has_turn: false };
            (running.transfer.name.clone(), running)
        });
        let state = State { transfers: left.collect(), hub, active: assets::EMBEDDED_MODEL.to_owned() };
        Self { store, patience, state: Mutex::new(state), tell }
    }

    /// The models folder.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is.
    pub fn list(&self) -> Result<ModelList, Problem> {
        self.list_of(&self.state())
    }

    fn list_of(&self, state: &State) -> Result<ModelList, Problem> {
        let transfers = state.transfers.values().map(|running| running.transfer.clone()).collect();
        list(&self.store, &state.hub, transfers, &state.active)
    }

    /// Tells the whole list. A models folder that cannot be read is told where a person asks for it.
    fn tell_list(&self, state: &State) {
        if let Ok(list) = self.list_of(state) {
            (self.tell)(WorkbenchEvent::ModelsChanged { list: Box::new(list) });
        }
    }

    /// Notes which model computes.
    pub fn set_active(&self, name: &str) {
        let mut state = self.state();
        if state.active != name {
            name.clone_into(&mut state.active);
            self.tell_list(&state);
        }
    }

    /// Downloads come from here from now on.
    pub fn set_hub(&self, hub: Hub) -> Result<(), Problem> {
        hub.check()?;
        let mut state = self.state();
        state.hub = hub;
        self.tell_list(&state);
        Ok(())
    }

    /// Begins to download a model of the catalogue, or goes on with it. How it goes comes as events.
    pub fn pull(self: &Arc<Self>, name: &str) -> Result<(), Problem> {
        let halt = Halt::default();
        let (recipe, hub) = {
            let mut state = self.state();
            let recipe = match recipe(name, &state.hub) {
                // What an earlier run left of a repository that is not in the catalogue goes by its name alone.
                Err(_) if state.transfers.contains_key(name) => recipe(&format!("{REPO_PREFIX}{name}"), &state.hub)?,
                other => other?,
            };
            self.begin(&mut state, &recipe.name, &halt)?;
            (recipe, state.hub.clone())
        };
        let (models, name) = (self.clone(), recipe.name.clone());
        let work = move || {
            let outcome = match models.turn(&recipe.name, &halt) {
                Ok(()) => models.store.pull(&recipe, &hub, &models.patience, &halt, &mut |now| models.note(now)),
                Err(Stop::Pause) => Ok(Outcome::Paused),
                Err(Stop::Cancel) => models.store.discard(&recipe.name).map(|()| Outcome::Cancelled),
            };
            models.end(&recipe.name, &outcome);
        };
        let thread = std::thread::Builder::new().name("download".into()).spawn(work);
        thread.map(drop).map_err(|error| {
            let problem = Problem::internal(&format!("no thread for a download: {error}"));
            self.end(&name, &Err(problem.clone()));
            problem
        })
    }

    /// Makes a checkpoint of this machine an installed model. Returns when it is there, with its name; none if it was
    /// cancelled.
    pub fn import(&self, import: &Import) -> Result<Option<String>, Problem> {
        let (name, halt) = (import.name(), Halt::default());
        self.begin(&mut self.state(), &name, &halt)?;
        let outcome = match self.turn(&name, &halt) {
            Ok(()) => self.store.import(import, &halt, &mut |now| self.note(now)),
            Err(_) => Ok(Outcome::Cancelled),
        };
        self.end(&name, &outcome);
        // A copy that failed leaves nothing to go on with.
        self.forget(&name);
        outcome.map(|outcome| matches!(outcome, Outcome::Installed(_)).then_some(name))
    }

    /// Stops a transfer and keeps what has arrived.
    pub fn pause(&self, name: &str) {
        if let Some(running) = self.state().transfers.get(name) {
            running.halt.ask(Stop::Pause);
        }
    }

    /// Stops a transfer and removes what has arrived.
    pub fn cancel(&self, name: &str) -> Result<(), Problem> {
        match self.state().transfers.get(name) {
            Some(running) if running.is_running => {
                running.halt.ask(Stop::Cancel);
                return Ok(());
            }
            Some(_) => {}
            None => return Ok(()),
        }
        self.store.discard(name)?;
        self.forget(name);
        Ok(())
    }

    /// Stops every transfer, for a program that ends.
    pub fn pause_all(&self) {
        self.state().transfers.values().for_each(|running| running.halt.ask(Stop::Pause));
    }

    /// Removes an installed model, unless it computes.
    pub fn remove(&self, name: &str) -> Result<(), Problem> {
        let state = self.state();
        if state.active == name {
            let message = format!("{name} was not removed: it computes now. Switch to another model first.");
            return Err(Problem::new(ProblemCode::ModelInUse, &[("name", name)], message));
        }
        self.store.remove(name)?;
        self.tell_list(&state);
        Ok(())
    }

    fn begin(&self, state: &mut State, name: &str, halt: &Halt) -> Result<(), Problem> {
        if state.transfers.get(name).is_some_and(|running| running.is_running) {
            let message = format!("{name} is being downloaded or copied already.");
            return Err(Problem::new(ProblemCode::ModelBusy, &[("name", name)], message));
        }
        let before = state.transfers.remove(name).map(|running| running.transfer);
        let begun = Transfer {
            state: TransferState::Waiting,
            problem: None,
            ..before.unwrap_or_else(|| transfer(name, TransferState::Waiting))
        };
        let running = Running { transfer: begun, halt: halt.clone(), is_running: true, has_turn: false };
        state.transfers.insert(name.to_owned(), running);
        self.tell_list(state);
        Ok(())
    }

    /// Waits until not too many others are at work.
    fn turn(&self, name: &str, halt: &Halt) -> Result<(), Stop> {
        loop {
            {
                let mut state = self.state();
                let busy = state.transfers.values().filter(|running| running.is_running && running.has_turn).count();
                if busy < AT_ONCE
                    && let Some(running) = state.transfers.get_mut(name)
                {
                    running.has_turn = true;
                    return halt.check();
                }
            }
            halt.sleep(TURN_INTERVAL)?;
        }
    }

    fn note(&self, now: &Transfer) {
        let mut state = self.state();
        let Some(running) = state.transfers.get_mut(&now.name) else { return };
        running.transfer = now.clone();
        (self.tell)(WorkbenchEvent::TransferProgress { transfer: now.clone() });
    }

    fn end(&self, name: &str, outcome: &Result<Outcome, Problem>) {
        let mut state = self.state();
        let Some(running) = state.transfers.get_mut(name) else { return };
        (running.is_running, running.has_turn) = (false, false);
        match outcome {
            Ok(Outcome::Paused) => running.transfer.state = TransferState::Paused,
            Ok(Outcome::Installed(_) | Outcome::Cancelled) => drop(state.transfers.remove(name)),
            Err(problem) => {
                running.transfer.state = TransferState::Failed;
                running.transfer.problem = Some(problem.clone());
            }
        }
        self.tell_list(&state);
    }

    fn forget(&self, name: &str) {
        let mut state = self.state();
        if state.transfers.remove(name).is_some() {
            self.tell_list(&state);
        }
    }
}

/// How the model is made that `name` means: one of the catalogue in any spelling, or `hf-hub:` and a repository.
pub fn recipe(name: &str, hub: &Hub) -> Result<Recipe, Problem> {
    if let Some(entry) = Catalogue::get().find(name) {
        let Some(cause) = unsupported(entry) else { return Ok(Recipe::of(entry, hub)) };
        let name = &entry.name;
        let message = format!("{name} was not downloaded: {cause} is not supported. Choose another model.");
        return Err(Problem::new(ProblemCode::ModelUnsupported, &[("path", name), ("cause", cause)], message));
    }
    let repo = name.trim().strip_prefix(REPO_PREFIX).map(|repo| repo.trim_matches('/'));
    let repo = repo.filter(|repo| repo.split('/').count() == 2).ok_or_else(|| unknown(name))?;
    folder_name(repo)?;
    Ok(Recipe::of_repo(repo, hub))
}

/// There is no model of that name.
pub fn unknown(name: &str) -> Problem {
    let message = format!(
        "there is no model called {name:?}: it is neither `{}`, nor installed, nor a path, nor in the catalogue. \
         `cliploupe-cli models list WORDS` searches.",
        assets::EMBEDDED_MODEL
    );
    Problem::new(ProblemCode::ModelUnknown, &[("name", name)], message)
}

/// What the engine does not take of an entry's configuration, asked of the engine itself.
pub fn unsupported(entry: &Entry) -> Option<&'static str> {
    static REFUSALS: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
        let catalogue = Catalogue::get();
        let refusal = |entry: &Entry| {
            let model_cfg = catalogue.open_clip_config(entry)["model_cfg"].take();
            match ClipConfig::from_open_clip(model_cfg, Files::Disk, Path::new("open_clip_config.json"), None) {
                Err(LoadError::Unsupported { what, .. } | LoadError::Impossible { what, .. }) => Some(what),
                Err(LoadError::Config { source, .. }) => Some(source.to_string()),
                // A text tower's own configuration is fetched with the model.
                Ok(_) | Err(_) => None,
            }
        };
        let refused = |entry: &'static Entry| Some((entry.name.as_str(), refusal(entry)?));
        catalogue.models.iter().filter_map(refused).collect()
    });
    REFUSALS.get(entry.name.as_str()).map(String::as_str)
}

/// Everything there is: the embedded model, the installed ones, then the catalogue in its order.
pub fn list(store: &Store, hub: &Hub, transfers: Vec<Transfer>, active: &str) -> Result<ModelList, Problem> {
    let (installed, _) = store.list()?;
    let mut transfers: BTreeMap<String, Transfer> =
        transfers.into_iter().map(|transfer| (transfer.name.clone(), transfer)).collect();
    let mut models = vec![embedded()];
    for model in &installed {
        let mut row = match Catalogue::get().models.iter().find(|entry| entry.name == model.record.name) {
            Some(entry) => of_entry(entry, hub),
            None => unlisted(&model.record.name),
        };
        row.state = ModelState::Installed;
        row.licence = row.licence.or_else(|| model.record.licence.clone());
        row.bytes = Some(model.record.bytes());
        row.installed = Some(model.describe());
        // What was once imported under a catalogue's name comes from where it was imported from.
        row.source = Some(model.record.origin.clone());
        models.push(row);
    }
    let is_new = |name: &str| installed.iter().all(|model| model.record.name != name);
    for entry in Catalogue::get().models.iter().filter(|entry| is_new(&entry.name)) {
        let row = of_entry(entry, hub);
        models.push(with_transfer(row, transfers.remove(&entry.name)));
    }
    // Copies under names that are not in the catalogue.
    for (name, transfer) in transfers.into_iter().filter(|(name, _)| is_new(name)) {
        models.push(with_transfer(unlisted(&name), Some(transfer)));
    }
    for model in &mut models {
        model.active = model.name == active;
    }
    let (folder, free_bytes) = (store.root().display().to_string(), store.free_bytes());
    Ok(ModelList { models, folder, free_bytes, hub: hub.describe() })
}

fn with_transfer(mut row: CatalogueModel, transfer: Option<Transfer>) -> CatalogueModel {
    row.state = match transfer.as_ref().map(|transfer| transfer.state) {
        None => row.state,
        Some(TransferState::Paused) => ModelState::Paused,
        Some(TransferState::Failed) => ModelState::Failed,
        Some(_) => ModelState::Downloading,
    };
    row.transfer = transfer;
    row
}

fn embedded() -> CatalogueModel {
    CatalogueModel {
        state: ModelState::Embedded,
        bytes: Some(assets::embedded_bytes()),
        licence: Some(assets::EMBEDDED_LICENCE.to_owned()),
        noncommercial: Some(false),
        ..unlisted(assets::EMBEDDED_MODEL)
    }
}

/// A model of which nothing is known but its name.
fn unlisted(name: &str) -> CatalogueModel {
    CatalogueModel {
        name: name.to_owned(),
        model: None,
        tag: None,
        group: None,
        state: ModelState::Available,
        active: false,
        image_size: None,
        embed_dim: None,
        parameters: None,
        bytes: None,
        imagenet_top1: None,
        licence: None,
        noncommercial: None,
        language: None,
        recommended: None,
        why: None,
        note: None,
        source: None,
        page: None,
        unsupported: None,
        installed: None,
        transfer: None,
    }
}

fn of_entry(entry: &Entry, hub: &Hub) -> CatalogueModel {
    CatalogueModel {
        model: Some(entry.model.clone()),
        tag: Some(entry.tag.clone()),
        group: Some(entry.group.clone()),
        image_size: Some([entry.image_size; 2]),
        embed_dim: Some(entry.embed_dim),
        parameters: Some(entry.parameters),
        bytes: Some(entry.bytes_f32),
        imagenet_top1: entry.imagenet_top1,
        licence: entry.licence.clone(),
        noncommercial: entry.noncommercial,
        language: Some(entry.language.clone()),
        recommended: entry.recommended.map(Purpose::name),
        why: entry.why.clone(),
        note: entry.note.clone(),
        source: Some(match &entry.source {
            Source::Hub(source) => source.repo.clone(),
            Source::Url(source) => source.address.clone(),
        }),
        page: entry.repo().map(|repo| hub.page(repo)),
        unsupported: unsupported(entry).map(str::to_owned),
        ..unlisted(&entry.name)
    }
}

/// The installed model of a name in any of its spellings.
pub fn installed(store: &Store, name: &str) -> Option<Installed> {
    let name = name.trim();
    let repo = || store.find(name.strip_prefix(REPO_PREFIX)?);
    store.find(name).or_else(|| store.find(&Catalogue::get().find(name)?.name)).or_else(repo)
}
