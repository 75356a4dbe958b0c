use half::f16;

use super::*;

/// Numbers in −1..1 that do not repeat soon.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// `count` vectors about a few centres, with one dimension that is large in all of them, as CLIP's embeddings have it.
fn clustered(count: usize, width: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut noise = noise(seed);
    let centres: Vec<Vec<f32>> = (0..7).map(|_| (0..width).map(|_| noise()).collect()).collect();
    let row = |i: usize| {
        let mut row: Vec<f32> = centres[i % 7].iter().map(|x| x + 0.8 * noise()).collect();
        row[3] = 9.0 + noise();
        row
    };
    (0..count).map(row).collect()
}

fn numbered(first: PhotoId, rows: &[Vec<f32>]) -> Vec<(PhotoId, Identity, &[f32])> {
    (first..).zip(rows).map(|(photo, row)| (photo, Identity([0; 32]), row.as_slice())).collect()
}

fn index_of(rows: &[Vec<f32>]) -> VectorIndex {
    let mut store = InMemory::new(rows[0].len());
    let rows = numbered(1, rows);
    store.append(&rows).expect("rows of one width");
    VectorIndex::build(Box::new(store)).expect("sound rows")
}

/// The cosine of the f16 row with a query, in f64.
fn naive_cosine(row: &[f32], query: &[f32]) -> f64 {
    let row: Vec<f64> = row.iter().map(|&x| f16::from_f32(x).to_f64()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let query: Vec<f64> = query.iter().map(|&x| f64::from(x)).collect();
    dot(&row, &query) / (dot(&row, &row) * dot(&query, &query)).sqrt()
}

fn naive_best(
    rows: &[Vec<f32>],
    score: impl Fn(&[f32]) -> f64,
    k: usize,
    is_allowed: impl Fn(u32) -> bool,
) -> Vec<(u32, f64)> {
    let mut scores: Vec<(u32, f64)> =
        (1..).zip(rows).filter(|&(photo, _)| is_allowed(photo)).map(|(photo, row)| (photo, score(row))).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scores.truncate(k);
    scores
}

fn assert_same(found: &[(PhotoId, f32)], naive: &[(u32, f64)]) {
    assert_eq!(found.len(), naive.len());
    for (found, naive) in found.iter().zip(naive) {
        assert!(f64::from(found.1 - naive.1 as f32).abs() < 1e-6, "{found:?} {naive:?}");
    }
    let (mut a, mut b): (Vec<u32>, Vec<u32>) =
        (found.iter().map(|x| x.0).collect(), naive.iter().map(|x| x.0).collect());
    a.sort_unstable();
    b.sort_unstable();
    assert_eq!(a, b);
}

#[test]
fn finds_what_a_naive_scan_finds_with_and_without_a_filter() {
    for (count, width) in [(20_000, 96), (3_000, 512), (50, 7)] {
        let rows = clustered(count, width, 1);
        let index = index_of(&rows);
        let allowed: RoaringBitmap = (0..count as u32 * 2).filter(|photo| photo % 3 == 0).collect();
        for (seed, k) in [(1, 1), (2, 100), (3, 1000)] {
            let query = &clustered(2, width, 50 + seed)[1];
            let found = index.search(query, k, None).unwrap();
            assert_same(&found, &naive_best(&rows, |row| naive_cosine(row, query), k, |_| true));
            let found = index.search(query, k, Some(&allowed)).unwrap();
            assert_same(&found, &naive_best(&rows, |row| naive_cosine(row, query), k, |photo| photo % 3 == 0));
        }
    }
}

#[test]
fn scores_of_all_are_near_and_within_their_bound() {
    let rows = clustered(2_000, 512, 4);
    let index = index_of(&rows);
    let query = &rows[17];
    let probe = Probe::plain(query, index.mean()).unwrap();
    let scores = index.scores_of_all(query).unwrap();
    assert_eq!(scores.len(), rows.len());
    let mut worst = 0.0_f64;
    for (photo, score) in scores {
        let row = photo as usize - 1;
        let off = (naive_cosine(&rows[row], query) - f64::from(score)).abs();
        assert!(off <= f64::from(index.blocks[0].error(row, &probe)));
        worst = worst.max(off);
    }
    assert!(worst < 0.003, "{worst}");
}

#[test]
fn copies_and_ties_come_in_the_order_of_their_numbers() {
    let mut rows = clustered(500, 64, 5);
    for at in [400, 30, 77] {
        rows[at] = rows[200].clone();
    }
    let found = index_of(&rows).search(&rows[200], 4, None).unwrap();
    assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), [31, 78, 201, 401]);
}

#[test]
fn photos_come_change_and_go() {
    let rows = clustered(9_000, 32, 6);
    let mut index = index_of(&rows[..8_000]);
    index.push(&numbered(8_001, &rows[8_000..])).unwrap();
    assert_same(
        &index.search(&rows[8_500], 50, None).unwrap(),
        &naive_best(&rows, |row| naive_cosine(row, &rows[8_500]), 50, |_| true),
    );
    let opposite: Vec<f32> = rows[8_500].iter().map(|x| -x).collect();
    index.push(&numbered(8_501, std::slice::from_ref(&opposite))).unwrap();
    assert_eq!((index.len(), index.contains(8_501)), (9_000, true));
    assert_ne!(index.search(&rows[8_500], 1, None).unwrap()[0].0, 8_501);
    assert_eq!(index.search(&opposite, 1, None).unwrap()[0].0, 8_501);
    assert!(index.remove(8_501) && !index.remove(8_501));
    assert_eq!(index.len(), 8_999);
    assert_ne!(index.search(&opposite, 1, None).unwrap()[0].0, 8_501);
    assert!(index.embedding(8_501).unwrap().is_none());
}

#[test]
fn rows_without_direction_are_nobodys() {
    let mut rows = clustered(20, 16, 7);
    rows[3] = vec![0.0; 16];
    rows[4][1] = f32::NAN;
    rows[5][1] = 1e30; // Infinity as f16.
    let index = index_of(&rows);
    assert_eq!((index.len(), index.contains(4), index.contains(5), index.contains(6)), (17, false, false, false));
    assert_eq!(index.search(&rows[0], 100, None).unwrap().len(), 17);
}

#[test]
fn queries_that_cannot_be_asked_are_refused() {
    let index = index_of(&clustered(20, 16, 8));
    for query in [vec![0.0; 16], vec![f32::NAN; 16], vec![1.0; 15]] {
        assert!(matches!(index.search(&query, 5, None), Err(LibraryError::Refused(_))));
    }
    assert!(Query::new(Vec::new()).is_err());
    let term = |weight| Term { vector: vec![1.0; 16], weight, of: Modality::Text };
    assert!(Query::new(vec![term(0.0)]).is_err() && Query::new(vec![term(f32::NAN)]).is_err());
    let empty = VectorIndex::build(Box::new(InMemory::new(16))).unwrap();
    assert!(empty.search(&[1.0; 16], 5, None).unwrap().is_empty());
    assert!(empty.find(&Query::new(vec![term(1.0)]).unwrap(), 5, None).unwrap().hits.is_empty());
}

/// The rule of query.rs, written down a second time.
fn naive_score(cosines: &[f64], weights: &[f64], figures: &[TermFigures]) -> f64 {
    let z: Vec<f64> =
        cosines.iter().zip(figures).map(|(c, of)| (c - f64::from(of.typical)) / f64::from(of.spread)).collect();
    let plus: f64 = weights.iter().filter(|w| **w > 0.0).sum();
    let parts = z.iter().zip(weights).map(|(z, w)| if *w > 0.0 { w * z } else { w * z.max(0.0) });
    parts.sum::<f64>() / plus
}

#[test]
fn arithmetic_of_terms_is_exact_whatever_the_bytes_lost() {
    let rows = clustered(6_000, 128, 9);
    let index = index_of(&rows);
    let vectors = clustered(3, 128, 60);
    let weights = [1.0, 0.5, -0.8];
    let terms =
        vectors.iter().zip(weights).map(|(v, w)| Term { vector: v.clone(), weight: w as f32, of: Modality::Text });
    let weights = weights.map(|w| f64::from(w as f32));
    let found = index.find(&Query::new(terms.collect()).unwrap(), 120, None).unwrap();
    let cosines = |row: &[f32]| vectors.iter().map(|v| naive_cosine(row, v)).collect::<Vec<_>>();
    let naive = naive_best(&rows, |row| naive_score(&cosines(row), &weights, &found.terms), 120, |_| true);
    let hits: Vec<(PhotoId, f32)> = found.hits.iter().map(|hit| (hit.photo, hit.score)).collect();
    assert_eq!(hits.iter().map(|hit| hit.0).collect::<Vec<_>>(), naive.iter().map(|hit| hit.0).collect::<Vec<_>>());
    for (hit, naive) in found.hits.iter().zip(&naive) {
        assert!((f64::from(hit.score) - naive.1).abs() < 1e-5 * naive.1.abs().max(1.0));
        for (cosine, naive) in hit.cosines.iter().zip(cosines(&rows[hit.photo as usize - 1])) {
            assert!((f64::from(*cosine) - naive).abs() < 1e-6);
        }
    }
    assert_eq!(found.scores.len(), 6_000);
}

#[test]
fn a_minus_term_takes_away_what_has_it_and_leaves_the_rest_alone() {
    // Beach; beach with dogs; dogs; nothing of either. The fourth dimension is what all photos share.
    let picture = |beach: f32, dog: f32, i: usize| vec![beach, dog, 0.02 * (i % 5) as f32, 1.0];
    let mut rows: Vec<Vec<f32>> = (0..200).map(|i| picture(0.0, 0.0, i)).collect();
    rows.extend((0..20).map(|i| picture(0.6, 0.0, i)));
    rows.extend((0..20).map(|i| picture(0.6, 0.6, i)));
    rows.extend((0..20).map(|i| picture(0.0, 0.6, i)));
    let index = index_of(&rows);
    let term = |vector: [f32; 4], weight| Term { vector: vector.to_vec(), weight, of: Modality::Text };
    let beach = term([1.0, 0.0, 0.0, 0.0], 1.0);
    let dog = term([0.0, 1.0, 0.0, 0.0], -1.0);
    let photos =
        |query: Query, k| index.find(&query, k, None).unwrap().hits.iter().map(|hit| hit.photo).collect::<Vec<_>>();
    let with_minus = photos(Query::new(vec![beach.clone(), dog.clone()]).unwrap(), 20);
    assert!(with_minus.iter().all(|photo| (201..=220).contains(photo)), "{with_minus:?}");
    // Photos without dogs keep their score, so a minus term changes nothing among them.
    let plain = index.find(&Query::new(vec![beach.clone()]).unwrap(), 260, None).unwrap();
    let minus = index.find(&Query::new(vec![beach, dog.clone()]).unwrap(), 260, None).unwrap();
    let of = |found: &Found, photo| found.hits.iter().find(|hit| hit.photo == photo).unwrap().score;
    assert_eq!(of(&plain, 205), of(&minus, 205));
    assert!(of(&minus, 225) < of(&plain, 225));
    let without_dogs = photos(Query::new(vec![dog]).unwrap(), 220);
    assert!(without_dogs.iter().all(|&photo| photo <= 220), "a search of minus terms only");
}

#[test]
fn centred_cosines_are_those_of_vectors_less_their_mean() {
    let rows = clustered(5_000, 64, 11);
    let index = index_of(&rows);
    let text = &clustered(1, 64, 70)[0];
    let text_mean = vec![0.05; 64];
    let unit = |x: &[f32]| {
        let x: Vec<f64> = x.iter().map(|&x| f16::from_f32(x).to_f64()).collect();
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.into_iter().map(|x| x / norm).collect::<Vec<f64>>()
    };
    let text_norm = text.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let mut mean = vec![0.0; 64];
    rows.iter().for_each(|row| mean.iter_mut().zip(unit(row)).for_each(|(m, x)| *m += x / 5_000.0));
    assert!(mean.iter().zip(index.mean()).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-6));
    let query: Vec<f64> = text.iter().map(|&x| f64::from(x) / text_norm - f64::from(0.05_f32)).collect();
    let centred = |row: &[f32]| {
        let y: Vec<f64> = unit(row).iter().zip(&mean).map(|(x, m)| x - m).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        dot(&y, &query) / (dot(&y, &y) * dot(&query, &query)).sqrt()
    };
    let naive = naive_best(&rows, centred, 40, |_| true);
    let term = Term { vector: text.clone(), weight: 1.0, of: Modality::Text };
    let found = index.find(&Query::new(vec![term]).unwrap().centred(text_mean), 40, None).unwrap();
    let cosines: Vec<(PhotoId, f32)> = found.hits.iter().map(|hit| (hit.photo, hit.cosines[0])).collect();
    assert_same(&cosines, &naive);
}

fn naive_pairs(rows: &[Vec<f32>], cosine: f64) -> Vec<(u32, u32)> {
    let halves: Vec<Vec<f32>> =
        rows.iter().map(|row| row.iter().map(|&x| f16::from_f32(x).to_f32()).collect()).collect();
    let pairs = (0..rows.len()).flat_map(|i| (i + 1..rows.len()).map(move |j| (i, j)));
    let near = pairs.filter(|&(i, j)| naive_cosine(&rows[i], &halves[j]) >= cosine);
    near.map(|(i, j)| (i as u32 + 1, j as u32 + 1)).collect()
}

#[test]
fn no_pair_of_near_photos_is_missed() {
    for (count, width) in [(1_100, 160), (300, 33)] {
        let mut rows = clustered(count, width, 12);
        let mut noise = noise(13);
        for at in (0..count - 40).step_by(9) {
            let size = 0.05 + at as f32 / count as f32;
            rows[at + 40] = rows[at].iter().map(|x| x + size * noise()).collect();
        }
        let mut index = index_of(&rows);
        for cosine in [0.999, 0.98, 0.9] {
            let pairs = index.pairs(cosine, &|_| true).unwrap().unwrap();
            let mut found: Vec<(u32, u32)> = pairs.iter().map(|pair| (pair.one, pair.other)).collect();
            found.sort_unstable();
            let naive = naive_pairs(&rows, f64::from(cosine));
            assert_eq!(found.len(), naive.len(), "{cosine}");
            assert!(found == naive && !found.is_empty());
        }
        index.remove(41);
        assert!(index.pairs(0.9, &|_| true).unwrap().unwrap().iter().all(|pair| pair.one != 41 && pair.other != 41));
        assert_eq!(index.pairs(0.9, &|_| false).unwrap(), None);
    }
}

#[test]
fn the_photos_far_from_everything_are_found_and_say_why() {
    let mut rows = clustered(9_000, 48, 14);
    let strange = clustered(6, 48, 999);
    for (at, row) in strange.iter().enumerate() {
        rows[at * 1_500 + 700] = row.iter().enumerate().map(|(i, x)| if i == at + 10 { 40.0 } else { *x }).collect();
    }
    let index = index_of(&rows);
    let outliers = index.outliers(6, 5, &|_| true).unwrap().unwrap();
    let mut photos: Vec<PhotoId> = outliers.iter().map(|outlier| outlier.photo).collect();
    photos.sort_unstable();
    assert_eq!(photos, [701, 2_201, 3_701, 5_201, 6_701, 8_201]);
    for outlier in outliers {
        let row = &rows[outlier.photo as usize - 1];
        let naive = naive_best(&rows, |other| naive_cosine(other, row), 6, |photo| photo != outlier.photo);
        let mean = naive[..5].iter().map(|hit| hit.1).sum::<f64>() / 5.0;
        assert!((f64::from(outlier.mean_cosine) - mean).abs() < 0.004 && outlier.z < -6.0, "{outlier:?} {mean}");
        assert!(f64::from(outlier.nearest_cosine) > naive[0].1 - 0.004);
    }
    assert_eq!(index.outliers(6, 5, &|_| false).unwrap(), None);
    assert!(index_of(&rows[..5]).outliers(6, 5, &|_| true).unwrap().unwrap().is_empty());
}
