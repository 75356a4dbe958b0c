//! Tags as tables: CSV and JSON out, and truths for an evaluation in.
//!
//! Values are exact. A cell that begins with `=` is not disguised for spreadsheets, because then it would come back as
//! something else; import such a file as text. A path that is no text (not UTF-8, or not UTF-16 on Windows) is shown with
//! replacement characters under `path`, and exactly under `path_bytes`, in hexadecimal: its bytes, or on Windows its
//! 16-bit units, little end first. For all other paths `path_bytes` is empty.

use crate::{LibraryError, xmp::date_text};
use serde::Serialize;
use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// What a row says of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A person confirmed it.
    Accepted,
    /// A person rejected it.
    Rejected,
    /// A model suggests it, and nobody has decided.
    Suggested,
}

/// One tag of one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportRow {
    /// Where the photo lies.
    pub path: PathBuf,
    /// The label: `animal/dog`.
    pub tag: String,
    /// What is known of it.
    pub verdict: Verdict,
    /// Where a decision came from: `person`, `sidecar` or `file`.
    pub origin: Option<String>,
    /// When it was decided, in milliseconds since 1970.
    pub decided_ms: Option<i64>,
    /// The model that suggested it.
    pub model: Option<String>,
    /// The sentence that stood for the label.
    pub prompt: Option<String>,
    /// The cosine between photo and label.
    pub cosine: Option<f64>,
    /// The margin that the probability was made from.
    pub score: Option<f64>,
    /// How probable the tag is, 0 to 1.
    pub probability: Option<f64>,
    /// When it was suggested, in milliseconds since 1970.
    pub suggested_ms: Option<i64>,
}

/// A row as it is written; its fields are the columns.
#[derive(Serialize)]
struct Line<'r> {
    path: String,
    path_bytes: String,
    tag: &'r str,
    verdict: Verdict,
    origin: Option<&'r str>,
    decided: Option<String>,
    model: Option<&'r str>,
    prompt: Option<&'r str>,
    cosine: Option<f64>,
    score: Option<f64>,
    probability: Option<f64>,
    suggested: Option<String>,
}

const COLUMNS: [&str; 12] = [
    "path",
    "path_bytes",
    "tag",
    "verdict",
    "origin",
    "decided",
    "model",
    "prompt",
    "cosine",
    "score",
    "probability",
    "suggested",
];

impl<'r> From<&'r ExportRow> for Line<'r> {
    fn from(row: &'r ExportRow) -> Self {
        Self {
            path: row.path.to_string_lossy().into_owned(),
            path_bytes: path_bytes(&row.path),
            tag: &row.tag,
            verdict: row.verdict,
            origin: row.origin.as_deref(),
            decided: row.decided_ms.map(date_text),
            model: row.model.as_deref(),
            prompt: row.prompt.as_deref(),
            cosine: row.cosine,
            score: row.score,
            probability: row.probability,
            suggested: row.suggested_ms.map(date_text),
        }
    }
}

/// Forms of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated, with a line of column names (RFC 4180).
    Csv,
    /// An array with one object per line.
    Json,
}

/// Writes rows one by one into a file that is there as a whole or not at all; returns how many.
pub fn write<R>(
    path: &Path,
    form: Form,
    rows: impl IntoIterator<Item = Result<R, LibraryError>>,
) -> Result<u64, LibraryError>
where
    R: std::borrow::Borrow<ExportRow>,
{
    let failed = || LibraryError::file("write", path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // As the system has it for new files, and not only for the owner, as temporary files have it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.prefix(".cliploupe-").tempfile_in(folder).map_err(failed())?;
    let mut table = Table::begin(BufWriter::new(file), form).map_err(failed())?;
    let mut count = 0;
    for row in rows {
        table.row(row?.borrow()).map_err(failed())?;
        count += 1;
    }
    let file = table.end().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error)).map_err(failed())?;
    file.as_file().sync_all().map_err(failed())?;
    file.persist(path).map_err(|error| failed()(error.error))?;
    Ok(count)
}

/// A table that is being written.
pub enum Table<W: Write> {
    /// As CSV.
    Csv(Box<csv::Writer<W>>),
    /// As JSON, and whether a row has been written.
    Json(W, bool),
}

impl<W: Write> Table<W> {
    /// Begins a table, as for the standard output.
    pub fn begin(mut out: W, form: Form) -> io::Result<Self> {
        match form {
            Form::Csv => {
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
                csv.write_record(COLUMNS)?;
                Ok(Self::Csv(Box::new(csv)))
            }
            Form::Json => {
                out.write_all(b"[")?;
                Ok(Self::Json(out, false))
            }
        }
    }

    /// Writes a row.
    pub fn row(&mut self, row: &ExportRow) -> io::Result<()> {
        match self {
            Self::Csv(csv) => Ok(csv.serialize(Line::from(row))?),
            Self::Json(out, has_rows) => {
                out.write_all(if *has_rows { b",\n" } else { b"\n" })?;
                *has_rows = true;
                Ok(serde_json::to_writer(out, &Line::from(row))?)
            }
        }
    }

    /// Ends it.
    pub fn end(self) -> io::Result<W> {
        match self {
            Self::Csv(csv) => csv.into_inner().map_err(|error| error.into_error()),
            Self::Json(mut out, _) => {
                out.write_all(b"\n]\n")?;
                Ok(out)
            }
        }
    }
}

/// The exact spelling of a path that is no text, in hexadecimal; empty for all others.
fn path_bytes(path: &Path) -> String {
    if path.to_str().is_some() { String::new() } else { hex(&raw(path.as_os_str())) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `None` unless it is hexadecimal.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(unix)]
fn raw(name: &OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec()
}

#[cfg(unix)]
fn from_raw(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(windows)]
fn raw(name: &OsStr) -> Vec<u8> {
    std::os::windows::ffi::OsStrExt::encode_wide(name).flat_map(u16::to_le_bytes).collect()
}

#[cfg(windows)]
fn from_raw(bytes: Vec<u8>) -> Option<OsString> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    bytes.len().is_multiple_of(2).then(|| std::os::windows::ffi::OsStringExt::from_wide(&units))
}

/// The largest table that is read, in bytes: some million photos.
const MAX_BYTES: u64 = 1 << 30;

/// Photos with the labels that they truly have, from a CSV or JSON file; photos come in the order of the file.
///
/// CSV has a line of column names. `path` is the photo; `label` or `tag` is one label, and a photo may have many lines;
/// `labels` or `tags` are many, with `;` or `|` between them. Commas, semicolons or tabs separate. Where there is a
/// `verdict`, as in our own exports, only `accepted` counts, and a photo of which nothing is accepted has no labels.
/// JSON is an array of objects with these names, where `labels` may be an array; or one object from paths to labels, whose
/// order is not kept.
/// Paths that are not absolute begin at the file's folder.
pub fn read_truth(path: &Path) -> Result<Vec<(PathBuf, Vec<String>)>, LibraryError> {
    let file = File::open(path).map_err(LibraryError::file("read", path))?;
    let length = file.metadata().map_err(LibraryError::file("read", path))?.len();
    if length > MAX_BYTES {
        return Err(LibraryError::Refused(format!(
            "{path:?} has {length} bytes; tables of more than {MAX_BYTES} are not read"
        )));
    }
    let mut bytes = Vec::new();
    BufReader::new(file).take(MAX_BYTES).read_to_end(&mut bytes).map_err(LibraryError::file("read", path))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut truth =
        Truth { folder: path.parent().unwrap_or(Path::new("")), photos: Vec::new(), places: HashMap::new() };
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = if is_json { truth.json(bytes) } else { truth.csv(bytes) };
    read.map_err(|why| LibraryError::Refused(format!("cannot read labels from {path:?}: {why}")))?;
    Ok(truth.photos)
}

struct Truth<'f> {
    folder: &'f Path,
    photos: Vec<(PathBuf, Vec<String>)>,
    places: HashMap<PathBuf, usize>,
}

impl Truth<'_> {
    fn csv(&mut self, bytes: &[u8]) -> Result<(), String> {
        let first = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let delimiter = [b',', b';', b'\t'].into_iter().find(|delimiter| first.contains(delimiter)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let column =
            |names: &[&str]| header.iter().position(|name| names.contains(&name.trim().to_lowercase().as_str()));
        let path = column(&["path", "file", "filename"]).ok_or("it has no column \"path\"")?;
        let (path_bytes, verdict) = (column(&["path_bytes"]), column(&["verdict"]));
        let (one, many) = (column(&["label", "tag"]), column(&["labels", "tags"]));
        if one.or(many).is_none() {
            return Err("it has no column \"label\", \"labels\", \"tag\" or \"tags\"".into());
        }
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let cell = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
            let line = record.position().map_or(0, csv::Position::line);
            let photo = exact_path(cell(Some(path)), cell(path_bytes)).ok_or(format!("line {line} has no path"))?;
            let mut labels: Vec<&str> = cell(many).split([';', '|']).collect();
            labels.push(cell(one));
            let counts = verdict.is_none() || cell(verdict) == "accepted";
            self.add(photo, labels.into_iter().filter(|_| counts));
        }
        Ok(())
    }

    fn json(&mut self, bytes: &[u8]) -> Result<(), String> {
        match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
            serde_json::Value::Object(photos) => {
                for (path, labels) in photos {
                    let labels = json_labels(&labels).ok_or(format!("the labels of {path:?} are no texts"))?;
                    self.add(path.into(), labels.into_iter());
                }
            }
            serde_json::Value::Array(rows) => {
                for (place, row) in rows.iter().enumerate() {
                    self.json_row(row)
                        .ok_or(format!("entry {} has no path, or labels that are no texts", place + 1))?;
                }
            }
            _ => return Err("it is neither an array nor an object".into()),
        }
        Ok(())
    }

    fn json_row(&mut self, row: &serde_json::Value) -> Option<()> {
        let text = |name: &str| row.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let photo = exact_path(text("path"), text("path_bytes"))?;
        let found = ["label", "labels", "tag", "tags"].iter().find_map(|name| row.get(*name))?;
        let counts = row.get("verdict").is_none() || text("verdict") == "accepted";
        self.add(photo, json_labels(found)?.into_iter().filter(|_| counts));
        Some(())
    }

    fn add<'l>(&mut self, path: PathBuf, labels: impl Iterator<Item = &'l str>) {
        let path = self.folder.join(path);
        let photos = &mut self.photos;
        let place = *self.places.entry(path).or_insert_with_key(|path| {
            photos.push((path.clone(), Vec::new()));
            photos.len() - 1
        });
        let known = &mut self.photos[place].1;
        for label in labels.map(str::trim).filter(|label| !label.is_empty()) {
            if !known.iter().any(|known| known == label) {
                known.push(label.to_owned());
            }
        }
    }
}

fn exact_path(path: &str, path_bytes: &str) -> Option<PathBuf> {
    if path_bytes.is_empty() {
        return (!path.is_empty()).then(|| path.into());
    }
    from_raw(unhex(path_bytes)?).map(PathBuf::from)
}

/// One text, or an array of them.
fn json_labels(labels: &serde_json::Value) -> Option<Vec<&str>> {
    match labels {
        serde_json::Value::String(label) => Some(vec![label]),
        serde_json::Value::Array(labels) => labels.iter().map(serde_json::Value::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn row(path: impl Into<PathBuf>, tag: &str, verdict: Verdict) -> ExportRow {
        ExportRow {
            path: path.into(),
            tag: tag.into(),
            verdict,
            origin: Some("person".into()),
            decided_ms: Some(0),
            model: None,
            prompt: Some("=a \"photo\",\nof it".into()),
            cosine: Some(0.1),
            score: Some(0.1 + 0.2),
            probability: None,
            suggested_ms: None,
        }
    }

    fn truth(name: &str, text: &str) -> Result<Vec<(PathBuf, Vec<String>)>, LibraryError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let strip = |(photo, labels): (PathBuf, Vec<String>)| match photo.strip_prefix(folder.path()) {
            Ok(inside) => (inside.to_owned(), labels),
            Err(_) => (photo, labels),
        };
        read_truth(&path).map(|photos| photos.into_iter().map(strip).collect())
    }

    #[test]
    fn exports_come_back_as_the_truth_that_they_are() {
        let mut paths: Vec<PathBuf> = vec!["/a,b \"c\"\n.jpg".into(), "/=1+1.jpg".into(), "/🐕.jpg".into()];
        if cfg!(unix) {
            paths.push(from_raw(b"/\xff.jpg".to_vec()).unwrap().into());
        }
        let mut rows = Vec::new();
        for path in &paths {
            rows.push(row(path, "animal/dog", Verdict::Accepted));
            rows.push(row(path, "x;y|z", Verdict::Accepted));
            rows.push(row(path, "cat", Verdict::Rejected));
            rows.push(row(path, "bird", Verdict::Suggested));
        }
        let folder = tempfile::tempdir().unwrap();
        let expected: Vec<_> =
            paths.into_iter().map(|path| (path, vec!["animal/dog".to_owned(), "x;y|z".to_owned()])).collect();
        for (name, form) in [("tags.csv", Form::Csv), ("tags.json", Form::Json)] {
            let path = folder.path().join(name);
            assert_eq!(write(&path, form, rows.iter().map(Ok)).unwrap(), rows.len() as u64);
            assert_eq!(read_truth(&path).unwrap(), expected);
        }
        let json: Vec<serde_json::Value> =
            serde_json::from_slice(&fs::read(folder.path().join("tags.json")).unwrap()).unwrap();
        assert_eq!(json[0]["prompt"], "=a \"photo\",\nof it");
        assert_eq!(json[0]["score"].as_f64(), Some(0.1 + 0.2));
        assert_eq!(json[0]["decided"], "1970-01-01T00:00:00.000Z");
        let csv = fs::read_to_string(folder.path().join("tags.csv")).unwrap();
        assert_eq!(csv.lines().next(), Some(COLUMNS.join(",").as_str()));
        assert!(csv.contains(",0.1,0.30000000000000004,,\n"));
    }

    #[test]
    fn no_rows_are_a_table_too_and_a_failed_export_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.json");
        write::<ExportRow>(&path, Form::Json, []).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"[\n]\n");
        let failing = [Ok(row("/a", "b", Verdict::Accepted)), Err(LibraryError::Refused("stop".into()))];
        assert!(write(&path, Form::Json, failing).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"[\n]\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn truths_are_read_in_the_forms_that_people_have() {
        let of = |photos: &[(&str, &[&str])]| -> Vec<(PathBuf, Vec<String>)> {
            photos
                .iter()
                .map(|(path, labels)| ((*path).into(), labels.iter().map(|&label| label.into()).collect()))
                .collect()
        };
        let expected = of(&[("a.jpg", &["dog", "sea"]), ("b/c.jpg", &["cat"])]);
        let forms = [
            ("t.csv", "path,label\na.jpg,dog\nb/c.jpg,cat\na.jpg,sea\na.jpg,dog\n"),
            ("t.csv", "\u{feff}Path;Labels\r\na.jpg;dog | sea\r\nb/c.jpg;cat\r\n"),
            ("t.tsv", "labels\tpath\ndog;sea\ta.jpg\ncat\tb/c.jpg"),
            ("t.json", r#"{"a.jpg": ["dog", "sea"], "b/c.jpg": "cat"}"#),
            ("t.json", r#"[{"path": "a.jpg", "labels": ["dog", "sea"]}, {"path": "b/c.jpg", "tag": "cat"}]"#),
        ];
        for (name, text) in forms {
            assert_eq!(truth(name, text).unwrap(), expected, "{text}");
        }
        for (name, text) in [
            ("t.csv", "label\ndog"),
            ("t.csv", "path\na"),
            ("t.csv", "path,label\n,dog"),
            ("t.json", "[1]"),
            ("t.json", "{"),
        ] {
            assert!(truth(name, text).is_err(), "{text}");
        }
    }
}
