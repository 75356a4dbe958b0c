//! How long things take with a million photos. For a release build, by hand:
//! `cargo test --release -p cliploupe-library --test library scale -- --ignored --nocapture`

use std::{path::PathBuf, time::Instant};

use cliploupe_library::{
    Library, LibraryError,
    filter::{self, Filter, Order},
    import::{self, Finder, FoundFile, What},
    photos,
};
use roaring::RoaringBitmap;
use rusqlite::{Connection, params};

use crate::importer;

const PHOTOS: u32 = 1_000_000;

/// Photos of twenty years, a thousand to a folder, by six cameras; one in a hundred is missing, one in a thousand taken out,
/// each has one to three tags of a hundred, and one in fifty has a second file.
fn make(library: &Library) -> Result<(), LibraryError> {
    let photos = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PHOTOS})
         INSERT INTO photo (id, identity, added_ms, format, width, height, orientation, taken_ms, camera, colour,
                            thumbnail_crc, removed_ms)
         SELECT i, randomblob(32), 1700000000000 + i, iif(i % 9 = 0, 'PNG', 'JPEG'), 6000, 4000, 1,
                iif(i % 50 = 0, NULL, 1072915200000 + abs(random() % 631152000000)), 'Maker model ' || (i % 6),
                '{{\"model\":\"rgb\",\"bits\":8,\"alpha\":false}}', i, iif(i % 1000 = 0, i, NULL) FROM n"
    );
    let files = "INSERT INTO file (photo, path, bytes, modified_ns, missing_since_ms)
                 SELECT id, CAST(printf('/home/somebody/Pictures/%04d/%02d/IMG_%07d.jpg', 2004 + id / 50000, id / 1000 % 50, id)
                                 AS BLOB), 4000000 + id, 1700000000000000000 + id, iif(id % 100 = 3, 5, NULL) FROM photo ORDER BY id";
    let copies = "INSERT INTO file (photo, path, bytes, modified_ns)
                  SELECT id, CAST(printf('/media/backup/IMG_%07d.jpg', id) AS BLOB), 4000000, id FROM photo WHERE id % 50 = 7";
    let tags = "INSERT OR IGNORE INTO decision (photo, label, verdict, decided_ms, origin)
                SELECT p.id, 1 + abs(random() % 100), iif(n.value = 3, 0, 1), 1, 'person' FROM photo p, json_each('[1,2,3]') n
                WHERE p.id % 3 <> 0 OR n.value = 1";
    library.write(|tx| {
        tx.execute_batch(&photos)?;
        tx.execute(files, [])?;
        tx.execute(copies, [])?;
        for label in 1..=100 {
            tx.execute("INSERT INTO label VALUES (?1, ?2)", params![label, format!("group {}/{label}", label % 10)])?;
        }
        tx.execute(tags, [])?;
        Ok(())
    })
}

/// What this process has computed so far, in milliseconds: unlike the time on the wall, others on the machine do not add to
/// it. Zero where that is not known.
fn computed_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |at: usize| stat.rsplit(") ").next()?.split(' ').nth(at)?.parse::<f64>().ok();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) * 10.0
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begun, computed) = (Instant::now(), computed_ms());
    let value = work();
    let (passed, computed) = (begun.elapsed().as_secs_f64() * 1e3, computed_ms() - computed);
    println!("{passed:8.1} ms, {computed:6.0} ms of processor  {what}");
    value
}

#[test]
#[ignore = "a million photos, a minute; figures of a release build"]
fn a_million_photos() {
    let temp = tempfile::tempdir().unwrap();
    // A library that was made before can be used again.
    let folder = std::env::var_os("CLIPLOUPE_TEST_SCALE").map_or(temp.path().to_owned(), PathBuf::from);
    if !folder.join("library.sqlite").exists() {
        timed("make", || make(&importer::open(&folder).unwrap()).unwrap());
    }
    println!("{} MiB", std::fs::metadata(folder.join("library.sqlite")).unwrap().len() >> 20);
    let library = timed("open", || importer::open(&folder).unwrap());
    let read = |what: &str, work: &dyn Fn(&Connection) -> Result<u64, LibraryError>| {
        for run in ["first", "again"] {
            let found = timed(&format!("{what}, {run}"), || library.read(work).unwrap());
            if run == "again" {
                println!("             {found}");
            }
        }
    };
    read("counts", &|conn| Ok(photos::counts(conn)?.photos));
    read("rows", &|conn| {
        let mut rows = 0;
        photos::rows(conn, |_| rows += 1)?;
        Ok(rows)
    });
    let day = 86_400_000;
    let filters = [
        ("everything", Filter::default()),
        (
            "one year",
            Filter {
                taken_from_ms: Some(1_420_070_400_000),
                taken_to_ms: Some(1_420_070_400_000 + 365 * day),
                ..Filter::default()
            },
        ),
        ("since 2005", Filter { taken_from_ms: Some(1_104_537_600_000), ..Filter::default() }),
        ("camera", Filter { camera: Some("Maker model 3".into()), ..Filter::default() }),
        ("missing", Filter { missing: Some(true), ..Filter::default() }),
        ("not missing", Filter { missing: Some(false), ..Filter::default() }),
        ("tag", Filter { tags: vec!["group 3/3".into()], ..Filter::default() }),
        ("tag with children", Filter { tags: vec!["group 3".into()], ..Filter::default() }),
        ("without tag", Filter { without_tags: vec!["group 3".into()], ..Filter::default() }),
        ("rejected", Filter { rejected: vec!["group 3".into()], ..Filter::default() }),
        ("untagged", Filter { untagged: true, ..Filter::default() }),
        ("format", Filter { format: Some("JPEG".into()), ..Filter::default() }),
        ("folder of 50,000", Filter { folder: Some("/home/somebody/Pictures/2010".into()), ..Filter::default() }),
        ("folder of all", Filter { folder: Some("/home".into()), ..Filter::default() }),
        ("text", Filter { text: "img_00 23 pictures".into(), ..Filter::default() }),
        (
            "camera, tag, year, there",
            Filter {
                camera: Some("Maker model 3".into()),
                tags: vec!["group 3".into()],
                taken_from_ms: Some(1_420_070_400_000),
                missing: Some(false),
                ..Filter::default()
            },
        ),
    ];
    for (what, filter) in &filters {
        read(what, &|conn| filter.photos(conn).map(|photos: RoaringBitmap| photos.len()));
    }
    for order in [Order::Added, Order::Taken, Order::Name] {
        read(&format!("{order:?}"), &|conn| Ok(filter::ordered(conn, order, true)?.len() as u64));
    }
    read("cameras", &|conn| Ok(filter::cameras(conn)?.len() as u64));
    read("years", &|conn| Ok(filter::years(conn)?.len() as u64));
    read("folders", &|conn| Ok(filter::folders(conn)?.len() as u64));
    let found = |photo: u32| FoundFile {
        path: PathBuf::from(format!(
            "/home/somebody/Pictures/{:04}/{:02}/IMG_{photo:07}.jpg",
            2004 + photo / 50000,
            photo / 1000 % 50
        )),
        bytes: u64::from(4_000_000 + photo),
        modified_ns: 1_700_000_000_000_000_000 + i64::from(photo),
    };
    let files: Vec<FoundFile> =
        (1..=100_000).filter(|photo| photo % 1000 != 0).map(|photo| found(photo * 10 - 9)).collect();
    let known = timed("see 99,900 known files, 200 in a transaction", || {
        let chunks =
            files.chunks(200).map(|chunk| library.write(|tx| import::see(tx, chunk, Finder::Scan, 9)).unwrap());
        chunks.flatten().filter(|seen| matches!(seen.what, What::Unchanged | What::Returned)).count()
    });
    assert_eq!(known, files.len());
    let all: Vec<PathBuf> = (1..=PHOTOS).map(|photo| found(photo).path).collect();
    let folder = std::path::Path::new("/home/somebody/Pictures");
    let done =
        timed("reconcile all", || library.write(|tx| cliploupe_library::files::reconcile(tx, folder, all, 9)).unwrap());
    println!("{done:?}");
    timed("close", || drop(library));
}
