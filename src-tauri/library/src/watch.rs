//! Watches folders through the system's notifier, and through a look at each folder every few seconds, because a notifier
//! does not say that a drive came back.
//!
//! What it says is a hint to look again, never the truth: notifiers lose events. The truth is a scan with
//! [`reconcile`](crate::files::reconcile), which the caller runs at its start and whenever a [`Change::Rescan`] comes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use notify_debouncer_full::{
    DebounceEventResult, DebouncedEvent, Debouncer, NoCache,
    file_id::{FileId, get_file_id},
    new_debouncer_opt,
    notify::{
        self, EventKind, RecommendedWatcher, RecursiveMode,
        event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind},
    },
};

use crate::LibraryError;

/// What happened in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// These paths are new, were changed, or are gone; one that is gone may have been a folder
    /// ([`mark_missing`](crate::files::mark_missing) takes both).
    Paths(Vec<PathBuf>),
    /// Something happened in this folder or below it, or events were lost; or the watched folder itself went or came back.
    Rescan(PathBuf),
    /// The system does not tell of changes in this folder, so it has to be scanned from time to time.
    Unwatched {
        /// Which.
        folder: PathBuf,
        /// Why, as the system says it.
        cause: String,
    },
}

/// How patient a watcher is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a file must be left alone before it is told of: programs write in many steps.
    pub settle: Duration,
    /// How often it is looked whether watched folders are still the same ones.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { settle: Duration::from_secs(2), look: Duration::from_secs(5) }
    }
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Who hears of changes; on threads of the watcher.
type OnChange = Arc<dyn Fn(Change) + Send + Sync>;

impl Watcher {
    /// Watches folders, given by absolute paths, with all that is below them. One that is not there is watched once it is.
    ///
    /// # Errors
    /// If the system has no notifier to give.
    pub fn new(
        folders: Vec<PathBuf>,
        pace: Pace,
        on_change: impl Fn(Change) + Send + Sync + 'static,
    ) -> Result<Self, LibraryError> {
        let on_change: OnChange = Arc::new(on_change);
        let gone: Gone = Gone::default();
        let (tell, told_gone, paths) = (Arc::clone(&on_change), Arc::clone(&gone), folders.clone());
        let roots: Vec<Root> =
            folders.into_iter().map(|path| Root { path, watched: None, is_refused: false }).collect();
        let heard = move |result: DebounceEventResult| {
            note_gone(&result, &paths, &told_gone);
            changes(result, &paths).into_iter().for_each(|change| tell(change));
        };
        // Renames are known by content, so no file's number has to be kept.
        let notifier: Notifier = new_debouncer_opt(pace.settle, None, heard, NoCache, notify::Config::default())
            .map_err(|error| LibraryError::Refused(format!("the system does not tell of changes to files: {error}")))?;
        let (stop, stopped) = mpsc::channel();
        let mut watching = Watching { notifier, roots, gone, on_change };
        watching.look(true);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(pace.look) == Err(RecvTimeoutError::Timeout) {
                watching.look(false);
            }
            watching.notifier.stop();
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watcher {
    /// After this nothing is told any more.
    fn drop(&mut self) {
        self.stop.take();
        // It fails only if a listener panicked, which was said where it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Watched folders that the system said are gone. One that was made anew since can have the old one's number.
type Gone = Arc<Mutex<BTreeSet<PathBuf>>>;

fn note_gone(result: &DebounceEventResult, roots: &[PathBuf], gone: &Gone) {
    let is_end =
        |event: &&DebouncedEvent| matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    let ended = result.iter().flatten().filter(is_end).flat_map(|event| &event.paths);
    let mut gone = gone.lock().unwrap_or_else(PoisonError::into_inner);
    gone.extend(ended.filter(|path| roots.contains(path)).cloned());
}

type Notifier = Debouncer<RecommendedWatcher, NoCache>;

struct Root {
    path: PathBuf,
    /// Which folder it was when it began to be watched. Another one may lie under the same path later.
    watched: Option<FileId>,
    is_refused: bool,
}

struct Watching {
    notifier: Notifier,
    roots: Vec<Root>,
    gone: Gone,
    on_change: OnChange,
}

impl Watching {
    /// Watches what has come and lets go what has gone.
    fn look(&mut self, is_first: bool) {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        for root in &mut self.roots {
            let now = root.path.is_dir().then(|| get_file_id(&root.path).ok()).flatten();
            if now == root.watched && !gone.contains(&root.path) {
                continue;
            }
            if root.watched.is_some() {
                // The system may have let it go already.
                let _ = self.notifier.unwatch(&root.path);
            }
            root.watched = now;
            let watch = now.map(|_| self.notifier.watch(&root.path, RecursiveMode::Recursive));
            if let Some(Err(error)) = &watch
                && !root.is_refused
            {
                (self.on_change)(Change::Unwatched { folder: root.path.clone(), cause: error.to_string() });
            }
            root.is_refused = matches!(watch, Some(Err(_)));
            if !is_first {
                (self.on_change)(Change::Rescan(root.path.clone()));
            }
        }
    }
}

/// What events mean. `roots` are the watched folders.
fn changes(result: DebounceEventResult, roots: &[PathBuf]) -> Vec<Change> {
    let mut rescans = BTreeSet::new();
    let mut paths = BTreeSet::new();
    match result {
        Ok(events) => events.iter().for_each(|event| sort_out(event, roots, &mut rescans, &mut paths)),
        Err(errors) => {
            let named: Vec<&PathBuf> = errors.iter().flat_map(|error| &error.paths).collect();
            rescans.extend(if named.is_empty() { roots.iter().collect() } else { named }.into_iter().cloned());
        }
    }
    // What is below a folder that is scanned anyway needs no word.
    let is_covered = |path: &Path| path.ancestors().any(|folder| rescans.contains(folder));
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path: &PathBuf| !is_covered(path)).collect();
    let is_top = |folder: &&PathBuf| !folder.ancestors().skip(1).any(|above| rescans.contains(above));
    let rescans = rescans.iter().filter(is_top).cloned().map(Change::Rescan);
    rescans.chain((!paths.is_empty()).then_some(Change::Paths(paths))).collect()
}

fn sort_out(event: &DebouncedEvent, roots: &[PathBuf], rescans: &mut BTreeSet<PathBuf>, paths: &mut BTreeSet<PathBuf>) {
    if event.need_rescan() {
        let named = if event.paths.is_empty() { roots } else { &event.paths };
        rescans.extend(named.iter().cloned());
        return;
    }
    match event.kind {
        EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => {}
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => {
            rescans.extend(event.paths.iter().cloned());
        }
        // A folder that was moved in brings files of which nothing is told.
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(_) => {
            for path in &event.paths {
                let set = if path.is_dir() { &mut *rescans } else { &mut *paths };
                set.insert(path.clone());
            }
        }
        _ => paths.extend(event.paths.iter().cloned()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc::Receiver, time::Instant};

    use super::*;

    const PACE: Pace = Pace { settle: Duration::from_millis(40), look: Duration::from_millis(30) };

    fn watch(folder: &Path) -> (Watcher, Receiver<Change>) {
        let (tell, changes) = mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        let heard = move |change| tell.lock().unwrap().send(change).unwrap();
        (Watcher::new(vec![folder.to_owned()], PACE, heard).unwrap(), changes)
    }

    /// Waits until something is told that satisfies `is_it`.
    fn wait(changes: &Receiver<Change>, is_it: impl Fn(&Change) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        let mut heard = vec![];
        while let Ok(change) = changes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if is_it(&change) {
                return;
            }
            heard.push(change);
        }
        panic!("only heard {heard:?}");
    }

    fn tells_of(path: &Path) -> impl Fn(&Change) -> bool {
        move |change| match change {
            Change::Paths(paths) => paths.iter().any(|told| told == path),
            Change::Rescan(folder) => path.starts_with(folder),
            Change::Unwatched { .. } => false,
        }
    }

    #[test]
    fn tells_of_files_that_come_change_and_go_in_folders_old_and_new() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().canonicalize().unwrap();
        fs::create_dir(folder.join("old")).unwrap();
        let (_watcher, changes) = watch(&folder);
        for name in ["old/a\n🦊.jpg", "new/b.jpg"] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "1").unwrap();
            wait(&changes, tells_of(&path));
            fs::write(&path, "22").unwrap();
            wait(&changes, tells_of(&path));
            fs::remove_file(&path).unwrap();
            wait(&changes, tells_of(&path));
        }
    }

    #[test]
    fn a_folder_that_vanishes_and_comes_back_is_watched_again() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().canonicalize().unwrap().join("drive");
        let (_watcher, changes) = watch(&folder);
        for _ in 0..2 {
            fs::create_dir(&folder).unwrap();
            wait(&changes, |change| *change == Change::Rescan(folder.clone()));
            wait_for_a_photo(&changes, &folder.join("a.jpg"));
            fs::remove_dir_all(&folder).unwrap();
            wait(&changes, |change| *change == Change::Rescan(folder.clone()));
        }
    }

    /// Makes a photo, and waits until it is told of by its name.
    fn wait_for_a_photo(changes: &Receiver<Change>, photo: &Path) {
        // What is told late of the step before must not be taken for what comes.
        while changes.recv_timeout(Duration::from_millis(250)).is_ok() {}
        fs::write(photo, "1").unwrap();
        wait(changes, |change| matches!(change, Change::Paths(paths) if paths.iter().any(|path| path == photo)));
    }

    // Seen: a folder made anew at once had the number of the old one, and was not watched.
    #[test]
    fn a_folder_that_is_made_anew_at_once_is_watched_again() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().canonicalize().unwrap().join("drive");
        fs::create_dir(&folder).unwrap();
        let (_watcher, changes) = watch(&folder);
        wait_for_a_photo(&changes, &folder.join("a.jpg"));
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        wait(&changes, |change| *change == Change::Rescan(folder.clone()));
        wait_for_a_photo(&changes, &folder.join("a.jpg"));
    }

    #[test]
    fn lost_events_and_errors_ask_for_a_scan() {
        let roots = [PathBuf::from("/a"), PathBuf::from("/b")];
        let rescans = |paths: &[&str]| paths.iter().map(|path| Change::Rescan(path.into())).collect::<Vec<_>>();
        let lost = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let event = |event| DebouncedEvent::new(event, Instant::now());
        assert_eq!(changes(Ok(vec![event(lost)]), &roots), rescans(&["/a", "/b"]));
        assert_eq!(changes(Err(vec![notify::Error::generic("?")]), &roots), rescans(&["/a", "/b"]));
        let named = notify::Error::generic("?").add_path("/a/c".into());
        assert_eq!(changes(Err(vec![named]), &roots), rescans(&["/a/c"]));
        let made = |path: &str| event(notify::Event::new(EventKind::Create(CreateKind::Folder)).add_path(path.into()));
        let gone = |path: &str| event(notify::Event::new(EventKind::Remove(RemoveKind::File)).add_path(path.into()));
        let together = changes(Ok(vec![made("/a/d"), made("/a/d/e"), gone("/a/d/x.jpg"), gone("/b/y.jpg")]), &roots);
        assert_eq!(together, [Change::Rescan("/a/d".into()), Change::Paths(vec!["/b/y.jpg".into()])]);
    }

    #[test]
    fn after_it_is_dropped_nothing_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().canonicalize().unwrap();
        let (watcher, changes) = watch(&folder);
        drop(watcher);
        fs::write(folder.join("a.jpg"), "1").unwrap();
        assert_eq!(changes.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Disconnected));
    }
}
