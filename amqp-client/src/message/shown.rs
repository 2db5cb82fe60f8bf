//! Messages as `Debug` shows them: in lengths and names.
//!
//! A body or the value of a header may be a secret, and may be long, and what a program prints of
//! its errors ends in logs. Everything that holds a message shows it through this.

use std::fmt;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::{ShortStr, TableRef, Value};

use crate::text::fitting;

/// How many characters of a name or a property are shown.
const SHOWN: usize = 64;

/// How many headers are shown.
const HEADERS: usize = 16;

/// A number of bytes, in place of these.
pub(crate) struct Length(pub(crate) usize);

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

/// A name, or what its beginning is.
pub(crate) struct Name<'a>(pub(crate) ShortStr<'a>);

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let shown = fitting(&text, SHOWN);
        let cut = if shown.len() < text.len() { "…" } else { "" };
        write!(f, "{shown:?}{cut}")
    }
}

/// The properties that are set; of headers the names, and how long the values are.
pub(crate) struct Shown<'a>(pub(crate) PropertiesRef<'a>);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties = self.0;
        let mut debug = f.debug_struct("Properties");
        let mut text = |name, value: Option<ShortStr<'_>>| {
            if let Some(value) = value {
                debug.field(name, &Name(value));
            }
        };
        text("content_type", properties.content_type());
        text("content_encoding", properties.content_encoding());
        text("correlation_id", properties.correlation_id());
        text("reply_to", properties.reply_to());
        text("expiration", properties.expiration());
        text("message_id", properties.message_id());
        text("kind", properties.type_());
        text("user_id", properties.user_id());
        text("app_id", properties.app_id());
        if let Some(mode) = properties.delivery_mode() {
            debug.field("delivery_mode", &mode);
        }
        if let Some(priority) = properties.priority() {
            debug.field("priority", &priority);
        }
        if let Some(timestamp) = properties.timestamp() {
            debug.field("timestamp", &timestamp.0);
        }
        if let Some(headers) = properties.headers() {
            debug.field("headers", &Headers(headers));
        }
        debug.finish()
    }
}

struct Headers<'a>(TableRef<'a>);

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (n_shown, entry) in self.0.iter().enumerate() {
            if n_shown == HEADERS {
                return map.finish_non_exhaustive();
            }
            match entry {
                Ok((name, value)) => map.entry(&Name(name), &Length(length(value))),
                Err(_) => {
                    if let Some((name, why)) = self.0.not_representable() {
                        map.entry(&Name(name), &format_args!("<{}>", why.as_str()));
                    }
                    return map.finish_non_exhaustive();
                }
            };
        }
        map.finish()
    }
}

/// What the value takes, without its tag and the field that says how long it is.
fn length(value: Value<'_>) -> usize {
    match value {
        Value::LongString(text) => text.len(),
        Value::Bytes(octets) => octets.len(),
        Value::Array(array) => array.byte_len(),
        Value::Table(table) => table.byte_len(),
        Value::Void => 0,
        Value::Bool(_) | Value::I8(_) | Value::U8(_) => 1,
        Value::I16(_) | Value::U16(_) => 2,
        Value::I32(_) | Value::U32(_) | Value::F32(_) => 4,
        Value::Decimal(_) => 5,
        Value::I64(_) | Value::F64(_) | Value::Timestamp(_) => 8,
    }
}
