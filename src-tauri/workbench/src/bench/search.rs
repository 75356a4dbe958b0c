//! Exact search over made-up embeddings, from a file as the program keeps it, and what a naive scan finds in the same file.

use std::{path::Path, time::Instant};

use cliploupe_library::{
    LibraryError, ModelKey, PhotoId,
    index::{EmbeddingFile, Embeddings, VectorIndex},
    made_up::{MadeUp, add_embeddings},
};
use rayon::prelude::*;

use super::{Figure, figure, grouped, median, millis};
use crate::{messages::Problem, shelf::of_library};

/// Numbers of an embedding.
const WIDTH: usize = 512;
/// Photos that a search lists.
const TOP: usize = 100;
/// Searches that are compared with a naive scan.
const QUERIES: u32 = 8;
/// Rows that a naive scan reads at a time.
const PIECE: usize = 4096;

/// Searches among so many photos each time, from few to many, in a folder that is empty; it takes 1 kB of disk a photo.
///
/// # Errors
/// What the disk says.
pub fn search(folder: &Path, sizes: &[u32]) -> Result<Vec<Figure>, Problem> {
    measured(folder, sizes).map_err(|error| of_library(&error))
}

fn measured(folder: &Path, sizes: &[u32]) -> Result<Vec<Figure>, LibraryError> {
    let (model, head) = (ModelKey::new("made-up", "0"), ModelKey::new("head", "0"));
    let open = |read_only| EmbeddingFile::open(folder, &model, &head, [0; 8], WIDTH, read_only);
    let most = sizes.iter().copied().max().unwrap_or(0);
    let made = MadeUp { photos: most, width: WIDTH, seed: 1, model: model.clone(), head: None, has_thumbnails: false };
    // Photos that are not there, but look like those that are.
    let queries: Vec<Vec<f32>> = (1..=QUERIES).map(|query| made.vector(most + query * 1009)).collect();
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let (mut file, mut figures, mut there) = (open(false)?, Vec::new(), 0);
    for photos in sizes {
        add_embeddings(&mut file, &made, there + 1..=photos)?;
        there = photos;
        let begin = Instant::now();
        let index = VectorIndex::build(Box::new(open(true)?))?;
        figures.push(figure(format!("index of {} × {WIDTH}", grouped(photos)), millis(begin.elapsed()), "ms"));
        let found = queries.iter().map(|query| index.search(query, TOP, None)).collect::<Result<Vec<_>, _>>()?;
        let mut next = queries.iter().cycle();
        let mut result = Ok(());
        let time = median(|| {
            let query = next.next().expect("a cycle has no end");
            if let Err(error) = index.search(query, TOP, None) {
                result = Err(error);
            }
        });
        result?;
        figures.push(figure(format!("search {}, top {TOP}", grouped(photos)), millis(time), "ms"));
        let expected = naive(&file, &queries)?;
        let recall = recall(&found, &expected);
        figures.push(figure(format!("recall in {}, 1 is all", grouped(photos)), recall, ""));
    }
    Ok(figures)
}

/// Photos with their cosines, best first.
type Hits<T> = Vec<(PhotoId, T)>;

/// The share of the expected photos that were found.
fn recall(found: &[Hits<f32>], expected: &[Hits<f64>]) -> f64 {
    let (mut right, mut all) = (0, 0);
    for (found, expected) in found.iter().zip(expected) {
        all += expected.len();
        right += expected.iter().filter(|(photo, _)| found.iter().any(|(hit, _)| hit == photo)).count();
    }
    right as f64 / all.max(1) as f64
}

/// The photos nearest to each query by one pass over all rows in f64.
fn naive(file: &EmbeddingFile, queries: &[Vec<f32>]) -> Result<Vec<Hits<f64>>, LibraryError> {
    let firsts: Vec<usize> = (0..file.rows()).step_by(PIECE).collect();
    let pieces = firsts.into_par_iter().map(|first| piece(file, first, queries));
    let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
    let of_query = |query: usize| best(pieces.iter().flat_map(|piece| piece[query].iter().copied()).collect());
    Ok((0..queries.len()).map(of_query).collect())
}

/// The best of the rows from `first` on, for each query.
fn piece(file: &EmbeddingFile, first: usize, queries: &[Vec<f32>]) -> Result<Vec<Hits<f64>>, LibraryError> {
    let count = PIECE.min(file.rows() - first);
    let rows = file.read_from(first as u32, count)?;
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let of_query = |query: &Vec<f32>| {
        let length = dot(query, query).sqrt();
        let cosine = |row: &[f32]| dot(row, query) / (dot(row, row).sqrt() * length);
        let photos = (first..first + count).map(|row| file.photo(row as u32));
        best(photos.zip(rows.chunks_exact(WIDTH)).filter_map(|(photo, row)| Some((photo?, cosine(row)))).collect())
    };
    Ok(queries.iter().map(of_query).collect())
}

fn best(mut hits: Hits<f64>) -> Hits<f64> {
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    hits.truncate(TOP);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_what_was_expected_and_not_found() {
        let expected = [vec![(1, 0.9), (2, 0.8)], vec![(3, 0.7), (4, 0.6)]];
        assert_eq!(recall(&[vec![(2, 0.8), (1, 0.9)], vec![(3, 0.7), (5, 0.6)]], &expected), 0.75);
    }

    #[test]
    fn search_finds_all_that_a_naive_scan_finds() {
        let folder = tempfile::tempdir().unwrap();
        let figures = search(folder.path(), &[2_000, 500]).unwrap();
        let names: Vec<&str> = figures.iter().map(|figure| figure.what.as_str()).collect();
        let expected = ["index of 500 × 512", "search 500, top 100", "recall in 500, 1 is all", "index of 2,000 × 512"];
        assert_eq!(names[..4], expected);
        assert!(figures.iter().filter(|figure| figure.what.starts_with("recall")).all(|figure| figure.value == 1.0));
    }
}
