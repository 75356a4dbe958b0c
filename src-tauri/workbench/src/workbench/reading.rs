//! From places to photos: folders are walked, files are queued, read and prepared for the model.

use std::path::{Path, PathBuf};

use cliploupe_engine::{
    photo::{Detail, FileBytes, Limits, Photo, PhotoError},
    preprocess::PreprocessConfig,
};
use cliploupe_library::import::Finder;
use crossbeam_channel::{Receiver, Sender};

use super::{Shared, lock, room::Place};
use crate::{
    messages::{Failure, PhotoId, PhotoState, Problem, ProblemCode, WorkbenchEvent},
    problem::of_photo,
    scan::{self, Found},
    shelf::{self, Noted},
    table::{Arrived, Row},
    thumbnails::THUMBNAIL_PX,
    worker::EncodeJob,
};

/// Photos announced in one message while a folder is walked.
const ADDED_CHUNK: usize = 200;

/// Places to look for photos in.
pub(super) struct Errand {
    pub paths: Vec<PathBuf>,
    pub walk: u64,
    pub finder: Finder,
}

/// A photo to be read.
pub(super) struct Work {
    pub id: PhotoId,
    pub run: u64,
    /// Which of its files; the one that the table names unless said.
    pub path: Option<PathBuf>,
}

pub(super) fn scan_all(shared: &Shared, to_scan: &Receiver<Errand>) {
    while let Ok(Errand { paths, walk, finder }) = to_scan.recv() {
        let go_on = || lock(&shared.activity).walk == walk;
        let mut pending = Vec::new();
        for path in paths.iter().take_while(|_| go_on()) {
            let is_scan = finder == Finder::Scan;
            if is_scan && !path.exists() {
                // Its drive may have gone since the errand was given.
                shared.note_gone(std::slice::from_ref(path));
                continue;
            }
            let is_whole_folder = is_scan && path.is_dir();
            let mut present = Vec::new();
            scan::walk(path, go_on, |found| {
                match &found {
                    Found::Photo(path) if is_whole_folder => present.push(shelf::absolute(path)),
                    // A watched folder may be empty.
                    Found::Failed(_, problem) if is_scan && problem.code == ProblemCode::NoPhotos => return,
                    _ => {}
                }
                pending.push(found);
                if pending.len() >= ADDED_CHUNK {
                    shared.add_found(&mut pending, walk, finder);
                }
            });
            if is_whole_folder && go_on() {
                shared.add_found(&mut pending, walk, finder);
                shared.reconcile(path, present);
            }
        }
        shared.add_found(&mut pending, walk, finder);
        lock(&shared.activity).scanning -= 1;
        shared.tell_progress(true);
        shared.notify_if_idle();
    }
}

/// What has become of a photo that was to be read.
pub(super) enum Decoded {
    /// It is ready for the model.
    Ready(EncodeJob),
    /// The library is to note it first.
    Noted(Box<Noted>),
    /// There is nothing more to be done with it.
    Through,
}

pub(super) fn decode_all(shared: &Shared, work: &Receiver<Work>, decoded: &Sender<EncodeJob>, noted: &Sender<Noted>) {
    while let Ok(Work { id, run, path }) = work.recv() {
        if !shared.is_wanted(id, run) {
            continue;
        }
        let Some(path) = path.or_else(|| shared.table().get(id).map(|row| row.path.clone())) else {
            shared.note_done(run, 1);
            continue;
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decode(shared, id, run, &path)))
            .unwrap_or_else(|panic| Err(Problem::internal(&cliploupe_engine::device::panic_text(&*panic))));
        let is_sent = match result {
            Ok(Decoded::Ready(job)) => decoded.send(job).is_ok(),
            Ok(Decoded::Noted(photo)) => noted.send(*photo).is_ok(),
            Ok(Decoded::Through) => {
                shared.note_done(run, 1);
                true
            }
            Err(problem) if is_of_library(problem.code) => {
                shared.halt(problem);
                true
            }
            Err(problem) => {
                shared.note_unreadable(id, run, &path, problem);
                true
            }
        };
        if !is_sent {
            return;
        }
    }
}

/// Whether it is the library that fails and not one photo: then nothing more can be kept.
fn is_of_library(code: ProblemCode) -> bool {
    use ProblemCode::{DiskFull, Library, LibraryDamaged, LibraryReadOnly};
    matches!(code, DiskFull | Library | LibraryDamaged | LibraryReadOnly)
}

/// Reads a photo, makes its thumbnail, and prepares it for the model, if there is one.
fn decode(shared: &Shared, id: PhotoId, run: u64, path: &Path) -> Result<Decoded, Problem> {
    if let Some(shelf) = &shared.shelf {
        return shared.read_for(shelf, id, run, path);
    }
    let bytes = FileBytes::read(path, &Limits::default()).map_err(|error| of_photo(&error, path))?;
    let (photo, seen_by) = shared.decode(&bytes).map_err(|error| of_photo(&error, path))?;
    drop(bytes);
    if let Some(thumbnails) = &shared.thumbnails {
        thumbnails.keep(id, &photo.picture)?;
    }
    shared.note_decoded(id, photo.facts.clone());
    let prepared = shared.prepare(&photo.picture, seen_by);
    Ok(prepared.map_or(Decoded::Through, |(model_version, pixels)| {
        Decoded::Ready(EncodeJob { id, run, model_version, pixels })
    }))
}

/// The model that a photo was decoded for, and what its tower takes.
pub(super) type SeenBy = (u32, PreprocessConfig);

/// A decoded photo, and the room that it takes.
pub(super) struct InRoom<'a> {
    photo: Photo,
    _place: Place<'a>,
}

impl std::ops::Deref for InRoom<'_> {
    type Target = Photo;

    fn deref(&self) -> &Photo {
        &self.photo
    }
}

impl Shared {
    /// Decodes a photo once there is room for it: as much of it as the thumbnail and the model that is there now need.
    /// Before there is one, or where a person wants it, all of it.
    pub(super) fn decode(&self, bytes: &FileBytes) -> Result<(InRoom<'_>, Option<SeenBy>), PhotoError> {
        let seen_by = self.known_preprocess();
        let detail = match &seen_by {
            Some((_, tower)) if !self.speed().exact_decoding => {
                Detail::Enough { tower: Some(tower), longest: THUMBNAIL_PX }
            }
            _ => Detail::Exact,
        };
        let limits = Limits::default();
        let place = self.room.take(bytes.decoded_bytes(&limits, detail));
        let photo = bytes.decode_with(&limits, detail)?;
        Ok((InRoom { photo, _place: place }, seen_by))
    }

    /// Queues photos in the run that is on; the counts must have been begun.
    pub(super) fn start_work(&self, ids: &[PhotoId]) {
        self.start(ids.iter().map(|id| (*id, None)).collect());
    }

    /// The same, for certain files of them.
    pub(super) fn start(&self, photos: Vec<(PhotoId, Option<PathBuf>)>) {
        let run = {
            let mut activity = lock(&self.activity);
            activity.total += photos.len() as u32;
            activity.run
        };
        for (id, path) in photos {
            // The decoders hold the other end for as long as the program runs.
            let _ = self.queue.send(Work { id, run, path });
        }
        self.tell_progress(true);
        self.notify_if_idle();
    }

    /// Puts what a walk found on the table and queues it, unless the walk was stopped.
    pub(super) fn add_found(&self, found: &mut Vec<Found>, walk: u64, finder: Finder) {
        let is_stopped = || lock(&self.activity).walk != walk;
        if is_stopped() {
            return found.clear();
        }
        let found = std::mem::take(found);
        let arrived = match &self.shelf {
            Some(shelf) => match self.see(shelf, found, finder) {
                Ok(arrived) => arrived,
                Err(problem) => return self.halt(problem),
            },
            None => self.put_on_table(found),
        };
        let mut table = self.table();
        let (mut stubs, mut work, mut failures, mut kept) = (Vec::new(), Vec::new(), Vec::<Failure>::new(), Vec::new());
        for arrived in arrived {
            let Arrived { id, new, problem, read, is_kept } = arrived;
            if let Some(row) = new.filter(|_| table.get(id).is_none()) {
                stubs.push(table.insert(id, row));
            }
            let Some(row) = table.get_mut(id) else { continue };
            match (problem, read) {
                (Some(problem), _) => failures.push(row.fail(id, problem)),
                (None, Some(path)) => {
                    row.reset();
                    work.push((id, Some(path)));
                }
                (None, None) if is_kept => kept.push(id),
                (None, None) => {}
            }
        }
        if !stubs.is_empty() {
            self.emit(WorkbenchEvent::PhotosAdded { photos: stubs });
        }
        let failed = failures.len() as u32;
        if failed > 0 {
            self.emit(WorkbenchEvent::PhotosFailed { failures });
        }
        {
            let mut activity = lock(&self.activity);
            activity.total += failed;
            activity.done += failed;
            activity.failed += failed;
        }
        // Still under the table's lock, so that `encode_again` meets these photos either before they are there or
        // after they are queued. A stop in between leaves them waiting, to be gone on with.
        if !is_stopped() {
            self.start(work);
        }
        drop(table);
        if let (Some(shelf), false) = (&self.shelf, kept.is_empty()) {
            self.take_up_features(&kept);
            self.refresh(shelf, &kept);
        }
    }

    /// Numbers what was found, without a library.
    pub(super) fn put_on_table(&self, found: Vec<Found>) -> Vec<Arrived> {
        let mut table = self.table();
        let mut arrived = Vec::with_capacity(found.len());
        for found in found {
            let (path, problem) = match found {
                Found::Photo(path) => (path, None),
                Found::Failed(path, problem) => (path, Some(problem)),
            };
            let (id, is_new) = table.number(shelf::absolute(&path));
            // Dropping a failed photo once more means: try again.
            let is_failed = table.get(id).is_some_and(|row| row.state == PhotoState::Failed);
            if is_new || is_failed {
                let path = shelf::absolute(&path);
                let new = is_new.then(|| Row::new(path.clone()));
                arrived.push(Arrived { id, new, problem, read: Some(path), is_kept: false });
            }
        }
        arrived
    }
}
