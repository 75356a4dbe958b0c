//! Why a document is not taken, or not changed.

/// What is wrong with an XMP document, or with what it should say.
#[derive(Debug, thiserror::Error)]
pub enum XmpError {
    /// Larger than any sidecar is.
    #[error("it has {bytes} bytes; XMP of more than {limit} is not read")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// More elements and attributes than any sidecar has.
    #[error("it has more than {limit} elements and attributes")]
    TooMany {
        /// The most that is read.
        limit: usize,
    },
    /// Elements in elements in elements.
    #[error("its elements are nested more than {limit} deep")]
    TooDeep {
        /// The deepest that is read.
        limit: usize,
    },
    /// Bytes that are no text of the encoding that they should have.
    #[error("it is not text in {encoding}")]
    Encoding {
        /// The encoding.
        encoding: String,
    },
    /// An encoding that is not read.
    #[error("it is in the encoding {encoding}; only UTF-8 and UTF-16 are read")]
    UnknownEncoding {
        /// What it says, or what its first bytes look like.
        encoding: String,
    },
    /// A document type, which could define entities that explode or read other files.
    #[error("it has a document type definition, which XMP never has")]
    DocumentType,
    /// Not XML.
    #[error("it is not well-formed XML at character {at}")]
    Xml {
        /// Byte in the document, of its text in UTF-8.
        at: u64,
        /// Why.
        source: quick_xml::Error,
    },
    /// Not XML, in a way that the XML reader does not tell.
    #[error("it is not well-formed XML at character {at}: {what}")]
    Malformed {
        /// Byte in the document, of its text in UTF-8.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// XML, but not XMP.
    #[error("it is XML but not XMP: {what}")]
    NotXmp {
        /// What is missing or doubled.
        what: &'static str,
    },
    /// A list of keywords has a form that cannot be changed without losing something.
    #[error("its {property} is neither a list nor a text, and is left alone")]
    StrangeProperty {
        /// Such as `dc:subject`.
        property: String,
    },
    /// What was written would not be read back as it was meant, because of how the document binds prefixes.
    #[error("its namespaces are declared in a way that keeps keywords from being written into it")]
    Namespaces,
    /// XML cannot hold it.
    #[error("{text:?} has a character that XML cannot hold")]
    Character {
        /// The keyword.
        text: String,
    },
}
