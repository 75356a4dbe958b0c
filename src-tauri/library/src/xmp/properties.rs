//! The properties that hold keywords, and the forms in which programs write them.
//!
//! A property may be an element with a list in it (as XMP wants it), an element with a text, or an attribute of its
//! `rdf:Description`; a document may have several Descriptions. All of them are read.

use super::{
    XmpError,
    tree::{RDF, Tree},
};
use std::ops::Range;

/// A property with a list of texts.
#[derive(Debug)]
pub(super) struct Field {
    /// Its namespace, first as we write it, then as others do.
    pub uris: &'static [&'static str],
    /// The usual prefix of the namespace.
    pub prefix: &'static str,
    /// Its name.
    pub local: &'static str,
    /// The kind of list.
    pub list: &'static str,
    /// The element of one value: its text, the prefix of RDF with its colon, the prefix of the property.
    pub item: fn(&str, &str, &str) -> String,
    /// The value of one element.
    pub value: fn(&Tree, usize) -> Option<String>,
}

const fn words(uris: &'static [&'static str], prefix: &'static str, local: &'static str, list: &'static str) -> Field {
    Field { uris, prefix, local, list, item: word_item, value: word }
}

/// Dublin Core's keywords: leaf words.
pub(super) const SUBJECT: Field = words(&["http://purl.org/dc/elements/1.1/"], "dc", "subject", "Bag");
/// Lightroom's: paths with `|`.
pub(super) const HIERARCHICAL: Field =
    words(&["http://ns.adobe.com/lightroom/1.0/"], "lr", "hierarchicalSubject", "Bag");
/// digiKam's: paths with `/`, in order.
pub(super) const TAGS_LIST: Field = words(&["http://www.digikam.org/ns/1.0/"], "digiKam", "TagsList", "Seq");
/// Windows': paths with `/`. ExifTool writes the namespace without its last slash.
pub(super) const MICROSOFT: Field = words(
    &["http://ns.microsoft.com/photo/1.0/", "http://ns.microsoft.com/photo/1.0"],
    "MicrosoftPhoto",
    "LastKeywordXMP",
    "Bag",
);
/// Media Pro's: paths with `|`.
pub(super) const MEDIAPRO: Field =
    words(&["http://ns.iview-multimedia.com/mediapro/1.0/"], "mediapro", "CatalogSets", "Bag");

pub(super) const XMP_BASIC: &[&str] = &["http://ns.adobe.com/xap/1.0/"];
pub(super) const ACDSEE: &[&str] = &["http://ns.acdsee.com/iptc/1.0/"];

/// Where a property stands, and its values. A value that is no text is `None`.
#[derive(Debug)]
pub(super) enum Place {
    Attribute { whole: Range<usize>, value: String },
    Text { element: usize, value: String },
    List { element: usize, list: usize, items: Vec<(usize, Option<String>)> },
    Strange,
}

impl Place {
    /// Its values that are texts.
    pub(super) fn values(&self) -> Vec<&str> {
        match self {
            Self::Attribute { value, .. } | Self::Text { value, .. } if value.is_empty() => Vec::new(),
            Self::Attribute { value, .. } | Self::Text { value, .. } => vec![value],
            Self::List { items, .. } => items.iter().filter_map(|(_, value)| value.as_deref()).collect(),
            Self::Strange => Vec::new(),
        }
    }
}

/// The element `rdf:RDF`: the root, or in the root. `None` if the root is an empty `x:xmpmeta`.
pub(super) fn rdf(tree: &Tree) -> Result<Option<usize>, XmpError> {
    let root = tree.elements.first().ok_or(XmpError::NotXmp { what: "it has no element" })?;
    if tree.is(0, RDF, "RDF") {
        return Ok(Some(0));
    }
    let mut inside = root.children.iter().copied().filter(|&child| tree.is(child, RDF, "RDF"));
    match (inside.next(), inside.next()) {
        (Some(_), Some(_)) => Err(XmpError::NotXmp { what: "it has two rdf:RDF" }),
        (Some(rdf), None) => Ok(Some(rdf)),
        (None, _) if tree.is(0, "adobe:ns:meta/", "xmpmeta") || tree.is(0, "adobe:ns:meta/", "xapmeta") => Ok(None),
        (None, _) => Err(XmpError::NotXmp { what: "it has no rdf:RDF" }),
    }
}

/// The Descriptions that hold properties.
pub(super) fn descriptions(tree: &Tree, rdf: Option<usize>) -> impl Iterator<Item = usize> {
    let children = rdf.map_or(&[][..], |rdf| &tree.elements[rdf].children);
    children.iter().copied().filter(|&child| tree.is(child, RDF, "Description"))
}

/// Everywhere that a property stands, in the document's order.
pub(super) fn places(tree: &Tree, rdf: Option<usize>, field: &Field) -> Vec<Place> {
    let mut places = Vec::new();
    for description in descriptions(tree, rdf) {
        if let Some(attribute) = tree.attribute(description, field.uris, field.local) {
            places.push(Place::Attribute { whole: attribute.whole.clone(), value: tree.value(attribute) });
        }
        for &element in &tree.elements[description].children {
            if tree.is_one_of(element, field.uris, field.local) {
                places.push(place(tree, element, field));
            }
        }
    }
    places
}

fn place(tree: &Tree, element: usize, field: &Field) -> Place {
    if let Some(value) = tree.content_text(element) {
        return Place::Text { element, value };
    }
    let [list] = tree.elements[element].children[..] else { return Place::Strange };
    if !["Bag", "Seq", "Alt"].iter().any(|kind| tree.is(list, RDF, kind)) {
        return Place::Strange;
    }
    let items = tree.elements[list].children.iter().filter(|&&item| {
        let (uri, local) = tree.name(item);
        uri == RDF && (local == "li" || local.starts_with('_'))
    });
    Place::List { element, list, items: items.map(|&item| (item, (field.value)(tree, item))).collect() }
}

/// The one value of a simple property.
pub(super) fn simple(tree: &Tree, rdf: Option<usize>, uris: &[&str], local: &str) -> Option<String> {
    descriptions(tree, rdf).find_map(|description| {
        let attribute = tree.attribute(description, uris, local).map(|attribute| tree.value(attribute));
        let in_element = |&element: &usize| tree.is_one_of(element, uris, local).then(|| word(tree, element))?;
        attribute.or_else(|| tree.elements[description].children.iter().find_map(in_element))
    })
}

/// The text of an element: directly, or as `rdf:value` where it has qualifiers (XMP specification part 1, 7.8).
pub(super) fn word(tree: &Tree, element: usize) -> Option<String> {
    if let Some(value) = tree.attribute(element, &[RDF], "value") {
        return Some(tree.value(value));
    }
    if let Some(text) = tree.content_text(element) {
        return Some(text);
    }
    let children = &tree.elements[element].children;
    if let [description] = children[..]
        && tree.is(description, RDF, "Description")
        && let Some(value) = tree.attribute(description, &[RDF], "value")
    {
        return Some(tree.value(value));
    }
    let inner = match children[..] {
        [description] if tree.is(description, RDF, "Description") => &tree.elements[description].children,
        _ => children,
    };
    inner.iter().find(|&&child| tree.is(child, RDF, "value")).and_then(|&value| tree.content_text(value))
}

fn word_item(word: &str, rdf: &str, _prefix: &str) -> String {
    format!("<{rdf}li>{}</{rdf}li>", escaped(word))
}

/// Text as it stands between tags, or between double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Written as they are, a reader would turn them into spaces or line feeds.
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out
}

/// Whether XML 1.0 can hold every character of a text.
pub(super) fn is_writable(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..))
}
