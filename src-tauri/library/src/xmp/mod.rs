//! Keywords in XMP documents: read in every form that programs write, and changed without touching anything else.
//!
//! A sidecar belongs to many programs: it can hold develop settings, edit histories, ratings. So a document is never
//! written anew from a model of it. It is read into elements that know their places (`tree.rs`, with quick-xml), the
//! properties that hold keywords are found (`properties.rs`), and the text is spliced at those places (`splice.rs`):
//! every other byte stays, down to quotes and white space. Properties that the document does not have yet go into a
//! Description of our own, as ExifTool writes one per namespace, and leave with it. So machine tags that are written and
//! taken out again leave the bytes that were there before; only where a list was there already but empty, or was a text
//! instead of a list, does it not come back in that form.
//!
//! Follows the XMP specification, part 1 (ISO 16684-1:2019), and for names and separators what ExifTool, Lightroom,
//! digiKam, Windows and Media Pro write; `tests/library/sidecars.rs` asks ExifTool.

mod categories;
mod embedded;
mod encoding;
mod error;
mod machine;
mod properties;
mod splice;
mod tree;

pub use embedded::{embedded_keywords, embedded_packet};
pub use error::XmpError;
pub(crate) use machine::date_text;
pub use machine::{MachineTag, NAMESPACE, ROOT};

use encoding::Encoding;
use machine::SUGGESTIONS;
use properties::{ACDSEE, Field, HIERARCHICAL, MEDIAPRO, MICROSOFT, SUBJECT, TAGS_LIST, XMP_BASIC};
use tree::Tree;

/// The largest document that is read, in bytes. Darktable's longest histories take some hundred kilobytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// Keywords as the lists of a document hold them, separators and all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keywords {
    /// `dc:subject`: words.
    pub subject: Vec<String>,
    /// `lr:hierarchicalSubject`: paths with `|`.
    pub hierarchical: Vec<String>,
    /// `digiKam:TagsList`: paths with `/`.
    pub tags_list: Vec<String>,
    /// `MicrosoftPhoto:LastKeywordXMP`: paths with `/`.
    pub microsoft: Vec<String>,
    /// `mediapro:CatalogSets`: paths with `|`.
    pub mediapro: Vec<String>,
}

impl Keywords {
    /// The lists with the properties that hold them.
    fn lists(&self) -> [(&'static Field, &Vec<String>); 5] {
        [
            (&SUBJECT, &self.subject),
            (&HIERARCHICAL, &self.hierarchical),
            (&TAGS_LIST, &self.tags_list),
            (&MICROSOFT, &self.microsoft),
            (&MEDIAPRO, &self.mediapro),
        ]
    }

    /// The lists with their separators; words have `|` where they have any, as Darktable reads them.
    pub(crate) fn lists_mut(&mut self) -> [(&mut Vec<String>, char); 5] {
        [
            (&mut self.subject, '|'),
            (&mut self.hierarchical, '|'),
            (&mut self.tags_list, '/'),
            (&mut self.microsoft, '/'),
            (&mut self.mediapro, '|'),
        ]
    }

    /// Takes out everything under the root of machine tags.
    pub fn remove_machine_tags(&mut self, root: &str) {
        for (list, separator) in self.lists_mut() {
            list.retain(|keyword| !is_under(keyword, root, separator));
        }
    }
}

/// Whether a keyword is a root or under it.
pub(crate) fn is_under(keyword: &str, root: &str, separator: char) -> bool {
    keyword.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

/// An XMP document.
#[derive(Debug)]
pub struct Xmp {
    tree: Tree,
    encoding: Encoding,
    rdf: Option<usize>,
}

impl Xmp {
    /// Reads a document; anything but well-formed XMP is refused by name.
    pub fn parse(bytes: &[u8]) -> Result<Self, XmpError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(XmpError::TooLarge { bytes: bytes.len() as u64, limit: MAX_BYTES });
        }
        let (text, encoding) = Encoding::decode(bytes)?;
        let tree = Tree::parse(text, encoding)?;
        let rdf = properties::rdf(&tree)?;
        Ok(Self { tree, encoding, rdf })
    }

    /// A document that says nothing yet, as a new sidecar begins.
    pub fn blank() -> Self {
        Self::parse(BLANK.as_bytes()).expect("the blank document is XMP, as a test shows")
    }

    /// The document's text.
    pub fn text(&self) -> &str {
        &self.tree.text
    }

    /// Its keywords, list by list. Items that are no texts are left out; so are lists of unknown forms.
    pub fn keywords(&self) -> Keywords {
        let values = |field| self.values(field);
        Keywords {
            subject: values(&SUBJECT),
            hierarchical: values(&HIERARCHICAL),
            tags_list: values(&TAGS_LIST),
            microsoft: values(&MICROSOFT),
            mediapro: values(&MEDIAPRO),
        }
    }

    /// What models suggested, as Cliploupe wrote it. An entry that makes no sense any more is left out.
    pub fn machine_tags(&self) -> Vec<MachineTag> {
        self.values(&SUGGESTIONS).iter().filter_map(|record| MachineTag::from_record(record)).collect()
    }

    /// `xmp:Rating`: -1 (rejected) to 5.
    pub fn rating(&self) -> Option<i8> {
        let rating: f64 = properties::simple(&self.tree, self.rdf, XMP_BASIC, "Rating")?.trim().parse().ok()?;
        (-1.0..=5.0).contains(&rating).then_some(rating.round() as i8)
    }

    /// ACDSee's assigned categories, as paths with `/`; they are read, and never written.
    pub fn categories(&self) -> Vec<String> {
        let text = properties::simple(&self.tree, self.rdf, ACDSEE, "categories");
        text.map(|text| categories::assigned(&text)).unwrap_or_default()
    }

    /// The document with these keywords and machine tags in place of its own; the very same bytes where nothing changes.
    ///
    /// The result is read again and holds exactly what was asked for, or this fails.
    pub fn with(&self, keywords: &Keywords, machine: &[MachineTag]) -> Result<Vec<u8>, XmpError> {
        let records: Vec<String> = machine.iter().map(MachineTag::record).collect();
        let mut wanted: Vec<(&Field, &[String])> = vec![(&SUGGESTIONS, &records)];
        wanted.extend(keywords.lists().map(|(field, list)| (field, list.as_slice())));
        Ok(self.encoding.encode(&splice::splice(self, &wanted)?))
    }

    /// The document with these keywords; machine tags' list stays.
    pub fn with_keywords(&self, keywords: &Keywords) -> Result<Vec<u8>, XmpError> {
        let wanted = keywords.lists().map(|(field, list)| (field, list.as_slice()));
        Ok(self.encoding.encode(&splice::splice(self, &wanted)?))
    }

    /// The document without anything that a model said: the keywords under the root, and their list.
    pub fn without_machine_tags(&self, root: &str) -> Result<Vec<u8>, XmpError> {
        let mut keywords = self.keywords();
        keywords.remove_machine_tags(root);
        self.with(&keywords, &[])
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let places = properties::places(&self.tree, self.rdf, field);
        places.iter().flat_map(|place| place.values()).map(str::to_owned).collect()
    }
}

/// The packet wrapper is what XMP's specification asks for in files; sidecars of Adobe's and of ExifTool have it too.
const BLANK: &str = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>
<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"Cliploupe\">
 <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">
  <rdf:Description rdf:about=\"\"
    xmlns:cliploupe=\"https://cliploupe.org/ns/1.0/\"
    xmlns:dc=\"http://purl.org/dc/elements/1.1/\"
    xmlns:digiKam=\"http://www.digikam.org/ns/1.0/\"
    xmlns:lr=\"http://ns.adobe.com/lightroom/1.0/\">
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end=\"w\"?>
";
