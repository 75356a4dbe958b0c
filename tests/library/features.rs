//! Stores of features that several programs write, that are killed while they write, and that fill their disk.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use cliploupe_library::{Identity, LibraryError, ModelKey, PhotoId, features::FeatureStore, thumbnails::Thumbnails};

const WIDTH: usize = 96;
/// Tells this test program that it is the other program, and where to work.
const WORK: &str = "CLIPLOUPE_TEST_FEATURES";

fn open(folder: &Path) -> FeatureStore {
    FeatureStore::open(folder, &ModelKey::new("tiny", "0"), WIDTH, false).unwrap()
}

fn row(photo: PhotoId) -> Vec<f32> {
    (0..WIDTH).map(|i| (photo % 1000) as f32 + i as f32 / 128.0).collect()
}

fn add(store: &mut FeatureStore, photos: impl Iterator<Item = PhotoId>) -> Result<(), LibraryError> {
    let rows: Vec<(PhotoId, Vec<f32>)> = photos.map(|photo| (photo, row(photo))).collect();
    let rows: Vec<_> = rows.iter().map(|(photo, row)| (*photo, Identity([7; 32]), row.as_slice())).collect();
    store.append(&rows)
}

fn assert_has(store: &FeatureStore, photos: impl Iterator<Item = PhotoId>) {
    for photo in photos {
        // What an f16 keeps of it.
        let kept: Vec<f32> = row(photo).iter().map(|&x| half(x)).collect();
        assert_eq!(store.read_rows(&[store.row_of(photo).expect("it was added")]).unwrap(), kept);
    }
}

/// Rounds a number of these rows to eleven bits.
fn half(x: f32) -> f32 {
    if x == 0.0 {
        return 0.0;
    }
    let unit = 2.0_f32.powi(x.log2().floor() as i32 - 10);
    (x / unit).round_ties_even() * unit
}

/// One test of this program as a program of its own, started through `before`.
fn other_program(before: &[&str], test: &str, work: &Path) -> Command {
    let program = env::current_exe().unwrap();
    let mut words = before.iter().map(PathBuf::from).chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(WORK, work);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn work() -> Option<PathBuf> {
    env::var_os(WORK).map(PathBuf::from)
}

/// Adds rows without end, a few at a time, and says up to which photo; now and then it rewrites the store.
#[test]
fn other_program_that_adds() {
    let Some(work) = work() else { return };
    let mut store = open(&work);
    let mut next = 1 + store.photos() as PhotoId;
    loop {
        let end = next + 1 + next % 7;
        add(&mut store, next..end).unwrap();
        if next % 40 < 3 {
            // Doubles rows, so that there is something to leave out.
            add(&mut store, next..end).unwrap();
            store.compact(|_| true).unwrap();
        }
        println!("\nadded {}", end - 1);
        next = end;
    }
}

#[test]
fn a_program_killed_at_any_moment_leaves_what_it_had_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = 0;
    for kill in 0..25_u64 {
        let mut other = other_program(&[], "features::other_program_that_adds", folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut added = |said: &mut PhotoId| {
            let photo = lines.by_ref().find_map(|line| line.strip_prefix("added ")?.parse::<PhotoId>().ok());
            photo.inspect(|photo| *said = *photo)
        };
        assert!(added(&mut said).is_some());
        std::thread::sleep(Duration::from_micros(kill * kill * 37 % 9_000));
        other.kill().unwrap();
        other.wait().unwrap();
        while added(&mut said).is_some() {}
        let store = open(folder.path());
        assert_eq!(store.dropped(), 0);
        assert_has(&store, 1..=said);
        assert!(store.for_each_chunk(|_| Ok(())).unwrap().is_empty());
        assert!(!folder.path().join("tiny-0.rows.new").exists());
    }
    assert!(said > 200, "{said}");
}

/// Adds three hundred rows one by one: those of the number in the folder's name.
#[test]
fn other_program_that_adds_its_own() {
    let Some(work) = work() else { return };
    let first: PhotoId = work.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let mut store = open(work.parent().unwrap());
    for photo in first..first + 300 {
        add(&mut store, std::iter::once(photo)).unwrap();
    }
}

#[test]
fn programs_that_add_at_the_same_time_lose_nothing_while_a_third_rewrites() {
    let folder = tempfile::tempdir().unwrap();
    let start = |first: &str| {
        let work = folder.path().join(first);
        other_program(&[], "features::other_program_that_adds_its_own", &work).spawn().unwrap()
    };
    let mut store = open(folder.path());
    let others = [start("1000"), start("2000")];
    for photo in 1..100 {
        add(&mut store, [photo, photo].into_iter()).unwrap();
        if photo % 9 == 0 {
            store.compact(|_| true).unwrap();
        }
    }
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    store.refresh().unwrap();
    assert_eq!((store.photos(), store.dropped()), (699, 0));
    assert_has(&store, (1..100).chain(1000..1300).chain(2000..2300));
}

/// What a program is started through that mounts disks of its own.
#[cfg(target_os = "linux")]
fn own_mounts() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| {
        let mut mount = Command::new(way[0]);
        mount.args(&way[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    };
    ways.iter().find(works).expect("this test mounts a small disk and needs `unshare --mount`, or user namespaces")
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_the_same_call_works_once_there_is_room() {
    let work = tempfile::tempdir().unwrap();
    let test = "features::other_program_on_a_small_disk";
    let output = other_program(own_mounts(), test, work.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn other_program_on_a_small_disk() {
    let Some(disk) = work() else { return };
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&disk).status();
    assert!(mount.unwrap().success());
    let mut store = open(&disk);
    let (mut next, mut failures) = (1, 0);
    for pages in 0..24 {
        add(&mut store, next..next + 40).unwrap();
        next += 40;
        let free = fs4::available_space(&disk).unwrap();
        fs::write(disk.join("ballast"), vec![1; free.saturating_sub(pages * 4096) as usize]).unwrap();
        let result = add(&mut store, next..next + 300);
        // Also for others, and for whoever opens it now.
        assert_has(&open(&disk), 1..next);
        assert_has(&store, 1..next);
        let rewritten = store.compact(|_| true).map(drop);
        assert_has(&store, 1..next);
        let jpeg = [b"\xFF\xD8\xFF".as_slice(), &[0; 20_000], b"\xFF\xD9"].concat();
        let kept = Thumbnails::new(disk.join("thumbnails")).keep(&Identity([9; 32]), &jpeg);
        for result in [&result, &rewritten, &kept.map(drop)] {
            failures += usize::from(result.is_err());
            assert!(matches!(result, Ok(()) | Err(LibraryError::DiskFull { .. })), "{result:?}");
        }
        fs::remove_file(disk.join("ballast")).unwrap();
        if result.is_err() {
            add(&mut store, next..next + 300).unwrap();
        }
        assert_has(&store, 1..next + 300);
        // The next round begins small again.
        store.compact(|photo| photo < next).unwrap();
        let left: Vec<String> =
            fs::read_dir(&disk).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(left.iter().all(|name| !name.contains("new")), "{left:?}");
    }
    assert!(failures > 20, "the disk was hardly ever full: {failures}");
}
