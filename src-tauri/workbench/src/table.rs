//! The photos on the table, in the order they came.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    messages::{BestLabel, Failure, PhotoFacts, PhotoId, PhotoRecord, PhotoState, PhotoStub, Problem},
    worker::Scorer,
};

/// A photo and what is known of it.
pub struct Row {
    pub path: PathBuf,
    pub state: PhotoState,
    pub facts: Option<PhotoFacts>,
    /// The feature before the projection, which edits of the projection start from.
    pub pooled: Option<Vec<f32>>,
    /// Unit vector in the joint space, by the heads in force, of the loaded model or of the one before it.
    pub embedding: Option<Vec<f32>>,
    /// While the results are those of the model before: what they were made with.
    pub outdated: Option<Arc<Scorer>>,
    pub best: Vec<BestLabel>,
    pub problem: Option<Problem>,
}

/// All rows; ids grow, so their order is the order of arrival.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<PhotoId, Row>,
    by_path: HashMap<PathBuf, PhotoId>,
    next: PhotoId,
}

/// What adding a path came to.
pub enum Added {
    /// A new photo.
    New(PhotoStub),
    /// It lies on the table already.
    Known(PhotoId),
}

impl Table {
    /// Puts a file on the table, unless it is there.
    pub fn add(&mut self, path: PathBuf) -> Added {
        if let Some(id) = self.by_path.get(&path) {
            return Added::Known(*id);
        }
        let id = self.next;
        self.next += 1;
        self.by_path.insert(path.clone(), id);
        let stub = stub(id, &path);
        let row = Row {
            path,
            state: PhotoState::Waiting,
            facts: None,
            pooled: None,
            embedding: None,
            outdated: None,
            best: Vec::new(),
            problem: None,
        };
        self.rows.insert(id, row);
        Added::New(stub)
    }

    pub fn get(&self, id: PhotoId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub fn get_mut(&mut self, id: PhotoId) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    pub fn remove(&mut self, id: PhotoId) -> bool {
        match self.rows.remove(&id) {
            Some(row) => self.by_path.remove(&row.path).is_some(),
            None => false,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (PhotoId, &Row)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PhotoId, &mut Row)> {
        self.rows.iter_mut().map(|(id, row)| (*id, row))
    }

    /// The records of all photos.
    pub fn records(&self) -> Vec<PhotoRecord> {
        self.iter().map(|(id, row)| row.record(id)).collect()
    }
}

impl Row {
    fn record(&self, id: PhotoId) -> PhotoRecord {
        let PhotoStub { id, name, path } = stub(id, &self.path);
        let [width, height] = self.facts.as_ref().map_or([0, 0], |facts| [facts.width, facts.height]);
        let (best, problem) = (self.best.clone(), self.problem.clone());
        PhotoRecord { id, name, path, state: self.state, width, height, best, problem }
    }

    /// Notes a failure and gives the message of it.
    pub fn fail(&mut self, id: PhotoId, problem: Problem) -> Failure {
        self.forget_results();
        self.state = PhotoState::Failed;
        self.problem = Some(problem.clone());
        let PhotoStub { id, name, path } = stub(id, &self.path);
        Failure { id, name, path, problem }
    }

    /// Goes back to where the photo was before it had results.
    pub fn forget_results(&mut self) {
        if self.state == PhotoState::Labelled {
            self.state = PhotoState::Decoded;
        }
        (self.pooled, self.embedding, self.outdated) = (None, None, None);
        self.best.clear();
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
