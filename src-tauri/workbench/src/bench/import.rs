//! An import from files to features, and what each of its stages does alone.
//!
//! The stages run side by side, so an import can be as fast as its slowest stage; where they share the cores of one
//! processor it can only be as fast as the cores do the work of all stages together. Both bounds are given.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cliploupe_engine::{
    Model,
    device::read,
    photo::{self, Detail, FileBytes, Limits},
    preprocess::{Pixels, PreprocessConfig, normalise, resize_and_crop},
    probe::Probe,
};
use cliploupe_library::{
    LibraryError, ModelKey, PhotoId, clock,
    import::{self as importing, Finder, FoundFile},
    paths,
    photos::set_thumbnail,
    thumbnails::Thumbnails,
};

use super::{Figure, figure, machine::cores, median, middle, scene};
use crate::{
    LibraryPlace, Options, Workbench,
    messages::{LabelSettings, Problem, ProblemCode},
    photo_file::{BeenRead, read_file},
    settings::default_labels,
    shelf::{self, Shelf},
    thumbnails::THUMBNAIL_PX,
    workbench::{decoders, recording::RECORDED_AT_ONCE},
};

/// Imports that count; one before them does not.
const ROUNDS: usize = 3;
/// Height and width of a photo of 12 megapixels.
const SIZE: [usize; 2] = [3000, 4000];

/// An import that was measured.
#[derive(Debug)]
pub struct Import {
    files: Vec<PathBuf>,
    folder: PathBuf,
    time: Duration,
}

/// What each stage does alone, beside what they do together.
#[derive(Debug)]
pub struct Stages {
    /// Rates, and what they are of what they could be.
    pub figures: Vec<Figure>,
    /// The stage that is the slowest alone.
    pub bound: &'static str,
}

/// Makes so many JPEG files of 12 megapixels in `folder` and imports them, into new libraries in the same folder.
/// `options` says how a workbench is set up that has its library there.
///
/// # Errors
/// If the model or the device cannot be used, or the disk refuses.
pub fn import<E: From<Problem>>(
    photos: usize,
    folder: &Path,
    options: impl Fn(LibraryPlace) -> Result<Options, E>,
) -> Result<Import, E> {
    let files = make_photos(&folder.join("photos"), photos)?;
    let mut round = 0;
    let time = stage(|| {
        round += 1;
        let options = options(LibraryPlace::At(folder.join(format!("library-{round}"))))?;
        Ok::<_, E>(whole(options, &folder.join("photos"), photos)?)
    })?;
    Ok(Import { files, folder: folder.to_owned(), time })
}

impl Import {
    /// Measures each stage alone, decoding as an import does, or every pixel. To be called once no workbench holds the
    /// model any more.
    ///
    /// # Errors
    /// If a file cannot be read any more, or the disk refuses.
    pub fn stages(&self, model: &Model, batch: usize, is_on_cpu: bool, exact: bool) -> Result<Stages, Problem> {
        let count = self.files.len() as f64;
        let rate = |time: Duration| count / time.as_secs_f64();
        let thumbnails = Thumbnails::new(self.folder.join("thumbnails"));
        let threads = decoders();
        let read_all = |threads| read_files(&self.files, threads, &thumbnails, &model.preprocess, exact);
        let read_time = |threads| stage(|| timed(|| read_all(threads).map(drop)));
        let many = read_time(threads)?;
        let single = if threads == 1 { many } else { read_time(1)? };
        let been_read = read_all(threads)?;
        let encode = encode(model, &been_read, batch);
        let mut round = 0;
        let keep = stage(|| {
            round += 1;
            keep(&self.folder.join(format!("kept-{round}")), model, &been_read, batch)
        })?;

        let alone = [("read", rate(many)), ("encode", encode), ("library", rate(keep))];
        let (bound, slowest) = alone.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are three stages");
        // On the processor encoding has all cores, on a GPU none.
        let of_encoding = if is_on_cpu { count / encode * cores() as f64 } else { 0.0 };
        let core_seconds = single.as_secs_f64() + keep.as_secs_f64() + of_encoding;
        let together = count * cores() as f64 / core_seconds;
        let bytes = self.files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum::<u64>();
        let figures = vec![
            figure(format!("import {count} photos of 12 MP"), rate(self.time), "photos/s"),
            figure(format!("read alone, {threads} of {} cores", cores()), alone[0].1, "photos/s"),
            figure(format!("encode alone, batch {batch}"), alone[1].1, "photos/s"),
            figure("library alone", alone[2].1, "photos/s"),
            figure(format!("import over its slowest stage alone ({bound})"), rate(self.time) / slowest, "×"),
            figure("the work of all stages spread over all cores", together, "photos/s"),
            figure("import over that", rate(self.time) / together, "×"),
            figure("size of a photo's file", bytes as f64 / count / 1e6, "MB"),
        ];
        Ok(Stages { figures, bound })
    }
}

/// Files that show the same scene with other grain, and so are photos of their own.
fn make_photos(folder: &Path, count: usize) -> Result<Vec<PathBuf>, Problem> {
    let failed = |error| Problem::file(ProblemCode::Unreadable, "cannot write photos to", folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let make = |number: usize| {
        let path = folder.join(format!("{number:05}.jpg"));
        let jpeg = photo::jpeg_bytes(&scene(SIZE[0], SIZE[1], number as u32), 90);
        fs::write(&path, jpeg.expect("a picture of this size fits into a JPEG")).map_err(failed)?;
        Ok(path)
    };
    // No more threads than decode, which takes more memory than this, so that this is not what the peak is of.
    on_threads(decoders(), &(0..count).collect::<Vec<_>>(), |number| make(*number))
}

/// What `work` makes of each item, in their order, on so many threads; the first error if there is one.
fn on_threads<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, Problem> + Sync,
) -> Result<Vec<R>, Problem> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, item)) = Some(next.fetch_add(1, Relaxed)).and_then(|at| Some((at, items.get(at)?)))
                {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The median of what [`ROUNDS`] runs took, after one that does not count.
fn stage<E>(mut run: impl FnMut() -> Result<Duration, E>) -> Result<Duration, E> {
    run()?;
    Ok(middle((0..ROUNDS).map(|_| run()).collect::<Result<_, E>>()?))
}

fn timed(work: impl FnOnce() -> Result<(), Problem>) -> Result<Duration, Problem> {
    let begin = Instant::now();
    work().map(|()| begin.elapsed())
}

/// How long a workbench that is ready takes for an import into its library, which is new.
fn whole(options: Options, folder: &Path, photos: usize) -> Result<Duration, Problem> {
    let bench = Workbench::new(options)?;
    bench.set_labels(LabelSettings { labels: Vec::new(), ..default_labels(0.0) })?;
    bench.wait_idle();
    let engine = bench.snapshot().engine;
    let fell_back = engine.device.and_then(|device| device.fell_back);
    if let Some(problem) = engine.problem.or(fell_back) {
        return Err(problem);
    }
    let time = timed(|| {
        bench.add_paths(vec![folder.to_owned()]);
        bench.wait_idle();
        Ok(())
    })?;
    if let Some(failure) = bench.snapshot().failures.into_iter().next() {
        return Err(failure.problem);
    }
    match bench.import_counts().added as usize {
        added if added == photos => Ok(time),
        added => Err(Problem::internal(&format!("{added} of {photos} photos that were made came into the library"))),
    }
}

fn read_files(
    files: &[PathBuf],
    threads: usize,
    thumbnails: &Thumbnails,
    preprocess: &PreprocessConfig,
    exact: bool,
) -> Result<Vec<(BeenRead, Pixels)>, Problem> {
    // What a decoder thread does with a photo.
    on_threads(threads, files, |path| {
        let detail =
            if exact { Detail::Exact } else { Detail::Enough { tower: Some(preprocess), longest: THUMBNAIL_PX } };
        let decode = |bytes: &FileBytes| bytes.decode_with(&Limits::default(), detail).map(Box::new);
        let (read, photo) = read_file(path, thumbnails, decode)?;
        Ok((read, resize_and_crop(&photo.picture, preprocess)))
    })
}

/// Photos that the model worker encodes in a second, at its batch size.
fn encode(model: &Model, photos: &[(BeenRead, Pixels)], batch: usize) -> f64 {
    let pixels: Vec<&Pixels> = photos.iter().map(|(_, pixels)| pixels).cycle().take(batch).collect();
    let time = median(|| {
        let values = pixels.iter().flat_map(|pixels| normalise(pixels, &model.preprocess)).collect();
        read(model.clip.image_pooled(model.pixel_batch(values), &mut Probe::off()));
    });
    batch as f64 / time.as_secs_f64()
}

/// How long it takes to have a new library keep what the scanner, the recorder and the worker have it keep of photos.
fn keep(folder: &Path, model: &Model, photos: &[(BeenRead, Pixels)], batch: usize) -> Result<Duration, Problem> {
    let shelf = Shelf::open(folder)?;
    let width = model.clip.image_projection().config().input_dim;
    shelf.use_model(ModelKey::new("measured", "0"), width)?;
    let feature = vec![0.5; width];
    let now = clock::now_ms();
    let files: Vec<FoundFile> = photos.iter().map(|(read, _)| read.file.clone()).collect();
    timed(|| {
        shelf.write(|tx| importing::see(tx, &files, Finder::Person, now))?;
        for photos in photos.chunks(RECORDED_AT_ONCE) {
            let noted =
                shelf.write(|tx| photos.iter().map(|(read, _)| note(tx, read, now)).collect::<Result<Vec<_>, _>>())?;
            let rows: Vec<_> =
                noted.into_iter().zip(photos).map(|(id, (read, _))| (id, read.identity, feature.as_slice())).collect();
            rows.chunks(batch).try_for_each(|rows| shelf.keep_features(rows))?;
        }
        shelf.sync()
    })
}

fn note(conn: &rusqlite::Connection, photo: &BeenRead, now: i64) -> Result<PhotoId, LibraryError> {
    let exists = |path: &Path| paths::may_exist(path);
    let found = importing::identify(conn, &photo.file, &photo.identity, &shelf::facts(&photo.facts), now, &exists)?;
    let found = found.ok_or_else(|| LibraryError::Refused(format!("{:?} is gone", photo.file.path)))?;
    set_thumbnail(conn, found.photo, photo.thumbnail_crc, photo.look)?;
    Ok(found.photo)
}
