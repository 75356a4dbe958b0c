//! Two processes on one library: both import the same folder and both decide, at once.

use std::{fs, path::Path, process::Stdio};

use rusqlite::params;

use crate::importer::{self, Finder};

const PHOTOS: u32 = 150;
const DECISIONS: i64 = 150;

#[test]
fn a_process_that_imports_and_decides() {
    let Some(work) = importer::work() else { return };
    // Both begin at the same moment, by a file that says so.
    while !work.join("begin").exists() {
        std::hint::spin_loop();
    }
    let library = importer::open(&work.join("library")).unwrap();
    let me = i64::from(std::process::id());
    importer::import(&library, &work.join("photos"), Finder::Person, 4, |_, _| {}).unwrap();
    for decision in 0..DECISIONS {
        library
            .write(|tx| {
                tx.execute("INSERT OR IGNORE INTO label (name) VALUES ('both'), (?1)", [format!("of {me}")])?;
                let sql = "INSERT OR REPLACE INTO decision (photo, label, verdict, decided_ms, origin)
                           SELECT p.id, l.id, 1, ?1, 'person' FROM photo p, label l
                           WHERE p.id = (SELECT id FROM photo ORDER BY id LIMIT 1 OFFSET ?1 % (SELECT count(*) FROM photo))
                             AND l.name IN ('both', ?2)";
                tx.execute(sql, params![decision, format!("of {me}")])?;
                tx.execute("INSERT INTO step (kind, at_ms) VALUES ('accept', ?1)", [me])?;
                Ok(())
            })
            .unwrap();
    }
}

fn run(work: &Path) {
    let _ = fs::remove_file(work.join("begin"));
    let start = || {
        importer::again(&[], "two_processes::a_process_that_imports_and_decides", work).stdout(Stdio::null()).spawn()
    };
    let children = [start(), start()].map(Result::unwrap);
    std::thread::sleep(std::time::Duration::from_millis(50));
    fs::write(work.join("begin"), "").unwrap();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn two_processes_lose_and_double_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let photos = temp.path().join("photos");
    for photo in 0..PHOTOS {
        // Every third shows what the one before it shows.
        let shows = format!("{}", photo - u32::from(photo % 3 == 2));
        importer::write(&photos.join(format!("{photo:03}.jpg")), &photo.to_string(), &shows);
    }
    run(temp.path());
    let library = importer::open(&temp.path().join("library")).unwrap();
    let check = |decisions, steps| {
        assert!(importer::is_whole(&library));
        assert_eq!(importer::there(&library), importer::on_disk(&photos));
        assert_eq!(importer::number(&library, "SELECT count(*) FROM photo"), i64::from(PHOTOS) * 2 / 3);
        assert_eq!(importer::number(&library, "SELECT count(*) FROM file"), i64::from(PHOTOS));
        assert_eq!(importer::number(&library, "SELECT count(*) FROM decision"), decisions);
        assert_eq!(importer::number(&library, "SELECT count(*) FROM step"), steps);
    };
    // Of each process, and of both.
    check(i64::from(PHOTOS) * 2 / 3 * 3, 2 * DECISIONS);
    // Every file is moved, and both processes find out.
    fs::rename(&photos, temp.path().join("elsewhere")).unwrap();
    fs::create_dir(&photos).unwrap();
    fs::rename(temp.path().join("elsewhere"), photos.join("elsewhere")).unwrap();
    let ids = "SELECT group_concat(id || hex(identity)) FROM (SELECT * FROM photo ORDER BY id)";
    let ids = |library: &cliploupe_library::Library| {
        library.read(|conn| Ok(conn.query_row(ids, [], |row| row.get::<_, String>(0))?)).unwrap()
    };
    let before = ids(&library);
    run(temp.path());
    assert_eq!(ids(&library), before);
    check(i64::from(PHOTOS) * 2 / 3 * 5, 4 * DECISIONS);
}
