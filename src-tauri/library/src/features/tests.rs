use std::fs;

use super::*;

fn key() -> ModelKey {
    ModelKey::new("tiny", "00")
}

fn identity(photo: PhotoId) -> Identity {
    Identity([photo as u8; 32])
}

fn row(photo: PhotoId, salt: f32) -> Vec<f32> {
    (0..5).map(|i| photo as f32 + salt + i as f32 / 8.0).collect()
}

fn add(store: &mut FeatureStore, photos: std::ops::Range<PhotoId>, salt: f32) {
    let rows: Vec<Vec<f32>> = photos.clone().map(|photo| row(photo, salt)).collect();
    let rows: Vec<_> = photos.zip(&rows).map(|(photo, row)| (photo, identity(photo), row.as_slice())).collect();
    store.append(&rows).unwrap();
}

fn open(folder: &Path) -> FeatureStore {
    FeatureStore::open(folder, &key(), 5, false).unwrap()
}

fn assert_has(store: &FeatureStore, photos: std::ops::Range<PhotoId>, salt: f32) {
    for photo in photos {
        let found = store.read_rows(&[store.row_of(photo).unwrap()]).unwrap();
        assert_eq!(found, row(photo, salt), "photo {photo}");
    }
}

fn change(path: &Path, at: usize, to: impl Fn(u8) -> u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] = to(bytes[at]);
    fs::write(path, bytes).unwrap();
}

#[test]
fn rows_come_back_and_the_newest_of_a_photo_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, 1..10, 0.0);
    add(&mut store, 4..6, 0.5);
    store.sync().unwrap();
    for store in [&store, &open(folder.path())] {
        assert_eq!((store.rows(), store.photos(), store.dropped()), (11, 9, 0));
        assert_has(store, 1..4, 0.0);
        assert_has(store, 4..6, 0.5);
        assert_eq!(store.row_of(4), Some(9));
        assert_eq!((store.row_of(10), store.photo_of(3), store.photo_of(9)), (None, None, Some(4)));
        assert_eq!(store.row_with(4, &identity(4)), Some(9));
        assert_eq!(store.row_with(4, &identity(5)), None);
        assert_eq!(store.read_rows(&[9, 0, 1, 2, 10]).unwrap().len(), 25);
        assert!(store.read_rows(&[11]).is_err());
    }
}

#[test]
fn the_data_file_is_nothing_but_rows() {
    let folder = tempfile::tempdir().unwrap();
    add(&mut open(folder.path()), 1..3, 0.0);
    let bytes = fs::read(folder.path().join("tiny-00.f16")).unwrap();
    let expected: Vec<u8> =
        [row(1, 0.0), row(2, 0.0)].concat().iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn every_torn_tail_is_cut_and_every_whole_row_stays() {
    let source = tempfile::tempdir().unwrap();
    add(&mut open(source.path()), 1..4, 0.0);
    let read = |suffix: &str| fs::read(source.path().join(format!("tiny-00.{suffix}"))).unwrap();
    let (values, index) = (read("f16"), read("rows"));
    for values_end in 0..=values.len() {
        for index_end in (HEADER_BYTES as usize..=index.len()).step_by(7).chain([index.len()]) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("tiny-00.f16"), &values[..values_end]).unwrap();
            fs::write(folder.path().join("tiny-00.rows"), &index[..index_end]).unwrap();
            let whole = (values_end / 10).min((index_end - 40) / 20);
            let mut store = open(folder.path());
            assert_eq!(store.rows(), whole);
            add(&mut store, 7..9, 0.0);
            let store = open(folder.path());
            assert_eq!((store.rows(), store.dropped()), (whole + 2, 0));
            assert_has(&store, 1..whole as u32 + 1, 0.0);
            assert_has(&store, 7..9, 0.0);
        }
    }
}

#[test]
fn a_damaged_entry_loses_its_row_only() {
    let folder = tempfile::tempdir().unwrap();
    add(&mut open(folder.path()), 1..4, 0.0);
    change(&folder.path().join("tiny-00.rows"), 40 + 20 + 3, |x| x ^ 1);
    let mut store = open(folder.path());
    assert_eq!((store.rows(), store.photos(), store.dropped(), store.row_of(2)), (3, 2, 1, None));
    assert_has(&store, 3..4, 0.0);
    add(&mut store, 2..3, 0.0);
    assert_has(&store, 1..4, 0.0);
}

#[test]
fn a_damaged_row_is_noticed_named_and_given_up() {
    let folder = tempfile::tempdir().unwrap();
    add(&mut open(folder.path()), 1..4, 0.0);
    change(&folder.path().join("tiny-00.f16"), 13, |x| x ^ 4);
    let mut store = open(folder.path());
    assert!(matches!(store.read_rows(&[1]), Err(LibraryError::Damaged { .. })));
    assert!(store.read_rows(&[0, 2]).is_ok());
    let mut seen = Vec::new();
    let damaged = store.for_each_chunk(|chunk| {
        seen.extend(chunk.photos);
        Ok(())
    });
    assert_eq!((damaged.unwrap(), seen), (vec![1], vec![Some(1), None, Some(3)]));
    store.give_up(&[1]).unwrap();
    assert_eq!((store.row_of(2), store.photos()), (None, 2));
    assert_eq!((open(folder.path()).row_of(2), open(folder.path()).dropped()), (None, 0));
}

#[test]
fn a_damaged_header_is_an_error_and_the_rows_can_be_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    add(&mut open(folder.path()), 1..4, 0.0);
    change(&folder.path().join("tiny-00.rows"), 12, |x| x ^ 1);
    assert!(matches!(FeatureStore::open(folder.path(), &key(), 5, false), Err(LibraryError::Damaged { .. })));
    assert_has(&FeatureStore::salvage(folder.path(), &key(), 5).unwrap(), 1..4, 0.0);
    assert_has(&open(folder.path()), 1..4, 0.0);
    assert!(matches!(FeatureStore::open(folder.path(), &key(), 6, false), Err(LibraryError::Damaged { .. })));
}

#[test]
fn two_who_have_it_open_see_each_others_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (open(folder.path()), open(folder.path()));
    add(&mut one, 1..4, 0.0);
    add(&mut two, 4..6, 0.0);
    assert_eq!((one.rows(), two.rows()), (3, 5));
    assert!(!one.refresh().unwrap());
    assert_has(&one, 1..6, 0.0);
    add(&mut two, 2..3, 0.5);
    assert_eq!(one.compact(|photo| photo != 5).unwrap(), 2);
    assert_eq!(one.rows(), 4);
    assert_has(&one, 2..3, 0.5);
    add(&mut two, 9..10, 0.0);
    assert_eq!((two.rows(), two.row_of(5)), (5, None));
    assert_has(&two, 9..10, 0.0);
    assert!(!one.refresh().unwrap());
    assert_has(&one, 9..10, 0.0);
}

#[test]
fn a_compaction_that_stops_anywhere_leaves_the_old_or_the_new_store() {
    let source = tempfile::tempdir().unwrap();
    let mut store = open(source.path());
    add(&mut store, 1..4, 0.0);
    add(&mut store, 2..3, 0.5);
    store.write_new(&|_| true).unwrap();
    let name = |suffix: &str| format!("tiny-00.{suffix}");
    let copy = |names: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (from, to) in names {
            fs::copy(source.path().join(name(from)), folder.path().join(name(to))).unwrap();
        }
        folder
    };
    // Before the new row index has its name; after it; after the data has taken its place.
    let before = copy(&[("f16", "f16"), ("rows", "rows"), ("f16.new", "f16.new")]);
    let after = copy(&[("f16", "f16"), ("rows", "rows"), ("f16.new", "f16.new"), ("rows.new", "rows.new")]);
    let last = copy(&[("f16.new", "f16"), ("rows", "rows"), ("rows.new", "rows.new")]);
    for (folder, rows) in [(before, 4), (after, 3), (last, 3)] {
        for is_read_only in [true, false] {
            let store = FeatureStore::open(folder.path(), &key(), 5, is_read_only).unwrap();
            assert_eq!((store.rows(), store.photos()), (rows, 3));
            assert_has(&store, 2..3, 0.5);
            assert_has(&store, 3..4, 0.0);
        }
        assert!(!folder.path().join(name("f16.new")).exists() && !folder.path().join(name("rows.new")).exists());
    }
}

#[test]
fn a_store_for_reading_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(FeatureStore::open(folder.path(), &key(), 5, true).is_err());
    add(&mut open(folder.path()), 1..4, 0.0);
    fs::remove_file(folder.path().join("tiny-00.lock")).unwrap();
    let mut store = FeatureStore::open(folder.path(), &key(), 5, true).unwrap();
    assert_has(&store, 1..4, 0.0);
    let row = row(1, 0.0);
    assert!(matches!(store.append(&[(1, identity(1), &row)]), Err(LibraryError::ReadOnly { .. })));
    assert!(store.give_up(&[0]).is_err() && store.compact(|_| true).is_err());
}

#[test]
fn rows_of_another_width_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    assert!(matches!(store.append(&[(1, identity(1), &[1.0; 4])]), Err(LibraryError::Refused(_))));
    assert!(matches!(store.append(&[(NOBODY, identity(1), &[1.0; 5])]), Err(LibraryError::Refused(_))));
    assert_eq!(store.rows(), 0);
}
