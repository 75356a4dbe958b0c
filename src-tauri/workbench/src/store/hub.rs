//! Where checkpoints come from: the Hugging Face hub or a mirror of it, and who is asking.

use ureq::http::Uri;

use crate::messages::{self, Problem, ProblemCode};

/// Where the hub is unless a person says otherwise.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// The hub or a mirror, and the token for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hub {
    /// Without a slash at the end.
    endpoint: String,
    setting: Option<String>,
    from_environment: bool,
    token: Option<String>,
    problem: Option<Problem>,
}

impl Hub {
    /// The hub of the setting, else of `HF_ENDPOINT`, else the real one; the token of `HF_TOKEN`.
    pub fn new(setting: Option<&str>) -> Self {
        Self::of(setting, |name| std::env::var(name).ok())
    }

    fn of(setting: Option<&str>, environment: impl Fn(&str) -> Option<String>) -> Self {
        let present = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let setting = setting.map(str::to_owned).and_then(present);
        let from_environment = environment("HF_ENDPOINT").and_then(present);
        let chosen = setting.clone().or(from_environment.clone()).unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        Self {
            endpoint: chosen.trim_end_matches('/').to_owned(),
            from_environment: setting.is_none() && from_environment.is_some(),
            setting,
            token: environment("HF_TOKEN").and_then(present),
            problem: check(&chosen).err(),
        }
    }

    /// Whether its address is one. An environment can be wrong, and a program must still start.
    pub fn check(&self) -> Result<(), Problem> {
        self.problem.clone().map_or(Ok(()), Err)
    }

    /// The address of a file of a repository, in its newest version.
    pub fn file_url(&self, repo: &str, file: &str) -> String {
        format!("{}/{}/resolve/main/{}", self.endpoint, encoded(repo), encoded(file))
    }

    /// The page of a repository, where its licence is accepted.
    pub fn page(&self, repo: &str) -> String {
        format!("{}/{}", self.endpoint, encoded(repo))
    }

    /// Whether `url` is at the hub itself.
    pub fn has(&self, url: &Uri) -> bool {
        self.endpoint.parse().is_ok_and(|endpoint| origin(url) == origin(&endpoint))
    }

    /// The token, if `url` is at the hub itself and nobody on the way can read along.
    pub fn token_for(&self, url: &Uri) -> Option<&str> {
        let is_private = url.scheme_str() == Some("https") || is_loopback(url);
        (is_private && self.has(url)).then_some(self.token.as_deref()).flatten()
    }

    /// For the settings screen.
    pub fn describe(&self) -> messages::Hub {
        messages::Hub {
            setting: self.setting.clone(),
            endpoint: self.endpoint.clone(),
            from_environment: self.from_environment,
            has_token: self.token.is_some(),
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is nobody's business.
        f.debug_struct("Hub").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Whether this is the address of a hub.
fn check(endpoint: &str) -> Result<(), Problem> {
    let refuse = |cause: &str| {
        let message = format!(
            "{endpoint:?} is not the address of a hub: {cause}. Give one such as {DEFAULT_ENDPOINT}, or none for that."
        );
        Problem::new(ProblemCode::Endpoint, &[("endpoint", endpoint), ("cause", cause)], message)
    };
    let trimmed = endpoint.trim_end_matches('/');
    let uri: Uri = trimmed.parse().map_err(|_| refuse("it is not an address"))?;
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return Err(refuse("it begins with neither https:// nor http://"));
    }
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(refuse("it names no server"));
    };
    if authority.as_str().contains('@') {
        return Err(refuse("it has a user name; tokens go into HF_TOKEN"));
    }
    if trimmed.contains(['?', '#']) {
        return Err(refuse("it has a query"));
    }
    Ok(())
}

/// Scheme, server and port: where a secret may be told again.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let default = if scheme == "https" { 443 } else { 80 };
    Some((scheme, uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(default)))
}

/// Whether the server is this machine.
pub fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A path whose characters mean themselves in an address.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(setting: Option<&str>, endpoint: &str) -> Hub {
        Hub::of(setting, |name| match name {
            "HF_ENDPOINT" => Some(endpoint.to_owned()),
            "HF_TOKEN" => Some("secret".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn the_setting_comes_before_the_environment_and_both_before_the_default() {
        let endpoint = |setting, environment| hub(setting, environment).endpoint;
        assert_eq!(endpoint(Some("https://a.example/"), "https://b.example"), "https://a.example");
        assert_eq!(endpoint(None, " https://b.example/hf// "), "https://b.example/hf");
        assert_eq!(endpoint(Some(" "), ""), DEFAULT_ENDPOINT);
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for text in
            ["huggingface.co", "ftp://a.example", "https://", "https://me:pass@a.example", "https://a/?x", "x y"]
        {
            assert_eq!(hub(Some(text), "").check().unwrap_err().code, ProblemCode::Endpoint, "{text}");
        }
        assert_eq!(hub(Some("http://127.0.0.1:80/hf/"), "").check(), Ok(()));
    }

    #[test]
    fn the_token_goes_to_the_hub_alone_and_never_in_the_open() {
        let hub = |endpoint| hub(Some(endpoint), "");
        let told = |endpoint: &str, url: &str| hub(endpoint).token_for(&url.parse().unwrap()).is_some();
        assert!(told("https://hub.example", "https://hub.example:443/x"));
        assert!(!told("https://hub.example", "https://cdn.hub.example/x"));
        assert!(!told("https://hub.example", "https://hub.example:8443/x"));
        assert!(!told("http://hub.example", "http://hub.example/x"));
        assert!(told("http://127.0.0.1:8000", "http://127.0.0.1:8000/x"));
        assert!(!told("http://127.0.0.1:8000", "http://127.0.0.1:8001/x"));
        assert!(!format!("{:?}", hub("https://hub.example")).contains("secret"));
    }

    #[test]
    fn file_addresses_are_encoded() {
        let hub = hub(Some("https://hub.example/m"), "");
        assert_eq!(hub.file_url("a/b", "c d#.json"), "https://hub.example/m/a/b/resolve/main/c%20d%23.json");
    }
}
