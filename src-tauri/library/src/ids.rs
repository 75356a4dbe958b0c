//! Names of things that every part uses.

use std::fmt;

/// A photo of one library, for as long as the library exists; numbers are never used twice.
pub type PhotoId = u32;

/// What makes two files the same photo: a hash of what their decoded pixels are made of, without metadata.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    /// From a database column; `None` unless it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Identity {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

/// Which model made features or scores: a name to show, and what tells it from others of that name.
///
/// It is part of file names, so it holds only ASCII letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelKey(String);

impl ModelKey {
    /// Longest key that is taken.
    const LONGEST: usize = 120;

    /// A key; every other character of `name` becomes `-`.
    pub fn new(name: &str, fingerprint: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let plain = |text: &str| text.chars().map(|c| if is_plain(c) { c } else { '-' }).collect::<String>();
        let mut name = plain(name.trim_start_matches('.'));
        let fingerprint = plain(fingerprint);
        name.truncate(Self::LONGEST.saturating_sub(fingerprint.len() + 1));
        Self(format!("{name}-{fingerprint}"))
    }

    /// A key as it was written down; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_key =
            !text.is_empty() && text.len() <= Self::LONGEST && !text.starts_with('.') && text.chars().all(is_plain);
        is_key.then(|| Self(text.to_owned()))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_file_names_and_come_back_as_written() {
        let key = ModelKey::new("../ViT-B-32/laion2b é", "0badcafe");
        assert_eq!(key.as_str(), "-ViT-B-32-laion2b---0badcafe");
        assert_eq!(ModelKey::parse(key.as_str()), Some(key));
        assert!(["", ".hidden", "a/b", "é"].into_iter().all(|text| ModelKey::parse(text).is_none()));
        assert!(ModelKey::parse(ModelKey::new(&"x".repeat(500), "1").as_str()).is_some());
    }
}
