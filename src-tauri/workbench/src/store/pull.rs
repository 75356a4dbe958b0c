//! A whole model from the hub into the models folder.

use std::{fs, path::PathBuf};

use super::{
    DownloadError, Halt, Hub, Installed, Lock, Patience, Recipe, Record, RecordFile, RemoteFile, Stop, Store,
    download::{Fetch, Step, sha256},
    http::Client,
    journal::{FileState, Journal},
    meter::Meter,
    strict,
};
use cliploupe_library::whole_file;

use crate::messages::{Problem, Transfer, TransferState};

/// How a download ended, if nothing went wrong.
#[derive(Debug)]
pub enum Outcome {
    /// The model is there.
    Installed(Box<Installed>),
    /// A person stopped it; what has arrived is kept.
    Paused,
    /// A person stopped it; nothing is kept.
    Cancelled,
}

impl Outcome {
    /// How a download or a copy ended, which the meter's onlooker hears too. `page` is where a licence is accepted.
    pub(super) fn of(
        result: Result<Installed, DownloadError>,
        name: &str,
        page: Option<&str>,
        meter: &mut Meter,
    ) -> Result<Self, Problem> {
        let (state, outcome) = match result {
            Ok(installed) => (TransferState::Done, Self::Installed(Box::new(installed))),
            Err(DownloadError::Stopped(Stop::Pause)) => (TransferState::Paused, Self::Paused),
            Err(DownloadError::Stopped(Stop::Cancel)) => (TransferState::Cancelled, Self::Cancelled),
            Err(error) => {
                let problem = error.problem(name, page);
                meter.state(TransferState::Failed, Some(problem.clone()));
                return Err(problem);
            }
        };
        meter.state(state, None);
        Ok(outcome)
    }
}

/// A file whose place is known.
struct Planned<'a> {
    name: &'a str,
    published: Option<&'a str>,
    limit: u64,
    is_weights: bool,
    /// Until a server says more.
    estimate: Option<u64>,
}

struct Pull<'a> {
    store: &'a Store,
    recipe: &'a Recipe,
    hub: &'a Hub,
    patience: &'a Patience,
    halt: &'a Halt,
    client: Client,
    incoming: PathBuf,
    journal: Journal,
    journal_path: PathBuf,
}

impl Store {
    /// Downloads a model, or goes on downloading it, and installs it. `tell` hears how it goes.
    pub fn pull(
        &self,
        recipe: &Recipe,
        hub: &Hub,
        patience: &Patience,
        halt: &Halt,
        tell: &mut dyn FnMut(&Transfer),
    ) -> Result<Outcome, Problem> {
        let mut meter = Meter::new(&recipe.name, tell);
        let result = self.lock(&recipe.name).map_err(DownloadError::from).and_then(|lock| {
            let result = self.pull_locked(&lock, recipe, hub, patience, halt, &mut meter);
            if let Err(DownloadError::Stopped(Stop::Cancel)) = result {
                self.discard_locked(&lock)?;
            }
            result
        });
        Outcome::of(result, &recipe.name, recipe.page.as_deref(), &mut meter)
    }

    fn pull_locked(
        &self,
        lock: &Lock,
        recipe: &Recipe,
        hub: &Hub,
        patience: &Patience,
        halt: &Halt,
        meter: &mut Meter,
    ) -> Result<Installed, DownloadError> {
        self.free_place(lock)?;
        hub.check()?;
        let incoming = self.incoming().join(&lock.folder);
        fs::create_dir_all(&incoming).map_err(DownloadError::disk("make", &incoming))?;
        let journal_path = self.journal_path(lock);
        let journal = Journal::read(&journal_path).filter(|journal| journal.name == recipe.name).unwrap_or_default();
        let client = Client::new(hub, patience, halt);
        let mut pull = Pull { store: self, recipe, hub, patience, halt, client, incoming, journal, journal_path };
        pull.journal.name.clone_from(&recipe.name);
        let planned = pull.plan(meter)?;
        let files = pull.fetch_all(&planned, meter)?;
        meter.state(TransferState::Checking, None);
        pull.install(lock, files)
    }
}

impl<'a> Pull<'a> {
    fn save(&self) -> Result<(), DownloadError> {
        self.journal.write(&self.journal_path).map_err(DownloadError::disk("write", &self.journal_path))
    }

    /// Asks which of the places of each file there are, and how much they hold.
    fn plan(&mut self, meter: &mut Meter) -> Result<Vec<Planned<'a>>, DownloadError> {
        let mut planned = Vec::new();
        for file in &self.recipe.files {
            planned.extend(self.place(file, meter)?);
        }
        // Files of an earlier try from other places are in the way.
        self.journal.files.retain(|name, _| planned.iter().any(|file| file.name == name));
        self.remove_strangers()?;
        self.journal.total = self.total(&planned);
        meter.total(self.journal.total);
        self.save()?;
        Ok(planned)
    }

    /// The first place that has the file; `None` for one that the model can do without.
    fn place(&mut self, file: &'a RemoteFile, meter: &mut Meter) -> Result<Option<Planned<'a>>, DownloadError> {
        let mut host = String::new();
        for place in &file.places {
            let url = place.address.url(self.hub);
            let planned = Planned {
                name: &place.name,
                published: place.sha256.as_deref(),
                limit: file.limit(),
                is_weights: file.is_weights,
                estimate: file.bytes,
            };
            let part = self.incoming.join(format!("{}.part", place.name));
            let is_here = |state: &FileState| state.url == url && (state.done || part.exists());
            if self.journal.files.get(&place.name).is_some_and(is_here) {
                return Ok(Some(planned));
            }
            let answer = match self.patiently(meter, || self.client.head(&url)) {
                Ok(answer) => answer,
                Err(error) if error.is_missing() => {
                    if let DownloadError::Status { host: asked, .. } = error {
                        host = asked;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let state = self.journal.files.entry(place.name.clone()).or_default();
            // With its hash known, a file can be gone on with at another mirror: the end will tell.
            let said = &answer.linked.sha256;
            let is_same =
                place.address.is_at(&state.url) && state.sha256.is_some() && (said.is_none() || *said == state.sha256);
            if is_same {
                (state.url, state.etag) = (url, None);
            } else if state.url != url {
                *state = FileState { url, ..FileState::default() };
                if part.exists() {
                    fs::remove_file(&part).map_err(DownloadError::disk("remove", &part))?;
                }
            }
            // Only the hub's own words count before the file itself is asked for: what is behind it may lie.
            if state.bytes.is_none() {
                state.bytes = answer.linked.bytes;
            }
            let estimate = state.bytes.or(answer.length()).or(file.bytes);
            return Ok(Some(Planned { estimate, ..planned }));
        }
        if file.optional {
            return Ok(None);
        }
        let names: Vec<&str> = file.places.iter().map(|place| place.address.file_name()).collect();
        Err(DownloadError::Missing { host, file: names.join(", ") })
    }

    fn patiently<T>(
        &self,
        meter: &mut Meter,
        mut ask: impl FnMut() -> Result<T, DownloadError>,
    ) -> Result<T, DownloadError> {
        let mut failures = 0;
        loop {
            self.halt.check()?;
            let error = match ask() {
                Ok(value) => {
                    meter.state(TransferState::Connecting, None);
                    return Ok(value);
                }
                Err(error) => error,
            };
            self.halt.check()?;
            failures += 1;
            if !error.is_transient() || failures >= self.patience.tries {
                return Err(error);
            }
            meter.state(TransferState::Retrying, Some(error.problem(&self.recipe.name, self.recipe.page.as_deref())));
            self.halt.sleep(self.patience.wait(failures, error.retry_after()))?;
        }
    }

    fn remove_strangers(&self) -> Result<(), DownloadError> {
        for entry in fs::read_dir(&self.incoming).into_iter().flatten().filter_map(Result::ok) {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            let known = self.journal.files.contains_key(name.strip_suffix(".part").unwrap_or(&name));
            if !known && path.is_file() {
                fs::remove_file(&path).map_err(DownloadError::disk("remove", &path))?;
            }
        }
        Ok(())
    }

    fn size_of(&self, file: &Planned) -> Option<u64> {
        self.journal.files.get(file.name).and_then(|state| state.bytes).or(file.estimate)
    }

    fn total(&self, planned: &[Planned]) -> Option<u64> {
        planned.iter().map(|file| self.size_of(file)).sum()
    }

    /// Bytes of a file that are here, whole or not.
    fn here(&self, name: &str) -> u64 {
        let length = |name: &str| fs::metadata(self.incoming.join(name)).map_or(0, |data| data.len());
        length(name).max(length(&format!("{name}.part")))
    }

    fn fetch_all(&mut self, planned: &[Planned], meter: &mut Meter) -> Result<Vec<RecordFile>, DownloadError> {
        let here: u64 = planned.iter().map(|file| self.here(file.name)).sum();
        let wanted: u64 = planned.iter().filter_map(|file| self.size_of(file)).sum();
        self.store.require_space(wanted.saturating_sub(here))?;
        let mut files = Vec::new();
        for file in planned {
            // A model that cannot be used is refused before its weights are fetched.
            if file.is_weights {
                files.extend(self.write_files(planned)?);
                strict::check_config(&self.incoming)?;
            }
            files.push(self.fetch(file, planned, meter)?);
        }
        Ok(files)
    }

    fn fetch(&mut self, file: &Planned, all: &[Planned], meter: &mut Meter) -> Result<RecordFile, DownloadError> {
        let mut state = self.journal.files.get(file.name).cloned().unwrap_or_default();
        meter.file(file.name);
        if let Some(done) = self.done(file, &state) {
            return Ok(done);
        }
        let others: u64 = all.iter().filter(|other| other.name != file.name).map(|other| self.here(other.name)).sum();
        let request = Fetch {
            client: &self.client.clone(),
            halt: self.halt,
            patience: self.patience,
            folder: &self.incoming.clone(),
            name: file.name,
            published: file.published,
            limit: file.limit,
        };
        let (name, page) = (&self.recipe.name, self.recipe.page.as_deref());
        meter.state(TransferState::Receiving, None);
        let result = request.run(&mut state, &mut |step| {
            match step {
                Step::Received(bytes) => {
                    meter.state(TransferState::Receiving, None);
                    meter.received(others + bytes);
                }
                Step::Retrying(error) => meter.state(TransferState::Retrying, Some(error.problem(name, page))),
                Step::Noted(state) => {
                    self.journal.files.insert(file.name.to_owned(), state.clone());
                    self.journal.total = self.total(all);
                    meter.total(self.journal.total);
                    self.save()?;
                }
            }
            Ok(())
        });
        self.journal.files.insert(file.name.to_owned(), state);
        self.save()?;
        result
    }

    /// A file that an earlier run finished and checked.
    fn done(&self, file: &Planned, state: &FileState) -> Option<RecordFile> {
        let bytes = fs::metadata(self.incoming.join(file.name)).ok()?.len();
        let sha256 = state.sha256.clone().filter(|_| state.done && state.bytes == Some(bytes))?;
        Some(RecordFile { name: file.name.to_owned(), bytes, sha256 })
    }

    fn install(&self, lock: &Lock, files: Vec<RecordFile>) -> Result<Installed, DownloadError> {
        let weights = strict::check_folder(&self.incoming)?;
        self.halt.check()?;
        let mut record = Record::new(&self.recipe.name, self.recipe.origin.clone(), weights, files);
        record.licence.clone_from(&self.recipe.licence);
        self.store.install(lock, record)
    }

    /// Files that are made and not fetched.
    fn write_files(&self, planned: &[Planned]) -> Result<Vec<RecordFile>, DownloadError> {
        let is_fetched = |name: &str| planned.iter().any(|file| file.name == name);
        let missing = self.recipe.written.iter().filter(|(name, _)| !is_fetched(name));
        missing
            .map(|(name, json)| {
                let path = self.incoming.join(name);
                let bytes = format!("{json:#}\n").into_bytes();
                whole_file::write(&path, &bytes).map_err(DownloadError::disk("write", &path))?;
                Ok(RecordFile { name: name.clone(), bytes: bytes.len() as u64, sha256: sha256(&bytes) })
            })
            .collect()
    }
}
