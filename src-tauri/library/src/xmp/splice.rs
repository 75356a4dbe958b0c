//! Changes lists in a document's text, and nothing else in it.

use super::{
    NAMESPACE, Xmp, XmpError,
    properties::{Field, Place, descriptions, escaped, is_writable, places, rdf},
    tree::{RDF, Tree},
};
use std::{collections::HashMap, ops::Range};

/// The text with these lists in place of its own. A list that is already as wanted is not touched.
pub(super) fn splice(xmp: &Xmp, wanted: &[(&Field, &[String])]) -> Result<String, XmpError> {
    let mut splicer = Splicer { tree: &xmp.tree, rdf: xmp.rdf, edits: Vec::new(), new: Vec::new() };
    for (field, list) in wanted {
        if let Some(text) = list.iter().find(|text| !text.split('\0').all(is_writable)) {
            return Err(XmpError::Character { text: text.clone() });
        }
        splicer.list(field, list)?;
    }
    splicer.new_properties();
    if splicer.edits.is_empty() {
        return Ok(xmp.tree.text.clone());
    }
    let text = without_empty_description(apply(&xmp.tree.text, splicer.edits), xmp)?;
    is_as_wanted(&text, xmp, wanted)?.then_some(text).ok_or(XmpError::Namespaces)
}

/// Reads a changed document again: prefixes can be bound in ways that no real program writes.
fn is_as_wanted(text: &str, before: &Xmp, wanted: &[(&Field, &[String])]) -> Result<bool, XmpError> {
    let tree = Tree::parse(text.to_owned(), before.encoding)?;
    let rdf = rdf(&tree)?;
    let holds = |(field, list): &(&Field, &[String])| {
        places(&tree, rdf, field).iter().flat_map(Place::values).eq(list.iter().map(String::as_str))
    };
    Ok(wanted.iter().all(holds))
}

type Edit = (Range<usize>, String);

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        out.push_str(&text[at..range.start]);
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

struct Splicer<'x> {
    tree: &'x Tree,
    rdf: Option<usize>,
    edits: Vec<Edit>,
    /// Properties that have no place yet.
    new: Vec<(&'x Field, &'x [String])>,
}

/// A list in the document: the element of the property, the list's own, and its items.
struct List {
    property: usize,
    list: usize,
    items: Vec<(usize, Option<String>)>,
}

impl<'x> Splicer<'x> {
    fn list(&mut self, field: &'x Field, wanted: &'x [String]) -> Result<(), XmpError> {
        let places = places(self.tree, self.rdf, field);
        if places.iter().flat_map(Place::values).eq(wanted.iter().map(String::as_str)) {
            return Ok(());
        }
        let mut lists = Vec::new();
        let mut texts = Vec::new();
        for place in places {
            match place {
                Place::Strange => {
                    return Err(XmpError::StrangeProperty { property: format!("{}:{}", field.prefix, field.local) });
                }
                Place::Attribute { whole, .. } => self.edits.push((whole, String::new())),
                Place::Text { element, .. } => texts.push(element),
                Place::List { element: property, list, items } => lists.push(List { property, list, items }),
            }
        }
        if !lists.is_empty() {
            self.lists(field, &lists, wanted);
        } else if let (Some(&first), false) = (texts.first(), wanted.is_empty()) {
            // A text cannot hold several values, so a list takes its place.
            texts.remove(0);
            let parent = self.tree.elements[first].parent.unwrap_or(0);
            let text = self.property(parent, field, wanted, self.tree.space_before(first));
            self.edits.push((self.tree.elements[first].whole.clone(), text));
        } else if !wanted.is_empty() {
            self.new.push((field, wanted));
        }
        texts.into_iter().for_each(|text| self.remove(text));
        Ok(())
    }

    /// Changes lists item by item: what stays stays where it is, and what is new follows what it should follow.
    fn lists(&mut self, field: &Field, lists: &[List], wanted: &[String]) {
        let is_text = |(_, value): &&(usize, Option<String>)| value.is_some();
        let items: Vec<_> = lists.iter().flat_map(|list| list.items.iter().filter(is_text)).collect();
        let stays =
            common(&items.iter().map(|(_, value)| value.as_deref().unwrap_or_default()).collect::<Vec<_>>(), wanted);
        let mut after: Option<usize> = None;
        let mut first = Vec::new();
        let mut following: HashMap<usize, Vec<&str>> = HashMap::new();
        for (word, item) in wanted.iter().zip(&stays) {
            match (item, after) {
                (Some(item), _) => after = Some(items[*item].0),
                (None, Some(after)) => following.entry(after).or_default().push(word),
                (None, None) => first.push(word.as_str()),
            }
        }
        let kept: Vec<usize> = stays.iter().flatten().map(|&item| items[item].0).collect();
        for (number, list) in lists.iter().enumerate() {
            let gets_first = number == 0 && !first.is_empty();
            let keeps = |item: &usize| kept.binary_search(item).is_ok();
            // A list of which nothing would be left goes as a whole, and with it its property.
            if !gets_first && list.items.iter().all(|(item, value)| value.is_some() && !keeps(item)) {
                self.remove(list.property);
                continue;
            }
            if gets_first {
                self.insert_first(field, list, &first);
            }
            for (item, _) in list.items.iter().filter(|(item, value)| value.is_some() && !keeps(item)) {
                self.remove(*item);
            }
            for (item, _) in &list.items {
                if let Some(words) = following.get(item) {
                    let text = self.items(list.property, field, words, self.tree.space_before(*item));
                    let end = self.tree.elements[*item].whole.end;
                    self.edits.push((end..end, text));
                }
            }
        }
    }

    fn insert_first(&mut self, field: &Field, list: &List, words: &[&str]) {
        let element = &self.tree.elements[list.list];
        let outer = self.tree.space_before(list.list);
        if element.is_closed {
            let inside = self.items(list.property, field, words, &deeper(outer, self.unit()));
            self.open(list.list, &format!("{inside}{}", last_line(outer)));
            return;
        }
        let space = match element.children.first() {
            Some(&child) => self.tree.space_before(child).to_owned(),
            None => deeper(outer, self.unit()),
        };
        let text = self.items(list.property, field, words, &space);
        self.edits.push((element.content.start..element.content.start, text));
    }

    /// Turns `<name/>` into a pair with content.
    fn open(&mut self, element: usize, content: &str) {
        let end = self.tree.elements[element].whole.end;
        self.edits.push((end - 2..end, format!(">{content}</{}>", self.tree.tag(element))));
    }

    fn remove(&mut self, element: usize) {
        self.edits.push((self.tree.with_space(element), String::new()));
    }

    /// Items with white space before each.
    fn items(&self, property: usize, field: &Field, words: &[&str], space: &str) -> String {
        let rdf = self.rdf_prefix(property);
        let prefix = self.tree.prefix(property, field.uris, false).unwrap_or(field.prefix);
        words.iter().map(|word| format!("{space}{}", (field.item)(word, &rdf, prefix))).collect()
    }

    /// RDF's prefix with its colon; empty where RDF is the default namespace.
    fn rdf_prefix(&self, element: usize) -> String {
        match self.tree.prefix(element, &[RDF], true) {
            Some("") => String::new(),
            Some(prefix) => format!("{prefix}:"),
            None => "rdf:".into(),
        }
    }

    /// A whole property, to stand in `parent` behind `space`. Its namespace is declared on itself where it is not yet.
    fn property(&self, parent: usize, field: &Field, words: &[String], space: &str) -> String {
        let known = self.tree.prefix(parent, field.uris, false);
        let rdf = self.rdf_prefix(parent);
        property(field, words, known, &rdf, (space, self.unit()))
    }

    /// One step of indentation: what Descriptions have more than their parent.
    fn unit(&self) -> &'x str {
        let description = descriptions(self.tree, self.rdf).next();
        let spaces = description.zip(self.rdf).map(|(description, rdf)| {
            (last_line(self.tree.space_before(description)), last_line(self.tree.space_before(rdf)))
        });
        let more = spaces.and_then(|(inner, outer)| {
            let (inner, outer) = (inner.trim_start_matches(['\r', '\n']), outer.trim_start_matches(['\r', '\n']));
            inner.strip_prefix(outer)
        });
        more.filter(|more| !more.is_empty()).unwrap_or(" ")
    }

    /// Puts new properties into our own Description, which is made if need be.
    fn new_properties(&mut self) {
        if self.new.is_empty() {
            return;
        }
        let own = descriptions(self.tree, self.rdf).find(|&description| self.tree.declares(description, NAMESPACE));
        match own {
            Some(own) => self.fill_own_description(own),
            None => self.make_description(),
        }
    }

    fn fill_own_description(&mut self, own: usize) {
        let element = &self.tree.elements[own];
        let outer = self.tree.space_before(own);
        let last = element.children.last().copied();
        let space = last.map_or_else(|| deeper(outer, self.unit()), |last| self.tree.space_before(last).to_owned());
        let properties: String =
            self.new.iter().map(|(field, words)| self.own_property(own, field, words, &space)).collect();
        if element.is_closed {
            self.open(own, &format!("{properties}{}", last_line(outer)));
        } else {
            let at = last.map_or(element.content.start, |last| self.tree.elements[last].whole.end);
            self.edits.push((at..at, properties));
        }
    }

    fn own_property(&self, own: usize, field: &Field, words: &[String], space: &str) -> String {
        format!("{space}{}", self.property(own, field, words, space))
    }

    fn make_description(&mut self) {
        let Some(rdf) = self.rdf else { return self.make_rdf() };
        let last = descriptions(self.tree, self.rdf).last();
        let element = &self.tree.elements[rdf];
        let space = match last {
            Some(last) => self.tree.space_before(last).to_owned(),
            // Without white space where RDF closes itself, so that it can be told and closed again.
            None if element.is_closed => String::new(),
            None => deeper(self.tree.space_before(rdf), " "),
        };
        let prefix = self.rdf_prefix(rdf);
        let about = last.and_then(|last| self.tree.attribute(last, &[RDF, ""], "about"));
        let about = about.map(|about| escaped(&self.tree.value(about))).unwrap_or_default();
        let about = format!("{prefix}about=\"{about}\"");
        let description = self.description(&prefix, &about, &space);
        if element.is_closed {
            return self.open(rdf, &description);
        }
        let at = last.map_or(element.content.start, |last| self.tree.elements[last].whole.end);
        self.edits.push((at..at, format!("{space}{description}")));
    }

    /// Our own Description with all new properties.
    fn description(&self, rdf: &str, about: &str, space: &str) -> String {
        let inner = deeper(space, self.unit());
        let known = |field: &Field| {
            if field.uris == [NAMESPACE] {
                return Some("cliploupe");
            }
            // Our own declaration hides an outer one of the same prefix.
            let rdf = self.rdf?;
            self.tree.prefix(rdf, field.uris, false).filter(|prefix| *prefix != "cliploupe")
        };
        let properties = self.new.iter().map(|(field, words)| {
            format!("{inner}{}", property(field, words, known(field), rdf, (&inner, self.unit())))
        });
        let properties: String = properties.collect();
        let end = last_line(space);
        format!("<{rdf}Description {about} xmlns:cliploupe=\"{NAMESPACE}\">{properties}{end}</{rdf}Description>")
    }

    /// A wrapper without `rdf:RDF` gets one.
    fn make_rdf(&mut self) {
        let description = self.description("rdf:", "rdf:about=\"\"", "\n  ");
        let rdf = format!("\n <rdf:RDF xmlns:rdf=\"{RDF}\">\n  {description}\n </rdf:RDF>\n");
        let root = &self.tree.elements[0];
        if root.is_closed {
            self.open(0, &rdf);
        } else {
            self.edits.push((root.content.start..root.content.start, rdf));
        }
    }
}

/// A property with its list: on lines of their own where white space has lines, in one line otherwise.
fn property(field: &Field, words: &[String], known: Option<&str>, rdf: &str, (space, unit): (&str, &str)) -> String {
    let space = last_line(space);
    let (prefix, declaration) = match known {
        Some(prefix) => (prefix, String::new()),
        None => (field.prefix, format!(" xmlns:{}=\"{}\"", field.prefix, field.uris[0])),
    };
    let (local, list) = (field.local, field.list);
    let (inner, innermost) = (deeper(space, unit), deeper(&deeper(space, unit), unit));
    let items: String = words.iter().map(|word| format!("{innermost}{}", (field.item)(word, rdf, prefix))).collect();
    format!("<{prefix}:{local}{declaration}>{inner}<{rdf}{list}>{items}{inner}</{rdf}{list}>{space}</{prefix}:{local}>")
}

/// White space from its last line break on; nothing where there is none.
fn last_line(space: &str) -> &str {
    match space.rfind('\n') {
        Some(at) if space[..at].ends_with('\r') => &space[at - 1..],
        Some(at) => &space[at..],
        None => "",
    }
}

/// The white space of one level further in.
fn deeper(space: &str, unit: &str) -> String {
    let line = last_line(space);
    if line.is_empty() { String::new() } else { format!("{line}{unit}") }
}

/// Which item each wanted word is, of a sequence that both have in common: greedy, so the longest where words were only
/// added or taken away.
fn common(items: &[&str], wanted: &[String]) -> Vec<Option<usize>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, item) in items.iter().enumerate() {
        places.entry(item).or_default().push(place);
    }
    let mut next = 0;
    let mut find = |word: &String| {
        let places = places.get(word.as_str())?;
        let place = *places.get(places.partition_point(|&place| place < next))?;
        next = place + 1;
        Some(place)
    };
    wanted.iter().map(&mut find).collect()
}

/// Takes out our own Description where nothing is left in it, and closes an `rdf:RDF` that was opened for it.
fn without_empty_description(text: String, before: &Xmp) -> Result<String, XmpError> {
    let tree = Tree::parse(text, before.encoding)?;
    let rdf = rdf(&tree)?;
    let is_empty = |&description: &usize| {
        let element = &tree.elements[description];
        tree.declares(description, NAMESPACE)
            && element.attributes.iter().all(|attribute| tree.is_attribute(attribute, &[RDF, ""], "about"))
            && tree.text[element.content.clone()].trim().is_empty()
    };
    let (Some(rdf), Some(empty)) = (rdf, descriptions(&tree, rdf).find(is_empty)) else { return Ok(tree.text) };
    let (element, parent) = (&tree.elements[empty], &tree.elements[rdf]);
    let edit = if element.whole == parent.content {
        (parent.content.start - 1..parent.whole.end, "/>".to_owned())
    } else {
        (tree.with_space(empty), String::new())
    };
    Ok(apply(&tree.text, vec![edit]))
}

#[cfg(test)]
mod tests {
    use super::super::{Keywords, MachineTag, ROOT};
    use super::*;

    /// What stands around the properties in a test's document.
    fn document(inside: &str) -> String {
        format!(
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n <rdf:RDF xmlns:rdf='{RDF}' xmlns:dc='http://purl.org/dc/elements/1.1/'>\n  \
             {inside}\n </rdf:RDF>\n</x:xmpmeta>"
        )
    }

    fn subject(words: &[&str]) -> Keywords {
        Keywords { subject: words.iter().map(|&word| word.into()).collect(), ..Keywords::default() }
    }

    fn with_subject(text: &str, words: &[&str]) -> String {
        let xmp = Xmp::parse(text.as_bytes()).unwrap();
        let keywords = Keywords { subject: subject(words).subject, ..xmp.keywords() };
        let changed = String::from_utf8(xmp.with_keywords(&keywords).unwrap()).unwrap();
        assert_eq!(Xmp::parse(changed.as_bytes()).unwrap().keywords(), keywords, "{changed}");
        changed
    }

    #[test]
    fn words_come_and_go_one_by_one() {
        let list = |items: &str| {
            document(&format!(
                "<rdf:Description rdf:about=''>\n   <dc:subject>\n<rdf:Bag>{items} <!-- end -->\n</rdf:Bag></dc:subject>\n  </rdf:Description>"
            ))
        };
        let text = list(
            "\n <rdf:li>a</rdf:li>\n <rdf:li xml:lang='en'>b</rdf:li><!-- of b -->\n <rdf:li><![CDATA[c]]></rdf:li>",
        );
        assert_eq!(with_subject(&text, &["a", "b", "c"]), text);
        let b_gone = list("\n <rdf:li>a</rdf:li><!-- of b -->\n <rdf:li><![CDATA[c]]></rdf:li>");
        assert_eq!(with_subject(&text, &["a", "c"]), b_gone);
        let around = list(
            "\n <rdf:li>0</rdf:li>\n <rdf:li>a</rdf:li>\n <rdf:li xml:lang='en'>b</rdf:li>\n <rdf:li>b&amp;</rdf:li><!-- of b -->\
             \n <rdf:li><![CDATA[c]]></rdf:li>\n <rdf:li>d</rdf:li>",
        );
        assert_eq!(with_subject(&text, &["0", "a", "b", "b&", "c", "d"]), around);
        assert_eq!(with_subject(&around, &["a", "b", "c"]), text);
        assert!(!with_subject(&text, &[]).contains("subject"));
    }

    #[test]
    fn every_form_of_a_property_is_read_and_changed() {
        let forms = [
            "<rdf:Description dc:subject='a' other='1' xmlns:dc='http://purl.org/dc/elements/1.1/'/>",
            "<rdf:Description><dc:subject>a</dc:subject></rdf:Description>",
            "<rdf:Description><dc:subject><rdf:Seq><rdf:li>a</rdf:li></rdf:Seq></dc:subject></rdf:Description>",
            "<rdf:Description><dc:subject><rdf:Alt><rdf:_1>a</rdf:_1></rdf:Alt></dc:subject></rdf:Description>",
            "<rdf:Description/><rdf:Description><d:subject xmlns:d='http://purl.org/dc/elements/1.1/'><rdf:Bag>\
             <rdf:li rdf:parseType='Resource'><rdf:value>a</rdf:value></rdf:li></rdf:Bag></d:subject></rdf:Description>",
            "<Description xmlns='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><dc:subject><Bag><li>a</li></Bag></dc:subject></Description>",
        ];
        for form in forms {
            let text = document(form);
            assert_eq!(Xmp::parse(text.as_bytes()).unwrap().keywords(), subject(&["a"]), "{form}");
            assert_eq!(with_subject(&text, &["a"]), text);
            with_subject(&text, &["a", "b"]);
            with_subject(&text, &["<b>"]);
            with_subject(&text, &[]);
        }
    }

    #[test]
    fn a_property_in_several_descriptions_is_one_list() {
        let text = document(
            "<rdf:Description><dc:subject><rdf:Bag><rdf:li>a</rdf:li></rdf:Bag></dc:subject></rdf:Description>\
             <rdf:Description dc:subject='b'/>",
        );
        assert_eq!(Xmp::parse(text.as_bytes()).unwrap().keywords(), subject(&["a", "b"]));
        assert!(!with_subject(&text, &["a", "c"]).contains("subject='b'"));
        assert!(with_subject(&text, &["a"]).contains("<rdf:Description/>"));
    }

    #[test]
    fn lists_are_begun_where_there_is_none() {
        let nowhere = [
            document("<rdf:Description rdf:about='uuid:1'/>"),
            document(""),
            format!("<rdf:RDF xmlns:rdf='{RDF}'/>"),
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>".to_owned(),
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>".to_owned(),
            // The usual prefixes mean something else here.
            format!(
                "<R:RDF xmlns:R='{RDF}' xmlns:dc='urn:1' xmlns:rdf='urn:2' xmlns:cliploupe='urn:3'><R:Description/></R:RDF>"
            ),
            document("<rdf:Description><dc:subject/></rdf:Description>"),
            document("<rdf:Description><dc:subject><rdf:Bag/></dc:subject></rdf:Description>"),
            document("<rdf:Description><dc:subject>\n<rdf:Bag>\n</rdf:Bag></dc:subject></rdf:Description>"),
        ];
        for text in &nowhere {
            let changed = with_subject(text, &["a", "b"]);
            assert_eq!(with_subject(&changed, &["a", "b"]), changed);
            with_subject(&changed, &[]);
        }
        assert!(with_subject(&nowhere[0], &["a"]).contains("rdf:about=\"uuid:1\" xmlns:cliploupe"));
    }

    #[test]
    fn what_was_written_and_taken_out_again_leaves_the_bytes_from_before() {
        let documents = [
            document("<rdf:Description rdf:about='' dc:format='image/jpeg'/>"),
            document("<rdf:Description rdf:about=''>\r\n   <dc:format>x</dc:format>\r\n  </rdf:Description>\n\n\n"),
            document(""),
            format!("<rdf:RDF xmlns:rdf='{RDF}'/>"),
            format!(
                "\u{feff}<?xpacket begin='\u{feff}'?>{}  \n<?xpacket end='w'?>\n\n",
                document("<rdf:Description/>")
            ),
        ];
        let tag = |tag: &str| MachineTag {
            tag: tag.into(),
            model: "m".into(),
            prompt: "\"a\" <photo>\n".into(),
            score: 0.25,
            probability: 0.75,
            suggested_ms: 1,
        };
        for text in documents {
            let xmp = Xmp::parse(text.as_bytes()).unwrap();
            let mut keywords = xmp.keywords();
            keywords.hierarchical.push("Cliploupe|animal|dog".into());
            keywords.tags_list.push("Cliploupe/animal/dog".into());
            let tags = [tag("animal/dog"), tag("b")];
            let bytes = xmp.with(&keywords, &tags).unwrap();
            let changed = Xmp::parse(&bytes).unwrap();
            assert_eq!((changed.keywords(), changed.machine_tags()), (keywords, tags.to_vec()));
            assert_eq!(String::from_utf8(changed.without_machine_tags(ROOT).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let strange = document("<rdf:Description><dc:subject><b>x</b></dc:subject></rdf:Description>");
        let xmp = Xmp::parse(strange.as_bytes()).unwrap();
        assert!(matches!(xmp.with_keywords(&subject(&["a"])), Err(XmpError::StrangeProperty { .. })));
        assert!(matches!(Xmp::blank().with_keywords(&subject(&["\u{1}"])), Err(XmpError::Character { .. })));
        let nested = document(
            "<rdf:Description><dc:subject><rdf:Bag><rdf:li><a/></rdf:li><rdf:li>b</rdf:li></rdf:Bag></dc:subject></rdf:Description>",
        );
        assert!(with_subject(&nested, &[]).contains("<rdf:li><a/></rdf:li>"), "an item that is no text stays");
    }

    #[test]
    fn utf16_stays_utf16() {
        let text = document("<rdf:Description><dc:title>é 🐕</dc:title></rdf:Description>");
        let bytes: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        let xmp = Xmp::parse(&bytes).unwrap();
        let changed = xmp.with_keywords(&subject(&["狗"])).unwrap();
        assert_eq!(changed[..bytes.len() - 200], bytes[..bytes.len() - 200]);
        let back = Xmp::parse(&changed).unwrap();
        assert_eq!(back.keywords(), subject(&["狗"]));
        assert_eq!(back.without_machine_tags(ROOT).unwrap(), changed);
        assert_eq!(back.with_keywords(&subject(&[])).unwrap(), bytes);
    }
}
