//! What is on its way to a client.

use amqp_spec::basic::Properties;
use amqp_spec::frame;
use amqp_spec::wire::TypedMethod;

/// Frames for one connection, until it takes them.
#[derive(Debug)]
pub(super) struct Output {
    octets: Vec<u8>,
    /// The largest frame that the client takes.
    frame_max: usize,
    /// Something was written since the last look.
    has_spoken: bool,
}

impl Output {
    /// Above this, the broker neither reads from the connection nor delivers to it.
    const HIGH_WATER: usize = 4 << 20;

    pub(super) const fn new() -> Self {
        Self {
            octets: Vec::new(),
            frame_max: 4096,
            has_spoken: false,
        }
    }

    pub(super) fn set_frame_max(&mut self, frame_max: u32) {
        self.frame_max = match usize::try_from(frame_max) {
            Ok(1..) => usize::try_from(frame_max).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
    }

    pub(super) fn is_full(&self) -> bool {
        self.octets.len() >= Self::HIGH_WATER
    }

    /// Appends everything to a buffer.
    pub(super) fn take_into(&mut self, buf: &mut Vec<u8>) -> usize {
        let n_octets = self.octets.len();
        buf.append(&mut self.octets);
        n_octets
    }

    /// Whether something was written since the last time this was asked.
    pub(super) const fn has_spoken(&mut self) -> bool {
        std::mem::replace(&mut self.has_spoken, false)
    }

    pub(super) fn raw(&mut self, octets: &[u8]) {
        self.has_spoken = true;
        self.octets.extend_from_slice(octets);
    }

    pub(super) fn method<'m>(&mut self, channel: u16, method: &impl TypedMethod<'m>) {
        self.has_spoken = true;
        // RabbitMQ does not split methods either, and its own are small.
        let _ = frame::encode_method(&mut self.octets, channel, method, usize::MAX);
    }

    pub(super) fn content<'m>(
        &mut self,
        channel: u16,
        carrier: &impl TypedMethod<'m>,
        properties: &Properties,
        body: &[u8],
    ) {
        self.has_spoken = true;
        let properties = properties.as_bytes();
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if properties.len() + 20 > self.frame_max || carrier.encoded_len() + 8 > self.frame_max {
            // A header that a client with larger frames has sent cannot be split.
            let _ = frame::encode_method(&mut self.octets, channel, carrier, usize::MAX);
            let (octets, class) = (&mut self.octets, amqp_spec::basic::CLASS_ID);
            let _ = frame::encode_header(octets, channel, class, size, properties, usize::MAX);
            frame::encode_body(&mut self.octets, channel, body, self.frame_max);
            return;
        }
        let octets = &mut self.octets;
        let _ = frame::encode_content(octets, channel, carrier, properties, body, self.frame_max);
    }
}
