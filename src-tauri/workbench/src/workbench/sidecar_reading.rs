//! Tags that come in: from sidecars, whoever wrote them, and from the keywords inside photos.
//!
//! What is read is shown first, and taken over on a word, as one step that can be undone. What the library and a sidecar
//! agreed on before, and the person has taken away here since, is no news. What a person rejected is left out unless it is
//! asked for.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use cliploupe_library::{
    LibraryError, clock, labels, paths,
    sidecars::{self, Folder},
    tags::{self, Decide, Origin, Verdict},
    xmp,
};
use roaring::RoaringBitmap;

use super::{
    Workbench,
    sidecar_calls::{AT_ONCE, LISTED},
    sidecar_files::{Agreed, Current, Job, Said, jobs, library_options, photos_of, problem_at},
};
use crate::{
    messages::{PathProblem, PhotoId, Problem, ProblemCode, SidecarFound, SidecarReading},
    shelf::Shelf,
};

/// How much of a JPEG is read for its keywords: they stand before the picture.
const JPEG_HEAD: u64 = 1 << 20;
/// The largest file of another format whose keywords are looked for; they may stand at its end.
const LARGEST: u64 = 256 << 20;

impl Workbench {
    /// What the sidecars of these photos, or of all, and the keywords inside their files would bring. Nothing changes.
    pub fn plan_reading(&self, ids: Option<&[PhotoId]>) -> Result<SidecarReading, Problem> {
        Ok(self.read_sidecars(ids, false)?.report)
    }

    /// Takes over what sidecars and files say, as one step; `even_rejected` also what a person rejected here before.
    pub fn take_reading(&self, ids: Option<&[PhotoId]>, even_rejected: bool) -> Result<SidecarReading, Problem> {
        let reading = self.read_sidecars(ids, even_rejected)?;
        reading.take_over(self.shelf()?)?;
        let changed: Vec<PhotoId> = reading.changed().iter().collect();
        if !changed.is_empty() {
            self.decisions_changed(changed);
        }
        Ok(SidecarReading { taken: true, ..reading.report })
    }

    fn read_sidecars(&self, ids: Option<&[PhotoId]>, even_rejected: bool) -> Result<Reading, Problem> {
        let shelf = self.shelf()?;
        let root = library_options(&self.sidecar_options())?.root;
        let jobs = shelf.read(|conn| jobs(conn, &photos_of(conn, ids)?))?;
        let mut reading = Reading::new(root, even_rejected);
        for jobs in jobs.chunks(AT_ONCE) {
            let said = shelf.read(|conn| {
                let said = jobs.iter().map(|job| Said::of(conn, job.photo, false));
                said.collect::<Result<Vec<_>, _>>()
            })?;
            jobs.iter().zip(&said).for_each(|(job, said)| reading.meet(job, said));
        }
        Ok(reading)
    }
}

/// Where a tag was read.
struct Source {
    path: PathBuf,
    tags: Vec<String>,
    origin: Origin,
}

/// What has been read.
struct Reading {
    root: String,
    even_rejected: bool,
    current: Current,
    report: SidecarReading,
    /// Photos with anything new, or with something that was rejected.
    photos: RoaringBitmap,
    /// Tags of photos that were counted: a photo may have several files.
    counted: HashSet<(PhotoId, String)>,
    /// What is to be taken over: photos by tag, and whether it stood in the photo's own file.
    takes: BTreeMap<(String, bool), BTreeSet<PhotoId>>,
    /// What is agreed with each sidecar once that is done.
    agreed: Vec<Agreed>,
}

impl Reading {
    fn new(root: String, even_rejected: bool) -> Self {
        let report =
            SidecarReading { found: Vec::new(), photos: 0, tags: 0, sidecars: 0, failed: Vec::new(), taken: false };
        Self {
            root,
            even_rejected,
            current: Current::default(),
            report,
            photos: RoaringBitmap::new(),
            counted: HashSet::new(),
            takes: BTreeMap::new(),
            agreed: Vec::new(),
        }
    }

    /// Reads what lies beside a file and in it.
    fn meet(&mut self, job: &Job, said: &Said) {
        let Some(folder) = self.current.of(&job.path, &mut self.report.failed) else { return };
        let mut sources = match beside(&job.path, folder, &self.root) {
            Ok(sources) => sources,
            Err(error) => {
                self.report.failed.push(problem_at(&job.path, &error));
                Vec::new()
            }
        };
        self.report.sidecars += sources.len() as u32;
        match inside(&job.path, &self.root) {
            Ok(source) => sources.extend(source),
            Err(problem) => {
                let path = job.path.display().to_string();
                self.report.failed.push(PathProblem { path, problem });
            }
        }
        let mut known: HashSet<String> = said.tags.iter().cloned().collect();
        for source in sources {
            self.take_up(job.photo, said, &mut known, source);
        }
    }

    /// Sorts out what one source says. `known` are the tags that the photo has, or is about to have.
    fn take_up(&mut self, photo: PhotoId, said: &Said, known: &mut HashSet<String>, source: Source) {
        let path = paths::to_bytes(&source.path);
        let before = said.agreed.get(&path).filter(|_| source.origin == Origin::Sidecar);
        let mut found =
            SidecarFound { photo, path: source.path.display().to_string(), adds: Vec::new(), rejected: Vec::new() };
        let mut shared = before.cloned().unwrap_or_default();
        for tag in source.tags {
            let name = match labels::tidy(&tag) {
                Ok(name) => name,
                Err(error) => {
                    self.report.failed.push(problem_at(&source.path, &error));
                    continue;
                }
            };
            let was_agreed = before.is_some_and(|before| before.contains(&tag) || before.contains(&name));
            let is_rejected = said.rejected.contains(&name);
            let is_news = !known.contains(&name) && !was_agreed;
            if is_news && is_rejected {
                found.rejected.push(name.clone());
            } else if is_news {
                found.adds.push(name.clone());
            }
            if is_news && (!is_rejected || self.even_rejected) {
                known.insert(name.clone());
                self.takes.entry((name.clone(), source.origin == Origin::File)).or_default().insert(photo);
            }
            if known.contains(&name) && !was_agreed {
                shared.push(tag);
            }
        }
        if source.origin == Origin::Sidecar && shared.len() > before.map_or(0, Vec::len) {
            self.agreed.push(Agreed { photo, path, tags: shared });
        }
        self.count(found);
    }

    fn count(&mut self, found: SidecarFound) {
        if found.adds.is_empty() && found.rejected.is_empty() {
            return;
        }
        self.photos.insert(found.photo);
        self.report.photos = self.photos.len() as u32;
        for tag in &found.adds {
            self.report.tags += u32::from(self.counted.insert((found.photo, tag.clone())));
        }
        if self.report.found.len() < LISTED {
            self.report.found.push(found);
        }
    }

    /// The photos that get tags.
    fn changed(&self) -> RoaringBitmap {
        self.takes.values().flatten().copied().collect()
    }

    /// Decides all of it as one step, and remembers what is agreed from now on.
    fn take_over(&self, shelf: &Shelf) -> Result<(), Problem> {
        let now_ms = clock::now_ms();
        let photos: Vec<Vec<PhotoId>> = self.takes.values().map(|photos| photos.iter().copied().collect()).collect();
        let decisions: Vec<Decide> = self
            .takes
            .keys()
            .zip(&photos)
            .map(|((label, is_inside), photos)| {
                let origin = if *is_inside { Origin::File } else { Origin::Sidecar };
                Decide { photos, label, verdict: Verdict::Accept, origin, now_ms }
            })
            .collect();
        shelf.write(|tx| {
            tags::decide_together(tx, &decisions)?;
            Agreed::note(tx, &self.agreed, now_ms)
        })
    }
}

/// What the sidecars of a file say.
fn beside(file: &Path, folder: &Folder, root: &str) -> Result<Vec<Source>, LibraryError> {
    let source = |read: sidecars::ReadSidecar| Source { path: read.path, tags: read.tags, origin: Origin::Sidecar };
    Ok(sidecars::read(file, folder, root)?.into_iter().map(source).collect())
}

/// What the keywords inside a file say, if it has any.
fn inside(file: &Path, root: &str) -> Result<Option<Source>, Problem> {
    let bytes = bytes_of(file)
        .map_err(|error| Problem::file(ProblemCode::Unreadable, "cannot read the keywords in", file, &error))?;
    let keywords = xmp::embedded_keywords(&bytes).transpose().map_err(|error| {
        let (path, cause) = (file.display().to_string(), cliploupe_engine::chain(&error));
        let message = format!("cannot use the keywords inside {path:?}: {cause}");
        Problem::new(ProblemCode::Unreadable, &[("path", &path), ("cause", &cause)], message)
    })?;
    let source =
        |keywords| Source { path: file.to_owned(), tags: sidecars::tags_of(keywords, root), origin: Origin::File };
    Ok(keywords.map(source))
}

/// As much of a file as its keywords may stand in; nothing of one that is too large.
fn bytes_of(file: &Path) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(file)?;
    // Asked before opening: opening a named pipe would wait for ever.
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut opened = File::open(file)?;
    let mut bytes = Vec::new();
    opened.by_ref().take(JPEG_HEAD).read_to_end(&mut bytes)?;
    let is_jpeg = bytes.starts_with(b"\xff\xd8");
    match metadata.len() {
        length if is_jpeg || length <= JPEG_HEAD => {}
        length if length > LARGEST => bytes.clear(),
        _ => {
            opened.take(LARGEST - JPEG_HEAD).read_to_end(&mut bytes)?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use super::*;

    /// A packet with words, as other programs write it.
    fn packet(words: &[&str]) -> String {
        let items: String = words.iter().map(|word| format!("<rdf:li>{word}</rdf:li>")).collect();
        format!(
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:subject><rdf:Bag>{items}\
             </rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
        )
    }

    /// The beginning of a JPEG, with a packet in it.
    fn jpeg(words: &[&str]) -> Vec<u8> {
        let packet = [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), packet(words).as_bytes()].concat();
        let length = (packet.len() as u16 + 2).to_be_bytes();
        [b"\xff\xd8\xff\xe1".as_slice(), &length, &packet, b"\xff\xd9"].concat()
    }

    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn said(tags: &[&str], rejected: &[&str]) -> Said {
        Said { tags: own(tags), rejected: own(rejected), machine: None, agreed: HashMap::new() }
    }

    fn reading(even_rejected: bool, job: &Job, said: &Said) -> Reading {
        let mut reading = Reading::new("Cliploupe".into(), even_rejected);
        reading.meet(job, said);
        reading
    }

    fn takes(reading: &Reading) -> Vec<(&str, bool)> {
        reading.takes.keys().map(|(tag, is_inside)| (tag.as_str(), *is_inside)).collect()
    }

    #[test]
    fn tags_beside_and_inside_a_photo_are_news_once_and_what_was_rejected_only_if_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { path: folder.path().join("a.jpg"), photo: 7 };
        fs::write(&job.path, jpeg(&["sea", "boat", "dog"])).unwrap();
        fs::write(folder.path().join("a.jpg.xmp"), packet(&["dog", "cat", "sea"])).unwrap();
        let said = said(&["cat"], &["sea"]);
        let careful = reading(false, &job, &said);
        assert_eq!(takes(&careful), [("boat", true), ("dog", false)]);
        let SidecarReading { found, photos, tags, sidecars, failed, taken } = &careful.report;
        assert_eq!((*photos, *tags, *sidecars, failed.len(), *taken), (1, 2, 1, 0, false));
        assert_eq!((&found[0].adds, &found[0].rejected), (&own(&["dog"]), &own(&["sea"])));
        assert_eq!((&found[1].adds, &found[1].rejected), (&own(&["boat"]), &own(&["sea"])));
        assert_eq!(careful.agreed.iter().map(|agreed| agreed.tags.clone()).collect::<Vec<_>>(), [own(&["dog", "cat"])]);
        assert_eq!(takes(&reading(true, &job, &said)), [("boat", true), ("dog", false), ("sea", false)]);
    }

    #[test]
    fn what_was_agreed_and_taken_away_here_since_is_no_news() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { path: folder.path().join("a.jpg"), photo: 7 };
        fs::write(&job.path, jpeg(&[])).unwrap();
        let sidecar = folder.path().join("a.jpg.xmp");
        fs::write(&sidecar, packet(&["dog", "cat"])).unwrap();
        let mut said = said(&[], &[]);
        said.agreed.insert(paths::to_bytes(&sidecar), own(&["dog"]));
        let reading = reading(false, &job, &said);
        assert_eq!(takes(&reading), [("cat", false)]);
        // The one that was taken away is still to be taken out of the sidecar.
        assert_eq!(reading.agreed[0].tags, own(&["dog", "cat"]));
    }

    #[test]
    fn a_sidecar_that_cannot_be_read_does_not_keep_the_keywords_inside_back() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { path: folder.path().join("a.jpg"), photo: 7 };
        fs::write(&job.path, jpeg(&["boat"])).unwrap();
        fs::write(folder.path().join("a.jpg.xmp"), "no XML").unwrap();
        let long = "x".repeat(600);
        let reading = reading(false, &job, &said(&[], &[]));
        assert_eq!((takes(&reading), reading.report.failed.len()), (vec![("boat", true)], 1));
        fs::write(folder.path().join("a.jpg.xmp"), packet(&[&long, "dog"])).unwrap();
        let mut again = Reading::new("Cliploupe".into(), false);
        again.meet(&job, &said(&[], &[]));
        assert_eq!((takes(&again), again.report.failed.len()), (vec![("boat", true), ("dog", false)], 1));
    }
}
