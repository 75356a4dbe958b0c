//! A document as elements that know where they stand in its text, so that a change can touch only what it must.

use super::{XmpError, encoding::Encoding};
use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesRef, Event},
};
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

/// Deepest nesting; real sidecars stay below twenty.
pub(super) const DEEPEST: usize = 100;
/// Most elements and attributes; the longest edit histories have some ten thousand.
pub(super) const MOST_NODES: usize = 400_000;

/// Names of the RDF vocabulary.
pub(super) const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// The number of no namespace among [`Tree::uris`].
const NO_NAMESPACE: u32 = 0;

/// A name with the namespace that its prefix stands for.
#[derive(Debug, Clone)]
struct Name {
    uri: u32,
    local: Range<usize>,
}

/// An element.
#[derive(Debug)]
pub(super) struct Element {
    name: Name,
    /// The element around it.
    pub parent: Option<usize>,
    /// The elements in it.
    pub children: Vec<usize>,
    /// From the `<` of its start to behind the `>` of its end.
    pub whole: Range<usize>,
    /// What is between its start and its end; empty, at the end of it, where it closes itself.
    pub content: Range<usize>,
    /// Whether it is written `<name/>`.
    pub is_closed: bool,
    /// Its attributes, without namespace declarations.
    pub attributes: Vec<Attribute>,
    /// Prefix and number of the namespace.
    declares: Vec<(String, u32)>,
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    name: Name,
    /// With the white space before it.
    pub whole: Range<usize>,
    /// Between the quotes.
    value: Range<usize>,
}

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    pub text: String,
    pub elements: Vec<Element>,
    uris: Vec<String>,
}

impl Tree {
    /// Reads a document whole. Its first element is the root.
    pub(super) fn parse(text: String, encoding: Encoding) -> Result<Self, XmpError> {
        // The reader would drop a second byte order mark without counting it.
        if text.starts_with('\u{feff}') {
            return Err(XmpError::Malformed { at: 0, what: "two byte order marks" });
        }
        let mut growing = Growing::of(&text);
        growing.bind("xml", XML);
        growing.bind("xmlns", XMLNS);
        growing.read(encoding)?;
        let mut tree = growing.tree;
        tree.text = text;
        Ok(tree)
    }

    /// Whether an element has this name.
    pub(super) fn is(&self, element: usize, uri: &str, local: &str) -> bool {
        self.has_name(&self.elements[element].name, &[uri], local)
    }

    /// Whether an element has this name in one of these namespaces.
    pub(super) fn is_one_of(&self, element: usize, uris: &[&str], local: &str) -> bool {
        self.has_name(&self.elements[element].name, uris, local)
    }

    fn has_name(&self, name: &Name, uris: &[&str], local: &str) -> bool {
        &self.text[name.local.clone()] == local && uris.contains(&self.uris[name.uri as usize].as_str())
    }

    /// An element's namespace and local name.
    pub(super) fn name(&self, element: usize) -> (&str, &str) {
        let name = &self.elements[element].name;
        (&self.uris[name.uri as usize], &self.text[name.local.clone()])
    }

    /// An element's name with its prefix, as written.
    pub(super) fn tag(&self, element: usize) -> &str {
        let start = self.elements[element].whole.start + 1;
        let name = &self.elements[element].name;
        &self.text[start..name.local.end]
    }

    /// Whether an attribute has this name in one of these namespaces.
    pub(super) fn is_attribute(&self, attribute: &Attribute, uris: &[&str], local: &str) -> bool {
        self.has_name(&attribute.name, uris, local)
    }

    /// The attribute of an element by name.
    pub(super) fn attribute(&self, element: usize, uris: &[&str], local: &str) -> Option<&Attribute> {
        self.elements[element].attributes.iter().find(|attribute| self.is_attribute(attribute, uris, local))
    }

    /// An attribute's value with its references resolved.
    pub(super) fn value(&self, attribute: &Attribute) -> String {
        // Checked when the document was read.
        attribute_value(&self.text[attribute.value.clone()]).unwrap_or_default()
    }

    /// The text in an element that has no elements in it.
    pub(super) fn content_text(&self, element: usize) -> Option<String> {
        let element = &self.elements[element];
        element.children.is_empty().then(|| text_of(&self.text[element.content.clone()]))?
    }

    /// White space directly before an element.
    pub(super) fn space_before(&self, element: usize) -> &str {
        let before = &self.text[..self.elements[element].whole.start];
        &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..]
    }

    /// An element with the white space before it.
    pub(super) fn with_space(&self, element: usize) -> Range<usize> {
        let whole = &self.elements[element].whole;
        whole.start - self.space_before(element).len()..whole.end
    }

    /// Whether an element itself declares one of these namespaces.
    pub(super) fn declares(&self, element: usize, uri: &str) -> bool {
        self.elements[element].declares.iter().any(|(_, declared)| self.uris[*declared as usize] == uri)
    }

    /// A prefix that stands for one of these namespaces in an element; "" is the default namespace.
    pub(super) fn prefix(&self, element: usize, uris: &[&str], may_be_default: bool) -> Option<&str> {
        let mut hidden = HashSet::new();
        let mut at = Some(element);
        while let Some(element) = at {
            for (prefix, uri) in &self.elements[element].declares {
                let is_wanted =
                    uris.contains(&self.uris[*uri as usize].as_str()) && (may_be_default || !prefix.is_empty());
                if hidden.insert(prefix.as_str()) && is_wanted {
                    return Some(prefix);
                }
            }
            at = self.elements[element].parent;
        }
        None
    }
}

/// The state of reading.
struct Growing<'t> {
    tree: Tree,
    text: &'t str,
    open: Vec<usize>,
    /// What each prefix stands for, innermost last.
    bindings: HashMap<String, Vec<u32>>,
    numbers: HashMap<String, u32>,
    nodes: usize,
}

impl<'t> Growing<'t> {
    fn of(text: &'t str) -> Self {
        let tree = Tree { text: String::new(), elements: Vec::new(), uris: vec![String::new()] };
        let numbers = HashMap::from([(String::new(), NO_NAMESPACE)]);
        Self { tree, text, open: Vec::new(), bindings: HashMap::new(), numbers, nodes: 0 }
    }

    fn read(&mut self, encoding: Encoding) -> Result<(), XmpError> {
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = false;
        loop {
            let from = reader.buffer_position() as usize;
            let event = reader.read_event();
            let event = event.map_err(|source| XmpError::Xml { at: reader.error_position(), source })?;
            let to = reader.buffer_position() as usize;
            match event {
                Event::Start(start) => self.start(from..to, start.name().as_ref().len(), false)?,
                Event::Empty(start) => self.start(from..to, start.name().as_ref().len(), true)?,
                Event::End(_) => self.end(from..to),
                Event::Text(text) if self.open.is_empty() => {
                    // Packets taken out of files can end in zeros.
                    if !text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\0')) {
                        return Err(XmpError::Malformed { at: from, what: "text outside the root element" });
                    }
                }
                Event::CData(_) | Event::GeneralRef(_) if self.open.is_empty() => {
                    return Err(XmpError::Malformed { at: from, what: "text outside the root element" });
                }
                Event::GeneralRef(reference) => {
                    resolve(&reference).ok_or(XmpError::Malformed { at: from, what: "an unknown entity" })?;
                }
                Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(XmpError::DocumentType),
                Event::Decl(declaration) => {
                    let declared = declaration.encoding().and_then(Result::ok).unwrap_or_default();
                    if !declared.is_empty() && !encoding.is_called(&declared) {
                        return Err(XmpError::UnknownEncoding { encoding: declared.into_owned() });
                    }
                }
                Event::Eof => break,
            }
        }
        if !self.open.is_empty() {
            return Err(XmpError::Malformed { at: self.text.len(), what: "an element that does not end" });
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), XmpError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES { Err(XmpError::TooMany { limit: MOST_NODES }) } else { Ok(()) }
    }

    fn bind(&mut self, prefix: &str, uri: &str) -> u32 {
        let uris = &mut self.tree.uris;
        let uri = *self.numbers.entry(uri.to_owned()).or_insert_with(|| {
            uris.push(uri.to_owned());
            uris.len() as u32 - 1
        });
        self.bindings.entry(prefix.to_owned()).or_default().push(uri);
        uri
    }

    fn start(&mut self, tag: Range<usize>, name_length: usize, is_closed: bool) -> Result<(), XmpError> {
        self.count()?;
        if self.open.len() >= DEEPEST {
            return Err(XmpError::TooDeep { limit: DEEPEST });
        }
        if self.open.is_empty() && !self.tree.elements.is_empty() {
            return Err(XmpError::Malformed { at: tag.start, what: "two root elements" });
        }
        if name_length == 0 {
            return Err(XmpError::Malformed { at: tag.start, what: "an element without a name" });
        }
        let name = tag.start + 1..tag.start + 1 + name_length;
        let attributes = self.raw_attributes(name.end..tag.end - if is_closed { 2 } else { 1 })?;
        let mut declares = Vec::new();
        for raw in &attributes {
            if let Some(prefix) = declared_prefix(&self.text[raw.name.clone()]) {
                let uri = attribute_value(&self.text[raw.value.clone()]).unwrap_or_default();
                declares.push((prefix.to_owned(), self.bind(prefix, &uri)));
            }
        }
        let name = self.resolve_name(name, true)?;
        let is_attribute = |raw: &&RawAttribute| declared_prefix(&self.text[raw.name.clone()]).is_none();
        let attributes = attributes.iter().filter(is_attribute).map(|raw| {
            let name = self.resolve_name(raw.name.clone(), false)?;
            Ok(Attribute { name, whole: raw.whole.clone(), value: raw.value.clone() })
        });
        let attributes = attributes.collect::<Result<_, XmpError>>()?;
        let number = self.tree.elements.len();
        let parent = self.open.last().copied();
        if let Some(parent) = parent {
            self.tree.elements[parent].children.push(number);
        }
        let content = tag.end..tag.end;
        let children = Vec::new();
        self.tree.elements.push(Element {
            name,
            parent,
            children,
            whole: tag,
            content,
            is_closed,
            attributes,
            declares,
        });
        if is_closed {
            self.unbind(number);
        } else {
            self.open.push(number);
        }
        Ok(())
    }

    fn end(&mut self, tag: Range<usize>) {
        // The reader has checked that the names agree.
        if let Some(number) = self.open.pop() {
            let element = &mut self.tree.elements[number];
            element.content.end = tag.start;
            element.whole.end = tag.end;
            self.unbind(number);
        }
    }

    fn unbind(&mut self, element: usize) {
        for (prefix, _) in &self.tree.elements[element].declares {
            if let Some(uris) = self.bindings.get_mut(prefix) {
                uris.pop();
            }
        }
    }

    fn resolve_name(&self, name: Range<usize>, is_element: bool) -> Result<Name, XmpError> {
        let text = &self.text[name.clone()];
        let (prefix, local) = match text.split_once(':') {
            Some((prefix, local)) => (prefix, name.end - local.len()..name.end),
            None => ("", name.clone()),
        };
        // A name without prefix is in the default namespace, but an attribute's is in none.
        if prefix.is_empty() && !is_element {
            return Ok(Name { uri: NO_NAMESPACE, local });
        }
        match self.bindings.get(prefix).and_then(|uris| uris.last()) {
            Some(&uri) => Ok(Name { uri, local }),
            None if prefix.is_empty() => Ok(Name { uri: NO_NAMESPACE, local }),
            None => Err(XmpError::Malformed { at: name.start, what: "a prefix without a namespace" }),
        }
    }

    /// Cuts what stands behind a name in a start tag into attributes, and checks their values.
    fn raw_attributes(&mut self, range: Range<usize>) -> Result<Vec<RawAttribute>, XmpError> {
        let mut attributes: Vec<RawAttribute> = Vec::new();
        let mut names = HashSet::new();
        let mut at = range.start;
        while let Some(attribute) = RawAttribute::next(self.text, at..range.end)? {
            self.count()?;
            let malformed = |what| Err(XmpError::Malformed { at: attribute.name.start, what });
            if !names.insert(&self.text[attribute.name.clone()]) {
                return malformed("an attribute that is there twice");
            }
            if attribute_value(&self.text[attribute.value.clone()]).is_none() {
                return malformed("an attribute with a bad value");
            }
            at = attribute.whole.end;
            attributes.push(attribute);
        }
        Ok(attributes)
    }
}

/// Where the parts of an attribute stand.
struct RawAttribute {
    whole: Range<usize>,
    name: Range<usize>,
    value: Range<usize>,
}

impl RawAttribute {
    /// The first one in a range; `None` if there is only white space.
    fn next(text: &str, range: Range<usize>) -> Result<Option<Self>, XmpError> {
        let rest = &text[range.clone()];
        let bare = rest.trim_start_matches(WHITE);
        if bare.is_empty() {
            return Ok(None);
        }
        let malformed = || XmpError::Malformed { at: range.start, what: "a bad attribute" };
        let start = range.end - bare.len();
        let name_length = bare.find(|c| WHITE.contains(&c) || c == '=').ok_or_else(malformed)?;
        let value = bare[name_length..].trim_start_matches(WHITE).strip_prefix('=').ok_or_else(malformed)?;
        let value = value.trim_start_matches(WHITE);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(malformed)?;
        let length = value[1..].find(quote).ok_or_else(malformed)?;
        if start == range.start || name_length == 0 || bare[..name_length].contains(['<', '"', '\'', '&', '/']) {
            return Err(malformed());
        }
        let value_start = range.end - value.len() + 1;
        Ok(Some(Self {
            whole: range.start..value_start + length + 1,
            name: start..start + name_length,
            value: value_start..value_start + length,
        }))
    }
}

const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The prefix that an attribute of this name declares.
fn declared_prefix(name: &str) -> Option<&str> {
    if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") }
}

/// An attribute's value with white space normalised and references resolved; `None` if it is not well-formed.
fn attribute_value(raw: &str) -> Option<String> {
    if raw.contains('<') {
        return None;
    }
    let spaced = raw.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
    unescape(&spaced).ok().map(|value| value.into_owned())
}

/// Text between two tags without markup in it; `None` if an element is in it.
fn text_of(content: &str) -> Option<String> {
    let mut reader = Reader::from_str(content);
    // The reader takes a byte order mark off the front, but here it is a character.
    let mut text = String::from(if content.starts_with('\u{feff}') { "\u{feff}" } else { "" });
    loop {
        match reader.read_event().ok()? {
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)?),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return Some(text),
            _ => return None,
        }
    }
}

/// What a reference stands for: a character by number, or one of XML's own five.
fn resolve(reference: &BytesRef) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Tree, XmpError> {
        Tree::parse(text.to_owned(), Encoding::Utf8 { has_mark: false })
    }

    #[test]
    fn names_follow_the_nearest_declaration() {
        let tree = parse(r#"<a xmlns="u" xmlns:p="v"><p:b xmlns:p="w" q="1" p:q="2"/><p:c/></a>"#).unwrap();
        let names: Vec<_> = (0..3).map(|element| tree.name(element)).collect();
        assert_eq!(names, [("u", "a"), ("w", "b"), ("v", "c")]);
        assert_eq!(tree.attribute(1, &["w"], "q").map(|found| tree.value(found)), Some("2".into()));
        assert_eq!(tree.attribute(1, &[""], "q").map(|found| tree.value(found)), Some("1".into()));
        assert_eq!((tree.prefix(1, &["v"], true), tree.prefix(2, &["v"], true)), (None, Some("p")));
        assert_eq!((tree.prefix(1, &["u"], true), tree.prefix(1, &["u"], false)), (Some(""), None));
    }

    #[test]
    fn text_is_read_through_references_sections_and_comments() {
        let tree = parse("<a>x&amp;&#x41;<!-- no --><![CDATA[<&]]>\r\n</a>").unwrap();
        assert_eq!(tree.content_text(0).as_deref(), Some("x&A<&\n"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let bad = [
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "text<a/>",
            "<a/>text",
            "<a b=1/>",
            "<a b='1' b='2'/>",
            "<a b='<'/>",
            "<a b='&x;'/>",
            "<a>&x;</a>",
            "<p:a/>",
            "<a p:b=''/>",
            "<a b='1'c='2'/>",
            "<a>&#0;</a>",
            "&amp;<a/>",
            "<a b/>",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>"#;
        assert!(matches!(parse(bomb), Err(XmpError::DocumentType)));
        assert!(matches!(parse("<?xml version='1.0' encoding='latin1'?><a/>"), Err(XmpError::UnknownEncoding { .. })));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = |count| format!("{}{}", "<a>".repeat(count), "</a>".repeat(count));
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert!(matches!(parse(&deep(DEEPEST + 1)), Err(XmpError::TooDeep { .. })));
        let wide = format!("<r>{}</r>", "<a/>".repeat(MOST_NODES));
        assert!(matches!(parse(&wide), Err(XmpError::TooMany { .. })));
    }
}
