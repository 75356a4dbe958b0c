//! An import as the workbench does it, of made-up photos: a line of metadata, then what the photo shows. And this very test
//! program once more, as a process of its own.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cliploupe_library::{
    Identity, Library, LibraryError, Open, PhotoId, clock, files,
    import::{self, FoundFile, How, What},
    paths, photos,
};
use walkdir::WalkDir;

pub use cliploupe_library::import::Finder;

/// Opens a library, which is made if there is none.
pub fn open(folder: &Path) -> Result<Library, LibraryError> {
    Library::open(folder, Open { create: true, read_only: false })
}

/// Writes a photo.
pub fn write(path: &Path, metadata: &str, shows: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{metadata}\n{shows}")).unwrap();
}

/// The identity of a photo that shows this.
pub fn identity(shows: &[u8]) -> Identity {
    Identity(*blake3::hash(shows).as_bytes())
}

/// The photos below a folder.
pub fn walk(folder: &Path) -> Vec<FoundFile> {
    let found = |entry: walkdir::DirEntry| {
        let metadata = entry.metadata().ok()?;
        let modified_ns = clock::modified_ns(metadata.modified().ok()?);
        metadata.is_file().then(|| FoundFile { path: entry.into_path(), bytes: metadata.len(), modified_ns })
    };
    WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok).filter_map(found).collect()
}

/// What an import came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    pub new: u32,
    pub same: u32,
    pub duplicates: u32,
    pub moved: u32,
    pub unchanged: u32,
    pub removed: u32,
}

/// Imports a folder, `chunk` files in a transaction. `read` hears of every photo whose file has been read, once that is on
/// the disk.
pub fn import(
    library: &Library,
    folder: &Path,
    finder: Finder,
    chunk: usize,
    mut read: impl FnMut(&Identity, PhotoId),
) -> Result<Imported, LibraryError> {
    let found = walk(folder);
    let mut imported = Imported::default();
    for chunk in found.chunks(chunk) {
        let seen = library.write(|tx| import::see(tx, chunk, finder, clock::now_ms()))?;
        let mut to_read = vec![];
        for (file, seen) in chunk.iter().zip(seen) {
            match seen.what {
                What::New | What::Changed => to_read.push(file),
                What::Unchanged | What::Returned => imported.unchanged += 1,
                What::Removed => imported.removed += 1,
            }
        }
        let done = library.write(|tx| {
            let read = |file: &&FoundFile| read_one(tx, file).transpose();
            to_read.iter().filter_map(read).collect::<Result<Vec<_>, LibraryError>>()
        })?;
        for (identity, done) in &done {
            match done.how {
                How::New => imported.new += 1,
                How::SameContent => imported.same += 1,
                How::Duplicate => imported.duplicates += 1,
                How::Moved { .. } => imported.moved += 1,
            }
            read(identity, done.photo);
        }
    }
    let present = found.into_iter().map(|file| file.path);
    library.write(|tx| files::reconcile(tx, folder, present, clock::now_ms()))?;
    Ok(imported)
}

fn read_one(
    conn: &rusqlite::Connection,
    file: &FoundFile,
) -> Result<Option<(Identity, import::Identified)>, LibraryError> {
    // A file that another process moved meanwhile is found where it is now.
    let Ok(bytes) = fs::read(&file.path) else { return Ok(None) };
    let shows = bytes.splitn(2, |byte| *byte == b'\n').nth(1).unwrap();
    let identity = identity(shows);
    let facts = import::Facts { format: "JPEG".into(), orientation: 1, ..Default::default() };
    let done = import::identify(conn, file, &identity, &facts, clock::now_ms(), &paths::may_exist)?;
    if let Some(done) = &done {
        photos::set_thumbnail(conn, done.photo, crc32fast::hash(shows), None)?;
    }
    Ok(done.map(|done| (identity, done)))
}

/// The files that the library says are there, and the identities of their photos.
pub fn there(library: &Library) -> BTreeMap<PathBuf, Option<Identity>> {
    library
        .read(|conn| {
            let sql = "SELECT f.path, p.identity FROM file f JOIN photo p ON p.id = f.photo
                       WHERE f.missing_since_ms IS NULL";
            let mut statement = conn.prepare(sql)?;
            let read = |row: &rusqlite::Row| {
                let identity = row.get_ref(1)?.as_blob_or_null()?.and_then(Identity::from_slice);
                Ok((paths::from_bytes(row.get_ref(0)?.as_blob()?), identity))
            };
            Ok(statement.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
        })
        .unwrap()
}

/// The files below a folder, and the identities of what they show.
pub fn on_disk(folder: &Path) -> BTreeMap<PathBuf, Option<Identity>> {
    let shows = |path: &Path| identity(fs::read(path).unwrap().splitn(2, |byte| *byte == b'\n').nth(1).unwrap());
    walk(folder).into_iter().map(|file| (file.path.clone(), Some(shows(&file.path)))).collect()
}

/// Whether the database is whole.
pub fn is_whole(library: &Library) -> bool {
    let check = |sql: &'static str| {
        library
            .read(|conn| Ok(conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?))
    };
    check("PRAGMA integrity_check").unwrap() == ["ok"] && check("PRAGMA foreign_key_check").unwrap().is_empty()
}

/// A number that SQL gives.
pub fn number(library: &Library, sql: &str) -> i64 {
    library.read(|conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

/// The variable that tells a test that it is a process of its own, and where to work.
const WORK: &str = "CLIPLOUPE_TEST_WORK";

/// Where a test is to work that was started by [`again`]; `None` for one that is run like any other.
pub fn work() -> Option<PathBuf> {
    env::var_os(WORK).map(PathBuf::from)
}

/// One test of this program, to be started as a process of its own with a place to work. `before` is what it is started
/// through, as `unshare --mount`.
pub fn again(before: &[&str], test: &str, work: &Path) -> Command {
    start(&env::current_exe().unwrap(), before, test, work)
}

/// As [`again`], from a copy of this program.
pub fn start(program: &Path, before: &[&str], test: &str, work: &Path) -> Command {
    let mut command = match before {
        [] => Command::new(program),
        [before, arguments @ ..] => {
            let mut command = Command::new(before);
            command.args(arguments).arg(program);
            command
        }
    };
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(WORK, work).stdin(Stdio::null());
    command
}

/// What a test is started through that makes mounts of its own.
///
/// # Panics
/// If that is not allowed here: a test that cannot be run has not passed.
#[cfg(target_os = "linux")]
pub fn own_mounts() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| {
        Command::new(way[0])
            .args(&way[1..])
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    ways.iter().find(works).expect(
        "this test mounts small disks and needs `unshare --mount` as root, or unprivileged user namespaces \
         (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu)",
    )
}

/// Mounts a small disk at a folder; only in a process started through [`own_mounts`].
#[cfg(target_os = "linux")]
pub fn mount(folder: &Path, options: &str) {
    fs::create_dir_all(folder).unwrap();
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).status();
    assert!(status.unwrap().success());
}
