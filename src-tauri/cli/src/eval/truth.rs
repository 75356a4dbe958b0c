//! Photos whose labels are known: a folder with one folder per label, or a table.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use cliploupe_workbench::{Workbench, library::export, messages::PhotoId};
use serde_json::{Value, json};

use crate::{
    failure::Failed,
    places::{Places, unknown},
};

/// Photos whose labels are known.
pub enum Truth {
    /// Folders, and the label of all photos in each.
    Folders(Vec<(PathBuf, String)>),
    /// Files, and the labels of each.
    Table(Vec<(PathBuf, Vec<String>)>),
}

/// As far as a library has them.
pub struct Known {
    /// Each photo once, with all labels that it has.
    pub photos: Vec<(PathBuf, Vec<String>)>,
    /// Photos that are left out, and why.
    pub failed: Vec<Value>,
}

impl Truth {
    /// Reads a table, or the names of folders.
    pub fn read(path: &Path) -> Result<Self, Failed> {
        if !path.is_dir() {
            return Ok(Self::Table(export::read_truth(path)?));
        }
        let wrong = |cause: std::io::Error| Failed::work(format!("cannot list the folder {path:?}: {cause}"));
        let mut folders = Vec::new();
        for entry in path.read_dir().map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let label = readable(&entry.file_name().to_string_lossy());
            if entry.path().is_dir() && !label.is_empty() {
                folders.push((entry.path(), label));
            }
        }
        if folders.is_empty() {
            return Err(Failed::usage(format!("{path:?} is not a folder with one folder per label")));
        }
        folders.sort();
        Ok(Self::Folders(folders))
    }

    /// Every label, by name.
    pub fn labels(&self) -> Vec<String> {
        let labels: BTreeSet<&String> = match self {
            Self::Folders(folders) => folders.iter().map(|(_, label)| label).collect(),
            Self::Table(photos) => photos.iter().flat_map(|(_, labels)| labels).collect(),
        };
        labels.into_iter().cloned().collect()
    }

    /// What is to be read.
    pub fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Folders(folders) => folders.iter().map(|(folder, _)| folder.clone()).collect(),
            Self::Table(photos) => photos.iter().map(|(path, _)| path.clone()).collect(),
        }
    }

    /// The photos of it that are in a library. One content in several files is one photo, with the labels of all.
    pub fn photos(&self, bench: &Workbench) -> Result<Known, Failed> {
        let places = Places::of(bench)?;
        let mut labels = BTreeMap::<PhotoId, BTreeSet<&String>>::new();
        let mut failed = Vec::new();
        match self {
            Self::Folders(folders) => {
                for (folder, label) in folders {
                    places.folder(folder)?.into_iter().for_each(|id| _ = labels.entry(id).or_default().insert(label));
                }
            }
            Self::Table(photos) => {
                for (path, own) in photos {
                    match places.file(path)? {
                        Some(id) => labels.entry(id).or_default().extend(own),
                        None => {
                            failed.push(json!({ "path": path.display().to_string(), "error": unknown(path).message }))
                        }
                    }
                }
            }
        }
        let failures = bench.snapshot().failures;
        let unreadable: HashSet<PhotoId> = failures.iter().map(|failure| failure.id).collect();
        let ours = failures.into_iter().filter(|failure| labels.contains_key(&failure.id));
        failed.extend(ours.map(|failure| json!({ "path": failure.path, "error": failure.problem.message })));
        let readable = labels.into_iter().filter(|(id, _)| !unreadable.contains(id));
        let photo =
            |(id, labels): (PhotoId, BTreeSet<&String>)| Some((bench.path(id)?, labels.into_iter().cloned().collect()));
        Ok(Known { photos: readable.filter_map(photo).collect(), failed })
    }
}

/// A folder's name as a label: `golden_retriever` means two words.
fn readable(name: &str) -> String {
    name.replace(['_', '-'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_the_labels_and_files_beside_them_do_not() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["golden_retriever", "cat", "_"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        std::fs::write(home.path().join("notes.txt"), "").unwrap();
        let truth = Truth::read(home.path()).ok().unwrap();
        assert_eq!(truth.labels(), ["cat", "golden retriever"]);
        assert_eq!(truth.paths(), ["cat", "golden_retriever"].map(|name| home.path().join(name)));
    }

    #[test]
    fn a_folder_without_folders_is_bad_usage() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Truth::read(home.path()).err().map(|failed| failed.exit_code), Some(2));
    }

    #[test]
    fn a_table_names_labels_once() {
        let home = tempfile::tempdir().unwrap();
        let table = home.path().join("truth.csv");
        std::fs::write(&table, "path,labels\na.jpg,cat;dog\nb.jpg,cat\nc.jpg,\n").unwrap();
        let truth = Truth::read(&table).ok().unwrap();
        assert_eq!(truth.labels(), ["cat", "dog"]);
        assert_eq!(truth.paths().len(), 3);
    }
}
