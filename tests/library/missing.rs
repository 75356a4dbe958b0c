//! Files and drives that go and come back: whatever is not there, tags stay.

use std::{fs, path::Path};

use cliploupe_library::{
    Library, PhotoId,
    files::{self, FolderState, Reconciled},
    photos,
};
use filetime::FileTime;

use crate::importer::{self, Finder};

/// A library and a drive with three photos that are tagged.
fn tagged() -> (tempfile::TempDir, Library) {
    let temp = tempfile::tempdir().unwrap();
    let library = importer::open(&temp.path().join("library")).unwrap();
    for name in ["a", "b", "below/c"] {
        importer::write(&temp.path().join("drive").join(format!("{name}.jpg")), "", name);
    }
    importer::import(&library, &temp.path().join("drive"), Finder::Person, 10, |_, _| {}).unwrap();
    library
        .write(|tx| {
            tx.execute("INSERT INTO label VALUES (1, 'animal')", [])?;
            let sql = "INSERT INTO decision (photo, label, verdict, decided_ms, origin)
                       SELECT id, 1, 1, 0, 'person' FROM photo";
            Ok(tx.execute(sql, [])?)
        })
        .unwrap();
    (temp, library)
}

fn reconcile(library: &Library, folder: &Path) -> Reconciled {
    let present = importer::walk(folder).into_iter().map(|file| file.path);
    library.write(|tx| files::reconcile(tx, folder, present, 5)).unwrap()
}

fn missing(library: &Library) -> u64 {
    let counts = library.read(photos::counts).unwrap();
    assert_eq!(counts.photos, 3);
    assert_eq!(importer::number(library, "SELECT count(*) FROM decision"), 3);
    counts.missing
}

fn photo_at(library: &Library, path: &Path) -> PhotoId {
    let mut found = None;
    let look = |row: photos::PhotoRow| found = found.or((row.path.as_deref() == Some(path)).then_some(row.id));
    library.read(|conn| photos::rows(conn, look)).unwrap();
    found.unwrap()
}

#[test]
fn a_drive_that_is_not_mounted_loses_no_tags() {
    let (temp, library) = tagged();
    let (drive, away) = (temp.path().join("drive"), temp.path().join("away"));
    let is_back =
        Reconciled { folder: FolderState::There, there: 0, missing: 0, still_missing: 0, back: 3, forgotten: 0 };
    for left in [None, Some("an empty folder, as a mount leaves it")] {
        fs::rename(&drive, &away).unwrap();
        let state = left.map_or(FolderState::Gone, |_| FolderState::Empty);
        left.iter().for_each(|_| fs::create_dir(&drive).unwrap());
        let gone = Reconciled { folder: state, missing: 3, back: 0, ..is_back };
        assert_eq!(reconcile(&library, &drive), gone);
        assert_eq!(reconcile(&library, &drive), Reconciled { missing: 0, still_missing: 3, ..gone });
        assert_eq!(missing(&library), 3);
        left.iter().for_each(|_| fs::remove_dir(&drive).unwrap());
        fs::rename(&away, &drive).unwrap();
        assert_eq!(reconcile(&library, &drive), is_back);
        assert_eq!(missing(&library), 0);
    }
}

#[test]
fn what_is_waiting_on_a_drive_is_not_forgotten_with_it() {
    let (temp, library) = tagged();
    let drive = temp.path().join("drive");
    importer::write(&drive.join("new.jpg"), "", "new");
    importer::write(&drive.join("passing.jpg"), "", "passing");
    let found = importer::walk(&drive);
    let see = |tx: &rusqlite::Transaction| cliploupe_library::import::see(tx, &found, Finder::Scan, 1);
    library.write(see).unwrap();
    let pending = || library.read(cliploupe_library::import::pending).unwrap().len();
    assert_eq!(pending(), 2);
    // Some program's passing file, of which nothing is known.
    fs::remove_file(drive.join("passing.jpg")).unwrap();
    assert_eq!(reconcile(&library, &drive).forgotten, 1);
    assert_eq!(pending(), 1);
    fs::rename(&drive, temp.path().join("away")).unwrap();
    assert_eq!(reconcile(&library, &drive).forgotten, 0);
    assert_eq!(pending(), 0);
    fs::rename(temp.path().join("away"), &drive).unwrap();
    reconcile(&library, &drive);
    assert_eq!(pending(), 1);
}

#[test]
fn what_the_system_says_is_gone_is_missing_if_it_is() {
    let (temp, library) = tagged();
    let drive = temp.path().join("drive");
    fs::remove_file(drive.join("a.jpg")).unwrap();
    fs::remove_dir_all(drive.join("below")).unwrap();
    let gone = ["a.jpg", "b.jpg", "below"].map(|name| drive.join(name));
    assert_eq!(library.write(|tx| files::mark_missing(tx, &gone, 1)).unwrap(), 2);
    assert_eq!(library.write(|tx| files::mark_missing(tx, &gone, 2)).unwrap(), 0);
    assert_eq!(missing(&library), 2);
}

#[test]
fn a_file_that_was_missing_is_known_wherever_it_turns_up() {
    let (temp, library) = tagged();
    let drive = temp.path().join("drive");
    let photo = photo_at(&library, &drive.join("a.jpg"));
    let to = temp.path().join("rescued/x.jpg");
    fs::create_dir(to.parent().unwrap()).unwrap();
    fs::rename(drive.join("a.jpg"), &to).unwrap();
    reconcile(&library, &drive);
    assert_eq!(missing(&library), 1);
    let imported = importer::import(&library, to.parent().unwrap(), Finder::Person, 9, |_, _| {}).unwrap();
    assert_eq!((imported.moved, imported.new), (1, 0));
    assert_eq!((photo_at(&library, &to), missing(&library)), (photo, 0));
    assert_eq!(library.read(|conn| files::files(conn, photo)).unwrap().len(), 1);
}

#[test]
fn a_clock_that_goes_backwards_does_not_matter() {
    let (temp, library) = tagged();
    let (drive, photo) = (temp.path().join("drive"), temp.path().join("drive/a.jpg"));
    let imports = |seconds| {
        filetime::set_file_mtime(&photo, FileTime::from_unix_time(seconds, 7)).unwrap();
        importer::import(&library, &drive, Finder::Scan, 9, |_, _| {}).unwrap()
    };
    // Read again because its time is another, though each is older than the one before; 1901 is before there were computers.
    for seconds in [1_000_000_000, 10, -2_177_452_800] {
        assert_eq!((imports(seconds).same, imports(seconds).unchanged), (1, 3), "{seconds}");
    }
    // Edited long before it was taken into the library.
    importer::write(&photo, "", "something else");
    assert_eq!(imports(-5).new, 1);
    assert_eq!(importer::number(&library, "SELECT count(*) FROM decision"), 3);
    let lost = importer::number(&library, "SELECT count(*) FROM photo WHERE last_path IS NOT NULL");
    assert_eq!(lost, 1, "the tagged photo is kept, without a file");
}

#[test]
fn what_a_person_took_out_stays_out_until_a_person_wants_it_back() {
    let (temp, library) = tagged();
    let drive = temp.path().join("drive");
    let photo = photo_at(&library, &drive.join("a.jpg"));
    library.write(|tx| photos::remove(tx, &[photo], 9)).unwrap();
    let shown = || library.read(photos::counts).unwrap().photos;
    importer::import(&library, &drive, Finder::Scan, 9, |_, _| {}).unwrap();
    assert_eq!(shown(), 2);
    // Moved, copied, or with other metadata, it is still the same photo.
    fs::rename(drive.join("a.jpg"), drive.join("z.jpg")).unwrap();
    importer::write(&drive.join("copy.jpg"), "copied", "a");
    importer::import(&library, &drive, Finder::Scan, 9, |_, _| {}).unwrap();
    assert_eq!(shown(), 2);
    // A copy that a person adds brings it back, with its tags.
    importer::write(&temp.path().join("by hand/y.jpg"), "", "a");
    importer::import(&library, &temp.path().join("by hand"), Finder::Person, 9, |_, _| {}).unwrap();
    assert_eq!((shown(), missing(&library)), (3, 0));
    assert_eq!(library.read(|conn| files::files(conn, photo)).unwrap().len(), 3);
    library.write(|tx| photos::remove(tx, &[photo], 9)).unwrap();
    importer::import(&library, &drive, Finder::Person, 9, |_, _| {}).unwrap();
    assert_eq!(shown(), 3, "the file itself, added once more, does too");
}
