//! The XMP packet inside a photo. It is read and never written: originals stay as they are.

use super::{Keywords, MAX_BYTES, Xmp, XmpError};
use crate::identity::{Format, jpeg, png, tiff, webp};

/// The packet of a JPEG, PNG, WebP or TIFF file. A JPEG's continuation packets and a PNG's compressed ones are not read.
pub fn embedded_packet(photo: &[u8]) -> Option<&[u8]> {
    let mut packet = None;
    // A walk that ends early has still shown what it came across.
    match Format::of(photo)? {
        Format::Jpeg => {
            let _ = jpeg::walk(photo, &mut |marker, data, _| {
                if marker == 0xe1 {
                    packet = packet.or(data.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0"));
                }
            });
        }
        Format::Png => {
            let _ = png::walk(photo, &mut |name, data| {
                // Keyword, not compressed, method, no language, no translation.
                let is_text = name == b"iTXt";
                packet = packet.or(data.strip_prefix(b"XML:com.adobe.xmp\0\0\0\0\0").filter(|_| is_text));
            });
        }
        Format::WebP => {
            let _ = webp::walk(photo, &mut |name, data| packet = packet.or((name == b"XMP ").then_some(data)));
        }
        Format::Tiff => packet = tiff::xmp(photo),
        Format::Gif => {}
    }
    packet.filter(|packet| packet.len() as u64 <= MAX_BYTES)
}

/// The keywords of that packet; `None` if there is no packet.
pub fn embedded_keywords(photo: &[u8]) -> Option<Result<Keywords, XmpError>> {
    embedded_packet(photo).map(|packet| Xmp::parse(packet).map(|xmp| xmp.keywords()))
}
