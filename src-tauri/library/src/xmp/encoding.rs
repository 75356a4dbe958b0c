//! Bytes of a document as text and back, byte for byte.

use super::XmpError;

/// How the text of a document is spelled in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8 { has_mark: bool },
    Utf16 { is_little: bool, has_mark: bool },
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

impl Encoding {
    /// By the byte order mark, or by how the first `<` is spelled (XML 1.0, appendix F).
    fn of(bytes: &[u8]) -> Result<Self, XmpError> {
        let utf16 = |is_little, has_mark| Ok(Self::Utf16 { is_little, has_mark });
        match bytes {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [b'<', 0, 0, 0, ..] | [0, 0, 0, b'<', ..] => {
                Err(XmpError::UnknownEncoding { encoding: "UTF-32".into() })
            }
            [0xff, 0xfe, ..] => utf16(true, true),
            [0xfe, 0xff, ..] => utf16(false, true),
            [b'<', 0, ..] => utf16(true, false),
            [0, b'<', ..] => utf16(false, false),
            _ => Ok(Self::Utf8 { has_mark: bytes.starts_with(UTF8_MARK) }),
        }
    }

    /// The text, without its mark. It becomes the same bytes again with [`Encoding::encode`].
    pub(super) fn decode(bytes: &[u8]) -> Result<(String, Self), XmpError> {
        let encoding = Self::of(bytes)?;
        let bad = || XmpError::Encoding { encoding: encoding.name().into() };
        let text = match encoding {
            Self::Utf8 { has_mark } => {
                let bytes = &bytes[if has_mark { UTF8_MARK.len() } else { 0 }..];
                std::str::from_utf8(bytes).map_err(|_| bad())?.to_owned()
            }
            Self::Utf16 { is_little, has_mark } => {
                let bytes = &bytes[if has_mark { 2 } else { 0 }..];
                if !bytes.len().is_multiple_of(2) {
                    return Err(bad());
                }
                let units = bytes.chunks_exact(2).map(|pair| {
                    if is_little {
                        u16::from_le_bytes([pair[0], pair[1]])
                    } else {
                        u16::from_be_bytes([pair[0], pair[1]])
                    }
                });
                char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| bad())?
            }
        };
        Ok((text, encoding))
    }

    /// The bytes of a text.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 { has_mark } => [if has_mark { UTF8_MARK } else { &[] }, text.as_bytes()].concat(),
            Self::Utf16 { is_little, has_mark } => {
                let mark = has_mark.then_some(0xfeff);
                let bytes = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
                mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
            }
        }
    }

    /// Whether an XML declaration may call it `declared`.
    pub(super) fn is_called(self, declared: &str) -> bool {
        let declared = declared.to_ascii_lowercase();
        match self {
            Self::Utf8 { .. } => matches!(declared.as_str(), "utf-8" | "utf8" | "us-ascii"),
            Self::Utf16 { .. } => matches!(declared.as_str(), "utf-16" | "utf-16le" | "utf-16be"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Utf8 { .. } => "UTF-8",
            Self::Utf16 { .. } => "UTF-16",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_the_same_bytes_again() {
        for has_mark in [false, true] {
            for encoding in [
                Encoding::Utf8 { has_mark },
                Encoding::Utf16 { is_little: true, has_mark },
                Encoding::Utf16 { is_little: false, has_mark },
            ] {
                let bytes = encoding.encode("<é 🐕\u{feff}>");
                assert_eq!(Encoding::decode(&bytes).unwrap(), ("<é 🐕\u{feff}>".to_owned(), encoding));
            }
        }
    }

    #[test]
    fn bytes_that_would_not_come_back_are_refused() {
        for bytes in [&b"<\xff>"[..], b"<\0>", b"<\0\0\xd8", b"\xff\xfe\0\0<\0\0\0", b"\0\0\0<"] {
            assert!(Encoding::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
