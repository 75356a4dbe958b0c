//! A checkpoint that is on this machine already becomes an installed model: copied, or used where it is.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use cliploupe_engine::{Checkpoint, checkpoint::Layout};
use sha2::{Digest, Sha256};

use super::{
    DownloadError, Halt, InPlace, Installed, Lock, Outcome, Record, RecordFile, Stop, Store,
    download::{hash_all, hex},
    meter::Meter,
    names::name_of,
    strict,
};
use crate::{
    messages::{Problem, ProblemCode, Transfer, TransferState},
    problem::of_load,
};

const CHUNK_BYTES: usize = 1 << 20;

/// What lies beside a checkpoint and belongs to it; whatever else does is not copied.
const COMPANIONS: &[&str] = &[
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
];

/// What is imported, and how.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// A folder, or a weights file.
    pub path: PathBuf,
    /// Its configuration, where that lies elsewhere.
    pub config: Option<PathBuf>,
    /// Its name; else the folder's or file's own.
    pub name: Option<String>,
    /// Whether it stays where it is.
    pub in_place: bool,
}

impl Import {
    /// The name the model will have.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| name_of(&self.path))
    }
}

/// A file of the checkpoint and what it is called as a model.
struct Part {
    from: PathBuf,
    name: String,
    bytes: u64,
}

impl Store {
    /// Makes a checkpoint of this machine an installed model, after it has been loaded as a proof.
    pub fn import(&self, import: &Import, halt: &Halt, tell: &mut dyn FnMut(&Transfer)) -> Result<Outcome, Problem> {
        let name = import.name();
        let mut meter = Meter::new(&name, tell);
        let result = self.lock(&name).map_err(DownloadError::from).and_then(|lock| {
            self.require_no_download(&lock)?;
            let result = self.import_locked(&lock, import, halt, &mut meter);
            if result.is_err() {
                self.discard_locked(&lock)?;
            }
            result
        });
        let result = result.map_err(|error| match error {
            // A copy begins anew; only downloads are worth going on with.
            DownloadError::Stopped(Stop::Pause) => DownloadError::Stopped(Stop::Cancel),
            other => other,
        });
        Outcome::of(result, &name, None, &mut meter)
    }

    fn require_no_download(&self, lock: &Lock) -> Result<(), Problem> {
        if !self.journal_path(lock).exists() {
            return Ok(());
        }
        let name = &lock.name;
        let message =
            format!("a download of {name} is not finished. Go on with it or cancel it, or take another name.");
        Err(Problem::new(ProblemCode::ModelBusy, &[("name", name)], message))
    }

    fn import_locked(
        &self,
        lock: &Lock,
        import: &Import,
        halt: &Halt,
        meter: &mut Meter,
    ) -> Result<Installed, DownloadError> {
        self.free_place(lock)?;
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let path = absolute(&import.path);
        let find = Checkpoint::find(&path, import.config.as_deref());
        let checkpoint = find.map_err(|error| DownloadError::Model(of_load(&error)))?;
        let parts = parts(&checkpoint, import.in_place)?;
        let total: u64 = parts.iter().map(|part| part.bytes).sum();
        meter.total(Some(total));
        meter.state(TransferState::Checking, None);
        strict::check(checkpoint.clone())?;
        halt.check()?;

        let incoming = self.incoming().join(&lock.folder);
        if incoming.exists() {
            fs::remove_dir_all(&incoming).map_err(DownloadError::disk("remove", &incoming))?;
        }
        fs::create_dir_all(&incoming).map_err(DownloadError::disk("make", &incoming))?;
        if !import.in_place {
            self.require_space(total)?;
        }
        meter.state(TransferState::Receiving, None);
        let (mut files, mut before) = (Vec::new(), 0);
        for part in &parts {
            meter.file(&part.name);
            let sha256 = if import.in_place {
                hash(part, halt, &mut |bytes| meter.received(before + bytes))?
            } else {
                copy(part, &incoming.join(&part.name), halt, &mut |bytes| meter.received(before + bytes))?
            };
            before += part.bytes;
            files.push(RecordFile { name: part.name.clone(), bytes: part.bytes, sha256 });
        }
        if !import.in_place {
            // Under its new names it must still be found.
            Checkpoint::find(&incoming, None).map_err(|error| DownloadError::Model(of_load(&error)))?;
        }
        let weights = parts.first().map(|part| part.name.clone()).unwrap_or_default();
        let mut record = Record::new(&lock.name, path.display().to_string(), weights, files);
        let config = path.is_file().then(|| absolute(&checkpoint.config));
        record.in_place = import.in_place.then_some(InPlace { path, config });
        self.install(lock, record)
    }
}

/// The files of a checkpoint, weights first. A single file gets the names under which a folder is found again.
fn parts(checkpoint: &Checkpoint, in_place: bool) -> Result<Vec<Part>, DownloadError> {
    let own_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_single = checkpoint.given.is_file() && !in_place;
    let is_safetensors = checkpoint.weights.extension().is_some_and(|extension| extension == "safetensors");
    let (weights, config) = match (checkpoint.layout, is_safetensors) {
        _ if !is_single => (own_name(&checkpoint.weights), own_name(&checkpoint.config)),
        (Layout::OpenClip, true) => ("open_clip_model.safetensors".into(), "open_clip_config.json".into()),
        (Layout::OpenClip, false) => ("open_clip_pytorch_model.bin".into(), "open_clip_config.json".into()),
        (Layout::Transformers, true) => ("model.safetensors".into(), "config.json".into()),
        (Layout::Transformers, false) => ("pytorch_model.bin".into(), "config.json".into()),
    };
    let mut parts = vec![part(&checkpoint.weights, weights)?, part(&checkpoint.config, config.clone())?];
    for name in COMPANIONS.iter().filter(|name| **name != config) {
        let path = checkpoint.config.with_file_name(name);
        if path.is_file() {
            parts.push(part(&path, (*name).to_owned())?);
        }
    }
    Ok(parts)
}

fn part(from: &Path, name: String) -> Result<Part, DownloadError> {
    let bytes = fs::metadata(from).map_err(DownloadError::disk("read", from))?.len();
    Ok(Part { from: from.to_owned(), name, bytes })
}

fn hash(part: &Part, halt: &Halt, tell: &mut dyn FnMut(u64)) -> Result<String, DownloadError> {
    let mut file = File::open(&part.from).map_err(DownloadError::disk("read", &part.from))?;
    let (mut hash, mut here) = (Sha256::new(), 0);
    hash_all(&mut file, &mut hash, halt, &part.from, &mut |bytes| {
        here += bytes;
        tell(here);
    })?;
    Ok(hex(&hash.finalize()))
}

/// Copies a file onto the disk for good, and gives its hash.
fn copy(part: &Part, to: &Path, halt: &Halt, tell: &mut dyn FnMut(u64)) -> Result<String, DownloadError> {
    let mut from = File::open(&part.from).map_err(DownloadError::disk("read", &part.from))?;
    let mut file = File::create(to).map_err(DownloadError::disk("write", to))?;
    let (mut hash, mut here, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        halt.check()?;
        let count = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DownloadError::disk("read", &part.from)(error)),
        };
        file.write_all(&chunk[..count]).map_err(DownloadError::disk("write", to))?;
        hash.update(&chunk[..count]);
        here += count as u64;
        tell(here);
    }
    if here != part.bytes {
        let cause =
            io::Error::other(format!("it had {} bytes and gave {here}: it changes while it is copied", part.bytes));
        return Err(DownloadError::disk("copy", &part.from)(cause));
    }
    file.sync_all().map_err(DownloadError::disk("write", to))?;
    Ok(hex(&hash.finalize()))
}
