//! One file from a server into a folder, however often the connection breaks.
//!
//! Bytes go into `NAME.part`, which is hashed while it grows. A broken download goes on with `Range` and `If-Range`; an
//! answer that does not continue exactly what is there begins anew. The file gets its name only when its size and hash
//! are right and the disk has it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    error::DownloadError,
    halt::Halt,
    http::{Answer, Client, Patience},
    journal::FileState,
    record::RecordFile,
};

/// Bytes between two looks at whether a person wants to stop.
const CHUNK_BYTES: usize = 256 << 10;

/// What is said of a file while it comes.
pub enum Step<'a> {
    /// So many bytes of it are here.
    Received(u64),
    /// The journal has something to remember.
    Noted(&'a FileState),
    /// It is tried again.
    Retrying(&'a DownloadError),
}

/// What is wanted, and with what patience.
pub struct Fetch<'a> {
    /// Who asks.
    pub client: &'a Client,
    /// Who may stop it.
    pub halt: &'a Halt,
    /// How long is waited.
    pub patience: &'a Patience,
    /// Where it goes.
    pub folder: &'a Path,
    /// What it is called there.
    pub name: &'a str,
    /// The hash, or its beginning, that was published apart from the file.
    pub published: Option<&'a str>,
    /// More bytes are not taken.
    pub limit: u64,
}

impl Fetch<'_> {
    /// Brings the file, or goes on bringing it.
    pub fn run(
        &self,
        state: &mut FileState,
        tell: &mut dyn FnMut(Step) -> Result<(), DownloadError>,
    ) -> Result<RecordFile, DownloadError> {
        let path = self.folder.join(format!("{}.part", self.name));
        let mut part = Part::open(&path, self.halt)?;
        let mut began_with_old_bytes = part.bytes > 0;
        tell(Step::Received(part.bytes))?;
        let (mut failures, mut most) = (0, part.bytes);
        loop {
            let error = match self.attempt(&mut part, state, tell) {
                Ok(()) => match self.finish(&mut part, state) {
                    // A part from an earlier run may have been damaged on the disk.
                    Err(DownloadError::Checksum { .. }) if began_with_old_bytes => {
                        began_with_old_bytes = false;
                        part.restart()?;
                        continue;
                    }
                    other => return other,
                },
                Err(error) => error,
            };
            // Interrupted requests fail in any way.
            self.halt.check()?;
            // Bytes that came before are no progress, or a server that lies about the end would be asked for ever.
            if part.bytes > most {
                (failures, most) = (0, part.bytes);
            }
            failures += 1;
            if !error.is_transient() || failures >= self.patience.tries {
                return Err(error);
            }
            tell(Step::Retrying(&error))?;
            self.halt.sleep(self.patience.wait(failures, error.retry_after()))?;
        }
    }

    /// One request, and as many bytes as it brings.
    fn attempt(
        &self,
        part: &mut Part,
        state: &mut FileState,
        tell: &mut dyn FnMut(Step) -> Result<(), DownloadError>,
    ) -> Result<(), DownloadError> {
        self.halt.check()?;
        if state.bytes.is_some_and(|bytes| part.bytes > bytes) {
            part.restart()?;
        }
        if state.bytes == Some(part.bytes) {
            return Ok(());
        }
        // Without a validator or a hash nobody could tell whether two halves belong together.
        if part.bytes > 0 && state.etag.is_none() && state.sha256.is_none() && self.published.is_none() {
            part.restart()?;
        }
        let mut headers = Vec::new();
        if part.bytes > 0 {
            headers.push(("range", format!("bytes={}-", part.bytes)));
            headers.extend(state.etag.clone().map(|etag| ("if-range", etag)));
        }
        let answer = self.client.get(&state.url, &headers)?;
        self.note(&answer, part, state)?;
        tell(Step::Noted(state))?;
        self.receive(answer, part, state, tell)
    }

    /// Compares what the server says with what is known, and makes the part fit the answer.
    fn note(&self, answer: &Answer, part: &mut Part, state: &mut FileState) -> Result<(), DownloadError> {
        if let Some(sha256) = &answer.linked.sha256 {
            self.compare(sha256)?;
        }
        let is_other = |known: &Option<String>, said: Option<&str>| matches!((known, said), (Some(known), Some(said)) if known != said);
        // Servers of one store may have validators of their own; the same hash is the same file.
        let same_hash = state.sha256.is_some() && state.sha256 == answer.linked.sha256;
        let changed = is_other(&state.sha256, answer.linked.sha256.as_deref())
            || (!same_hash && is_other(&state.etag, answer.etag()))
            || matches!((state.bytes, answer.linked.bytes), (Some(known), Some(said)) if known != said);
        if changed {
            *state = FileState { url: state.url.clone(), ..FileState::default() };
        }
        state.sha256 = state.sha256.take().or_else(|| answer.linked.sha256.clone());
        state.etag = answer.etag().map(str::to_owned).or(state.etag.take());
        match answer.status {
            206 if !changed => {
                let (start, total) = content_range(answer)?;
                if start != part.bytes {
                    part.restart()?;
                    return Err(answer.contradiction(format!("asked for the rest, it sends from byte {start}"), true));
                }
                self.agree_on_bytes(answer, state, total)
            }
            200 => {
                part.restart()?;
                self.agree_on_bytes(answer, state, answer.length())
            }
            // The rest of another file, or no rest at all: from the beginning then.
            _ => {
                part.restart()?;
                state.etag = None;
                Err(answer.contradiction("it has another file than before", true))
            }
        }
    }

    fn agree_on_bytes(&self, answer: &Answer, state: &mut FileState, said: Option<u64>) -> Result<(), DownloadError> {
        let published = state.bytes.or(answer.linked.bytes);
        if let (Some(published), Some(said)) = (published, said)
            && published != said
        {
            let cause = format!("{} has {published} bytes and {said} are sent", self.name);
            return Err(answer.contradiction(cause, false));
        }
        state.bytes = published.or(said);
        let is_chunked = answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
        if state.bytes.is_none() && !is_chunked {
            // The end of the connection would be the end of the file, whoever ended it.
            return Err(answer.contradiction(format!("it does not say how long {} is", self.name), false));
        }
        match state.bytes.filter(|bytes| *bytes > self.limit) {
            Some(bytes) => Err(answer.contradiction(format!("{} would have {bytes} bytes", self.name), false)),
            None => Ok(()),
        }
    }

    fn receive(
        &self,
        answer: Answer,
        part: &mut Part,
        state: &mut FileState,
        tell: &mut dyn FnMut(Step) -> Result<(), DownloadError>,
    ) -> Result<(), DownloadError> {
        let most = state.bytes.unwrap_or(self.limit);
        let too_much = answer.contradiction(format!("it sends more than {most} bytes of {}", self.name), false);
        let (host, url) = (answer.host, state.url.clone());
        let mut reader = answer.body.into_reader();
        let mut chunk = vec![0; CHUNK_BYTES];
        let broken = |source: io::Error| DownloadError::Connection {
            host: host.clone(),
            url: url.clone(),
            source: source.into(),
        };
        loop {
            self.halt.check()?;
            let count = match reader.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error)),
            };
            if count == 0 {
                break;
            }
            if part.bytes + count as u64 > most {
                part.restart()?;
                return Err(too_much);
            }
            part.write(&chunk[..count], self.folder)?;
            tell(Step::Received(part.bytes))?;
        }
        match state.bytes {
            Some(bytes) if part.bytes < bytes => {
                let cause = format!("the connection ended after {} of {bytes} bytes", part.bytes);
                Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, cause)))
            }
            _ => {
                state.bytes = Some(part.bytes);
                Ok(())
            }
        }
    }

    /// Checks the hash and gives the file its name.
    fn finish(&self, part: &mut Part, state: &mut FileState) -> Result<RecordFile, DownloadError> {
        let found = hex(&part.hash.clone().finalize());
        let checked = self.compare(&found).and_then(|()| match &state.sha256 {
            Some(expected) if *expected != found => Err(self.mismatch(expected, &found)),
            _ => Ok(()),
        });
        if let Err(error) = checked {
            part.restart()?;
            return Err(error);
        }
        part.file.sync_all().map_err(DownloadError::disk("write", &part.path))?;
        let target = self.folder.join(self.name);
        fs::rename(&part.path, &target).map_err(DownloadError::disk("rename", &part.path))?;
        state.sha256 = Some(found.clone());
        state.done = true;
        Ok(RecordFile { name: self.name.to_owned(), bytes: part.bytes, sha256: found })
    }

    /// Compares a hash with the one that was published apart from the file, or as much of it as was.
    fn compare(&self, sha256: &str) -> Result<(), DownloadError> {
        match self.published {
            Some(published) if !sha256.starts_with(&published.to_ascii_lowercase()) => {
                Err(self.mismatch(published, sha256))
            }
            _ => Ok(()),
        }
    }

    fn mismatch(&self, expected: &str, found: &str) -> DownloadError {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        DownloadError::Checksum { file: self.name.to_owned(), expected, found }
    }
}

/// `Content-Range: bytes START-END/TOTAL`, where the end must be the file's.
fn content_range(answer: &Answer) -> Result<(u64, Option<u64>), DownloadError> {
    let text = answer.header("content-range").unwrap_or_default();
    let parse = || {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
        let total: u64 = total.trim().parse().ok()?;
        (start <= end && end + 1 == total).then_some((start, Some(total)))
    };
    parse().ok_or_else(|| answer.contradiction(format!("it sends the range {text:?}"), true))
}

/// A file that is not whole yet, and the hash of what is there.
struct Part {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Part {
    /// Opens the part at `path` and hashes what an earlier run left.
    fn open(path: &Path, halt: &Halt) -> Result<Self, DownloadError> {
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = open.map_err(DownloadError::disk("open", path))?;
        let mut hash = Sha256::new();
        let bytes = hash_all(&mut file, &mut hash, halt, path, &mut |_| {})?;
        Ok(Self { path: path.to_owned(), file, hash, bytes })
    }

    fn write(&mut self, bytes: &[u8], folder: &Path) -> Result<(), DownloadError> {
        self.file.write_all(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                DownloadError::Space { needed: bytes.len() as u64, free: 0, path: folder.to_owned() }
            }
            _ => DownloadError::disk("write", &self.path)(source),
        })?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), DownloadError> {
        self.file.set_len(0).map_err(DownloadError::disk("empty", &self.path))?;
        self.hash = Sha256::new();
        self.bytes = 0;
        Ok(())
    }
}

/// Feeds a whole file to a hash and tells how many bytes it had.
pub fn hash_all(
    file: &mut impl Read,
    hash: &mut Sha256,
    halt: &Halt,
    path: &Path,
    tell: &mut dyn FnMut(u64),
) -> Result<u64, DownloadError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        halt.check()?;
        match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                hash.update(&chunk[..count]);
                bytes += count as u64;
                tell(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DownloadError::disk("read", path)(error)),
        }
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
