//! A page of a dump: its title, its namespace, and the text of its last revision.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// What a page is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PageContent {
    pub(super) title: String,
    /// Of articles 0, or nothing in old dumps.
    pub(super) namespace: String,
    pub(super) is_redirect: bool,
    /// `wikitext`, or nothing in old dumps.
    pub(super) model: String,
    pub(super) text: String,
}

impl PageContent {
    /// Reads a page; `None` if it is no sound XML. Nothing but the five entities of XML and numbers is expanded.
    pub(super) fn read(xml: &str) -> Option<PageContent> {
        let mut reader = Reader::from_str(xml);
        let mut page = PageContent::default();
        // How deep we are, and in which element. Other slots of a revision lie deeper than its text.
        let mut depth = 0_usize;
        let mut element = Element::Other;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    depth += 1;
                    element = Element::of(tag.name().as_ref(), depth);
                    // Of a history, the last revision counts.
                    if element == Element::Text {
                        page.text.clear();
                    }
                    if element == Element::Model {
                        page.model.clear();
                    }
                    page.is_redirect |= depth == 2 && tag.name().as_ref() == b"redirect";
                }
                Event::Empty(tag) => {
                    page.is_redirect |= depth == 1 && tag.name().as_ref() == b"redirect";
                    if Element::of(tag.name().as_ref(), depth + 1) == Element::Text {
                        page.text.clear();
                    }
                }
                Event::End(_) => {
                    depth = depth.checked_sub(1)?;
                    element = Element::Other;
                }
                Event::Text(text) => {
                    if let Some(into) = page.field(element) {
                        into.push_str(&text.decode().ok()?);
                    }
                }
                Event::CData(text) => {
                    if let Some(into) = page.field(element) {
                        into.push_str(&text.decode().ok()?);
                    }
                }
                Event::GeneralRef(entity) => {
                    let Some(into) = page.field(element) else { continue };
                    match entity.resolve_char_ref().ok()? {
                        Some(c) => into.push(c),
                        None => into.push_str(resolve_xml_entity(&entity.decode().ok()?)?),
                    }
                }
                Event::Eof => return (depth == 0).then_some(page),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn field(&mut self, element: Element) -> Option<&mut String> {
        match element {
            Element::Title => Some(&mut self.title),
            Element::Namespace => Some(&mut self.namespace),
            Element::Model => Some(&mut self.model),
            Element::Text => Some(&mut self.text),
            Element::Other => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Title,
    Namespace,
    Model,
    Text,
    Other,
}

impl Element {
    fn of(name: &[u8], depth: usize) -> Element {
        match (name, depth) {
            (b"title", 2) => Element::Title,
            (b"ns", 2) => Element::Namespace,
            (b"model", 3) => Element::Model,
            (b"text", 3) => Element::Text,
            _ => Element::Other,
        }
    }
}
