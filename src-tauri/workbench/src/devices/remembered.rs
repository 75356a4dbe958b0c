//! What is kept of self-tests between two starts: one file, which can be made again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cliploupe_library::whole_file;
use serde::{Deserialize, Serialize};

use crate::messages::{Precision, SelfTest};

/// Self-tests that are kept at most; the oldest go first.
const KEPT: usize = 500;
/// A larger file is none of ours.
const LARGEST_FILE: u64 = 4 << 20;

/// A self-test, and what it holds for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// [`cliploupe_engine::device::DeviceInfo::key`]
    device: String,
    /// [`crate::model_source::ModelSource::weights_key`]
    model: String,
    /// The program's version: its kernels may differ in another.
    program: String,
    test: SelfTest,
}

/// The self-tests of this machine.
#[derive(Debug, Default)]
pub struct Remembered {
    path: Option<PathBuf>,
    entries: Mutex<Vec<Entry>>,
}

impl Remembered {
    /// Those kept in `folder`; without one they last as long as the program. What cannot be read is tested again.
    pub fn load(folder: Option<&Path>) -> Self {
        let path = folder.map(|folder| folder.join("self-tests.json"));
        let read = |path: &PathBuf| {
            let is_ours = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LARGEST_FILE);
            serde_json::from_slice(&is_ours.then(|| fs::read(path).ok())??).ok()
        };
        Self { entries: Mutex::new(path.as_ref().and_then(read).unwrap_or_default()), path }
    }

    /// Where they are kept.
    pub fn folder(&self) -> Option<&Path> {
        self.path.as_deref()?.parent()
    }

    /// How a device was found to compute a model in this precision.
    pub fn get(&self, device: &str, model: &str, precision: Precision) -> Option<SelfTest> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |entry: &&Entry| {
            entry.device == device
                && entry.model == model
                && entry.test.precision == precision
                && entry.program == env!("CARGO_PKG_VERSION")
        };
        entries.iter().find(is_it).map(|entry| entry.test.clone())
    }

    /// All tests of a device by this version of the program, the newest first.
    pub fn of_device(&self, device: &str) -> Vec<SelfTest> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = entries.iter().filter(|entry| entry.device == device && entry.program == env!("CARGO_PKG_VERSION"));
        let mut tests: Vec<SelfTest> = of_it.map(|entry| entry.test.clone()).collect();
        tests.sort_by_key(|test| std::cmp::Reverse(test.taken_ms));
        tests
    }

    /// Keeps a test in the place of an older one. If it cannot be written it is only made again at the next start.
    pub fn note(&self, device: &str, model: &str, test: SelfTest) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .retain(|entry| entry.device != device || entry.model != model || entry.test.precision != test.precision);
        entries.push(Entry {
            device: device.to_owned(),
            model: model.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            test,
        });
        let surplus = entries.len().saturating_sub(KEPT);
        entries.drain(..surplus);
        if let Some(path) = &self.path {
            let text = serde_json::to_vec_pretty(&*entries).unwrap_or_default();
            let folder = path.parent().unwrap_or(Path::new("."));
            let _ = fs::create_dir_all(folder).and_then(|()| whole_file::write(path, &text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(precision: Precision, taken_ms: i64) -> SelfTest {
        SelfTest {
            model: "m".into(),
            precision,
            passed: true,
            stages: 3,
            difference: Some(1e-6),
            worst_stage: "image.pooled".into(),
            cosine: Some(1.0),
            speedup: Some(2.0),
            pictures_per_second: Some(10.0),
            cause: None,
            taken_ms,
        }
    }

    #[test]
    fn tests_are_there_at_the_next_start_and_hold_for_one_device_and_model() {
        let folder = tempfile::tempdir().unwrap();
        let first = Remembered::load(Some(folder.path()));
        first.note("card", "model", test(Precision::F32, 1));
        first.note("card", "model", test(Precision::F16, 2));
        first.note("card", "model", test(Precision::F32, 3));
        let second = Remembered::load(Some(folder.path()));
        assert_eq!(second.get("card", "model", Precision::F32), Some(test(Precision::F32, 3)));
        assert_eq!(second.get("card", "other", Precision::F32), None);
        assert_eq!(second.get("card with a new driver", "model", Precision::F32), None);
        assert_eq!(second.of_device("card").iter().map(|test| test.taken_ms).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn a_damaged_file_only_means_that_devices_are_tested_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("self-tests.json"), "[{").unwrap();
        let remembered = Remembered::load(Some(folder.path()));
        assert_eq!(remembered.of_device("card"), []);
        remembered.note("card", "model", test(Precision::F32, 1));
        assert_eq!(Remembered::load(Some(folder.path())).of_device("card").len(), 1);
    }

    #[test]
    fn tests_of_another_version_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry {
            device: "card".into(),
            model: "model".into(),
            program: "0.0.0".into(),
            test: test(Precision::F32, 1),
        };
        fs::write(folder.path().join("self-tests.json"), serde_json::to_vec(&[entry]).unwrap()).unwrap();
        assert_eq!(Remembered::load(Some(folder.path())).get("card", "model", Precision::F32), None);
    }
}
