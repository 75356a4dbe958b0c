//! Whatever happens to files, in whatever order, and wherever an import is cut off: the library ends up as the disk is, and
//! nothing that was decided is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use filetime::FileTime;
use proptest::prelude::*;
use rusqlite::{Connection, params};

use super::*;
use crate::{Identity, clock, database, files, paths, photos};

/// Where files can lie; those on the drive can be unplugged together.
const SLOTS: [&str; 6] = ["a.jpg", "b\n'\".jpg", "below/c 🦊.jpg", "drive/d.jpg", "drive/e.jpg", "drive/below/f.jpg"];

/// What a file can show. The first cannot be read.
const CONTENTS: [&str; 5] = ["broken", "cat", "dog", "fox", "owl"];

#[derive(Debug, Clone)]
enum Step {
    Write {
        slot: usize,
        content: usize,
    },
    Move {
        from: usize,
        to: usize,
    },
    Copy {
        from: usize,
        to: usize,
    },
    Delete {
        slot: usize,
    },
    EditMetadata {
        slot: usize,
    },
    Plug,
    Unplug,
    Decide {
        content: usize,
    },
    Remove {
        content: usize,
    },
    /// Of everything; cut off after so many transactions.
    Scan {
        by: Finder,
        calls: usize,
    },
    /// What an import does first that was cut off.
    Resume {
        calls: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (slot, other, content) = (0..SLOTS.len(), 0..SLOTS.len(), 0..CONTENTS.len());
    let finder = prop_oneof![Just(Finder::Scan), Just(Finder::Person)];
    let calls = prop_oneof![0..12_usize, Just(usize::MAX)];
    let step = prop_oneof![
        5 => (slot.clone(), content.clone()).prop_map(|(slot, content)| Step::Write { slot, content }),
        4 => (slot.clone(), other.clone()).prop_map(|(from, to)| Step::Move { from, to }),
        3 => (slot.clone(), other).prop_map(|(from, to)| Step::Copy { from, to }),
        2 => slot.clone().prop_map(|slot| Step::Delete { slot }),
        3 => slot.prop_map(|slot| Step::EditMetadata { slot }),
        1 => Just(Step::Plug),
        1 => Just(Step::Unplug),
        3 => content.clone().prop_map(|content| Step::Decide { content }),
        1 => content.prop_map(|content| Step::Remove { content }),
        6 => (finder, calls.clone()).prop_map(|(by, calls)| Step::Scan { by, calls }),
        2 => calls.prop_map(|calls| Step::Resume { calls }),
    ];
    proptest::collection::vec(step, 1..40)
}

struct World {
    temp: tempfile::TempDir,
    conn: Connection,
    /// Goes backwards, as clocks do; no two files are changed at the same time.
    clock: i64,
    /// Which photo shows what, as soon as that is known. It must never change.
    photos: BTreeMap<usize, PhotoId>,
    decided: BTreeMap<usize, i64>,
    removed: BTreeSet<usize>,
}

impl World {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["root/below", "root/drive/below"] {
            fs::create_dir_all(temp.path().join(folder)).unwrap();
        }
        // The folders themselves are never empty, as on a real drive.
        for keep in ["root/.keep", "root/below/.keep", "root/drive/.keep", "root/drive/below/.keep"] {
            fs::write(temp.path().join(keep), "").unwrap();
        }
        let (photos, decided, removed) = Default::default();
        Self { temp, conn: database::in_memory(), clock: 1_000_000, photos, decided, removed }
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("root")
    }

    fn slot(&self, slot: usize) -> PathBuf {
        self.root().join(SLOTS[slot])
    }

    fn now(&mut self) -> i64 {
        self.clock -= 1;
        self.clock
    }

    fn write(&mut self, path: &Path, content: &str) {
        if path.parent().unwrap().is_dir() {
            let now = self.now();
            // Of one length, so that only the time tells edits apart.
            fs::write(path, format!("{now:07}{content:>8}")).unwrap();
            filetime::set_file_mtime(path, FileTime::from_unix_time(now, 0)).unwrap();
        }
    }

    /// Files that are there, and what they show.
    fn disk(&self) -> BTreeMap<PathBuf, usize> {
        let shows = |path: &Path| {
            let text = fs::read_to_string(path).ok()?;
            CONTENTS.iter().position(|content| *content == text[7..].trim())
        };
        (0..SLOTS.len()).filter_map(|slot| Some((self.slot(slot), shows(&self.slot(slot))?))).collect()
    }

    fn found(path: &Path) -> FoundFile {
        let metadata = fs::metadata(path).unwrap();
        let modified_ns = clock::modified_ns(metadata.modified().unwrap());
        FoundFile { path: path.to_owned(), bytes: metadata.len(), modified_ns }
    }

    fn read(&mut self, file: &FoundFile) {
        let shows = self.disk()[&file.path];
        let now = self.now();
        if shows == 0 {
            fail(&self.conn, file, "{}", now).unwrap();
            return;
        }
        let identity = Identity(*blake3::hash(CONTENTS[shows].as_bytes()).as_bytes());
        let done = identify(&self.conn, file, &identity, &Facts::default(), now, &paths::may_exist).unwrap().unwrap();
        assert_eq!(*self.photos.entry(shows).or_insert(done.photo), done.photo, "{shows} is another photo now");
    }

    fn scan(&mut self, by: Finder, calls: usize) {
        let mut left = calls;
        let mut goes_on = || left.checked_sub(1).inspect(|less| left = *less).is_some();
        let disk: Vec<FoundFile> = self.disk().keys().map(|path| Self::found(path)).collect();
        for chunk in disk.chunks(4) {
            if !goes_on() {
                return;
            }
            let now = self.now();
            let seen = see(&self.conn, chunk, by, now).unwrap();
            for (file, seen) in chunk.iter().zip(seen) {
                if matches!(seen.what, What::New | What::Changed) {
                    if !goes_on() {
                        return;
                    }
                    self.read(file);
                }
            }
        }
        if goes_on() {
            let now = self.now();
            files::reconcile(&self.conn, &self.root(), disk.into_iter().map(|file| file.path), now).unwrap();
        }
        if by == Finder::Person && calls == usize::MAX {
            let disk = self.disk();
            self.removed.retain(|content| !disk.values().any(|shows| shows == content));
        }
    }

    fn step(&mut self, step: &Step) {
        let (plugged, away) = (self.root().join("drive"), self.temp.path().join("away"));
        match *step {
            Step::Write { slot, content } => self.write(&self.slot(slot), CONTENTS[content]),
            Step::Move { from, to } => {
                // Fails while the drive is away, or there is nothing to move.
                let _ = fs::rename(self.slot(from), self.slot(to));
            }
            Step::Copy { from, to } => {
                if let Some(shows) = self.disk().get(&self.slot(from)).filter(|_| from != to) {
                    self.write(&self.slot(to), CONTENTS[*shows]);
                }
            }
            Step::Delete { slot } => drop(fs::remove_file(self.slot(slot))),
            Step::EditMetadata { slot } => {
                if let Some(shows) = self.disk().get(&self.slot(slot)) {
                    self.write(&self.slot(slot), CONTENTS[*shows]);
                }
            }
            Step::Plug => drop(fs::rename(away, plugged)),
            Step::Unplug => drop(fs::rename(plugged, away)),
            Step::Decide { content } => {
                if let Some(photo) = self.photos.get(&content).copied() {
                    let now = self.now();
                    decide(&self.conn, photo, now);
                    self.decided.insert(content, now);
                }
            }
            Step::Remove { content } => {
                if let Some(photo) = self.photos.get(&content).copied() {
                    let now = self.now();
                    photos::remove(&self.conn, &[photo], now).unwrap();
                    self.removed.insert(content);
                }
            }
            Step::Scan { by, calls } => self.scan(by, calls),
            Step::Resume { calls } => {
                for (_, path) in pending(&self.conn).unwrap().into_iter().take(calls) {
                    if path.exists() {
                        self.read(&Self::found(&path));
                    }
                }
            }
        }
        // A scan by a person that was cut off, or that waits to be resumed, may or may not have brought photos back.
        for (content, photo) in &self.photos {
            let is_back =
                self.conn.query_row("SELECT removed_ms IS NULL FROM photo WHERE id = ?1", [photo], |row| row.get(0));
            if is_back.unwrap() {
                self.removed.remove(content);
            }
        }
    }

    fn check(&self) {
        let disk = self.disk();
        let sql = "SELECT f.path, f.photo, f.missing_since_ms IS NULL, p.problem IS NOT NULL FROM file f JOIN photo p ON p.id = f.photo";
        let mut there = BTreeSet::new();
        let mut statement = self.conn.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let path = paths::from_bytes(row.get_ref(0).unwrap().as_blob().unwrap());
            let (photo, is_there, is_failed): (PhotoId, bool, bool) =
                (row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
            assert_eq!(is_there, disk.contains_key(&path), "{path:?}");
            match disk.get(&path) {
                Some(0) => assert!(is_failed, "{path:?} is broken, and nobody says so"),
                Some(shows) => assert_eq!(self.photos.get(shows), Some(&photo), "{path:?} shows something else"),
                None => {}
            }
            there.extend(is_there.then_some(path));
        }
        assert!(there.iter().eq(disk.keys()), "files in the library are {there:?}, on the disk {disk:?}");
        for (content, decided_ms) in &self.decided {
            let photo = self.photos[content];
            let sql = "SELECT decided_ms FROM decision WHERE photo = ?1";
            let kept: i64 = self.conn.query_row(sql, [photo], |row| row.get(0)).unwrap();
            assert_eq!(kept, *decided_ms);
        }
        for content in &self.removed {
            assert!(photos::rows(&self.conn, |row| assert_ne!(row.id, self.photos[content])).is_ok());
        }
        let integrity: String = self.conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok");
    }

    /// Everything there is in the tables of photos and files.
    fn tables(&self) -> Vec<String> {
        let mut all = vec![];
        for sql in ["SELECT * FROM photo ORDER BY id", "SELECT * FROM file ORDER BY id", "SELECT * FROM decision"] {
            let mut statement = self.conn.prepare(sql).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                all.push((0..columns).map(|at| format!("{:?} ", row.get_ref(at).unwrap())).collect());
            }
        }
        all
    }
}

fn decide(conn: &Connection, photo: PhotoId, now_ms: i64) {
    conn.execute("INSERT OR IGNORE INTO label VALUES (1, 'seen')", []).unwrap();
    let sql =
        "INSERT OR REPLACE INTO decision (photo, label, verdict, decided_ms, origin) VALUES (?1, 1, 1, ?2, 'person')";
    conn.execute(sql, params![photo, now_ms]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_library_ends_up_as_the_disk_is_and_keeps_what_was_decided(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for last in [Step::Scan { by: Finder::Scan, calls: usize::MAX }, Step::Plug] {
            world.step(&last);
            // The second one parts a broken file from a photo that only got a good one in the first.
            for _ in 0..2 {
                world.step(&Step::Scan { by: Finder::Scan, calls: usize::MAX });
            }
            world.check();
            let before = world.tables();
            world.step(&Step::Scan { by: Finder::Scan, calls: usize::MAX });
            prop_assert_eq!(world.tables(), before, "a scan of what is known changed something");
        }
    }
}
