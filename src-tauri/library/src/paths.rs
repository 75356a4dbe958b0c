//! Paths as bytes: what the database keeps, whatever characters a system allows in a name.
//!
//! On Unix a path is its bytes, which need not be UTF-8. On Windows it is UTF-16, lower byte first, which may hold halves
//! of surrogate pairs. Both come back exactly as they were. Bytes sort such that everything below one folder is one range.

use std::{
    io,
    path::{Component, MAIN_SEPARATOR, Path, PathBuf},
};

/// The bytes of a path.
#[cfg(not(windows))]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
}

/// The bytes of a path.
#[cfg(windows)]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    std::os::windows::ffi::OsStrExt::encode_wide(path.as_os_str()).flat_map(u16::to_le_bytes).collect()
}

/// The path with these bytes.
#[cfg(not(windows))]
pub fn from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

/// The path with these bytes; half a character at the end, which no path has, is left out.
#[cfg(windows)]
pub fn from_bytes(bytes: &[u8]) -> PathBuf {
    let wide: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    PathBuf::from(<std::ffi::OsString as std::os::windows::ffi::OsStringExt>::from_wide(&wide))
}

/// The path as a person reads it; what is no Unicode becomes U+FFFD, so it is for showing only.
pub fn display(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The range that holds the bytes of every path below a folder, at any depth, and no others: `from <= bytes < to`.
pub fn below(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut from = to_bytes(folder);
    let separator = to_bytes(Path::new(&MAIN_SEPARATOR.to_string()));
    if !from.ends_with(&separator) {
        from.extend(separator);
    }
    let mut to = from.clone();
    // The last byte is that of a separator, `/`, or 0 on Windows; neither is 255.
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    (from, to)
}

/// A path that means the same whatever folder the program is started in, spelled in one way.
///
/// Links are followed only where `..` comes after them, because there they change what is meant.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let parts: Vec<Component> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else { return Ok(path) };
    let climbing: PathBuf = parts[..=last].iter().collect();
    Ok(parts[last + 1..].iter().fold(climbing.canonicalize()?, |path, part| path.join(part)))
}

/// Whether a file may be there. One that may not be looked at is not gone.
pub fn may_exist(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// A path as text for JSON that comes back exactly: plain where it is Unicode; else NUL, which no path holds, and its bytes
/// in hexadecimal digits. For `#[serde(with = "paths::text")]` on an `Option<PathBuf>`.
pub mod text {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    /// The text of a path.
    pub fn of(path: &Path) -> String {
        let hex = || super::to_bytes(path).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        path.to_str().map_or_else(|| format!("\0{}", hex()), str::to_owned)
    }

    /// The path of a text; `None` if no path has it.
    pub fn parse(text: &str) -> Option<PathBuf> {
        let Some(hex) = text.strip_prefix('\0') else { return Some(PathBuf::from(text)) };
        let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
        Some(super::from_bytes(&bytes))
    }

    /// Writes it.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(of).serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no path")))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strange() -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> =
            ["/photos/a\nb.jpg", "/photos/it's \"one\".jpg", "/photos/🦊/狐.jpg", "/photos/%41 \\x.jpg", ""]
                .map(PathBuf::from)
                .into();
        #[cfg(unix)]
        paths.push(from_bytes(b"/photos/caf\xe9 \xff.jpg"));
        #[cfg(windows)]
        paths.push(from_bytes(&[b'C', 0, b':', 0, b'\\', 0, 0, 0xd8, b'x', 0]));
        paths
    }

    #[test]
    fn every_path_comes_back_from_its_bytes_and_from_its_text() {
        for path in strange() {
            assert_eq!(from_bytes(&to_bytes(&path)), path);
            assert_eq!(text::parse(&text::of(&path)).as_ref(), Some(&path));
        }
        assert!(["\0zz", "\0a", "\0+1"].iter().all(|text| text::parse(text).is_none()));
    }

    #[test]
    fn the_range_below_a_folder_holds_what_lies_in_it_and_not_what_begins_alike() {
        let folder: PathBuf = ["a", "b"].iter().collect();
        let (from, to) = below(&folder);
        let is_below = |path: PathBuf| (&from..&to).contains(&&to_bytes(&path));
        assert!(
            [&["c.jpg"][..], &["c", "d.jpg"], &["🦊"]]
                .iter()
                .all(|rest| is_below(folder.join(rest.iter().collect::<PathBuf>())))
        );
        assert!(["b", "b2", "b.jpg", "b0", "b 1"].iter().all(|name| !is_below(Path::new("a").join(name))));
        assert!(!is_below(PathBuf::from("a")));
    }

    #[cfg(unix)]
    #[test]
    fn everything_is_below_the_root() {
        let (from, to) = below(Path::new("/"));
        assert_eq!((from, to), (b"/".to_vec(), b"0".to_vec()));
    }

    #[test]
    fn a_path_that_climbs_is_spelled_as_one_that_does_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let plain = folder.path().canonicalize().unwrap().join("a").join("x.jpg");
        let climbing = absolute(&folder.path().join("a/b/../x.jpg")).unwrap();
        assert_eq!(climbing.canonicalize().unwrap_or(climbing), plain);
        assert!(absolute(Path::new("x.jpg")).unwrap().is_absolute());
    }
}
