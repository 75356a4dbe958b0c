//! What can go wrong between a server and a model's folder.

use std::{io, path::PathBuf, time::Duration};

use cliploupe_engine::chain;

use super::halt::Stop;
use crate::messages::{Problem, ProblemCode};

/// Why bytes did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A person asked for it.
    #[error("stopped")]
    Stopped(Stop),
    /// No connection, or one that broke.
    #[error("cannot get {url}")]
    Connection {
        /// The server.
        host: String,
        /// What was asked for.
        url: String,
        /// What the system said.
        source: ureq::Error,
    },
    /// The server's certificate is not accepted, or the address is none: trying again changes nothing.
    #[error("cannot get {url}")]
    Refused {
        /// The server.
        host: String,
        /// What was asked for.
        url: String,
        /// What is wrong.
        source: ureq::Error,
    },
    /// An answer other than 200 or 206.
    #[error("{host} answers {status} to {url}")]
    Status {
        /// The server.
        host: String,
        /// What was asked for.
        url: String,
        /// The answer.
        status: u16,
        /// The hub's own word for it (`X-Error-Code`).
        reason: Option<String>,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects to {location:?}: {cause}")]
    Redirect {
        /// The server.
        host: String,
        /// Where to.
        location: String,
        /// Why not.
        cause: &'static str,
    },
    /// The answer contradicts itself, or what was said before.
    #[error("{host} contradicts itself: {cause}")]
    Contradiction {
        /// The server.
        host: String,
        /// In which way.
        cause: String,
        /// Whether a fresh start may help.
        again: bool,
    },
    /// The file is not what it should be.
    #[error("{file} has the hash {found}, where {expected} was published")]
    Checksum {
        /// Its name.
        file: String,
        /// The published hash, or the beginning of it.
        expected: String,
        /// What arrived.
        found: String,
    },
    /// None of the file's places has it.
    #[error("{host} has no {file}")]
    Missing {
        /// The server.
        host: String,
        /// The files that were asked for.
        file: String,
    },
    /// There is not enough room.
    #[error("{} are needed in {path:?} and {} are free", size(*needed), size(*free))]
    Space {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// The models folder cannot be used.
    #[error("cannot {doing} {path:?}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What arrived, or what is there, is no model, or another one is in the way.
    #[error("{0}")]
    Model(Problem),
}

impl From<Stop> for DownloadError {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<Problem> for DownloadError {
    fn from(problem: Problem) -> Self {
        Self::Model(problem)
    }
}

impl DownloadError {
    /// An error of the file system while doing something at `path`.
    pub fn disk(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { doing, path, source }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            // Timeout, too early, too many requests, and whatever the server's own trouble is.
            Self::Status { status, .. } => [408, 425, 429].contains(status) || (500..600).contains(status),
            Self::Contradiction { again, .. } => *again,
            _ => false,
        }
    }

    /// How long the server asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the server has no such file, so that another name can be tried.
    pub fn is_missing(&self) -> bool {
        match self {
            // The hub answers 401 for repositories it does not have, so as not to tell which are private.
            Self::Status { status: 401, reason, .. } => reason.as_deref() == Some("RepoNotFound"),
            Self::Status { status, .. } => [404, 410].contains(status),
            _ => false,
        }
    }

    /// As a problem of the model called `name`, whose page on the web is `page`.
    pub fn problem(&self, name: &str, page: Option<&str>) -> Problem {
        let text = chain(self);
        let keep = "What has arrived is kept; pulling it again goes on from there.";
        match self {
            Self::Model(problem) => problem.clone(),
            Self::Stopped(_) => Problem::new(ProblemCode::Download, &[("file", name), ("cause", &text)], text.clone()),
            Self::Connection { host, source, .. } | Self::Refused { host, source, .. } => {
                let cause = network_cause(source);
                let message = format!(
                    "{name} was not downloaded: {host} cannot be reached ({cause}). Check the connection, the proxy \
                     (HTTPS_PROXY) and the mirror (HF_ENDPOINT). {keep}"
                );
                Problem::new(ProblemCode::Network, &[("host", host), ("cause", &cause)], message)
            }
            Self::Status { host, status: status @ (401 | 403), .. } => {
                let (status, page) = (status.to_string(), page.unwrap_or(host));
                let message = format!(
                    "{name} was not downloaded: {host} answers {status}. It may want an account that has accepted the \
                     model's licence: accept it on {page}, then set HF_TOKEN to a token of that account."
                );
                let params = [("host", host.as_str()), ("name", name), ("status", &status), ("page", page)];
                Problem::new(ProblemCode::AccessDenied, &params, message)
            }
            Self::Missing { host, file } => {
                let message = format!(
                    "{name} was not downloaded: {host} has no {file}. If that is a mirror, it may not have this model."
                );
                Problem::new(ProblemCode::RemoteMissing, &[("host", host), ("file", file)], message)
            }
            Self::Checksum { file, expected, found } => {
                let message = format!(
                    "{name} was not installed: {text}. The file was removed. Download it again, or choose another mirror."
                );
                let params = [("file", file.as_str()), ("expected", expected), ("found", found)];
                Problem::new(ProblemCode::Checksum, &params, message)
            }
            Self::Space { needed, free, path } => {
                let params = [("needed", size(*needed)), ("free", size(*free)), ("path", path.display().to_string())];
                let params: Vec<_> = params.iter().map(|(key, value)| (*key, value.as_str())).collect();
                Problem::new(ProblemCode::DiskSpace, &params, format!("{name} was not downloaded: {text}."))
            }
            Self::Disk { path, source, .. } => {
                let (path, cause) = (path.display().to_string(), source.to_string());
                Problem::new(ProblemCode::ModelStore, &[("path", &path), ("cause", &cause)], text)
            }
            Self::Status { .. } | Self::Redirect { .. } | Self::Contradiction { .. } => {
                let params = [("file", name), ("cause", text.as_str())];
                Problem::new(ProblemCode::Download, &params, format!("{name} was not downloaded: {text}. {keep}"))
            }
        }
    }
}

/// What a person can make of an error of the connection.
fn network_cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "there is no server of that name".into(),
        ureq::Error::Timeout(ureq::Timeout::PerRead | ureq::Timeout::RecvResponse) => "it fell silent".into(),
        ureq::Error::Timeout(_) => "it does not answer in time".into(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// A number of bytes for people, in powers of a thousand as disks are sold.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    // Rounded figures of four digits go to the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    let digits = if value < 9.95 { 1 } else { 0 };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_two_or_three_figures() {
        let sizes = [0, 999, 1000, 9_949, 9_950, 605_157_884, 999_499_999, 999_500_000, 10_156_000_000, u64::MAX];
        assert_eq!(
            sizes.map(size),
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "605 MB", "999 MB", "1.0 GB", "10 GB", "18446744 TB"]
        );
    }
}
