//! What is asked of the library behind the photos, where there is one.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use cliploupe_library::{
    files,
    filter::{self, Filter},
    tags,
};
use roaring::RoaringBitmap;
use rusqlite::params;

use super::{Shared, Workbench, lock, photo_calls::Word};
use crate::{
    messages::{
        Choice, Decided, FilterMenu, ImportCounts, LibraryState, PhotoDetails, PhotoFacts, PhotoFile, PhotoFilter,
        PhotoId, PhotoState, Problem, ProblemCode, Suggested, SuggestedBy, TagCount, WatchedFolder, WorkbenchEvent,
        YearCount,
    },
    shelf::{self, Shelf},
};

impl Workbench {
    /// The library, or why it cannot be asked.
    pub(super) fn shelf(&self) -> Result<&Shelf, Problem> {
        self.shared.shelf.as_ref().ok_or_else(no_library)
    }

    /// The photos that meet what a library has to be asked; none if nothing has to be.
    pub(super) fn in_library(&self, filter: &PhotoFilter) -> Result<Option<RoaringBitmap>, Problem> {
        if (PhotoFilter { text: String::new(), labels: Vec::new(), ..filter.clone() }) == PhotoFilter::default() {
            return Ok(None);
        }
        let filter = Filter {
            folder: filter.folder.as_ref().map(PathBuf::from),
            taken_from_ms: filter.taken_from_ms,
            taken_to_ms: filter.taken_to_ms,
            camera: filter.camera.clone(),
            tags: filter.tags.clone(),
            without_tags: filter.without_tags.clone(),
            untagged: filter.untagged,
            missing: filter.missing,
            ..Filter::default()
        };
        self.shelf()?.read(|conn| filter.photos(conn)).map(Some)
    }

    /// The words of a text filter, each with the photos that have it in a tag.
    pub(super) fn words(&self, text: &str) -> Result<Vec<Word>, Problem> {
        let Some(shelf) = self.shared.shelf.as_ref().filter(|_| !text.trim().is_empty()) else {
            return Ok(text.split_whitespace().map(|word| Word::new(word, RoaringBitmap::new())).collect());
        };
        let names: Vec<String> = shelf
            .read(tags::tags_with_counts)?
            .into_iter()
            .filter(|tag| tag.confirmed > 0)
            .map(|tag| tag.name)
            .collect();
        let word = |word: &str| {
            let mut photos = RoaringBitmap::new();
            for name in names.iter().filter(|name| name.to_lowercase().contains(&word.to_lowercase())) {
                photos |= shelf.read(|conn| tags::photos_with(conn, name))?;
            }
            Ok(Word::new(word, photos))
        };
        text.split_whitespace().map(word).collect()
    }

    /// The places of photos by the camera's clock, as far as they have a time; none without a library.
    pub(super) fn by_time(&self) -> Result<Option<HashMap<PhotoId, usize>>, Problem> {
        let Some(shelf) = &self.shared.shelf else { return Ok(None) };
        let order = shelf.read(|conn| filter::timed(conn, false))?;
        Ok(Some(order.into_iter().enumerate().map(|(at, id)| (id, at)).collect()))
    }

    /// Confirmed tags of some photos.
    pub(super) fn tags_of(&self, ids: &[PhotoId]) -> Result<HashMap<PhotoId, Vec<String>>, Problem> {
        let Some(shelf) = &self.shared.shelf else { return Ok(HashMap::new()) };
        shelf.read(|conn| ids.iter().map(|id| Ok((*id, tags::tags_of(conn, *id)?))).collect())
    }

    /// Confirmed tags and how many of these photos, or of all, have them; most first.
    pub(super) fn tag_counts(&self, ids: Option<&[PhotoId]>) -> Result<Vec<TagCount>, Problem> {
        let mut counts: Vec<TagCount> = match ids {
            None => self.all_tags()?.into_iter().map(|Choice { name, count }| TagCount { name, count }).collect(),
            Some(ids) => {
                let mut counts = BTreeMap::<String, u32>::new();
                self.tags_of(ids)?.into_values().flatten().for_each(|tag| *counts.entry(tag).or_default() += 1);
                counts.into_iter().map(|(name, count)| TagCount { name, count }).collect()
            }
        };
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        Ok(counts)
    }

    fn all_tags(&self) -> Result<Vec<Choice>, Problem> {
        let Some(shelf) = &self.shared.shelf else { return Ok(Vec::new()) };
        let tags = shelf.read(tags::tags_with_counts)?.into_iter().filter(|tag| tag.confirmed > 0);
        Ok(tags.map(|tag| Choice { name: tag.name, count: tag.confirmed as u32 }).collect())
    }

    /// What filters can be set to.
    pub fn filter_menu(&self) -> Result<FilterMenu, Problem> {
        let Some(shelf) = &self.shared.shelf else {
            let none = Vec::new;
            return Ok(FilterMenu {
                cameras: none(),
                folders: none(),
                years: Vec::new(),
                tags: none(),
                missing: 0,
                untagged: 0,
            });
        };
        let choice = |name: String, photos: u64| Choice { name, count: photos as u32 };
        let (cameras, folders, years, untagged) = shelf.read(|conn| {
            let untagged = Filter { untagged: true, ..Filter::default() }.photos(conn)?.len();
            Ok((filter::cameras(conn)?, filter::folders(conn)?, filter::years(conn)?, untagged))
        })?;
        let missing = self.shared.table().iter().filter(|(_, row)| row.missing).count();
        Ok(FilterMenu {
            cameras: cameras.into_iter().map(|camera| choice(camera.value, camera.photos)).collect(),
            folders: folders
                .into_iter()
                .map(|folder| choice(folder.value.display().to_string(), folder.photos))
                .collect(),
            years: years
                .into_iter()
                .map(|year| YearCount { year: year.value as i32, count: year.photos as u32 })
                .collect(),
            tags: self.all_tags()?,
            missing: missing as u32,
            untagged: untagged as u32,
        })
    }

    /// What the library knows of a photo beyond the table.
    pub(super) fn add_what_the_library_knows(&self, details: &mut PhotoDetails) -> Result<(), Problem> {
        let Some(shelf) = &self.shared.shelf else { return Ok(()) };
        let id = details.id;
        let (facts, files, decisions, suggestions) = shelf.read(|conn| {
            let files = files::files(conn, id)?;
            let suggestions = cliploupe_library::suggestions::of_photo(conn, id)?;
            Ok((shelf::photo_facts(conn, id)?, files, tags::decisions_of(conn, id)?, suggestions))
        })?;
        if let Some(facts) = facts {
            let file = files.first();
            let modified_ms = file.map(|file| file.modified_ns / 1_000_000);
            details.facts = Some(PhotoFacts { bytes: file.map_or(0, |file| file.bytes), modified_ms, ..facts });
        }
        if !files.is_empty() {
            let file = |file: files::FileRow| PhotoFile {
                path: file.path.display().to_string(),
                missing_since_ms: file.missing_since_ms,
            };
            details.files = files.into_iter().map(file).collect();
        }
        details.decisions = decisions.into_iter().map(told_decision).collect();
        let suggested = |(label, facts)| Suggested { photo: id, label, by: told_facts(facts) };
        details.suggestions = suggestions.into_iter().map(suggested).collect();
        Ok(())
    }

    /// Puts photos back that were taken out of the library.
    pub fn restore(&self, ids: &[PhotoId]) -> Result<(), Problem> {
        let shelf = self.shelf()?;
        shelf.write(|tx| cliploupe_library::photos::restore(tx, ids))?;
        let mut stubs = Vec::new();
        let mut waiting = Vec::new();
        for id in ids {
            let Some(row) = shelf.row(*id)? else { continue };
            let mut table = self.shared.table();
            if table.get(*id).is_none() {
                if row.state != PhotoState::Failed && !row.missing {
                    waiting.push(*id);
                }
                stubs.push(table.insert(*id, row));
            }
        }
        self.shared.emit(WorkbenchEvent::PhotosAdded { photos: stubs });
        self.shared.take_up_features(ids);
        self.shared.emit(WorkbenchEvent::PhotosChanged { ids: ids.to_vec() });
        let has_feature = |id: &PhotoId| self.shared.table().get(*id).is_some_and(|row| row.pooled.is_some());
        waiting.retain(|id| !has_feature(id));
        lock(&self.shared.activity).begin();
        self.shared.start_work(&waiting);
        self.shared.tell_library();
        Ok(())
    }

    /// What became of files that were added since the library was opened.
    pub fn import_counts(&self) -> ImportCounts {
        self.shared.shelf.as_ref().map(|shelf| *lock(&shelf.counts)).unwrap_or_default()
    }

    /// The library as a whole.
    pub fn library_state(&self) -> Result<LibraryState, Problem> {
        self.shelf()?;
        self.shared.library_state()
    }
}

impl Shared {
    /// The library as a whole.
    pub(super) fn library_state(&self) -> Result<LibraryState, Problem> {
        let shelf = self.shelf.as_ref().ok_or_else(no_library)?;
        let (counts, watched, decided, marked) = shelf.read(|conn| {
            let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, u32>(0));
            let decided = count("SELECT count(*) FROM decision WHERE verdict = 1")?;
            let marked = count("SELECT count(*) FROM mark")?;
            let watched = cliploupe_library::watched::list(conn)?;
            Ok((cliploupe_library::photos::counts(conn)?, watched, decided, marked))
        })?;
        let watched = watched.into_iter().map(|folder| self.watched(shelf, folder)).collect::<Result<_, _>>()?;
        Ok(LibraryState {
            path: shelf.library.folder().display().to_string(),
            read_only: shelf.library.is_read_only().map(str::to_owned),
            photos: counts.photos as u32,
            files: counts.files as u32,
            missing: counts.missing as u32,
            failed: counts.failed as u32,
            tags: decided,
            marked,
            watched,
            bytes: shelf.bytes(),
        })
    }

    fn watched(
        &self,
        shelf: &Shelf,
        folder: cliploupe_library::watched::WatchedFolder,
    ) -> Result<WatchedFolder, Problem> {
        let filter = Filter { folder: Some(folder.path.clone()), ..Filter::default() };
        let photos = shelf.read(|conn| filter.photos(conn))?.len() as u32;
        let path = folder.path.display().to_string();
        Ok(WatchedFolder { path, present: folder.path.is_dir(), photos, scanned_ms: folder.scanned_ms })
    }

    /// Tells the onlooker how the library stands.
    pub(super) fn tell_library(&self) {
        if self.shelf.is_none() {
            return;
        }
        match self.library_state() {
            Ok(library) => self.emit(WorkbenchEvent::LibraryChanged { library: Box::new(library) }),
            Err(problem) => self.emit_problem(problem),
        }
    }
}

impl Shelf {
    /// Photos that a person marked to be set aside.
    pub fn marked(&self) -> Result<RoaringBitmap, Problem> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached("SELECT photo FROM mark")?;
            let ids = statement.query_map([], |row| row.get::<_, PhotoId>(0))?;
            Ok(ids.collect::<rusqlite::Result<RoaringBitmap>>()?)
        })
    }

    /// Marks photos to be set aside, or takes the mark away.
    pub fn mark(&self, ids: &[PhotoId], marked: bool, now_ms: i64) -> Result<(), Problem> {
        self.write(|tx| {
            for id in ids {
                if marked {
                    // What the library does not know, as a broken link, has no mark.
                    let sql = "INSERT OR IGNORE INTO mark (photo, marked_ms) SELECT id, ?2 FROM photo WHERE id = ?1";
                    tx.execute(sql, params![id, now_ms])?;
                } else {
                    tx.execute("DELETE FROM mark WHERE photo = ?1", [id])?;
                }
            }
            Ok(())
        })
    }
}

/// A decision as it crosses to the page.
fn told_decision(decision: tags::Decision) -> Decided {
    Decided {
        label: decision.label,
        accepted: decision.accepted,
        decided_ms: decision.decided_ms,
        origin: decision.origin.as_str().to_owned(),
        suggested: decision.suggested.map(told_facts),
    }
}

/// Where a suggestion comes from, as it crosses to the page.
pub(super) fn told_facts(facts: cliploupe_library::suggestions::SuggestedFacts) -> SuggestedBy {
    SuggestedBy {
        model: facts.model,
        prompt: facts.prompt,
        cosine: facts.cosine as f32,
        score: facts.score as f32,
        probability: facts.probability as f32,
        suggested_ms: facts.suggested_ms,
    }
}

/// There is no library to ask.
pub(super) fn no_library() -> Problem {
    let message = "there is no library open, so nothing can be asked of it. Open one on the Library screen.";
    Problem::new(ProblemCode::NothingAtHand, &[("what", "library")], message)
}
