//! The photos, in the order they came.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use cliploupe_library::Identity;

use crate::{
    messages::{BestLabel, Failure, PhotoFacts, PhotoId, PhotoRecord, PhotoState, PhotoStub, Problem},
    worker::Scorer,
};

/// A photo and what is known of it.
pub struct Row {
    pub path: PathBuf,
    pub state: PhotoState,
    /// Width and height; 0 until the photo was read.
    pub size: [u32; 2],
    /// What its file said, where there is no library to remember it.
    pub facts: Option<Box<PhotoFacts>>,
    /// The feature before the projection, which edits of the projection start from.
    pub pooled: Option<Pooled>,
    /// Unit vector in the joint space, by the heads in force, of the loaded model or of the one before it.
    pub embedding: Option<Box<[f32]>>,
    /// While the results are those of the model before: what they were made with.
    pub outdated: Option<Arc<Scorer>>,
    pub best: Vec<BestLabel>,
    pub problem: Option<Box<Problem>>,
    /// No file of it is there.
    pub missing: bool,
    /// Files with this content.
    pub files: u32,
    /// What its pixels are made of, where a library knows it.
    pub identity: Option<Identity>,
    /// Whether a library has a thumbnail of it.
    pub has_thumbnail: bool,
}

/// Where the pooled feature of a photo is.
#[derive(Clone)]
pub enum Pooled {
    /// Here.
    Here(Box<[f32]>),
    /// In the library's file for the loaded model, in this row.
    Stored(u32),
}

impl Pooled {
    /// Whether both are the same row of the library's file, or both are here.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stored(a), Self::Stored(b)) => a == b,
            (Self::Here(_), Self::Here(_)) => true,
            _ => false,
        }
    }
}

/// Photos that a library does not know, such as a link in a folder whose target is gone, are numbered from here.
const UNKNOWN: PhotoId = 1 << 31;

/// All rows; ids grow, so their order is the order of arrival.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<PhotoId, Row>,
    /// Photos that no library knows, by path.
    by_path: HashMap<PathBuf, PhotoId>,
    /// How many of those there ever were.
    unknown: u32,
}

/// A file that came, or came again.
pub struct Arrived {
    pub id: PhotoId,
    /// Its row, if it may not be on the table yet.
    pub new: Option<Row>,
    /// Why it cannot be read, where that is known before it is.
    pub problem: Option<Problem>,
    /// The file to be read, if any.
    pub read: Option<PathBuf>,
    /// Whether what the library keeps of it is to be used.
    pub is_kept: bool,
}

impl Table {
    /// The number of a file that no library knows, and whether it is new.
    pub fn number(&mut self, path: PathBuf) -> (PhotoId, bool) {
        let next = UNKNOWN + self.unknown;
        let id = *self.by_path.entry(path).or_insert(next);
        self.unknown += u32::from(id == next);
        (id, id == next)
    }

    /// Puts a photo on the table.
    pub fn insert(&mut self, id: PhotoId, row: Row) -> PhotoStub {
        let stub = stub(id, &row.path);
        self.rows.insert(id, row);
        stub
    }

    pub fn get(&self, id: PhotoId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub fn get_mut(&mut self, id: PhotoId) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    pub fn remove(&mut self, id: PhotoId) -> bool {
        let removed = self.rows.remove(&id);
        if let Some(row) = &removed {
            self.by_path.remove(&row.path);
        }
        removed.is_some()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (PhotoId, &Row)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PhotoId, &mut Row)> {
        self.rows.iter_mut().map(|(id, row)| (*id, row))
    }

    /// All that failed.
    pub fn failures(&self) -> Vec<Failure> {
        self.iter().filter_map(|(id, row)| Some(row.failure(id, row.problem.as_deref()?))).collect()
    }
}

impl Row {
    /// A photo that was not read yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: PhotoState::Waiting,
            size: [0, 0],
            facts: None,
            pooled: None,
            embedding: None,
            outdated: None,
            best: Vec::new(),
            problem: None,
            missing: false,
            files: 1,
            identity: None,
            has_thumbnail: false,
        }
    }

    /// What the grid shows of it, without tags.
    pub fn record(&self, id: PhotoId) -> PhotoRecord {
        let PhotoStub { id, name, path } = stub(id, &self.path);
        let [width, height] = self.size;
        let (best, problem) = (self.best.clone(), self.problem.as_deref().cloned());
        let (state, missing, files) = (self.state, self.missing, self.files);
        PhotoRecord { id, name, path, state, width, height, best, problem, tags: Vec::new(), missing, files }
    }

    /// Notes a failure and gives the message of it.
    pub fn fail(&mut self, id: PhotoId, problem: Problem) -> Failure {
        self.forget_results();
        self.state = PhotoState::Failed;
        let failure = self.failure(id, &problem);
        self.problem = Some(Box::new(problem));
        failure
    }

    fn failure(&self, id: PhotoId, problem: &Problem) -> Failure {
        let PhotoStub { id, name, path } = stub(id, &self.path);
        Failure { id, name, path, problem: problem.clone() }
    }

    /// Goes back to where the photo was before it had results.
    pub fn forget_results(&mut self) {
        if self.state == PhotoState::Labelled {
            self.state = PhotoState::Decoded;
        }
        (self.pooled, self.embedding, self.outdated) = (None, None, None);
        self.best.clear();
    }

    /// Where a photo stands that was read and has no problem.
    pub fn settled(&self) -> PhotoState {
        let has_results = self.embedding.is_some() && self.outdated.is_none();
        if has_results { PhotoState::Labelled } else { PhotoState::Decoded }
    }

    /// Notes that the photo is to be read again.
    pub fn reset(&mut self) {
        self.state = PhotoState::Waiting;
        self.problem = None;
    }
}

fn stub(id: PhotoId, path: &Path) -> PhotoStub {
    PhotoStub { id, name: file_name(path), path: path.display().to_string() }
}

/// The last part of a path, as far as it is Unicode.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
