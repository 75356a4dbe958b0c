//! How long a large library takes to open, to be filtered and to be searched.

use std::{path::Path, time::Instant};

use cliploupe_library::{
    Library, LibraryError, ModelKey, Open,
    filter::{Filter, Order, ordered},
    index::{EmbeddingFile, VectorIndex},
    made_up::{MadeUp, make},
};

use super::{Figure, figure, median, millis};
use crate::{
    messages::Problem,
    shelf::{Shelf, of_library},
};

/// Numbers of an embedding.
const WIDTH: usize = 512;
/// Photos that a search lists.
const TOP: usize = 100;

/// A made-up library of so many photos in a folder that is empty; it takes 2.5 kB of disk a photo.
pub fn library(folder: &Path, photos: u32) -> Result<Vec<Figure>, Problem> {
    measured(folder, photos).map_err(|error| of_library(&error))
}

fn measured(folder: &Path, photos: u32) -> Result<Vec<Figure>, LibraryError> {
    let (model, head, fingerprint) = (ModelKey::new("made-up", "0"), ModelKey::new("head", "0"), [0; 8]);
    let head_of = Some((head.clone(), fingerprint));
    let made = MadeUp { photos, width: WIDTH, seed: 1, model: model.clone(), head: head_of, has_thumbnails: false };
    let begin = Instant::now();
    make(folder, &made, |_| ())?;
    // The first time it is opened it is brought to the newest schema, behind a backup.
    Library::open(folder, Open::default())?;
    let mut figures = vec![figure(format!("make {photos} photos"), begin.elapsed().as_secs_f64(), "s")];
    let mut time = |what: &str, work: &mut dyn FnMut() -> Result<(), LibraryError>| {
        let mut result = Ok(());
        let time = median(|| {
            if result.is_ok() {
                result = work();
            }
        });
        figures.push(figure(what, millis(time), "ms"));
        result
    };
    let refused = |problem: Problem| LibraryError::Refused(problem.message);
    time("open, with all its photos", &mut || {
        Shelf::open(folder).and_then(|shelf| shelf.rows()).map(drop).map_err(refused)
    })?;
    let library = Library::open(folder, Open::default())?;
    let camera = Filter { camera: Some("SONY ILCE-7M4".into()), ..Filter::default() };
    let missing = Filter { missing: Some(true), ..Filter::default() };
    let untagged = Filter { untagged: true, ..Filter::default() };
    for (what, filter) in [("filter by camera", &camera), ("filter missing", &missing), ("filter untagged", &untagged)]
    {
        time(what, &mut || library.read(|conn| filter.photos(conn)).map(drop))?;
    }
    time("order by time", &mut || library.read(|conn| ordered(conn, Order::Taken, false)).map(drop))?;
    let allowed = library.read(|conn| camera.photos(conn))?;
    let open = || EmbeddingFile::open(&library.features_folder(), &model, &head, fingerprint, WIDTH, true);
    let begin = Instant::now();
    let index = VectorIndex::build(Box::new(open()?))?;
    let built = figure("make the index", millis(begin.elapsed()), "ms");
    let query = index.embedding(1)?.unwrap_or_else(|| vec![1.0; WIDTH]);
    time("exact search", &mut || index.search(&query, TOP, None).map(drop))?;
    time("exact search in a filter", &mut || index.search(&query, TOP, Some(&allowed)).map(drop))?;
    figures.push(built);
    Ok(figures)
}
