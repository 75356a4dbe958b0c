//! What writing a sidecar would do, and doing it.

use super::{
    merge::{Conflict, Merged, Settle, Sides},
    names::{Said, components, keyword_of, leaf, tag_of},
    place::{Folder, Naming, Note, is_sidecar},
    read::{bytes_at, xmp_at},
};
use crate::{
    LibraryError,
    xmp::{Keywords, MachineTag, ROOT, Xmp, is_under},
};
use similar::TextDiff;
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// The lists that tags are added to. They are taken out of all lists in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// `dc:subject`: leaf words.
    pub subject: bool,
    /// `lr:hierarchicalSubject`.
    pub hierarchical: bool,
    /// `digiKam:TagsList`.
    pub tags_list: bool,
    /// `MicrosoftPhoto:LastKeywordXMP`.
    pub microsoft: bool,
    /// `mediapro:CatalogSets`.
    pub mediapro: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Self { subject: true, hierarchical: true, tags_list: true, microsoft: false, mediapro: false }
    }
}

/// How sidecars are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How a new one is named.
    pub naming: Naming,
    /// What to do about conflicts.
    pub settle: Settle,
    /// Which lists get tags.
    pub fields: Fields,
    /// The root of machine tags.
    pub root: String,
    /// Whether machine tags also go into `dc:subject`, as `Cliploupe|animal|dog`; never as bare words, which nobody could
    /// tell from a person's.
    pub machine_in_subject: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            naming: Naming::default(),
            settle: Settle::default(),
            fields: Fields::default(),
            root: ROOT.into(),
            machine_in_subject: false,
        }
    }
}

/// What the library says about a photo.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'t> {
    /// Tags that a person confirmed: `animal/dog`.
    pub tags: &'t [String],
    /// Tags that a person rejected or took away.
    pub rejected: &'t [String],
    /// What the library and this sidecar agreed on the last time ([`super::last_written`]).
    pub last_written: Option<&'t [String]>,
    /// Suggestions to write under the root, in place of those that are there. `None` leaves those.
    pub machine: Option<&'t [MachineTag]>,
}

/// What writing a sidecar would do.
#[derive(Debug, Clone, PartialEq)]
pub struct SidecarPlan {
    /// The sidecar.
    pub path: PathBuf,
    /// Its bytes now; `None` if there is no such file.
    pub before: Option<Vec<u8>>,
    /// Its bytes afterwards; `None` if there is nothing to say and no file.
    pub after: Option<Vec<u8>>,
    /// Tags that it gets.
    pub adds: Vec<String>,
    /// Tags that it loses.
    pub removes: Vec<String>,
    /// Machine tags that it has afterwards.
    pub machine: Vec<String>,
    /// Tags that both sides changed against each other.
    pub conflicts: Vec<Conflict>,
    /// What to know about the choice of the file.
    pub notes: Vec<Note>,
    /// What to remember once it is written, or found to need no writing ([`super::note_written`]).
    pub agreed: Vec<String>,
}

/// Finds a photo's sidecar, reads it, and works out what it should become. Writes nothing.
pub fn plan(photo: &Path, folder: &Folder, wanted: &Wanted, options: &Options) -> Result<SidecarPlan, LibraryError> {
    let name = photo.file_name().filter(|_| !is_sidecar(photo));
    let name = name.ok_or_else(|| LibraryError::Refused(format!("{photo:?} is not a photo")))?;
    if tag_of(&options.root, '/').as_ref() != Some(&options.root) {
        return Err(LibraryError::Refused(format!("{:?} cannot be the root of machine tags", options.root)));
    }
    let place = folder.place(name, options.naming);
    let before = if place.exists { Some(bytes_at(&place.path)?) } else { None };
    let xmp = xmp_at(&place.path, before.as_deref().unwrap_or_default())?;
    let library = clean(wanted.tags, &options.root)?;
    let said = Said::of(xmp.keywords(), &options.root);
    // A sidecar that is gone, or empty, does not say that a person took all tags away: it is written anew.
    let last_written = wanted.last_written.filter(|_| !is_blank(before.as_deref()));
    let agreed = last_written.map(|tags| clean(tags, "")).transpose()?;
    let sides = Sides {
        agreed: agreed.as_deref(),
        library: &library,
        rejected: &clean(wanted.rejected, "")?,
        sidecar: &said.tags,
    };
    let merged = sides.merge(options.settle);
    let tags = Tags::new(&said.tags, &library, &merged);
    let mut keywords = xmp.keywords();
    tags.put(&mut keywords, &merged.removes, options);
    let bytes = match wanted.machine {
        None => xmp.with_keywords(&keywords),
        Some(machine) => {
            let is_open = |tag: &&MachineTag| !tags.is_decided(&tag.tag, sides.rejected);
            let machine: Vec<MachineTag> = machine.iter().filter(is_open).cloned().collect();
            put_machine(&mut keywords, &machine, options);
            xmp.with(&keywords, &machine)
        }
    };
    let bytes = bytes.map_err(|source| LibraryError::Sidecar { path: place.path.clone(), source })?;
    // Without a file, or in an empty one, nothing is said by writing nothing.
    let says_nothing = is_blank(before.as_deref()) && bytes == Xmp::blank().text().as_bytes();
    let after = if says_nothing { before.clone() } else { Some(bytes) };
    let machine = Said::of(keywords, &options.root).machine;
    let Merged { adds, removes, conflicts, agreed } = merged;
    Ok(SidecarPlan { path: place.path, before, after, adds, removes, machine, conflicts, notes: place.notes, agreed })
}

fn is_blank(bytes: Option<&[u8]>) -> bool {
    bytes.unwrap_or_default().trim_ascii().is_empty()
}

/// Names as the lists would give them back; a person's tag under the machine's root is refused.
fn clean(tags: &[String], root: &str) -> Result<Vec<String>, LibraryError> {
    let mut seen = HashSet::new();
    let mut clean = Vec::new();
    for tag in tags.iter().filter_map(|tag| tag_of(tag, '/')) {
        if !root.is_empty() && is_under(&tag, root, '/') {
            let refusal =
                format!("the tag {tag:?} is under {root:?}, where machine tags go: rename it, or choose another root");
            return Err(LibraryError::Refused(refusal));
        }
        if seen.insert(tag.clone()) {
            clean.push(tag);
        }
    }
    Ok(clean)
}

/// The tags that a sidecar has afterwards: the library's, which go into all chosen lists, and others, which stay where
/// they are.
struct Tags {
    all: Vec<String>,
    written: Vec<String>,
}

impl Tags {
    fn new(sidecar: &[String], library: &[String], merged: &Merged) -> Self {
        let removes: HashSet<&String> = merged.removes.iter().collect();
        let stay = sidecar.iter().filter(|tag| !removes.contains(tag));
        let all: Vec<String> = stay.chain(&merged.adds).cloned().collect();
        let there: HashSet<&String> = all.iter().collect();
        let written = library.iter().filter(|tag| there.contains(tag)).cloned().collect();
        Self { all, written }
    }

    fn is_decided(&self, tag: &str, rejected: &[String]) -> bool {
        let tag = tag_of(tag, '/');
        tag.is_none_or(|tag| self.all.contains(&tag) || rejected.contains(&tag))
    }

    fn put(&self, keywords: &mut Keywords, removes: &[String], options: &Options) {
        let machine = Said::of(keywords.clone(), &options.root).machine;
        let names = components(self.all.iter().chain(&machine));
        let gone: HashSet<&str> = removes.iter().map(String::as_str).collect();
        // Programs also write ancestors among the words; with the last path that has a name goes its word.
        let gone_words: HashSet<&str> = components(removes).into_iter().filter(|name| !names.contains(name)).collect();
        let fields = options.fields;
        let is_chosen = [fields.subject, fields.hierarchical, fields.tags_list, fields.microsoft, fields.mediapro];
        for (number, ((list, separator), is_chosen)) in keywords.lists_mut().into_iter().zip(is_chosen).enumerate() {
            let is_words = number == 0;
            let root = keyword_of(&options.root, separator);
            list.retain(|keyword| {
                let Some(tag) = tag_of(keyword, separator) else { return true };
                let is_gone = gone.contains(tag.as_str()) || (is_words && gone_words.contains(tag.as_str()));
                is_under(keyword.trim(), &root, separator) || !is_gone
            });
            if is_chosen {
                let tags = self.written.iter().map(|tag| if is_words { leaf(tag) } else { tag });
                add(list, separator, tags);
            }
        }
    }
}

/// Adds tags that a list does not have yet.
fn add<'t>(list: &mut Vec<String>, separator: char, tags: impl Iterator<Item = &'t str>) {
    let mut there: HashSet<String> = list.iter().filter_map(|keyword| tag_of(keyword, separator)).collect();
    for tag in tags {
        if there.insert(tag.to_owned()) {
            list.push(keyword_of(tag, separator));
        }
    }
}

/// Puts machine tags under their root into the chosen lists, in place of those that are there.
fn put_machine(keywords: &mut Keywords, machine: &[MachineTag], options: &Options) {
    let tags = machine.iter().filter_map(|tag| tag_of(&format!("{}/{}", options.root, tag.tag), '/'));
    let tags: Vec<String> = tags.collect();
    let wanted: HashSet<&str> = tags.iter().map(String::as_str).collect();
    let fields = options.fields;
    let is_chosen =
        [options.machine_in_subject, fields.hierarchical, fields.tags_list, fields.microsoft, fields.mediapro];
    for ((list, separator), is_chosen) in keywords.lists_mut().into_iter().zip(is_chosen) {
        let root = keyword_of(&options.root, separator);
        list.retain(|keyword| {
            let tag = tag_of(keyword, separator);
            let stays = is_chosen && tag.is_some_and(|tag| wanted.contains(tag.as_str()));
            !is_under(keyword.trim(), &root, separator) || stays
        });
        if is_chosen {
            add(list, separator, tags.iter().map(String::as_str));
        }
    }
}

impl SidecarPlan {
    /// Whether the file stays as it is.
    pub fn is_unchanged(&self) -> bool {
        self.before == self.after
    }

    /// The difference as text, in the form of `diff -u`; empty if there is none.
    pub fn diff(&self) -> Result<String, LibraryError> {
        let text = |bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) if !bytes.trim_ascii().is_empty() => {
                Ok::<_, LibraryError>(xmp_at(&self.path, bytes)?.text().to_owned())
            }
            _ => Ok(String::new()),
        };
        let (before, after) = (text(&self.before)?, text(&self.after)?);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut config = TextDiff::configure();
        config.timeout(Duration::from_millis(500));
        Ok(config.diff_lines(&before, &after).unified_diff().context_radius(2).header(&name, &name).to_string())
    }

    /// Does it, if the file is still as the plan found it. Returns whether anything was written.
    pub fn write(&self) -> Result<bool, LibraryError> {
        let Some(after) = self.after.as_ref().filter(|_| !self.is_unchanged()) else { return Ok(false) };
        // A sidecar may be a link; what it leads to is written, not the link replaced.
        let path = if self.before.is_some() {
            fs::canonicalize(&self.path).map_err(LibraryError::file("find", &self.path))?
        } else {
            self.path.clone()
        };
        if !is_sidecar(&path) {
            return Err(LibraryError::Refused(format!("{path:?} is not a sidecar; originals are never written to")));
        }
        self.check_unchanged(&path)?;
        replace(&path, after, self.before.is_none()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => changed(&path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                LibraryError::SidecarNotWritable { path: path.clone(), source }
            }
            _ => LibraryError::file("write", &path)(source),
        })?;
        Ok(true)
    }

    fn check_unchanged(&self, path: &Path) -> Result<(), LibraryError> {
        let now = match fs::symlink_metadata(path) {
            Ok(_) => Some(bytes_at(path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(LibraryError::file("read", path)(error)),
        };
        if now == self.before { Ok(()) } else { Err(changed(path)) }
    }
}

fn changed(path: &Path) -> LibraryError {
    LibraryError::Refused(format!("{path:?} was changed by another program meanwhile; look at the difference again"))
}

/// Writes a file whole; one that is there keeps its permissions, and a new one takes no other's place.
fn replace(path: &Path, bytes: &[u8], is_new: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cliploupe-");
    let permissions = if is_new { usual_permissions() } else { Some(fs::metadata(path)?.permissions()) };
    if permissions.as_ref().is_some_and(fs::Permissions::readonly) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if let Some(permissions) = permissions.clone().filter(|_| is_new) {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions.filter(|_| !is_new) {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    if is_new {
        file.persist_noclobber(path)?;
    } else {
        file.persist(path)?;
    }
    // The name is on the disk only when the folder is; systems that cannot say so keep the order themselves.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// What a new file gets from the system, less the process's mask.
#[cfg(unix)]
fn usual_permissions() -> Option<fs::Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o666))
}

#[cfg(not(unix))]
fn usual_permissions() -> Option<fs::Permissions> {
    None
}
