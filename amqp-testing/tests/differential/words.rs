//! What came, in words: one line for each method with all of its arguments, and with its content.

use std::collections::BTreeMap;

use amqp_spec::frame::{self, ContentHeader, Frame, FrameError, FrameKind};
use amqp_spec::wire::{FieldArray, FieldTable, LongStr, MethodId, Value};
use amqp_spec::{Method, basic, connection, field_table};

/// Something that came on a channel.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The method as the specification calls it, or what came instead of one.
    pub(crate) name: &'static str,
    pub(crate) id: Option<MethodId>,
    pub(crate) text: String,
}

/// Takes the octets of one connection apart.
#[derive(Default)]
pub(crate) struct Ear {
    buf: Vec<u8>,
    /// Channels on which a content is on its way.
    contents: BTreeMap<u16, Content>,
}

/// A content of which something is still to come.
struct Content {
    event: Event,
    missing: u64,
    is_begun: bool,
    body: Vec<u8>,
    frame_sizes: Vec<usize>,
}

impl Ear {
    /// Returns what is complete, each with its channel.
    pub(crate) fn hear(&mut self, octets: &[u8]) -> Vec<(u16, Event)> {
        self.buf.extend_from_slice(octets);
        let buf = std::mem::take(&mut self.buf);
        let mut rest = buf.as_slice();
        let mut events = Vec::new();
        loop {
            match frame::decode(rest, usize::MAX) {
                Ok(Some((frame, n_octets))) => {
                    events.extend(self.frame(&frame).map(|event| (frame.channel, event)));
                    rest = &rest[n_octets..];
                }
                Ok(None) => break,
                // No frame begins with these letters.
                Err(FrameError::ProtocolHeader) if rest.len() < 8 => break,
                Err(FrameError::ProtocolHeader) => {
                    let text = format!("protocol header {:?}", &rest[4..8]);
                    events.push((0, Event::new("protocol header", text)));
                    rest = &rest[8..];
                }
                Err(error) => {
                    events.push((0, Event::new("octets", format!("{error}: {rest:?}"))));
                    rest = &[];
                }
            }
        }
        self.buf = rest.to_vec();
        events
    }

    /// What is left unfinished when nothing more comes.
    pub(crate) fn leftovers(&self) -> Vec<(u16, Event)> {
        let contents = self.contents.iter();
        let mut events: Vec<_> = contents
            .map(|(channel, content)| {
                let text = format!("{}, unfinished", content.event.text);
                (*channel, Event::new("unfinished", text))
            })
            .collect();
        if !self.buf.is_empty() {
            let text = format!("{:?}, unfinished", self.buf);
            events.push((0, Event::new("unfinished", text)));
        }
        events
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Option<Event> {
        match frame.kind {
            FrameKind::Method => self.method(frame),
            FrameKind::Header => self.header(frame),
            FrameKind::Body => self.body(frame),
            FrameKind::Heartbeat => Some(Event::new("heartbeat", "heartbeat".to_owned())),
        }
    }

    fn method(&mut self, frame: &Frame<'_>) -> Option<Event> {
        let method = match Method::decode(frame.payload) {
            Ok(method) => method,
            Err(error) => {
                let text = format!("method {error}: {:?}", frame.payload);
                return Some(Event::new("unknown method", text));
            }
        };
        let mut event = Event::new(method.name(), in_words(&method));
        event.id = Some(method.id());
        let has_content = matches!(
            method,
            Method::BasicDeliver(_) | Method::BasicReturn(_) | Method::BasicGetOk(_)
        );
        if !has_content {
            return Some(event);
        }
        let content = Content {
            event,
            missing: 0,
            is_begun: false,
            body: Vec::new(),
            frame_sizes: Vec::new(),
        };
        self.contents.insert(frame.channel, content);
        None
    }

    fn header(&mut self, frame: &Frame<'_>) -> Option<Event> {
        let header = ContentHeader::decode(frame.payload);
        let content = self.contents.get_mut(&frame.channel);
        let (Ok(header), Some(content)) = (header, content) else {
            let text = format!("header {:?} out of place", frame.payload);
            return Some(Event::new("header", text));
        };
        let properties = match basic::PropertiesRef::decode(header.properties) {
            Ok(properties) => format!("{:?}", deaths_sorted(properties).as_ref()),
            Err(error) => format!("{error}: {:?}", header.properties),
        };
        // The flags tell of what has no name.
        let flags = header.properties.get(..2).unwrap_or_default();
        content.event.text += &format!(
            " class {} flags {flags:02x?} {properties} size {}",
            header.class_id, header.body_size
        );
        content.missing = header.body_size;
        content.is_begun = true;
        self.finish(frame.channel)
    }

    fn body(&mut self, frame: &Frame<'_>) -> Option<Event> {
        let content = self.contents.get_mut(&frame.channel);
        let Some(content) = content.filter(|content| content.is_begun) else {
            let text = format!("body of {} octets out of place", frame.payload.len());
            return Some(Event::new("body", text));
        };
        content.body.extend_from_slice(frame.payload);
        content.frame_sizes.push(frame.payload.len());
        content.missing = content.missing.saturating_sub(frame.payload.len() as u64);
        self.finish(frame.channel)
    }

    fn finish(&mut self, channel: u16) -> Option<Event> {
        if self.contents.get(&channel)?.missing > 0 {
            return None;
        }
        let content = self.contents.remove(&channel)?;
        let mut event = content.event;
        let body = String::from_utf8_lossy(&content.body);
        event.text += &match content.body.len() {
            0..=200 => format!(" body {body:?}"),
            _ => format!(" body with checksum {:08x}", checksum(&content.body)),
        };
        event.text += &format!(" in frames of {:?}", content.frame_sizes);
        Some(event)
    }
}

impl Event {
    pub(crate) fn new(name: &'static str, text: String) -> Self {
        let id = None;
        Self { name, id, text }
    }
}

/// FNV-1a: bodies are compared, not printed.
fn checksum(octets: &[u8]) -> u32 {
    octets.iter().fold(0x811c_9dc5, |hash, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    })
}

fn in_words(method: &Method<'_>) -> String {
    match method {
        Method::ConnectionStart(start) => start_in_words(start),
        method => {
            // `QueueBindOk(BindOk)` says it twice.
            let text = format!("{method:?}");
            let arguments = text
                .find('{')
                .map_or("", |at| text[at..].trim_end_matches(')'));
            let text = format!("{} {arguments}", method.name());
            text.trim_end().replace("\\'", "'")
        }
    }
}

/// What names the machine or the release is a freedom: the version of Erlang, the node, the year.
/// So is the order of the mechanisms, which on 4.0 differs from node to node.
fn start_in_words(start: &connection::Start<'_>) -> String {
    let mut properties = FieldTable::new();
    for entry in start.server_properties {
        let (name, value) = entry.unwrap();
        let names = ["cluster_name", "copyright", "platform", "version"];
        match value {
            Value::LongString(_) if names.iter().any(|free| name == *free) => {
                properties.push(name, "…");
            }
            value => properties.push(name, value),
        }
    }
    let mechanisms = start.mechanisms.to_string();
    let mut mechanisms: Vec<_> = mechanisms.split(' ').collect();
    mechanisms.sort_unstable();
    let mechanisms = mechanisms.join(" ");
    let mut start = *start;
    start.server_properties = properties.as_ref();
    start.mechanisms = LongStr::new(mechanisms.as_bytes()).unwrap();
    format!("connection.start {start:?}")
}

/// In `x-death`, the time is a freedom, and so is the order of names: that of Erlang's maps, which
/// depends on which atoms a node has met first.
fn deaths_sorted(properties: basic::PropertiesRef<'_>) -> basic::Properties {
    let owned = properties.to_owned();
    let Some(headers) = properties
        .headers()
        .filter(|it| it.value("x-death").is_some())
    else {
        return owned;
    };
    let mut sorted = FieldTable::new();
    for entry in headers {
        let (name, value) = entry.unwrap();
        match value {
            Value::Array(deaths) if name == "x-death" => {
                let deaths: FieldArray = deaths
                    .iter()
                    .map(|death| sort_death(death.unwrap()))
                    .collect();
                sorted.push(name, &deaths);
            }
            value => sorted.push(name, value),
        }
    }
    owned.headers(sorted.as_ref())
}

fn sort_death(death: Value<'_>) -> FieldTable {
    let Value::Table(death) = death else {
        return field_table! { "no table" => death };
    };
    let mut entries: Vec<_> = death.iter().map(Result::unwrap).collect();
    entries.sort_by_key(|(name, _)| name.as_bytes());
    let mut sorted = FieldTable::new();
    for (name, value) in entries {
        match value {
            Value::Timestamp(_) if name == "time" => sorted.push(name, "…"),
            value => sorted.push(name, value),
        }
    }
    sorted
}
