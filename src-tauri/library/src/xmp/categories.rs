//! ACDSee's categories: XML within a text, `<Categories><Category Assigned="0">Places<Category Assigned="1">Paris…`.

use quick_xml::{Reader, escape::unescape, events::Event};

/// Paths of the categories that are assigned; none if the text is not of that form.
pub(super) fn assigned(text: &str) -> Vec<String> {
    read(text).unwrap_or_default()
}

fn read(text: &str) -> Option<Vec<String>> {
    let mut reader = Reader::from_str(text);
    let mut paths = Vec::new();
    // Names from the outside in, and whether the category is assigned; the first is <Categories> itself.
    let mut open: Vec<(String, bool)> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(_) if open.len() >= super::tree::DEEPEST => return None,
            Event::Start(start) => {
                let assigned = start.try_get_attribute("Assigned").ok()?;
                open.push((String::new(), assigned.is_some_and(|attribute| *attribute.value == *"1")));
            }
            Event::Text(part) => {
                if let Some((name, _)) = open.last_mut() {
                    name.push_str(&part.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let character = unescape(&format!("&{};", &*reference)).ok()?.into_owned();
                open.last_mut()?.0.push_str(&character);
            }
            Event::End(_) => {
                let path: Vec<&str> = open.iter().skip(1).map(|(name, _)| name.trim()).collect();
                if open.last()?.1 && path.iter().all(|name| !name.is_empty()) {
                    paths.push(path.join("/"));
                }
                open.pop();
            }
            Event::Eof => return open.is_empty().then_some(paths),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_categories_are_paths() {
        let text = r#"<Categories><Category Assigned="0">Places<Category Assigned="1">Paris &amp; co</Category></Category>
            <Category Assigned="1">Dog</Category></Categories>"#;
        assert_eq!(assigned(text), ["Places/Paris & co", "Dog"]);
        assert!(assigned("<Categories><Category").is_empty());
        assert!(assigned("plain words").is_empty());
    }
}
