//! How far an embedding moves when a JPEG is decoded only as far as the tower can tell (`engine/src/photo/detail.rs`).

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cliploupe_engine::{
    Model,
    photo::{Detail, FileBytes, Limits, Photo},
    preprocess::{normalise, resize_and_crop},
};

use super::{Figure, figure, middle, millis};
use crate::{
    messages::{Problem, ProblemCode},
    problem::of_photo,
    scan::{Found, walk},
    thumbnails::THUMBNAIL_PX,
};

/// Photos encoded at once, each both ways.
const BATCH: usize = 8;

/// What was measured of a folder.
#[derive(Debug)]
pub struct Fidelity {
    /// Cosines of each photo's two embeddings, and how long decoding takes both ways.
    pub figures: Vec<Figure>,
    /// The photo with the lowest cosine.
    pub worst: PathBuf,
    /// Photos that could not be read, and why.
    pub failed: Vec<(PathBuf, Problem)>,
}

/// One photo, decoded both ways.
struct Pair {
    path: PathBuf,
    /// What the tower gets, exactly and fast, `[2 · 3 · height · width]`.
    values: Vec<f32>,
    times: [Duration; 2],
    is_smaller: bool,
}

/// Compares the embeddings of all JPEG photos below a folder by fast decoding with those by exact decoding.
///
/// # Errors
/// If there is no JPEG photo that can be read.
pub fn fidelity(model: &Model, folder: &Path) -> Result<Fidelity, Problem> {
    let (mut paths, mut failed) = (Vec::new(), Vec::new());
    walk(
        folder,
        || true,
        |found| match found {
            Found::Photo(path) => paths.push(path),
            Found::Failed(path, problem) => failed.push((path, problem)),
        },
    );
    let (mut cosines, mut times, mut smaller) = (Vec::new(), [Vec::new(), Vec::new()], 0);
    for paths in paths.chunks(BATCH) {
        let mut pairs = Vec::new();
        for path in paths {
            match pair(model, path) {
                Ok(pair) => pairs.extend(pair),
                Err(problem) => failed.push((path.clone(), problem)),
            }
        }
        if pairs.is_empty() {
            continue;
        }
        let embeddings = model.image_embeddings(pairs.iter().flat_map(|pair| pair.values.iter().copied()).collect());
        let width = embeddings.len() / (2 * pairs.len());
        for (pair, both) in pairs.into_iter().zip(embeddings.chunks_exact(2 * width)) {
            let (exact, fast) = both.split_at(width);
            let dot = exact.iter().zip(fast).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let length = |of: &[f32]| of.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let cosine = dot / (length(exact) * length(fast));
            // A vector that is no number is as far away as can be.
            cosines.push((if cosine.is_nan() { -1.0 } else { cosine }, pair.path));
            smaller += usize::from(pair.is_smaller);
            times.iter_mut().zip(pair.times).for_each(|(times, time)| times.push(time));
        }
    }
    cosines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [exact, fast] = times;
    let Some((lowest, worst)) = cosines.first().cloned() else {
        let shown = folder.display().to_string();
        let message = format!("no JPEG photo in {shown:?} could be read. Name another folder with --photos.");
        return Err(Problem::new(ProblemCode::NoPhotos, &[("path", &shown)], message));
    };
    let at = |share: f64| cosines[(cosines.len() as f64 * share) as usize].0;
    let figures = vec![
        figure("JPEG photos", cosines.len() as f64, ""),
        figure("of these decoded smaller", f64::from(smaller as u32), ""),
        figure("median cosine of fast and exact", at(0.5), ""),
        figure("1 in 100 is below", at(0.01), ""),
        figure("lowest", lowest, ""),
        figure("median decode, exact", millis(middle(exact)), "ms"),
        figure("median decode, fast", millis(middle(fast)), "ms"),
    ];
    Ok(Fidelity { figures, worst, failed })
}

/// A photo decoded both ways; `None` if it is no JPEG, which is decoded one way only.
fn pair(model: &Model, path: &Path) -> Result<Option<Pair>, Problem> {
    let failed = |error| of_photo(&error, path);
    let limits = Limits::default();
    let bytes = FileBytes::read(path, &limits).map_err(failed)?;
    if !bytes.bytes.starts_with(b"\xff\xd8\xff") {
        return Ok(None);
    }
    let enough = Detail::Enough { tower: Some(&model.preprocess), longest: THUMBNAIL_PX };
    let decode = |detail| {
        let begin = Instant::now();
        let photo = bytes.decode_with(&limits, detail).map_err(failed)?;
        Ok::<(Photo, Duration), Problem>((photo, begin.elapsed()))
    };
    let (exact, exact_time) = decode(Detail::Exact)?;
    let (fast, fast_time) = decode(enough)?;
    let seen = |photo: &Photo| normalise(&resize_and_crop(&photo.picture, &model.preprocess), &model.preprocess);
    let values = [seen(&exact), seen(&fast)].concat();
    let is_smaller = fast.picture.width() < exact.picture.width();
    Ok(Some(Pair { path: path.to_owned(), values, times: [exact_time, fast_time], is_smaller }))
}
