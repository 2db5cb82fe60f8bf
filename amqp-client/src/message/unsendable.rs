//! What a message was given that cannot be sent: told by the call that publishes it, if it has not
//! been replaced by then.
//!
//! Setters take anything and give the message back. A property whose value cannot be sent is taken
//! out of the message and noted here; one that has been set since is there again, so that the note
//! counts for nothing.

use amqp_spec::basic::{Properties, PropertiesRef};

use super::field_values::{Decimals, check_present};
use crate::error::{ChannelError, Subject};

/// A property that has limits.
#[derive(Debug)]
pub(crate) struct Property {
    /// The name of its setter.
    pub(crate) name: &'static str,
    is_set: fn(PropertiesRef<'_>) -> bool,
    clear: fn(Properties) -> Properties,
}

macro_rules! property {
    ($const:ident, $name:literal, $get:ident, $clear:ident) => {
        pub(crate) const $const: &'static Property = &Property {
            name: $name,
            is_set: |properties| properties.$get().is_some(),
            clear: Properties::$clear,
        };
    };
}

impl Property {
    property!(
        CONTENT_TYPE,
        "content_type",
        content_type,
        clear_content_type
    );
    property!(
        CONTENT_ENCODING,
        "content_encoding",
        content_encoding,
        clear_content_encoding
    );
    property!(KIND, "kind", type_, clear_type);
    property!(USER_ID, "user_id", user_id, clear_user_id);
    property!(APP_ID, "app_id", app_id, clear_app_id);
    property!(
        CORRELATION_ID,
        "correlation_id",
        correlation_id,
        clear_correlation_id
    );
    property!(REPLY_TO, "reply_to", reply_to, clear_reply_to);
    property!(EXPIRATION, "expiration", expiration, clear_expiration);
    property!(TIMESTAMP, "timestamp", timestamp, clear_timestamp);
    property!(MESSAGE_ID, "message_id", message_id, clear_message_id);
}

/// What cannot be sent of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsendable {
    /// Each property once.
    properties: Vec<(&'static Property, ChannelError)>,
    /// The name of a header. Nothing replaces it but other headers.
    header: Option<ChannelError>,
    /// The headers may hold a value that cannot be sent.
    has_suspects: bool,
    allows_decimals: bool,
}

impl Unsendable {
    /// Notes a value, and takes out of the message what it was to replace.
    pub(crate) fn property(
        &mut self,
        property: &'static Property,
        error: ChannelError,
        properties: Properties,
    ) -> Properties {
        let same = |noted: &&mut (&Property, _)| noted.0.name == property.name;
        match self.properties.iter_mut().find(same) {
            Some((_, noted)) => *noted = error,
            None => self.properties.push((property, error)),
        }
        (property.clear)(properties)
    }

    pub(crate) fn header(&mut self, error: ChannelError) {
        self.header = Some(error);
    }

    /// The headers are others.
    pub(crate) fn forget_headers(&mut self) {
        self.header = None;
    }

    /// All properties are others.
    pub(crate) fn forget_properties(&mut self) {
        self.properties.clear();
        self.forget_headers();
    }

    /// Whether the headers have to be looked through before they are sent.
    pub(crate) fn set_suspect(&mut self, has_suspects: bool) {
        self.has_suspects = has_suspects;
    }

    pub(crate) fn allow_decimals(&mut self) {
        self.allows_decimals = true;
    }

    /// What still stands in the way of sending a message with these properties.
    #[cold]
    #[inline(never)]
    pub(crate) fn judge(
        &self,
        properties: PropertiesRef<'_>,
        exchange: &str,
        routing_key: &str,
    ) -> Option<ChannelError> {
        let subject = Subject::published(exchange, routing_key);
        let mut noted = self.properties.iter();
        let noted = noted.find(|(property, _)| !(property.is_set)(properties));
        if let Some(error) = noted.map(|(_, error)| error).or(self.header.as_ref()) {
            return Some(error.clone().about(subject));
        }
        let decimals = match self.allows_decimals {
            true => Decimals::Allowed,
            false => Decimals::Refused,
        };
        let checked = match self.has_suspects {
            true => check_present(properties, decimals),
            false => Ok(()),
        };
        Some(checked.err()?.about(subject).into())
    }
}
