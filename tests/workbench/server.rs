//! A server on this machine that serves files as the hub does, and misbehaves as it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use cliploupe_workbench::store::sha256;

/// What is done with one GET instead of answering it well.
#[derive(Debug, Clone)]
pub enum Do {
    /// Nothing special.
    Well,
    /// An answer without the file.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection ends after so many bytes of the body.
    Drop(usize),
    /// After so many bytes of the body nothing comes any more.
    Stall(usize),
    /// A pause after each piece of so many bytes.
    Slow(usize, Duration),
    /// Another length is announced than is sent.
    Announce(usize),
    /// The last byte of what is sent is another one.
    Damage,
    /// A range is not heeded.
    WholeFile,
    /// A range is answered from another byte.
    WrongRange,
    /// No length is announced; the end of the connection ends the file.
    NoLength,
    /// The length is not announced; the file comes in pieces and has an end.
    Chunked,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[derive(Clone, Default)]
struct Served {
    bytes: Vec<u8>,
    etag: Option<String>,
    /// Where the hub sends those who ask, and that it says size and hash beforehand.
    redirect: Option<(String, bool)>,
    next: VecDeque<Do>,
    always: Option<Do>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Served>>,
    asked: Mutex<Vec<Asked>>,
    is_closed: AtomicBool,
}

/// A server with files.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_closed.load(SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, serving.clone()) else { continue };
                // A client that left early is part of the tests.
                std::thread::spawn(move || drop(answer(&shared, stream)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves `bytes` at `path`, with a validator of their own.
    pub fn serve(&self, path: &str, bytes: &[u8]) {
        let etag = Some(format!("\"{}\"", &sha256(bytes)[..32]));
        self.change(path, |file| (file.bytes, file.etag) = (bytes.to_vec(), etag));
    }

    /// Sends those who ask for `path` to another address, as the hub does for large files.
    pub fn redirect(&self, path: &str, bytes: &[u8], to: &str, tells: bool) {
        self.change(path, |file| (file.bytes, file.redirect) = (bytes.to_vec(), Some((to.to_owned(), tells))));
    }

    /// The next GETs of `path` are answered like this, those after them well.
    pub fn next(&self, path: &str, answers: &[Do]) {
        self.change(path, |file| file.next.extend(answers.iter().cloned()));
    }

    /// Every GET of `path` from now on is answered like this.
    pub fn always(&self, path: &str, answer: Do) {
        self.change(path, |file| file.always = Some(answer));
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Served)) {
        change(self.shared.files.lock().unwrap().entry(path.to_owned()).or_default());
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The GETs of `path` so far.
    pub fn gets(&self, path: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.method == "GET" && asked.path == path).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            Some((line.split_once(':')?.0.to_ascii_lowercase(), line.split_once(':')?.1.trim().to_owned()))
        })
        .collect();
    Some(Asked { method, path, headers })
}

fn answer(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let Some(asked) = read_request(&stream) else { return Ok(()) };
    shared.asked.lock().unwrap().push(asked.clone());
    let is_get = asked.method == "GET";
    let found = {
        let mut files = shared.files.lock().unwrap();
        files.get_mut(asked.path.split('?').next().unwrap()).map(|file| {
            let now = if is_get { file.next.pop_front().or_else(|| file.always.clone()) } else { None };
            (file.clone(), now.unwrap_or(Do::Well))
        })
    };
    let Some((file, now)) = found else {
        return head(&mut stream, "404 Not Found", &[("Content-Length", "0".into())]);
    };
    if let Do::Status(status, mut headers) = now {
        headers.push(("Content-Length", "0".into()));
        return head(&mut stream, &format!("{status} Told So"), &headers);
    }
    if let Some((to, tells)) = &file.redirect {
        let mut headers = vec![("Location", to.clone()), ("Content-Length", "0".into())];
        if *tells {
            headers.push(("X-Linked-Size", file.bytes.len().to_string()));
            headers.push(("X-Linked-ETag", format!("\"{}\"", sha256(&file.bytes))));
        }
        return head(&mut stream, "302 Found", &headers);
    }
    send(&mut stream, &asked, &file, &now)
}

fn send(stream: &mut TcpStream, asked: &Asked, file: &Served, now: &Do) -> std::io::Result<()> {
    let total = file.bytes.len();
    let mut headers: Vec<(&str, String)> = file.etag.iter().map(|etag| ("ETag", etag.clone())).collect();
    let range = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let is_same = asked.header("if-range").is_none_or(|etag| file.etag.as_deref() == Some(etag));
    let range: Option<usize> = range.filter(|_| is_same && !matches!(now, Do::WholeFile));
    let (status, start) = match range {
        Some(start) if start >= total => {
            headers.extend([("Content-Range", format!("bytes */{total}")), ("Content-Length", "0".into())]);
            return head(stream, "416 Range Not Satisfiable", &headers);
        }
        Some(start) => {
            let said = if matches!(now, Do::WrongRange) { start - 1 } else { start };
            headers.push(("Content-Range", format!("bytes {said}-{}/{total}", total - 1)));
            ("206 Partial Content", start)
        }
        None => ("200 OK", 0),
    };
    let mut body = file.bytes[start..].to_vec();
    match now {
        Do::NoLength => {}
        Do::Chunked => headers.push(("Transfer-Encoding", "chunked".into())),
        Do::Announce(length) => headers.push(("Content-Length", length.to_string())),
        _ => headers.push(("Content-Length", body.len().to_string())),
    }
    head(stream, status, &headers)?;
    if asked.method != "GET" {
        return Ok(());
    }
    match now {
        Do::Drop(count) => stream.write_all(&body[..(*count).min(body.len())]),
        Do::Stall(count) => {
            stream.write_all(&body[..(*count).min(body.len())])?;
            // Until the client has had enough.
            stream.read(&mut [0]).map(drop)
        }
        Do::Slow(piece, pause) => body.chunks(*piece).try_for_each(|piece| {
            stream.write_all(piece)?;
            std::thread::sleep(*pause);
            Ok(())
        }),
        Do::Chunked => {
            for piece in body.chunks(10_000) {
                write!(stream, "{:x}\r\n", piece.len())?;
                stream.write_all(piece)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Do::Damage => {
            if let Some(last) = body.last_mut() {
                *last ^= 1;
            }
            stream.write_all(&body)
        }
        _ => stream.write_all(&body),
    }
}

fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, String)]) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())
}
