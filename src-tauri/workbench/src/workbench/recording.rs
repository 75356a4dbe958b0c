//! What the library is told: files that were found, photos that were read, features that were computed, failures.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering::SeqCst,
};

use cliploupe_engine::photo::{FileBytes, Limits};
use cliploupe_library::{
    PhotoId, clock, files,
    filter::Filter,
    import::{self, Finder, FoundFile, How, Identified, What},
    paths, photos,
};
use crossbeam_channel::{Receiver, Sender};

use super::{Shared, lock, reading::Decoded};
use crate::{
    messages::{PhotoDecoded, PhotoState, Problem, ProblemCode, WorkbenchEvent},
    photo_file::{look_of, read_file, unreadable},
    scan::Found,
    shelf::{self, Noted, Shelf, found_file},
    table::{Arrived, Row},
    thumbnails::thumbnail_jpeg,
    worker::EncodeJob,
};

/// Photos that are noted in one transaction, at most.
pub(crate) const RECORDED_AT_ONCE: usize = 64;

impl Shared {
    /// Puts what the library knows on the table.
    pub(super) fn take_up_library(&self) -> Result<(), Problem> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        *self.table() = shelf.rows()?;
        Ok(())
    }

    /// Asks the library what found files are to it.
    pub(super) fn see(&self, shelf: &Shelf, found: Vec<Found>, finder: Finder) -> Result<Vec<Arrived>, Problem> {
        let (mut files, mut failed) = (Vec::new(), Vec::new());
        // A folder that holds the library holds its thumbnails, which are no photos of anybody's.
        let own = shelf.library.thumbnails_folder();
        let is_own = |found: &Found| matches!(found, Found::Photo(path) if shelf::absolute(path).starts_with(&own));
        for found in found.into_iter().filter(|found| !is_own(found)) {
            match found {
                Found::Photo(path) => match found_file(&shelf::absolute(&path)) {
                    Ok(file) => files.push(file),
                    // Opening it says best what is wrong with it.
                    Err(_) => failed.push(Found::Failed(path.clone(), unreadable(&path))),
                },
                failure @ Found::Failed(..) => failed.push(failure),
            }
        }
        let mut arrived = self.put_on_table(failed);
        let now = clock::now_ms();
        let seen = shelf.write(|tx| {
            let seen = import::see(tx, &files, finder, now)?;
            // Dropping a failed photo once more means: try again.
            let unchanged = seen.iter().filter(|seen| seen.what == What::Unchanged && finder == Finder::Person);
            let ids: Vec<PhotoId> = unchanged.map(|seen| seen.photo).collect();
            let again: Vec<PhotoId> = import::retry(tx, &ids)?.into_iter().map(|(id, _)| id).collect();
            Ok((seen, again))
        });
        let (seen, again) = seen?;
        for (file, seen) in files.into_iter().zip(seen) {
            let id = seen.photo;
            match seen.what {
                What::Unchanged => lock(&shelf.counts).unchanged += 1,
                What::Returned => lock(&shelf.counts).returned += 1,
                What::New | What::Changed | What::Removed => {}
            }
            let is_on_table = self.table().get(id).is_some();
            let new = match seen.what {
                What::New => Some(Row::new(file.path.clone())),
                What::Changed | What::Returned => shelf.row(id)?,
                // Another program may have imported it.
                What::Unchanged if !is_on_table => shelf.row(id)?,
                What::Unchanged => None,
                What::Removed => continue,
            };
            // What comes back, or comes from another program, may have been encoded already.
            let comes = seen.what == What::Returned || (seen.what == What::Unchanged && !is_on_table);
            let is_known = new.as_ref().is_some_and(|row| shelf.has_feature(id, row.identity.as_ref()));
            let is_failed = new.as_ref().is_some_and(|row| row.state == PhotoState::Failed);
            let must_be_read = matches!(seen.what, What::New | What::Changed) || again.contains(&id);
            let read = (must_be_read || (comes && !is_known && !is_failed)).then_some(file.path);
            arrived.push(Arrived { id, new, problem: None, read, is_kept: comes });
        }
        Ok(arrived)
    }

    /// After a walk through a whole folder: what was not found in it is missing.
    pub(super) fn reconcile(&self, folder: &Path, present: Vec<PathBuf>) {
        let Some(shelf) = &self.shelf else { return };
        let folder = shelf::absolute(folder);
        let now = clock::now_ms();
        let done = shelf.write(|tx| {
            let done = files::reconcile(tx, &folder, present, now)?;
            if done.folder == files::FolderState::There {
                cliploupe_library::watched::scanned(tx, &folder, now)?;
            }
            Ok(done)
        });
        match done {
            Ok(done) if done.missing + done.back + done.forgotten > 0 => self.refresh_below(shelf, &folder),
            Ok(_) => {}
            Err(problem) => self.emit_problem(problem),
        }
        self.tell_library();
    }

    /// Takes over which photos below a folder are there now; of those that stand as they did nothing is asked.
    pub(super) fn refresh_below(&self, shelf: &Shelf, folder: &Path) {
        let missing = Filter { missing: Some(true), ..Filter::default() };
        let known = shelf.read(|conn| Ok((missing.photos(conn)?, Filter::default().photos(conn)?)));
        let (missing, all) = match known {
            Ok(known) => known,
            Err(problem) => return self.emit_problem(problem),
        };
        let has_changed = |id: PhotoId, row: &Row| row.missing != missing.contains(id) || !all.contains(id);
        let ids: Vec<PhotoId> = {
            let table = self.table();
            let below = table.iter().filter(|(_, row)| row.path.starts_with(folder));
            below.filter(|(id, row)| has_changed(*id, row)).map(|(id, _)| id).collect()
        };
        self.refresh(shelf, &ids);
    }

    /// Takes over where photos lie now; those that are gone from the library go from the table.
    pub(super) fn refresh(&self, shelf: &Shelf, ids: &[PhotoId]) {
        let now = shelf.read(|conn| ids.iter().map(|id| shelf::shown(conn, *id)).collect::<Result<Vec<_>, _>>());
        let now = match now {
            Ok(now) => now,
            Err(problem) => return self.emit_problem(problem),
        };
        let mut table = self.table();
        let mut gone = Vec::new();
        for (id, now) in ids.iter().zip(now) {
            match (now, table.get_mut(*id)) {
                (Some(now), Some(row)) => {
                    (row.missing, row.files) = (now.missing, now.files);
                    row.path = now.path.unwrap_or_default();
                    // Its file was read again, and shows another photo now.
                    if row.state == PhotoState::Waiting && row.identity.is_some() && row.missing {
                        row.state = row.settled();
                    }
                }
                (None, Some(_)) => {
                    table.remove(*id);
                    gone.push(*id);
                }
                (_, None) => {}
            }
        }
        self.emit(WorkbenchEvent::PhotosChanged { ids: ids.to_vec() });
        if !gone.is_empty() {
            self.emit(WorkbenchEvent::PhotosRemoved { ids: gone });
        }
    }

    /// Reads a photo for the library: what it is made of, its thumbnail, and what the model sees of it.
    pub(super) fn read_for(&self, shelf: &Shelf, id: PhotoId, run: u64, path: &Path) -> Result<Decoded, Problem> {
        let mut seen_by = None;
        let (read, photo) = read_file(path, &shelf.thumbnails, |bytes| {
            let (photo, by) = self.decode(bytes)?;
            seen_by = by;
            Ok(photo)
        })?;
        let prepared = self.prepare(&photo.picture, seen_by);
        Ok(Decoded::Noted(Box::new(Noted { id, run, read, prepared })))
    }

    /// Notes photos that were read, many in a transaction, and hands them on to the model.
    pub(super) fn record_all(&self, noted: &Receiver<Noted>, decoded: &Sender<EncodeJob>) {
        while let Ok(first) = noted.recv() {
            let batch: Vec<Noted> = std::iter::once(first).chain(noted.try_iter().take(RECORDED_AT_ONCE - 1)).collect();
            if let Err(problem) = self.record(batch, decoded) {
                self.halt(problem);
            }
        }
    }

    fn record(&self, batch: Vec<Noted>, decoded: &Sender<EncodeJob>) -> Result<(), Problem> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        let now = clock::now_ms();
        let identified = shelf.write(|tx| {
            let note = |noted: &Noted| {
                let facts = shelf::facts(&noted.read.facts);
                let identified = import::identify(tx, &noted.read.file, &noted.read.identity, &facts, now, &|path| {
                    paths::may_exist(path)
                })?;
                let mut is_out = false;
                if let Some(identified) = &identified {
                    photos::set_thumbnail(tx, identified.photo, noted.read.thumbnail_crc, noted.read.look)?;
                    is_out = shelf::is_taken_out(tx, identified.photo)?;
                }
                Ok((identified, is_out))
            };
            batch.iter().map(note).collect::<Result<Vec<_>, _>>()
        })?;
        for (noted, (identified, is_out)) in batch.into_iter().zip(identified) {
            let run = noted.run;
            let job = match identified {
                // A photo that a person took out meanwhile stays out.
                Some(identified) if is_out => {
                    self.refresh(shelf, &[identified.photo, noted.id]);
                    None
                }
                identified => self.settle(shelf, noted, identified),
            };
            if job.is_none_or(|job| decoded.send(job).is_err()) {
                self.note_done(run, 1);
            }
        }
        Ok(())
    }

    /// Takes over what the library says of a photo that was read; what the model is still to see of it.
    fn settle(&self, shelf: &Shelf, noted: Noted, identified: Option<Identified>) -> Option<EncodeJob> {
        let Some(identified) = identified else {
            self.refresh(shelf, &[noted.id]);
            return None;
        };
        {
            let mut counts = lock(&shelf.counts);
            match identified.how {
                How::New => counts.added += 1,
                How::SameContent => counts.changed += 1,
                How::Duplicate => counts.duplicates += 1,
                How::Moved { .. } => counts.moved += 1,
            }
        }
        let id = identified.photo;
        let mut others = Vec::new();
        if id != noted.id {
            others.push(noted.id);
        }
        if matches!(identified.how, How::Duplicate | How::Moved { .. }) {
            others.push(id);
        }
        let has_results = {
            let mut table = self.table();
            let stub = table.get(id).is_none().then(|| table.insert(id, Row::new(noted.read.file.path.clone())));
            if let Some(stub) = stub {
                self.emit(WorkbenchEvent::PhotosAdded { photos: vec![stub] });
            }
            let row = table.get_mut(id)?;
            let (width, height) = (noted.read.facts.width as u32, noted.read.facts.height as u32);
            (row.size, row.identity, row.has_thumbnail) = ([width, height], Some(noted.read.identity), true);
            row.missing = false;
            row.problem = None;
            if identified.orientation_changed {
                row.forget_results();
            }
            if matches!(row.state, PhotoState::Waiting | PhotoState::Failed) {
                row.state = PhotoState::Decoded;
            }
            let has_results = row.embedding.is_some() && row.outdated.is_none();
            if has_results {
                row.state = PhotoState::Labelled;
            }
            self.emit(WorkbenchEvent::PhotosDecoded { photos: vec![PhotoDecoded { id, width, height }] });
            has_results
        };
        if !others.is_empty() {
            self.refresh(shelf, &others);
        }
        if !identified.orientation_changed && (has_results || self.take_up_features(&[id]) > 0) {
            self.emit(WorkbenchEvent::PhotosChanged { ids: vec![id] });
            return None;
        }
        let (model_version, pixels) = noted.prepared?;
        Some(EncodeJob { id, run: noted.run, model_version, pixels })
    }

    /// Notes why a file could not be read, in the library too.
    pub(super) fn note_unreadable(&self, id: PhotoId, run: u64, path: &Path, problem: Problem) {
        let Some(shelf) = &self.shelf else { return self.note_failure(id, run, problem) };
        let is_known = self.table().get(id).is_some_and(|row| row.identity.is_some());
        if problem.code == ProblemCode::NotFound && is_known {
            self.note_gone(&[path.to_owned()]);
            self.refresh(shelf, &[id]);
            return self.note_done(run, 1);
        }
        let file = found_file(path).unwrap_or(FoundFile { path: path.to_owned(), bytes: 0, modified_ns: 0 });
        let text = serde_json::to_string(&problem).expect("a problem is JSON");
        let noted = shelf.write(|tx| import::fail(tx, &file, &text, clock::now_ms()));
        let failed = noted.unwrap_or_else(|problem| {
            self.emit_problem(problem);
            None
        });
        // A broken copy of a photo that has other files is a photo of its own.
        let Some(other) = failed.filter(|failed| *failed != id) else { return self.note_failure(id, run, problem) };
        match shelf.row(other) {
            Ok(Some(row)) => {
                let mut table = self.table();
                if table.get(other).is_none() {
                    let stub = table.insert(other, row);
                    self.emit(WorkbenchEvent::PhotosAdded { photos: vec![stub] });
                }
            }
            Ok(None) => {}
            Err(problem) => self.emit_problem(problem),
        }
        if let Some(row) = self.table().get_mut(id) {
            row.state = row.settled();
        }
        self.refresh(shelf, &[id]);
        self.note_failure(other, run, problem);
    }

    /// Stops what is under way because nothing more can be kept; it can be gone on with.
    pub fn halt(&self, problem: Problem) {
        lock(&self.activity).cancel();
        self.emit_problem(problem);
        self.tell_progress(true);
        self.notify_if_idle();
    }

    /// The thumbnail that the library keeps of a photo; one that is gone or damaged is made again, if the file is there.
    pub(super) fn kept_thumbnail(&self, shelf: &Shelf, id: PhotoId) -> Option<Vec<u8>> {
        let (identity, path) = {
            let table = self.table();
            let row = table.get(id)?;
            (row.identity.filter(|_| row.has_thumbnail)?, row.path.clone())
        };
        if let Ok(Some(jpeg)) = shelf.thumbnails.get(&identity) {
            return Some(jpeg);
        }
        let limits = Limits::default();
        let bytes = FileBytes::read(&path, &limits).ok()?;
        if cliploupe_library::identity::identity(&bytes.bytes) != identity {
            return None;
        }
        let jpeg = thumbnail_jpeg(&bytes.decode(&limits).ok()?.picture).ok()?;
        if let Ok(crc) = shelf.thumbnails.keep(&identity, &jpeg) {
            let noted = shelf.write(|tx| photos::set_thumbnail(tx, id, crc, look_of(&jpeg)));
            if let Err(problem) = noted {
                self.emit_problem(problem);
            }
        }
        Some(jpeg)
    }

    /// Takes photos out of the library.
    pub(super) fn take_out(&self, ids: &[PhotoId]) -> Result<(), Problem> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        shelf.write(|tx| photos::remove(tx, ids, clock::now_ms())).map(drop)
    }

    /// Takes photos out of searches, once they are off the table.
    pub(super) fn forget_in_index(&self, ids: &[PhotoId]) {
        let Some(shelf) = &self.shelf else { return };
        let mut index = shelf::write_lock(&shelf.index);
        shelf.generation.fetch_add(1, SeqCst);
        if let Some(index) = &mut *index {
            ids.iter().for_each(|id| {
                index.remove(*id);
            });
        }
    }

    /// Forgets why photos could not be read, since they are to be read again.
    pub(super) fn forget_failures(&self, ids: &[PhotoId]) -> Result<(), Problem> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        shelf.write(|tx| import::retry(tx, ids)).map(drop)
    }
}
