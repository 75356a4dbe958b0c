//! `kill -9` at random moments. What was acknowledged is there afterwards, nothing is there twice, and work goes on.
//!
//! This is about processes that end; that a commit survives a power cut is what `synchronous = FULL` is for, and no test
//! here can pull the plug.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use cliploupe_library::{Library, LibraryError};
use rusqlite::params;

use crate::importer::{self, Finder};

const KILLS: usize = 200;
const IMPORT: &str = "kills::an_import_that_is_killed";
const TAGGING: &str = "kills::a_tagging_session_that_is_killed";

/// Random numbers that a printed seed gives again (xorshift64*, Marsaglia 2003 and Vigna 2014).
struct Dice(u64);

impl Dice {
    /// Of a seed that is new every time, or of `CLIPLOUPE_TEST_SEED`.
    fn new() -> Self {
        let given = std::env::var("CLIPLOUPE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(now).max(1);
        println!("CLIPLOUPE_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// A process that acknowledges what it has done.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(test: &str, work: &Path) -> Self {
        let mut child = importer::again(&[], test, work).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// How long to wait at most before a process is killed: as often while it starts as while it works, on this machine.
    fn longest(test: &str, work: &Path) -> u64 {
        let begun = Instant::now();
        let mut running = Self::start(test, work);
        assert!(acknowledged(&mut running.lines).next().is_some(), "it does nothing");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        (begun.elapsed().as_micros() as u64 * 2).clamp(40_000, 200_000)
    }

    /// Kills it after a random time. Returns what it had acknowledged, and whether it came to its end before.
    fn kill(self, longest: u64, dice: &mut Dice) -> (Vec<String>, bool) {
        let Self { mut child, mut lines } = self;
        let wait = Duration::from_micros(dice.below(longest));
        let heard = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(wait);
                // SIGKILL on Unix.
                child.kill().unwrap();
            });
            acknowledged(&mut lines).collect()
        });
        let status = child.wait().unwrap();
        assert!(status.success() || status.code().is_none(), "it failed by itself: {status}");
        (heard, status.success())
    }
}

/// What a process says that it acknowledges.
fn acknowledged(lines: &mut Lines<BufReader<ChildStdout>>) -> impl Iterator<Item = String> {
    lines.map_while(Result::ok).filter_map(|line| Some(line.split_once("ack ")?.1.to_owned()))
}

/// Says that something is on the disk.
fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    // In one write, so that a line is there as a whole or can be told from one that is.
    out.write_all(format!("ack {what} .\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The words of an acknowledgement; `None` if it was cut off.
fn words(line: &str) -> Option<Vec<&str>> {
    line.strip_suffix(" .").map(|line| line.split(' ').collect())
}

#[test]
fn an_import_that_is_killed() {
    let Some(work) = importer::work() else { return };
    let library = importer::open(&work.join("library")).unwrap();
    let acknowledged = |identity: &_, photo| acknowledge(&format!("{identity} {photo}"));
    importer::import(&library, &work.join("photos"), Finder::Scan, 5, acknowledged).unwrap();
}

#[test]
fn nothing_is_lost_or_doubled_by_killing_imports() {
    let temp = tempfile::tempdir().unwrap();
    let (photos, mut dice) = (temp.path().join("photos"), Dice::new());
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let (mut kills, mut amidst, mut completed) = (0, 0, 0);
    change_photos(&photos, 0, &mut dice);
    let longest = Running::longest(IMPORT, temp.path());
    while kills < KILLS {
        let (acknowledged, is_complete) = Running::start(IMPORT, temp.path()).kill(longest, &mut dice);
        for line in &acknowledged {
            let Some([identity, photo]) = words(line).and_then(|words| <[&str; 2]>::try_from(words).ok()) else {
                continue;
            };
            assert_eq!(ids.entry(identity.into()).or_insert(photo.into()), photo, "{identity} is another photo now");
        }
        let library = importer::open(&temp.path().join("library")).unwrap();
        check_photos(&library, &ids);
        if is_complete {
            completed += 1;
            check_complete(&library, &photos);
            change_photos(&photos, completed, &mut dice);
        } else {
            kills += 1;
            amidst += usize::from(!acknowledged.is_empty());
        }
    }
    let library = importer::open(&temp.path().join("library")).unwrap();
    importer::import(&library, &photos, Finder::Scan, 50, |_, _| {}).unwrap();
    check_photos(&library, &ids);
    check_complete(&library, &photos);
    println!(
        "{kills} imports were killed, {amidst} of them amidst, {completed} came to their end, {} photos",
        ids.len()
    );
    assert!(amidst > KILLS / 10, "they were killed before they did anything");
}

/// Adds photos, and moves, edits, copies and deletes some.
fn change_photos(folder: &Path, round: usize, dice: &mut Dice) {
    for file in importer::walk(folder) {
        let to = folder.join(format!("moved {round}")).join(file.path.file_name().unwrap());
        let text = fs::read_to_string(&file.path).unwrap();
        let shows = text.split_once('\n').unwrap().1;
        match dice.below(8) {
            0 => {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::rename(&file.path, to).unwrap();
            }
            1 => importer::write(&file.path, &format!("edited in round {round}"), shows),
            2 => importer::write(&to, "", shows),
            3 => fs::remove_file(&file.path).unwrap(),
            _ => {}
        }
    }
    for photo in 0..60 {
        let path = folder.join(format!("{round}")).join(format!("{photo}.jpg"));
        // Some show the same.
        importer::write(&path, "", &format!("{round} {}", photo / 11 * 10 + photo % 11));
    }
}

fn check_photos(library: &Library, ids: &BTreeMap<String, String>) {
    assert!(importer::is_whole(library));
    let sql = "SELECT lower(hex(identity)), CAST(id AS TEXT), thumbnail_crc IS NOT NULL FROM photo
               WHERE identity IS NOT NULL";
    let known: BTreeMap<String, (String, bool)> = library
        .read(|conn| {
            let mut statement = conn.prepare(sql)?;
            let read = |row: &rusqlite::Row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
            Ok(statement.query_map([], read)?.collect::<rusqlite::Result<_>>()?)
        })
        .unwrap();
    for (identity, photo) in ids {
        assert_eq!(known.get(identity), Some(&(photo.clone(), true)), "{identity} was acknowledged");
    }
    let pending =
        "SELECT count(*) FROM photo p WHERE identity IS NULL AND (SELECT count(*) FROM file WHERE photo = p.id) <> 1";
    assert_eq!(importer::number(library, pending), 0, "a photo that waits has one file");
}

fn check_complete(library: &Library, photos: &Path) {
    let disk = importer::on_disk(photos);
    assert_eq!(importer::there(library), disk);
    assert_eq!(importer::number(library, "SELECT count(*) FROM photo WHERE identity IS NULL"), 0);
    let shown = "SELECT count(DISTINCT photo) FROM file WHERE missing_since_ms IS NULL";
    assert_eq!(importer::number(library, shown), disk.values().collect::<BTreeSet<_>>().len() as i64);
}

const PHOTOS: u64 = 40;
const LABELS: u64 = 6;

#[test]
fn a_tagging_session_that_is_killed() {
    let Some(work) = importer::work() else { return };
    let library = importer::open(&work.join("library")).unwrap();
    let first = importer::number(&library, "SELECT coalesce(max(id), 0) + 1 FROM step");
    let mut dice = Dice(first as u64 * 7919 + 1);
    for step in first.. {
        let (photo, label, verdict) = (dice.below(PHOTOS) + 1, dice.below(LABELS) + 1, dice.below(2));
        library
            .write(|tx| {
                tx.execute("INSERT INTO step (id, kind, at_ms) VALUES (?1, 'accept', ?1)", [step])?;
                let sql = "INSERT INTO step_change (step, photo, label, after) VALUES (?1, ?2, ?3, ?4)";
                tx.execute(sql, params![step, photo as i64, label as i64, verdict.to_string()])?;
                let sql = "INSERT OR REPLACE INTO decision (photo, label, verdict, decided_ms, origin)
                           VALUES (?1, ?2, ?3, ?4, 'person')";
                tx.execute(sql, params![photo as i64, label as i64, verdict as i64, step])?;
                Ok(())
            })
            .unwrap();
        acknowledge(&format!("{step} {photo} {label} {verdict}"));
    }
}

#[test]
fn nothing_decided_is_lost_or_doubled_by_killing_a_tagging_session() {
    let temp = tempfile::tempdir().unwrap();
    let mut dice = Dice::new();
    let make = |library: &Library| {
        library.write(|tx| {
            for photo in 1..=PHOTOS as i64 {
                tx.execute("INSERT INTO photo (id, added_ms) VALUES (?1, 0)", [photo])?;
            }
            for label in 1..=LABELS as i64 {
                tx.execute("INSERT INTO label VALUES (?1, ?2)", params![label, format!("label {label}")])?;
            }
            Ok(())
        })
    };
    make(&importer::open(&temp.path().join("library")).unwrap()).unwrap();
    let longest = Running::longest(TAGGING, temp.path());
    let mut acknowledged: BTreeMap<i64, [i64; 3]> = BTreeMap::new();
    // What was done to find out how long it takes was not listened to.
    importer::open(&temp.path().join("library")).unwrap().write(forget).unwrap();
    for kill in 0..KILLS as i64 {
        let (lines, _) = Running::start(TAGGING, temp.path()).kill(longest, &mut dice);
        for words in lines.iter().filter_map(|line| words(line)) {
            let [step, photo, label, verdict] = <[&str; 4]>::try_from(words).unwrap().map(|word| word.parse().unwrap());
            acknowledged.insert(step, [photo, label, verdict]);
        }
        let library = importer::open(&temp.path().join("library")).unwrap();
        assert!(importer::is_whole(&library));
        check_decisions(&library, &acknowledged, kill + 1);
    }
    println!("{KILLS} sessions were killed, {} decisions had been acknowledged", acknowledged.len());
    assert!(acknowledged.len() > KILLS, "they were killed before they did anything");
}

fn forget(tx: &rusqlite::Transaction) -> Result<(), LibraryError> {
    Ok(tx.execute_batch("DELETE FROM step_change; DELETE FROM step; DELETE FROM decision")?)
}

fn check_decisions(library: &Library, acknowledged: &BTreeMap<i64, [i64; 3]>, kills: i64) {
    let table = |sql: &'static str| {
        let read = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, [row.get(1)?, row.get(2)?, row.get(3)?]));
        library
            .read(|conn| Ok(conn.prepare(sql)?.query_map([], read)?.collect::<Result<BTreeMap<_, [i64; 3]>, _>>()?))
    };
    let sql = "SELECT s.id, c.photo, c.label, CAST(c.after AS INTEGER) FROM step s JOIN step_change c ON c.step = s.id";
    let steps = table(sql).unwrap();
    assert!(acknowledged.iter().all(|(step, change)| steps.get(step) == Some(change)), "a step was lost");
    assert!(steps.keys().copied().eq(1..=steps.len() as i64), "a step was lost between two others");
    // At every kill one step may have been on the disk and not been told of.
    assert!(steps.len() as i64 <= acknowledged.len() as i64 + kills, "there are steps that nobody made");
    let mut decisions: BTreeMap<[i64; 2], (i64, [i64; 3])> = BTreeMap::new();
    for (step, [photo, label, verdict]) in steps {
        decisions.insert([photo, label], (step, [photo, label, verdict]));
    }
    let expected: BTreeMap<i64, [i64; 3]> = decisions.into_values().collect();
    assert_eq!(table("SELECT decided_ms, photo, label, verdict FROM decision").unwrap(), expected);
}
