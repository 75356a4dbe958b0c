//! File names with anything in them that a system allows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cliploupe_library::{Library, Open, files, filter::Filter, paths, photos};

use crate::importer::{self, Finder};

fn names() -> Vec<PathBuf> {
    let plain = ["it's.jpg", "🦊 狐 é.jpg", "100%_x.jpg", "a;b.jpg", "#1.jpg", "e\u{301}.jpg"];
    let mut names: Vec<PathBuf> = plain.map(PathBuf::from).into();
    if cfg!(unix) {
        let odd =
            ["two\nlines.jpg", "tab\t.jpg", "\"quoted\".jpg", "back\\slash.jpg", "trail .jpg ", "-rf.jpg", "?*.jpg"];
        names.extend(odd.map(PathBuf::from));
    }
    if cfg!(target_os = "linux") {
        // macOS takes UTF-8 only.
        names.extend([paths::from_bytes(b"caf\xe9.jpg"), paths::from_bytes(b"\xff\xfe\n\x01.jpg")]);
    }
    names
}

fn all(library: &Library) -> Vec<photos::PhotoRow> {
    let mut all = vec![];
    library.read(|conn| photos::rows(conn, |row| all.push(row))).unwrap();
    all
}

#[test]
fn photos_of_every_name_come_in_are_found_and_move() {
    let temp = tempfile::tempdir().unwrap();
    // The folders have such names too, that of the library included.
    for (round, odd) in names().into_iter().enumerate() {
        let library = importer::open(&temp.path().join("libraries").join(&odd)).unwrap();
        let folder = temp.path().join(round.to_string());
        let here = folder.join("photos").join(&odd);
        for name in names() {
            importer::write(&here.join(&name), "", &name.display().to_string());
            importer::write(&here.with_extension("other").join(&name), "", &format!("other {}", name.display()));
        }
        let count = names().len() as u64;
        importer::import(&library, &folder.join("photos"), Finder::Person, 50, |_, _| {}).unwrap();
        assert_eq!(importer::there(&library), importer::on_disk(&folder.join("photos")));
        let filter = Filter { folder: Some(here.clone()), ..Filter::default() };
        let json = serde_json::to_string(&filter).unwrap();
        let filter: Filter = serde_json::from_str(&json).unwrap();
        assert_eq!(library.read(|conn| filter.photos(conn)).unwrap().len(), count, "{odd:?}");
        let before = all(&library);
        // All move to a folder of another such name, and keep their photos.
        let there = folder.join("photos").join(&names()[(round + 1) % names().len()]).join("moved");
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::rename(&here, &there).unwrap();
        let imported = importer::import(&library, &folder.join("photos"), Finder::Scan, 50, |_, _| {}).unwrap();
        assert_eq!(u64::from(imported.moved), count, "{odd:?}");
        let moved = |path: &Path| path.strip_prefix(&here).map_or(path.to_owned(), |name| there.join(name));
        for (before, after) in before.iter().zip(all(&library)) {
            assert_eq!((before.id, before.path.as_deref().map(moved)), (after.id, after.path));
        }
    }
}

#[test]
fn a_library_under_an_odd_name_can_be_read_only() {
    let temp = tempfile::tempdir().unwrap();
    for name in names() {
        let folder = temp.path().join(name);
        importer::open(&folder).unwrap();
        let library = Library::open(&folder, Open { read_only: true, create: false }).unwrap();
        assert_eq!(library.folder(), folder);
        assert!(library.read(|conn| files::files(conn, 1)).unwrap().is_empty());
    }
}
