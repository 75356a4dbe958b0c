//! A library that was damaged in every way, and is found out and made sound again.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cliploupe_library::{
    Identity, LibraryError, ModelKey,
    check::{CheckOptions, CheckReport, FindingKind, check, repair},
    features::FeatureStore,
    index::EmbeddingFile,
    made_up::{MadeUp, make},
    thumbnails::Thumbnails,
};
use rusqlite::Connection;
use tempfile::TempDir;

const DEEP: CheckOptions = CheckOptions { deep: true, settled: Duration::ZERO };

fn made() -> MadeUp {
    let head = Some((ModelKey::new("made-up", "head"), [1; 8]));
    MadeUp { photos: 300, width: 16, seed: 1, model: ModelKey::new("made-up", "0"), head, has_thumbnails: true }
}

fn library() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &made(), |_| ()).unwrap();
    folder
}

fn open(folder: &Path) -> Result<Connection, LibraryError> {
    Connection::open(folder.join("library.sqlite"))
        .map_err(|source| LibraryError::Database { doing: "open the library", source })
}

fn look(folder: &Path) -> CheckReport {
    check(folder, DEEP, || open(folder)).unwrap()
}

fn found(report: &CheckReport) -> Vec<(FindingKind, usize)> {
    report.findings.iter().map(|finding| (finding.kind, finding.count)).collect()
}

fn features(folder: &Path, suffix: &str) -> PathBuf {
    folder.join("features").join(format!("made-up-0.{suffix}"))
}

fn change(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn identity(folder: &Path, photo: u32) -> Identity {
    let sql = "SELECT identity FROM photo WHERE id = ?1";
    Identity(open(folder).unwrap().query_row(sql, [photo], |row| row.get(0)).unwrap())
}

/// Everything in the database but what can be made again.
fn what_is_precious(folder: &Path) -> Vec<(u32, Vec<u8>, i64)> {
    let connection = open(folder).unwrap();
    let sql =
        "SELECT photo.id, identity, total(decided_ms) FROM photo LEFT JOIN decision ON photo = photo.id GROUP BY 1";
    let mut rows = connection.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get::<_, f64>(2)? as i64));
    rows.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Damages a library, and expects these findings, a repair of all of them, and none after it.
fn assert_repaired(damage: impl Fn(&Path), expected: &[(FindingKind, usize)]) -> TempDir {
    let folder = library();
    let precious = what_is_precious(folder.path());
    damage(folder.path());
    let report = look(folder.path());
    assert_eq!(found(&report), expected, "{report:#?}");
    assert!(!report.is_sound() && report.findings.iter().all(|finding| finding.repairable && !finding.repaired));
    assert_eq!(found(&look(folder.path())), expected, "a check changes nothing");
    let report = repair(folder.path(), DEEP, || open(folder.path())).unwrap();
    // What is rebuilt can show more.
    assert!(expected.iter().all(|finding| found(&report).contains(finding)), "{report:#?}");
    assert!(report.is_sound());
    let report = look(folder.path());
    assert!(report.findings.is_empty(), "{report:#?}");
    assert_eq!(what_is_precious(folder.path()), precious);
    folder
}

#[test]
fn a_sound_library_is_called_sound_and_counted() {
    let folder = library();
    let report = look(folder.path());
    assert!(report.findings.is_empty() && report.is_sound(), "{report:#?}");
    let figures = &report.figures;
    assert_eq!((figures.photos, figures.thumbnails, figures.stores), (300, 300, 2));
    assert_eq!((figures.rows, figures.rows_in_use), (600, 600));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["figures"]["rowsInUse"], 600);
}

#[test]
fn thumbnails_that_are_gone_changed_torn_or_nobodys() {
    let folder = assert_repaired(
        |folder| {
            let thumbnails = Thumbnails::new(folder.join("thumbnails"));
            let path = |photo| thumbnails.path(&identity(folder, photo));
            fs::remove_file(path(1)).unwrap();
            fs::remove_file(path(2)).unwrap();
            change(&path(3), |jpeg| jpeg[30] ^= 1);
            change(&path(4), |jpeg| jpeg.truncate(50));
            thumbnails.keep(&Identity([0xEE; 32]), b"\xFF\xD8\xFF nobody's \xFF\xD9").unwrap();
            fs::write(folder.join("thumbnails/ee/Thumbs.db"), "not ours").unwrap();
        },
        &[(FindingKind::ThumbnailMissing, 2), (FindingKind::ThumbnailDamaged, 2), (FindingKind::ThumbnailUnknown, 1)],
    );
    let sql = "SELECT group_concat(id) FROM photo WHERE thumbnail_crc IS NULL";
    let to_make: String = open(folder.path()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(to_make, "1,2,3,4");
    assert!(folder.path().join("thumbnails/ee/Thumbs.db").exists());
}

#[test]
fn rows_of_features_that_are_changed_or_torn_or_have_no_sound_entry() {
    let folder = assert_repaired(
        |folder| {
            change(&features(folder, "f16"), |bytes| {
                bytes[32 * 4] ^= 1;
                bytes.truncate(32 * 299 + 5);
            });
            change(&features(folder, "rows"), |bytes| bytes[40 + 20 * 7] ^= 1);
        },
        &[(FindingKind::FeatureRowsDamaged, 3)],
    );
    let store = FeatureStore::open(&folder.path().join("features"), &made().model, 16, true).unwrap();
    let to_encode: Vec<u32> = (1..=300).filter(|&photo| store.row_of(photo).is_none()).collect();
    assert_eq!(to_encode, [5, 8, 300]);
}

#[test]
fn an_index_of_rows_with_a_damaged_header_is_rebuilt_from_what_can_be_verified() {
    let folder = assert_repaired(
        |folder| {
            change(&features(folder, "rows"), |bytes| {
                bytes[..36].fill(0xAA);
                bytes[40 + 20 * 2] ^= 1;
            });
            change(&features(folder, "f16"), |bytes| bytes[32 * 9] ^= 1);
        },
        &[(FindingKind::FeatureIndexDamaged, 1)],
    );
    let store = FeatureStore::open(&folder.path().join("features"), &made().model, 16, true).unwrap();
    assert_eq!((store.photos(), store.row_of(3), store.row_of(10), store.row_of(11)), (298, None, None, Some(10)));
}

#[test]
fn an_index_that_is_nothing_but_noise_is_begun_anew() {
    let folder = assert_repaired(
        |folder| {
            change(&features(folder, "rows"), |bytes| bytes.fill(0x5A));
            change(&features(folder, "made-up-head.embedding.rows"), |bytes| bytes[3] = 0);
        },
        &[(FindingKind::FeatureIndexDamaged, 1), (FindingKind::FeatureIndexDamaged, 1)],
    );
    let (head, fingerprint) = made().head.unwrap();
    let open = EmbeddingFile::open(&folder.path().join("features"), &made().model, &head, fingerprint, 16, false);
    assert_eq!(open.unwrap().store().rows(), 0);
    assert_eq!(FeatureStore::open(&folder.path().join("features"), &made().model, 16, false).unwrap().rows(), 0);
}

#[test]
fn data_without_its_index_and_an_index_without_its_data() {
    assert_repaired(
        |folder| {
            fs::remove_file(features(folder, "rows")).unwrap();
            fs::remove_file(features(folder, "made-up-head.embedding.f16")).unwrap();
        },
        &[(FindingKind::FeatureRowsDamaged, 300), (FindingKind::FeatureIndexDamaged, 1)],
    );
}

#[test]
fn rows_of_photos_that_are_not_there_or_that_are_others_now() {
    let folder = assert_repaired(
        |folder| {
            let mut store = FeatureStore::open(&folder.join("features"), &made().model, 16, false).unwrap();
            store.append(&[(9_999, Identity([1; 32]), &[1.0; 16]), (5, Identity([1; 32]), &[1.0; 16])]).unwrap();
        },
        &[(FindingKind::FeatureRowsUnknown, 2)],
    );
    let store = FeatureStore::open(&folder.path().join("features"), &made().model, 16, true).unwrap();
    assert_eq!((store.row_of(5), store.row_of(9_999), store.photos()), (Some(4), None, 300));
}

#[test]
fn folders_that_are_missing_and_files_that_were_never_finished() {
    let folder = assert_repaired(
        |folder| {
            fs::remove_dir_all(folder.join("features")).unwrap();
            fs::write(folder.join(".tmpAbCdEf"), "x").unwrap();
            let shard = fs::read_dir(folder.join("thumbnails")).unwrap().next().unwrap().unwrap().path();
            fs::write(shard.join(".part-x"), "x").unwrap();
        },
        &[(FindingKind::Folder, 1), (FindingKind::Leftover, 2)],
    );
    fs::write(folder.path().join(".tmpAbCdEf"), "of a program at work").unwrap();
    let young = check(folder.path(), CheckOptions::default(), || open(folder.path())).unwrap();
    assert!(young.findings.is_empty());
}

#[test]
fn a_damaged_database_is_told_with_its_newest_backup_and_never_touched() {
    let folder = library();
    let database = folder.path().join("library.sqlite");
    let connection = open(folder.path()).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    for (at, name) in [(100, "library.sqlite.backup-1"), (200, "library.sqlite.backup-2")] {
        fs::copy(&database, folder.path().join(name)).unwrap();
        filetime::set_file_mtime(folder.path().join(name), filetime::FileTime::from_unix_time(at, 0)).unwrap();
    }
    fs::remove_file(Thumbnails::new(folder.path().join("thumbnails")).path(&identity(folder.path(), 1))).unwrap();
    let sound = fs::read(&database).unwrap();
    let noise = |bytes: &mut Vec<u8>, from: usize| bytes[from..].iter_mut().step_by(7).for_each(|x| *x ^= 0x55);
    for from in [0, 4096 + 8] {
        fs::write(&database, &sound).unwrap();
        change(&database, |bytes| noise(bytes, from));
        let damaged = fs::read(&database).unwrap();
        for report in [look(folder.path()), repair(folder.path(), DEEP, || open(folder.path())).unwrap()] {
            assert_eq!(report.findings.len(), 1, "{report:#?}");
            let finding = &report.findings[0];
            assert_eq!((finding.kind, finding.repairable, finding.repaired), (FindingKind::Database, false, false));
            assert!(finding.what.contains("library.sqlite.backup-2"), "{}", finding.what);
            assert!(!report.is_sound());
        }
        assert!(fs::read(&database).unwrap() == damaged);
    }
}

#[test]
fn rows_that_contradict_each_other_are_told_and_left() {
    let folder = library();
    let connection = open(folder.path()).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; UPDATE file SET photo = 7777 WHERE photo = 3").unwrap();
    let report = repair(folder.path(), DEEP, || open(folder.path())).unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::Database);
    assert!(report.findings[0].what.contains("a row of file belongs to a photo that is not there"));
    assert!(matches!(
        check(folder.path(), DEEP, || Err(LibraryError::NotALibrary { path: folder.path().into() })),
        Err(LibraryError::NotALibrary { .. })
    ));
}
