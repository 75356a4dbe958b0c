//! One request after another: proxies, redirects, tokens and time limits.
//!
//! Redirects are followed here and not by the HTTP library, for three reasons: the hub tells the size and the hash of a
//! large file only in the answer that redirects, the token must not travel on, and https must not become http.

use std::time::Duration;

use ureq::{
    Agent, Body, Proxy, ProxyProtocol,
    http::{HeaderMap, Method, Request, Response, Uri},
    tls::{RootCerts, TlsConfig},
};

use super::{
    error::DownloadError,
    halt::Halt,
    hub::{Hub, is_loopback},
};

/// The hub needs two: to its cache of small files, or to the store of large ones.
const MAX_REDIRECTS: usize = 10;

/// How long is waited for what.
#[derive(Debug, Clone, PartialEq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub silence: Duration,
    /// Tries in a row without a new byte.
    pub tries: u32,
    /// Before the second try; doubled for each one after it.
    pub first_wait: Duration,
    /// No wait is longer, whatever the server asks for.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(45),
            tries: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// How long to wait before the next try, after `failures` in a row.
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let backoff = self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(16));
        retry_after.unwrap_or(backoff).min(self.longest_wait)
    }
}

/// What the hub says of a large file before it redirects to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Linked {
    /// `X-Linked-ETag`, or the `ETag`: SHA-256 where it has 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// `X-Linked-Size`.
    pub bytes: Option<u64>,
}

/// The last answer of a chain of redirects.
pub struct Answer {
    /// The server that gave it.
    pub host: String,
    /// 200 or 206, or 416 where a range was asked for.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// What the hub said before.
    pub linked: Linked,
    /// Its body, not read yet.
    pub body: Body,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// `Content-Length`.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// A strong `ETag`, which is the same only for the same bytes.
    pub fn etag(&self) -> Option<&str> {
        self.header("etag").filter(|etag| etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2)
    }

    /// The server contradicts itself.
    pub fn contradiction(&self, cause: impl Into<String>, again: bool) -> DownloadError {
        DownloadError::Contradiction { host: self.host.clone(), cause: cause.into(), again }
    }
}

/// Asks servers.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    proxies: Proxies,
    hub: Hub,
}

impl Client {
    /// A client whose requests end when `halt` is told to stop.
    pub fn new(hub: &Hub, patience: &Patience, halt: &Halt) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("cliploupe/", env!("CARGO_PKG_VERSION")))
            // A compressed body has another length than the file.
            .accept_encoding("identity")
            .proxy(None)
            .tls_config(tls)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .build()
            .into();
        halt.interrupt(&agent);
        Self { agent, proxies: Proxies::of(|name| std::env::var(name).ok()), hub: hub.clone() }
    }

    /// What the server says of a file without sending it.
    pub fn head(&self, url: &str) -> Result<Answer, DownloadError> {
        match self.ask(&Method::HEAD, url, &[]) {
            // Some servers know nothing but GET; its body is not read.
            Err(DownloadError::Status { status: 405 | 501, .. }) => self.ask(&Method::GET, url, &[]),
            other => other,
        }
    }

    /// A file, with further headers.
    pub fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Answer, DownloadError> {
        self.ask(&Method::GET, url, headers)
    }

    fn ask(&self, method: &Method, url: &str, headers: &[(&str, String)]) -> Result<Answer, DownloadError> {
        let mut uri: Uri = url.parse().map_err(|_| bad_address(url))?;
        let mut linked = Linked::default();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.once(method, &uri, headers)?;
            let host = host_of(&uri);
            linked.note(response.headers(), self.hub.has(&uri));
            let status = response.status().as_u16();
            match status {
                301 | 302 | 303 | 307 | 308 => {
                    // What is asked beforehand is known now, and the store behind may not answer HEAD at all.
                    if *method == Method::HEAD && linked.bytes.is_some() {
                        return Ok(answer(host, response, linked));
                    }
                    uri = redirected(&uri, response.headers())?;
                }
                200 | 206 => return Ok(answer(host, response, linked)),
                416 if headers.iter().any(|(name, _)| *name == "range") => return Ok(answer(host, response, linked)),
                _ => return Err(refused(&host, url, &response)),
            }
        }
        let host = host_of(&uri);
        Err(DownloadError::Redirect { host, location: uri.to_string(), cause: "that was one too many" })
    }

    fn once(&self, method: &Method, uri: &Uri, headers: &[(&str, String)]) -> Result<Response<Body>, DownloadError> {
        let failed = |source: ureq::Error| {
            let (host, url) = (host_of(uri), shown(uri));
            if is_hopeless(&source) {
                DownloadError::Refused { host, url, source }
            } else {
                DownloadError::Connection { host, url, source }
            }
        };
        let mut request = Request::builder().method(method.clone()).uri(uri.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = self.hub.token_for(uri) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(()).map_err(|error| failed(error.into()))?;
        let request = self.agent.configure_request(request).proxy(self.proxies.for_uri(uri)).build();
        self.agent.run(request).map_err(failed)
    }
}

impl Linked {
    fn note(&mut self, headers: &HeaderMap, is_hub: bool) {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // The hash of a small file is git's and shorter, and the validator of a store may be of anything.
        let sha256 = |etag: &str| Some(etag.trim_matches('"').to_ascii_lowercase()).filter(|text| is_sha256(text));
        let etag = text("x-linked-etag").or_else(|| text("etag").filter(|_| is_hub));
        self.sha256 = self.sha256.take().or_else(|| etag.and_then(sha256));
        self.bytes = self.bytes.or_else(|| text("x-linked-size")?.trim().parse().ok());
    }
}

/// Whether this is a SHA-256 in hexadecimal.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn answer(host: String, response: Response<Body>, linked: Linked) -> Answer {
    let (parts, body) = response.into_parts();
    Answer { host, status: parts.status.as_u16(), headers: parts.headers, linked, body }
}

fn bad_address(url: &str) -> DownloadError {
    let source = ureq::Error::BadUri(url.to_owned());
    DownloadError::Refused { host: url.to_owned(), url: url.to_owned(), source }
}

fn refused(host: &str, url: &str, response: &Response<Body>) -> DownloadError {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    DownloadError::Status {
        host: host.to_owned(),
        url: url.to_owned(),
        status: response.status().as_u16(),
        reason: text("x-error-code").map(str::to_owned),
        // A date instead of seconds is left to our own patience.
        retry_after: text("retry-after").and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs),
    }
}

/// Errors that the next try would meet again.
fn is_hopeless(error: &ureq::Error) -> bool {
    use ureq::Error::{BadUri, Http, InvalidProxyUrl, Rustls, Tls, TlsRequired};
    matches!(error, BadUri(_) | Http(_) | InvalidProxyUrl | Rustls(_) | Tls(_) | TlsRequired)
}

fn host_of(uri: &Uri) -> String {
    uri.authority().map_or_else(|| uri.to_string(), |authority| authority.as_str().to_owned())
}

/// An address without its query, which may hold a signature.
fn shown(uri: &Uri) -> String {
    let text = uri.to_string();
    text.split('?').next().unwrap_or_default().to_owned()
}

/// Where a redirect leads.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, DownloadError> {
    let location = headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wrong = |cause| DownloadError::Redirect { host: host_of(from), location: location.to_owned(), cause };
    let to = resolved(from, location).ok_or_else(|| wrong("that is no address"))?;
    match (from.scheme_str(), to.scheme_str()) {
        (Some("https"), Some("http")) => Err(wrong("that is not encrypted any more")),
        (_, Some("http" | "https")) if to.host().is_some_and(|host| !host.is_empty()) => Ok(to),
        _ => Err(wrong("that is no address of the web")),
    }
}

/// `location` as seen from `from`, RFC 3986 section 5.2 for the forms that servers send.
fn resolved(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let has_scheme = location.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    });
    let text = if location.is_empty() {
        return None;
    } else if has_scheme {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    text.parse().ok()
}

/// The proxies of the environment, one per kind of address, as curl and Python read them.
#[derive(Debug, Clone, Default)]
struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
}

impl Proxies {
    fn of(environment: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            let text = environment(&name.to_ascii_lowercase()).or_else(|| environment(name));
            text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let exceptions = read("NO_PROXY").unwrap_or_default();
        let proxy =
            |name| read(name).or_else(|| read("ALL_PROXY")).and_then(|text| with_exceptions(&text, &exceptions));
        Self { http: proxy("HTTP_PROXY"), https: proxy("HTTPS_PROXY") }
    }

    /// The proxy for an address; none for this machine, which no proxy can reach better.
    fn for_uri(&self, uri: &Uri) -> Option<Proxy> {
        let proxy = if uri.scheme_str() == Some("https") { &self.https } else { &self.http };
        proxy.clone().filter(|proxy| !is_loopback(uri) && !proxy.is_no_proxy(uri))
    }
}

/// A proxy that is not asked for the servers in `exceptions`, nor for those below them.
fn with_exceptions(text: &str, exceptions: &str) -> Option<Proxy> {
    let plain = Proxy::new(text).ok()?;
    let mut builder = Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
    if let Some(name) = plain.username() {
        builder = builder.username(name);
    }
    if let Some(password) = plain.password() {
        builder = builder.password(password);
    }
    for name in exceptions.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        builder = builder.no_proxy(name);
        if !name.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{name}"));
        }
    }
    // The library's own rule for who looks up the server's name.
    builder = builder.resolve_target(matches!(plain.protocol(), ProxyProtocol::Socks4 | ProxyProtocol::Socks5));
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_against_where_they_come_from() {
        let from: Uri = "https://a.example/x/y?z=1".parse().unwrap();
        let to = |location: &str| resolved(&from, location).map(|uri| uri.to_string());
        assert_eq!(to("https://b.example/k?s=1#f").as_deref(), Some("https://b.example/k?s=1"));
        assert_eq!(to("//b.example/k").as_deref(), Some("https://b.example/k"));
        assert_eq!(to("/api/k").as_deref(), Some("https://a.example/api/k"));
        assert_eq!(to("k?a=b:c").as_deref(), Some("https://a.example/x/k?a=b:c"));
        assert_eq!(to(""), None);
    }

    #[test]
    fn a_redirect_does_not_give_up_encryption_nor_leave_the_web() {
        let from: Uri = "https://a.example/x".parse().unwrap();
        let location = |text: &str| HeaderMap::from_iter([("location".parse().unwrap(), text.parse().unwrap())]);
        for text in ["http://a.example/x", "file:///etc/passwd", "ftp://a.example/x", "", "http://"] {
            assert!(redirected(&from, &location(text)).is_err(), "{text:?}");
        }
        assert!(redirected(&from, &location("https://b.example/x")).is_ok());
    }

    #[test]
    fn proxies_are_those_of_the_address_and_never_for_this_machine() {
        let environment = |name: &str| match name {
            "https_proxy" => Some("http://me:p%40ss@secure.example:8080".to_owned()),
            "ALL_PROXY" => Some("socks5h://other.example".to_owned()),
            "NO_PROXY" => Some("intern.example, 10.0.0.1".to_owned()),
            _ => None,
        };
        let proxies = Proxies::of(environment);
        let host = |url: &str| proxies.for_uri(&url.parse().unwrap()).map(|proxy| proxy.host().to_owned());
        assert_eq!(host("https://huggingface.co/x").as_deref(), Some("secure.example"));
        assert_eq!(host("http://mirror.example/x").as_deref(), Some("other.example"));
        for direct in [
            "https://intern.example",
            "https://a.intern.example",
            "http://10.0.0.1",
            "http://127.0.0.1:80",
            "http://[::1]:80",
        ] {
            assert_eq!(host(direct), None, "{direct}");
        }
        let proxy = proxies.https.as_ref().unwrap();
        assert_eq!((proxy.username(), proxy.password(), proxy.port()), (Some("me"), Some("p@ss"), 8080));
    }

    #[test]
    fn waits_double_and_are_bounded() {
        let patience = Patience::default();
        let secs = |failures, after: Option<u64>| patience.wait(failures, after.map(Duration::from_secs)).as_secs();
        assert_eq!([secs(1, None), secs(2, None), secs(4, None), secs(40, None)], [1, 2, 8, 60]);
        assert_eq!([secs(1, Some(7)), secs(1, Some(86_400))], [7, 60]);
    }
}
