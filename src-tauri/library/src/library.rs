//! A library that is open: where it lies, one connection that writes, some that read.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{
    LibraryError,
    database::{self, FILE, Reading, SCHEMA},
    paths,
};

/// How many readers are kept for the next call; more are opened when more are needed.
const READERS: usize = 4;

/// How a library is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open {
    /// Makes the folder and the library if there is none.
    pub create: bool,
    /// Changes nothing, and waits for nobody.
    pub read_only: bool,
}

/// A library that is open. Several threads may use it at once, and so may several processes.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    id: String,
    reading: Reading,
    // Before the writer, so that they close first: the last one to close puts the log into the file.
    readers: Mutex<Vec<Connection>>,
    access: Access,
}

#[derive(Debug)]
enum Access {
    Write(Mutex<Connection>),
    Read { reason: String },
}

impl Library {
    /// Opens the library in a folder. If it cannot be written it is opened to be read; [`is_read_only`](Self::is_read_only)
    /// says why.
    ///
    /// # Errors
    /// `NotALibrary`, `TooNew`, `Damaged`, `DiskFull` while it is made or migrated, `ReadOnly` if it would have to be
    /// migrated first, and what the disk says.
    pub fn open(folder: &Path, open: Open) -> Result<Self, LibraryError> {
        let folder = paths::absolute(folder).map_err(LibraryError::file("open", folder))?;
        let file = folder.join(FILE);
        if open.read_only {
            return Self::open_to_read(folder, "it was opened to be read only".into());
        }
        if !file.exists() {
            if !open.create {
                return Err(LibraryError::NotALibrary { path: folder });
            }
            fs::create_dir_all(&folder).map_err(LibraryError::file("make", &folder))?;
        }
        match database::writer(&file, open.create) {
            Ok(writer) => Self::with_writer(folder, writer),
            Err(LibraryError::ReadOnly { reason, .. }) => Self::open_to_read(folder, reason),
            Err(error) => Err(error),
        }
    }

    fn with_writer(folder: PathBuf, writer: Connection) -> Result<Self, LibraryError> {
        let id = Self::read_id(&folder, &writer)?;
        let access = Access::Write(Mutex::new(writer));
        let library = Self { folder, id, reading: Reading::Shared, readers: Mutex::default(), access };
        for folder in [library.features_folder(), library.thumbnails_folder()] {
            fs::create_dir_all(&folder).map_err(LibraryError::file("make", &folder))?;
        }
        Ok(library)
    }

    fn open_to_read(folder: PathBuf, reason: String) -> Result<Self, LibraryError> {
        let file = folder.join(FILE);
        if !file.is_file() {
            return Err(LibraryError::NotALibrary { path: folder });
        }
        let failed = |error| database::explain(&file, "open the library", error);
        let reading = database::how_to_read(&file).map_err(failed)?;
        let reader = database::reader(&file, reading).map_err(failed)?;
        match database::schema(&reader).map_err(failed)? {
            Some(SCHEMA) => {}
            Some(found) if found > SCHEMA => return Err(LibraryError::TooNew { path: file, found, known: SCHEMA }),
            Some(found) => {
                let reason =
                    format!("{reason}, but it is of an older version (schema {found}) and has to be changed first");
                return Err(LibraryError::ReadOnly { path: file, reason });
            }
            None => return Err(LibraryError::NotALibrary { path: folder }),
        }
        let id = Self::read_id(&folder, &reader)?;
        Ok(Self { folder, id, reading, readers: Mutex::new(vec![reader]), access: Access::Read { reason } })
    }

    fn read_id(folder: &Path, conn: &Connection) -> Result<String, LibraryError> {
        conn.query_row("SELECT value FROM meta WHERE key = 'library_id'", [], |row| row.get(0))
            .map_err(|error| database::explain(&folder.join(FILE), "open the library", error))
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where features lie; the folder is there unless the library can only be read.
    pub fn features_folder(&self) -> PathBuf {
        self.folder.join("features")
    }

    /// Where thumbnails lie; the folder is there unless the library can only be read.
    pub fn thumbnails_folder(&self) -> PathBuf {
        self.folder.join("thumbnails")
    }

    /// 32 hexadecimal digits that no other library has, unless its folder was copied.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Why it can only be read; `None` if it can be written.
    pub fn is_read_only(&self) -> Option<&str> {
        match &self.access {
            Access::Write(_) => None,
            Access::Read { reason } => Some(reason),
        }
    }

    /// Reads: everything that `work` sees is of one moment, whatever is written meanwhile.
    ///
    /// # Errors
    /// What `work` says; `Damaged` if the file is.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, LibraryError>) -> Result<T, LibraryError> {
        let kept = lock(&self.readers).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => database::reader(&self.file(), self.reading).map_err(|error| self.explain(error.into()))?,
        };
        let run = || {
            let moment = reader.unchecked_transaction()?;
            let value = work(&moment)?;
            moment.finish()?;
            Ok(value)
        };
        let result = run().map_err(|error| self.explain(error));
        let mut readers = lock(&self.readers);
        if readers.len() < READERS {
            readers.push(reader);
        }
        result
    }

    /// Writes: all that `work` did is on the disk when this returns `Ok`, and none of it otherwise. Other writers, of this
    /// process and of others, wait; `work` must not call `write` itself.
    ///
    /// # Errors
    /// `ReadOnly`, `DiskFull`, `Damaged`, and what `work` says.
    pub fn write<T>(&self, work: impl FnOnce(&Transaction) -> Result<T, LibraryError>) -> Result<T, LibraryError> {
        let writer = match &self.access {
            Access::Write(writer) => writer,
            Access::Read { reason } => {
                return Err(LibraryError::ReadOnly { path: self.file(), reason: reason.clone() });
            }
        };
        let mut writer = lock(writer);
        let run = || {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        run().map_err(|error| self.explain(error))
    }

    /// A connection of its own, for one who goes through the whole file, as a check does.
    ///
    /// # Errors
    /// `ReadOnly` if it is to write and the library can only be read; `Damaged`, and what the disk says.
    pub fn connection(&self, is_to_write: bool) -> Result<Connection, LibraryError> {
        match &self.access {
            Access::Write(_) if is_to_write => database::writer(&self.file(), false),
            Access::Read { reason } if is_to_write => {
                Err(LibraryError::ReadOnly { path: self.file(), reason: reason.clone() })
            }
            _ => database::reader(&self.file(), self.reading).map_err(|error| self.explain(error.into())),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn explain(&self, error: LibraryError) -> LibraryError {
        match error {
            LibraryError::Database { doing, source } => database::explain(&self.file(), doing, source),
            other => other,
        }
    }
}

/// What a panic of another thread left is whole: its transaction was rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Open = Open { create: true, read_only: false };

    fn photos(library: &Library) -> u32 {
        library.read(|conn| Ok(conn.query_row("SELECT count(*) FROM photo", [], |row| row.get(0))?)).unwrap()
    }

    fn add(tx: &Transaction) -> Result<(), LibraryError> {
        tx.execute("INSERT INTO photo (added_ms) VALUES (1)", [])?;
        Ok(())
    }

    #[test]
    fn a_library_is_made_once_and_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("new/library");
        assert!(matches!(Library::open(&at, Open::default()), Err(LibraryError::NotALibrary { .. })));
        let id = Library::open(&at, NEW).unwrap().id().to_owned();
        let again = Library::open(&at, Open::default()).unwrap();
        assert_eq!((again.id(), id.len(), again.is_read_only()), (id.as_str(), 32, None));
        assert!(again.features_folder().is_dir() && again.thumbnails_folder().is_dir());
    }

    #[test]
    fn commits_are_on_the_disk_and_tables_refer_to_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path(), NEW).unwrap();
        let pragma = |name: &'static str| {
            library.write(|tx| Ok(tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?)).unwrap()
        };
        // synchronous 2 is FULL.
        assert_eq!((pragma("synchronous"), pragma("foreign_keys"), pragma("mmap_size")), (2, 1, 0));
        let error = library.write(|tx| Ok(tx.execute("INSERT INTO file VALUES (1, 7, x'00', 0, 0, NULL)", [])?));
        assert!(matches!(error, Err(LibraryError::Database { .. })));
    }

    #[test]
    fn what_fails_or_panics_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path(), NEW).unwrap();
        let refused = library.write(|tx| add(tx).and(Err::<(), _>(LibraryError::Refused("no".into()))));
        assert_eq!(refused.unwrap_err().to_string(), "no");
        let panics = || library.write(|tx| add(tx).map(|()| panic!("in the middle")));
        let _: Box<dyn std::any::Any + Send> =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panics().map(|(): ()| ()))).unwrap_err();
        assert_eq!(photos(&library), 0);
        library.write(add).unwrap();
        assert_eq!(photos(&library), 1);
    }

    #[test]
    fn a_reader_sees_one_moment_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path(), NEW).unwrap();
        let count = |conn: &Connection| conn.query_row("SELECT count(*) FROM photo", [], |row| row.get::<_, u32>(0));
        let seen = library.read(|conn| {
            let before = count(conn)?;
            library.write(add)?;
            Ok((before, count(conn)?, photos(&library)))
        });
        assert_eq!(seen.unwrap(), (0, 0, 1));
    }

    #[test]
    fn opened_to_be_read_it_refuses_to_be_written() {
        let folder = tempfile::tempdir().unwrap();
        Library::open(folder.path(), NEW).unwrap().write(add).unwrap();
        let library = Library::open(folder.path(), Open { read_only: true, create: false }).unwrap();
        assert!(library.is_read_only().is_some());
        assert!(matches!(library.write(add), Err(LibraryError::ReadOnly { .. })));
        assert!(library.read(|conn| Ok(conn.execute("DELETE FROM photo", [])?)).is_err());
        assert_eq!(photos(&library), 1);
    }

    #[test]
    fn a_file_of_something_else_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), [b'x'; 5000]).unwrap();
        assert!(matches!(Library::open(folder.path(), NEW), Err(LibraryError::Damaged { .. })));
    }
}
