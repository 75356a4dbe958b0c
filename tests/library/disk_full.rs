//! A disk that fills at any point of an import: it is said, nothing is corrupt, and work goes on when there is room.

use std::{collections::BTreeSet, fs, path::Path};

use cliploupe_library::{Library, LibraryError};
use rusqlite::Connection;

use crate::importer::{self, Finder};

/// Fills a disk up to what is left free, in pages as the disk counts them.
fn fill(disk: &Path, left: u64) {
    let free = fs4::available_space(disk).unwrap();
    fs::write(disk.join("ballast"), vec![1; free.saturating_sub(left) as usize]).unwrap();
    assert!(fs4::available_space(disk).unwrap() <= left);
}

fn make_room(disk: &Path) {
    fs::remove_file(disk.join("ballast")).unwrap();
}

fn is_full(error: &LibraryError) -> bool {
    matches!(error, LibraryError::DiskFull { .. })
}

#[test]
fn an_import_goes_on_after_the_disk_was_full() {
    let temp = tempfile::tempdir().unwrap();
    let before = importer::own_mounts();
    for test in ["disk_full::on_a_small_disk", "disk_full::a_migration_on_a_small_disk"] {
        assert!(importer::again(before, test, temp.path()).status().unwrap().success(), "{test}");
    }
}

#[test]
fn on_a_small_disk() {
    let Some(work) = importer::work() else { return };
    let disk = work.join("disk");
    importer::mount(&disk, "size=16m");
    // From a disk on which nothing can be made at all to one on which everything fits: so it fills in
    // the database, in its log, in the index of the log, in a folder, while a library is made and while it grows.
    let mut failed_in = BTreeSet::new();
    for left in (0..60).chain((60..1600).step_by(70)).map(|pages| pages * 4096) {
        let (photos, folder) = (work.join(format!("photos {left}")), disk.join("library"));
        for photo in 0..40 {
            importer::write(&photos.join(format!("{photo}.jpg")), "", &format!("{photo} of {left} {}", "x".repeat(99)));
        }
        fill(&disk, left);
        let (mut acknowledged, failure) = import_and_decide(&folder, &photos);
        make_room(&disk);
        failed_in.insert(failure.as_ref().map_or("nothing", |(at, _)| at));
        if let Some((at, error)) = &failure {
            assert!(is_full(error), "{at}, {left} bytes left: {error:?}");
        }
        let (again, failure) = import_and_decide(&folder, &photos);
        assert!(failure.is_none(), "{left}: {failure:?}");
        acknowledged.extend(again);
        check(&importer::open(&folder).unwrap(), &photos, &acknowledged);
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(
        ["open", "import", "decide", "nothing"].iter().all(|at| failed_in.contains(at)),
        "it only failed in {failed_in:?}"
    );
}

/// The photos of which it is said that they are decided on, and where it failed and how.
fn import_and_decide(folder: &Path, photos: &Path) -> (BTreeSet<u32>, Option<(&'static str, LibraryError)>) {
    let mut read = vec![];
    let mut decided = BTreeSet::new();
    let library = match importer::open(folder) {
        Ok(library) => library,
        Err(error) => return (decided, Some(("open", error))),
    };
    let imported = importer::import(&library, photos, Finder::Person, 3, |_, photo| read.push(photo));
    // It can be read, however full the disk is.
    importer::there(&library);
    if let Err(error) = imported {
        return (decided, Some(("import", error)));
    }
    for photo in read {
        let decide = library.write(|tx| {
            tx.execute("INSERT OR IGNORE INTO label VALUES (1, 'seen')", [])?;
            let sql = "INSERT OR REPLACE INTO decision (photo, label, verdict, decided_ms, origin)
                       VALUES (?1, 1, 1, 0, 'person')";
            Ok(tx.execute(sql, [photo])?)
        });
        match decide {
            Ok(_) => drop(decided.insert(photo)),
            Err(error) => return (decided, Some(("decide", error))),
        }
    }
    (decided, None)
}

fn check(library: &Library, photos: &Path, acknowledged: &BTreeSet<u32>) {
    assert!(importer::is_whole(library));
    assert_eq!(importer::there(library), importer::on_disk(photos));
    assert_eq!(importer::number(library, "SELECT count(*) FROM photo"), 40);
    for photo in acknowledged {
        let sql = format!("SELECT count(*) FROM decision WHERE photo = {photo}");
        assert_eq!(importer::number(library, &sql), 1, "a decision was lost");
    }
}

#[test]
fn a_migration_on_a_small_disk() {
    let Some(work) = importer::work() else { return };
    let disk = work.join("old");
    importer::mount(&disk, "size=16m");
    let folder = disk.join("library");
    crate::migration::make_old(&folder, 500);
    let schema = |folder: &Path| {
        let conn = Connection::open(folder.join("library.sqlite")).unwrap();
        conn.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap()
    };
    let mut failures = 0;
    for left in (0..400).step_by(7).map(|pages| pages * 4096) {
        fill(&disk, left);
        let opened = importer::open(&folder).map(drop);
        make_room(&disk);
        let Err(error) = opened else { break };
        assert!(is_full(&error), "{left} bytes left: {error:?}");
        assert_eq!(schema(&folder), 1, "{left} bytes left: it was changed by halves");
        failures += 1;
    }
    assert!(failures > 3, "the disk was never full");
    let library = importer::open(&folder).unwrap();
    assert!(importer::is_whole(&library));
    assert_eq!(importer::number(&library, "SELECT count(*) FROM decision"), 500);
}
