//! Libraries that cannot be written: they are opened to be read, with the reason, and nothing that was decided is hidden.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use cliploupe_library::{Library, LibraryError, Open, photos};

use crate::importer;

fn make(folder: &Path) -> Library {
    let library = importer::open(folder).unwrap();
    add(&library).unwrap();
    library
}

fn add(library: &Library) -> Result<(), LibraryError> {
    library.write(|tx| Ok(tx.execute("INSERT INTO photo (added_ms) VALUES (1)", [])?)).map(drop)
}

/// Opens a library that cannot be written and sees that it can be read, by several at once, and how many photos are in it.
fn check(folder: &Path, photos: u64) {
    let library = Library::open(folder, Open { create: true, read_only: false }).unwrap();
    let reason = library.is_read_only().expect("it cannot be written").to_owned();
    assert!(reason.contains("cannot be written"), "{reason}");
    let error = add(&library).unwrap_err();
    assert!(matches!(&error, LibraryError::ReadOnly { .. }) && error.to_string().contains(&reason), "{error}");
    let counts = |library: &Library| library.read(photos::counts).unwrap().photos;
    let nested = library.read(|conn| Ok((photos::counts(conn)?.photos, counts(&library)))).unwrap();
    assert_eq!(nested, (photos, photos));
}

#[test]
fn a_library_on_a_read_only_disk_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let status = importer::again(importer::own_mounts(), "read_only::on_a_read_only_disk", temp.path()).status();
    assert!(status.unwrap().success());
}

#[test]
fn on_a_read_only_disk() {
    let Some(work) = importer::work() else { return };
    let disk = work.join("a disk #1 %41?");
    importer::mount(&disk, "size=16m");
    let remount = |how: &str| {
        let status = Command::new("mount").args(["-o", &format!("remount,bind,{how}")]).arg(&disk).status();
        assert!(status.unwrap().success());
    };
    // Closed as it should be: everything is in the file.
    drop(make(&disk.join("closed")));
    // As a crash leaves it: a log of changes that is not in the file yet, and no memory that is shared.
    let library = make(&disk.join("open"));
    for (from, to) in [("open", "crashed"), ("open", "crashed after a start")] {
        fs::create_dir(disk.join(to)).unwrap();
        for name in ["library.sqlite", "library.sqlite-wal"] {
            fs::copy(disk.join(from).join(name), disk.join(to).join(name)).unwrap();
        }
    }
    assert!(fs::metadata(disk.join("crashed/library.sqlite-wal")).unwrap().len() > 0);
    let shared = disk.join("crashed after a start/library.sqlite-shm");
    fs::copy(disk.join("open/library.sqlite-shm"), shared).unwrap();
    drop(library);
    remount("ro");
    for name in ["closed", "crashed", "crashed after a start", "open"] {
        println!("{name}");
        check(&disk.join(name), 1);
    }
    let error = importer::open(&disk.join("new")).unwrap_err();
    assert!(matches!(error, LibraryError::File { .. }), "{error}");
    remount("rw");
    let library = importer::open(&disk.join("crashed")).unwrap();
    assert_eq!((library.is_read_only(), importer::is_whole(&library)), (None, true));
    add(&library).unwrap();
    assert_eq!(importer::number(&library, "SELECT count(*) FROM photo"), 2);
}

#[test]
fn a_library_that_somebody_may_not_write_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("library");
    drop(make(&folder));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(temp.path(), 0o755);
    // Root may do everything, so it lets somebody else try, who may not look where this program lies.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let before: &[&str] = if is_root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &[] };
    let program = temp.path().join("this");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    // Neither the folder nor the file may be written; only the file; only the folder.
    for (folder_mode, file_mode) in [(0o555, 0o444), (0o555, 0o666), (0o777, 0o444)] {
        mode(&folder.join("library.sqlite"), file_mode);
        mode(&folder, folder_mode);
        let status = importer::start(&program, before, "read_only::as_somebody", &folder).status().unwrap();
        assert!(status.success(), "{folder_mode:o} {file_mode:o}");
    }
    mode(&folder, 0o755);
}

#[test]
fn as_somebody() {
    let Some(folder) = importer::work() else { return };
    check(&folder, 1);
}
