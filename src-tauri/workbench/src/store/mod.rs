//! The models folder: what is installed there, how it gets there, and how it goes.
//!
//! ```text
//! models/
//!   ViT-B-32-laion2b_s34b_b79k/      a checkpoint in open_clip's or transformers' own layout, and `cliploupe.json`
//!   .incoming/NAME/                  a download or copy that is not finished; nothing of it is visible as a model
//!   .incoming/NAME.json              what is known of it, so that a later run goes on
//!   .incoming/NAME.lock              held while one program works on it
//! ```
//! A model appears by one rename, once all its files have the right size and hash, lie safely on the disk, and load.

mod download;
mod error;
mod halt;
mod http;
mod hub;
mod import;
mod journal;
mod meter;
mod names;
mod pull;
mod recipe;
mod record;
mod strict;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use self::journal::Journal;
pub use self::{
    download::{hash_all, hex, sha256},
    error::{DownloadError, size},
    halt::{Halt, Stop},
    http::Patience,
    hub::{DEFAULT_ENDPOINT, Hub},
    import::Import,
    meter::transfer,
    names::{folder_name, name_of},
    pull::Outcome,
    recipe::{Address, Place, REPO_PREFIX, Recipe, RemoteFile},
    record::{InPlace, RECORD, Record, RecordFile},
};
use crate::messages::{InstalledModel, Problem, ProblemCode, Transfer, TransferState};

/// Names the folder of models where a person or a test wants another one.
pub const FOLDER_VARIABLE: &str = "CLIPLOUPE_MODELS";
const INCOMING: &str = ".incoming";
const REMOVED: &str = ".removed-";

type FreeSpace = Arc<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// The models folder.
#[derive(Clone)]
pub struct Store {
    root: PathBuf,
    free_space: FreeSpace,
}

/// A model that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its record.
    pub record: Record,
    /// Its folder below the models folder; a model that was imported in place has only its record there.
    pub folder: PathBuf,
}

impl Installed {
    /// The checkpoint: a folder, or a weights file.
    pub fn path(&self) -> &Path {
        self.record.in_place.as_ref().map_or(&self.folder, |place| &place.path)
    }

    /// Where its files lie.
    pub fn files_folder(&self) -> &Path {
        let path = self.path();
        if path.is_file() { path.parent().unwrap_or(path) } else { path }
    }

    /// Its configuration, where that does not lie with it.
    pub fn config(&self) -> Option<&Path> {
        self.record.in_place.as_ref()?.config.as_deref()
    }

    /// For the screen.
    pub fn describe(&self) -> InstalledModel {
        let record = &self.record;
        let problem = (!self.path().exists()).then(|| {
            let path = self.path().display().to_string();
            let message = format!("{} is no longer at {path:?}. Put it back, or remove the model.", record.name);
            Problem::new(ProblemCode::ModelFolder, &[("path", &path), ("cause", "it is no longer there")], message)
        });
        InstalledModel {
            name: record.name.clone(),
            path: self.path().display().to_string(),
            in_place: record.in_place.is_some(),
            origin: record.origin.clone(),
            bytes: record.bytes(),
            installed_ms: record.installed_ms,
            sha256: record.sha256(),
            files: record.files.iter().cloned().map(Into::into).collect(),
            licence: record.licence.clone(),
            problem,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Store {
    /// The models folder at `root`, which need not be there yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), free_space: Arc::new(|path| fs4::available_space(path)) }
    }

    /// The person's own: `CLIPLOUPE_MODELS`, else `models` in the platform's data directory.
    pub fn of_user() -> Result<Self, Problem> {
        if let Some(root) = std::env::var_os(FOLDER_VARIABLE).filter(|root| !root.is_empty()) {
            return Ok(Self::at(root));
        }
        let dirs = directories::ProjectDirs::from("", "", "Cliploupe").ok_or_else(|| {
            let cause = format!("this account has no home folder; set {FOLDER_VARIABLE} to a folder for models");
            Problem::new(ProblemCode::ModelStore, &[("path", ""), ("cause", &cause)], cause.clone())
        })?;
        Ok(Self::at(dirs.data_dir().join("models")))
    }

    /// Asks `free_space` for the free bytes of a folder's disk, instead of the system.
    pub fn with_free_space(self, free_space: impl Fn(&Path) -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self { free_space: Arc::new(free_space), ..self }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Free bytes on its disk, where the system tells.
    pub fn free_bytes(&self) -> Option<u64> {
        let existing = self.root.ancestors().find(|path| path.is_dir())?;
        (self.free_space)(existing).ok()
    }

    /// Every installed model by name, and what is wrong with records that cannot be read.
    pub fn list(&self) -> Result<(Vec<Installed>, Vec<Problem>), Problem> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(self.problem("cannot read the models folder", &self.root, &error)),
        };
        let (mut models, mut problems) = (Vec::new(), Vec::new());
        for entry in entries.filter_map(Result::ok) {
            let folder = entry.path();
            // Folders without a record are somebody else's.
            if entry.file_name().to_string_lossy().starts_with('.') || !folder.join(RECORD).is_file() {
                continue;
            }
            match Record::read(&folder) {
                Ok(record) => models.push(Installed { record, folder }),
                Err(error) => problems.push(self.problem("cannot use the record of a model in", &folder, &error)),
            }
        }
        models.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        Ok((models, problems))
    }

    /// The installed model called `name`.
    pub fn find(&self, name: &str) -> Option<Installed> {
        let folder = self.root.join(folder_name(name).ok()?);
        let record = Record::read(&folder).ok()?;
        (record.name == name).then_some(Installed { record, folder })
    }

    /// Downloads and copies that were begun and not finished, and that no program works on.
    pub fn unfinished(&self) -> Vec<Transfer> {
        let entries = fs::read_dir(self.incoming()).into_iter().flatten().filter_map(Result::ok);
        let mut found: Vec<Transfer> = entries
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|entry| Journal::read(&entry.path()))
            .filter(|journal| folder_name(&journal.name).is_ok() && self.find(&journal.name).is_none())
            .map(|journal| {
                let folder = self.incoming().join(folder_name(&journal.name).unwrap_or_default());
                let received = folder_bytes(&folder);
                Transfer { received, total: journal.total, ..transfer(&journal.name, TransferState::Paused) }
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Removes what has arrived of a download that nobody works on.
    pub fn discard(&self, name: &str) -> Result<(), Problem> {
        let lock = self.lock(name)?;
        self.discard_locked(&lock)
    }

    /// Removes an installed model: its folder with its record, or only the record where the files are a person's own.
    pub fn remove(&self, name: &str) -> Result<(), Problem> {
        let _lock = self.lock(name)?;
        let Some(installed) = self.find(name) else {
            let message = format!("there is no installed model called {name:?}. See `models list --installed`.");
            return Err(Problem::new(ProblemCode::ModelUnknown, &[("name", name)], message));
        };
        let failed = |error: &io::Error| self.problem("cannot remove", &installed.folder, error);
        let is_link = fs::symlink_metadata(&installed.folder).map_err(|error| failed(&error))?.is_symlink();
        if is_link {
            return Err(failed(&io::Error::other("it is a link to a folder elsewhere; remove the link by hand")));
        }
        if installed.record.in_place.is_some() {
            // The folder is ours, but whatever else a person put there is not.
            fs::remove_file(installed.folder.join(RECORD)).map_err(|error| failed(&error))?;
            let _ = fs::remove_dir(&installed.folder);
            return Ok(());
        }
        // It vanishes at once, however long it takes to delete gigabytes, and whatever comes in between.
        let folder = folder_name(name)?;
        let going = self.root.join(format!("{REMOVED}{folder}-{}", std::process::id()));
        fs::rename(&installed.folder, &going).map_err(|error| failed(&error))?;
        fs::remove_dir_all(&going).map_err(|error| failed(&error))
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    fn problem(&self, doing: &str, path: &Path, error: &io::Error) -> Problem {
        Problem::file(ProblemCode::ModelStore, doing, path, error)
    }

    /// Makes sure that nobody else works on `name`, in this program or another.
    fn lock(&self, name: &str) -> Result<Lock, Problem> {
        let folder = folder_name(name)?;
        let incoming = self.incoming();
        fs::create_dir_all(&incoming)
            .map_err(|error| self.problem("cannot make the models folder", &incoming, &error))?;
        let path = incoming.join(format!("{folder}.lock"));
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(|error| self.problem("cannot open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { name: name.to_owned(), folder, path, file: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                let message =
                    format!("{name} is being downloaded, copied or removed already, here or by another program.");
                Err(Problem::new(ProblemCode::ModelBusy, &[("name", name)], message))
            }
            Err(TryLockError::Error(error)) => Err(self.problem("cannot lock", &path, &error)),
        }
    }

    fn discard_locked(&self, lock: &Lock) -> Result<(), Problem> {
        let folder = self.incoming().join(&lock.folder);
        for result in [fs::remove_dir_all(&folder), fs::remove_file(self.journal_path(lock))] {
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.problem("cannot remove", &folder, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn journal_path(&self, lock: &Lock) -> PathBuf {
        self.incoming().join(format!("{}.json", lock.folder))
    }

    /// The folder a model will have, if nothing is there.
    fn free_place(&self, lock: &Lock) -> Result<PathBuf, Problem> {
        let target = self.root.join(&lock.folder);
        if fs::symlink_metadata(&target).is_err() {
            return Ok(target);
        }
        let (name, path) = (&lock.name, target.display().to_string());
        let message =
            format!("there is a model called {name} already, in {path:?}. Remove it first, or take another name.");
        Err(Problem::new(ProblemCode::ModelExists, &[("name", name), ("path", &path)], message))
    }

    /// Refuses what would not fit, with a twentieth to spare.
    fn require_space(&self, needed: u64) -> Result<(), DownloadError> {
        let needed = needed + needed / 20;
        let free =
            (self.free_space)(&self.root).map_err(DownloadError::disk("ask for the free space of", &self.root))?;
        if needed > free {
            return Err(DownloadError::Space { needed, free, path: self.root.clone() });
        }
        Ok(())
    }

    /// Makes a finished folder visible, all at once.
    fn install(&self, lock: &Lock, record: Record) -> Result<Installed, DownloadError> {
        let incoming = self.incoming().join(&lock.folder);
        record.write(&incoming).map_err(DownloadError::disk("write the record in", &incoming))?;
        let target = self.free_place(lock)?;
        sync_folder(&incoming).map_err(DownloadError::disk("write", &incoming))?;
        fs::rename(&incoming, &target).map_err(DownloadError::disk("make", &target))?;
        sync_folder(&self.root).map_err(DownloadError::disk("write", &self.root))?;
        let _ = fs::remove_file(self.journal_path(lock));
        Ok(Installed { record, folder: target })
    }
}

/// Bytes of the files in a folder, without those below it.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.metadata().ok()).filter(|data| data.is_file()).map(|data| data.len()).sum()
}

/// Makes a rename last over a power failure, where the system lets one ask for it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Held while a program works on a model.
struct Lock {
    name: String,
    folder: String,
    path: PathBuf,
    file: Option<File>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Some systems remove no open file. Whoever opened it meanwhile meets the finished model.
        drop(self.file.take());
        let _ = fs::remove_file(&self.path);
    }
}
