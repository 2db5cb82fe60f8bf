//! What a script receives: frames, and messages put together.

#![expect(
    clippy::panic,
    reason = "a script that is not followed fails the test that it is part of"
)]

use amqp_spec::{Method, basic, frame::FrameKind};

/// A frame that was received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    pub(super) kind: FrameKind,
    pub(super) channel: u16,
    pub(super) payload: Vec<u8>,
}

/// A message that was received, without the method that carried it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ReceivedContent {
    /// The encoded list of properties; [`properties`](Self::properties) reads it.
    pub properties: Vec<u8>,
    /// The body, put together.
    pub body: Vec<u8>,
    /// The sizes of the frames in which the body came.
    pub frame_sizes: Vec<usize>,
}

impl ReceivedContent {
    /// The properties, decoded.
    ///
    /// ```
    /// # fn example(client: &mut amqp_testing::peer::Conversation<std::net::TcpStream>) {
    /// let message = client.expect_content(1);
    /// assert_eq!(message.properties().message_id().unwrap(), "order-42");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If they are malformed.
    #[must_use]
    pub fn properties(&self) -> basic::PropertiesRef<'_> {
        basic::PropertiesRef::decode(&self.properties)
            .unwrap_or_else(|error| panic!("the properties of {self:?}: {error}"))
    }
}

impl Received {
    /// What the frame carries.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The channel on which it came.
    #[must_use]
    pub fn channel(&self) -> u16 {
        self.channel
    }

    /// What is between the frame's header and its end.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The method in the frame.
    ///
    /// # Panics
    ///
    /// If there is none, or none that is known.
    #[must_use]
    pub fn method(&self) -> Method<'_> {
        Method::decode(&self.payload).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    pub(super) fn describe(&self) -> String {
        let name = match self.kind {
            FrameKind::Method => match Method::decode(&self.payload) {
                Ok(method) => format!("{method:?}"),
                Err(error) => format!("a method that is malformed: {error}"),
            },
            kind => format!("{kind:?} of {} octets", self.payload.len()),
        };
        format!("{name} on channel {}", self.channel)
    }
}
