//! Search in a whole made-up library on disk, and the figures of a large one.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use cliploupe_library::{
    ModelKey,
    check::{CheckOptions, check},
    features::FeatureStore,
    index::{EmbeddingFile, Modality, Query, Term, VectorIndex, cut_off},
    look::Look,
    made_up::{MadeUp, make},
    near::{Evidence, NearOptions, NearPhoto, groups},
};
use roaring::RoaringBitmap;
use rusqlite::Connection;

fn made_up(photos: u32, width: usize) -> MadeUp {
    let head = Some((ModelKey::new("made-up", "head"), [1; 8]));
    MadeUp { photos, width, seed: 1, model: ModelKey::new("made-up", "0"), head, has_thumbnails: false }
}

fn embeddings(folder: &Path, made: &MadeUp) -> EmbeddingFile {
    let (head, fingerprint) = made.head.clone().unwrap();
    EmbeddingFile::open(&folder.join("features"), &made.model, &head, fingerprint, made.width, true).unwrap()
}

/// The nearest photos by one pass over all rows in f64.
fn naive(folder: &Path, made: &MadeUp, query: &[f32], k: usize, allowed: Option<&RoaringBitmap>) -> Vec<(u32, f64)> {
    let store = FeatureStore::open(&folder.join("features"), &made.model, made.width, true).unwrap();
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let query_norm = norm(&mut query.iter().map(|&x| f64::from(x)));
    let mut all = Vec::new();
    store
        .for_each_chunk(|chunk| {
            for (photo, row) in chunk.photos.iter().flatten().zip(chunk.values.chunks_exact(made.width)) {
                if allowed.is_none_or(|allowed| allowed.contains(*photo)) {
                    let dot = row.iter().zip(query).map(|(x, &q)| f64::from(*x) * f64::from(q)).sum::<f64>();
                    all.push((*photo, dot / (norm(&mut row.iter().map(|&x| f64::from(x))) * query_norm)));
                }
            }
            Ok(())
        })
        .unwrap();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

/// A direction between two photos, with something of its own.
fn query(index: &VectorIndex, at: u32) -> Vec<f32> {
    let (one, other) = (at * 1009 % 20_000 + 1, at * 7001 % 20_000 + 1);
    let (one, other) = (index.embedding(one).unwrap().unwrap(), index.embedding(other).unwrap().unwrap());
    let mut state = u64::from(at) + 1;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    one.iter().zip(other).map(|(a, b)| 0.3 * a + 0.1 * b + 0.03 * noise()).collect()
}

fn assert_same(found: &[(u32, f32)], naive: &[(u32, f64)]) {
    assert_eq!(found.len(), naive.len());
    for (found, naive) in found.iter().zip(naive) {
        assert!(found.0 == naive.0 && (f64::from(found.1) - naive.1).abs() < 1e-6, "{found:?} {naive:?}");
    }
}

#[test]
fn a_library_on_disk_answers_as_a_naive_scan_does() {
    let folder = tempfile::tempdir().unwrap();
    let made = made_up(20_000, 64);
    make(folder.path(), &made, |_| ()).unwrap();
    let index = VectorIndex::build(Box::new(embeddings(folder.path(), &made))).unwrap();
    let connection = Connection::open(folder.path().join("library.sqlite")).unwrap();
    let mut of_camera = connection.prepare("SELECT id FROM photo WHERE camera = 'SONY ILCE-7M4'").unwrap();
    let allowed: RoaringBitmap =
        of_camera.query_map([], |row| row.get::<_, u32>(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(allowed.len() > 500);
    for at in 0..3 {
        let query = query(&index, at);
        for allowed in [None, Some(&allowed)] {
            let found = index.search(&query, 100, allowed).unwrap();
            assert_same(&found, &naive(folder.path(), &made, &query, 100, allowed));
        }
    }
}

/// A line of figures for something that is done 30 times.
fn measure(what: &str, mut run: impl FnMut(u32)) {
    let mut times: Vec<f64> = (0..30)
        .map(|at| {
            let begin = Instant::now();
            run(at);
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: best {:.1} ms, median {:.1} ms, worst {:.1} ms", times[0], times[15], times[29]);
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = run();
    println!("{what}: {:.2} s", begin.elapsed().as_secs_f64());
    result
}

/// What this process holds in memory, where the system says so.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM")).collect::<Vec<_>>().join(", ")
}

/// Figures for the documents. CLIPLOUPE_SCALE_PHOTOS says how many photos, CLIPLOUPE_SCALE_FOLDER where a library is
/// kept from one run to the next.
#[test]
#[ignore = "makes a library of a million photos: some minutes and 2.5 GB of disk; run with --release"]
fn figures_of_a_large_library() {
    let photos = std::env::var("CLIPLOUPE_SCALE_PHOTOS").map_or(1_000_000, |photos| photos.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("CLIPLOUPE_SCALE_FOLDER").map_or(temporary.path().to_owned(), PathBuf::from);
    let made = made_up(photos, 512);
    if !folder.join("library.sqlite").exists() {
        timed("make", || make(&folder, &made, |_| ()).unwrap());
    }
    let file = timed("open embeddings", || embeddings(&folder, &made));
    let index = timed("build the index", || VectorIndex::build(Box::new(file)).unwrap());
    println!("{} photos; {}", index.len(), memory());
    let queries: Vec<Vec<f32>> = (0..8).map(|at| query(&index, at)).collect();
    let half: RoaringBitmap = (1..=photos).filter(|photo| photo % 2 == 0).collect();
    let few: RoaringBitmap = (1..=photos).filter(|photo| photo % 997 == 0).collect();
    for allowed in [None, Some(&half), Some(&few)] {
        let found = index.search(&queries[0], 100, allowed).unwrap();
        assert_same(&found, &naive(&folder, &made, &queries[0], 100, allowed));
    }
    let of = |at: u32| &queries[at as usize % queries.len()];
    measure("top 100", |at| drop(index.search(of(at), 100, None)));
    measure("top 100 of every second photo", |at| drop(index.search(of(at), 100, Some(&half))));
    measure("top 100 of a thousandth", |at| drop(index.search(of(at), 100, Some(&few))));
    measure("top 5000", |at| drop(index.search(of(at), 5000, None)));
    measure("scores of all", |at| drop(index.scores_of_all(of(at))));
    let term = |at: u32, weight| Term { vector: of(at).clone(), weight, of: Modality::Text };
    let three = |at| Query::new(vec![term(at, 1.0), term(at + 1, 0.5), term(at + 2, -1.0)]).unwrap();
    measure("three terms, one of them minus", |at| drop(index.find(&three(at), 100, None)));
    let scores = index.find(&Query::new(vec![term(0, 1.0)]).unwrap(), 1, None).unwrap().scores;
    measure("cut-off", |_| assert!(cut_off(&scores, &[]).kept > 0));
    println!("{:?}; {}", cut_off(&scores, &[]), memory());

    for deep in [false, true] {
        let open = || Ok(Connection::open(folder.join("library.sqlite")).unwrap());
        let options = CheckOptions { deep, ..CheckOptions::default() };
        let report = timed(if deep { "deep check" } else { "check" }, || check(&folder, options, open).unwrap());
        assert!(report.findings.is_empty(), "{report:?}");
    }

    let list = near_photos(&folder);
    let by = |evidence| NearOptions { evidence, ..NearOptions::default() };
    let grouped = timed("near duplicates by looks", || groups(&index, &list, &by(Evidence::Looks), &|_| true).unwrap());
    println!("{} groups", grouped.unwrap().len());
    if photos <= 100_000 {
        let run = || groups(&index, &list, &by(Evidence::Embeddings), &|_| true).unwrap();
        println!("{} groups", timed("near duplicates by embeddings", run).unwrap().len());
    }
    let outliers = timed("outliers", || index.outliers(100, 5, &|_| true).unwrap().unwrap());
    println!("{:?}; {}", outliers[0], memory());
}

fn near_photos(folder: &Path) -> Vec<NearPhoto> {
    let connection = Connection::open(folder.join("library.sqlite")).unwrap();
    let sql = "SELECT id, look, width, height, taken_ms, (SELECT count(*) FROM file WHERE photo = photo.id) FROM photo";
    let mut photos = connection.prepare(sql).unwrap();
    let photo = |row: &rusqlite::Row| {
        let look = Look::from_slice(row.get_ref(1)?.as_blob()?);
        let size = (row.get(2)?, row.get(3)?);
        Ok(NearPhoto { photo: row.get(0)?, look, size, time_ms: row.get(4)?, files: row.get(5)? })
    };
    photos.query_map([], photo).unwrap().collect::<Result<_, _>>().unwrap()
}
