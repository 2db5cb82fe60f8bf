//! One side of a connection as a script sees it: what is expected, what is sent.

#![expect(
    clippy::panic,
    reason = "a script that is not followed fails the test that it is part of"
)]

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use amqp_spec::{
    Method, basic, channel, connection, field_table,
    frame::{self, ContentHeader, FrameKind, HEARTBEAT, PROTOCOL_HEADER},
    wire::{LongStr, TypedMethod},
};
use socket2::SockRef;

use super::received::{Received, ReceivedContent};
use super::transcript::Transcript;
use crate::frames::{self, DEFAULT_FRAME_MAX};

/// One side of a connection, as a script sees it.
///
/// Its methods panic, with the conversation so far, if the other side does not do what is expected.
pub struct Conversation<S> {
    stream: S,
    /// Octets that were received and belong to frames that were not asked for yet.
    buf: Vec<u8>,
    frame_max: usize,
    transcript: Transcript,
}

impl<S: Read + Write> Conversation<S> {
    /// Talks over any stream. One that never times out lets a script that is not followed wait for
    /// ever.
    #[must_use]
    pub fn over(stream: S) -> Self {
        let frame_max = DEFAULT_FRAME_MAX;
        Self {
            stream,
            buf: Vec::new(),
            frame_max,
            transcript: Transcript::default(),
        }
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Plays the broker's part until the connection is open, and proposes what RabbitMQ would, but
    /// no heartbeats. Returns what the client asked for in `tune-ok`.
    pub fn open_connection(&mut self) -> connection::TuneOk {
        let frame_max = u32::try_from(DEFAULT_FRAME_MAX).unwrap_or(u32::MAX);
        self.open_connection_with(connection::Tune {
            channel_max: 2047,
            frame_max,
            heartbeat: 0,
        })
    }

    /// Plays the broker's part until the connection is open, and proposes these limits. Returns
    /// what the client asked for in `tune-ok`.
    pub fn open_connection_with(&mut self, tune: connection::Tune) -> connection::TuneOk {
        self.expect_protocol_header();
        self.send_start();
        self.expect(0, "connection.start-ok");
        self.send(0, &tune);
        let answer = self.expect(0, "connection.tune-ok");
        let Method::ConnectionTuneOk(tune_ok) = answer.method() else {
            self.fail("tune-ok was expected")
        };
        let agreed = match tune_ok.frame_max {
            // No limit.
            0 => u32::MAX,
            frame_max => frame_max.max(4096),
        };
        self.frame_max = usize::try_from(agreed).unwrap_or(usize::MAX);
        self.expect(0, "connection.open");
        self.send(0, &connection::OpenOk {});
        tune_ok
    }

    /// Sends `connection.start` with the mechanisms and capabilities of RabbitMQ.
    pub fn send_start(&mut self) {
        let capabilities = field_table! {
            "publisher_confirms" => true,
            "exchange_exchange_bindings" => true,
            "basic.nack" => true,
            "consumer_cancel_notify" => true,
            "connection.blocked" => true,
            "consumer_priorities" => true,
            "authentication_failure_close" => true,
            "per_consumer_qos" => true,
            "direct_reply_to" => true,
        };
        let properties = field_table! { "product" => "script", "capabilities" => &capabilities };
        self.send(
            0,
            &connection::Start {
                version_major: 0,
                version_minor: 9,
                server_properties: properties.as_ref(),
                mechanisms: LongStr::literal("PLAIN AMQPLAIN"),
                locales: LongStr::literal("en_US"),
            },
        );
    }

    /// Lets the client open a channel.
    pub fn open_channel(&mut self, channel: u16) {
        self.expect(channel, "channel.open");
        self.send(channel, &channel::OpenOk {});
    }

    /// Lets the client close the connection.
    pub fn close_connection(&mut self) {
        self.expect(0, "connection.close");
        self.send(0, &connection::CloseOk {});
    }

    /// Expects the eight octets that begin a connection.
    pub fn expect_protocol_header(&mut self) {
        while self.buf.len() < PROTOCOL_HEADER.len() {
            self.read_more("the protocol header");
        }
        let rest = self.buf.split_off(PROTOCOL_HEADER.len());
        let header = std::mem::replace(&mut self.buf, rest);
        self.transcript.push(format!("client: {header:?}"));
        if header != PROTOCOL_HEADER {
            self.fail("the protocol header was expected");
        }
    }

    /// Expects a method by its name on this channel. Heartbeats before it are passed over.
    pub fn expect(&mut self, channel: u16, name: &str) -> Received {
        let received = self.receive_for(name);
        let is_right = received.kind == FrameKind::Method
            && received.channel == channel
            && Method::decode(&received.payload).is_ok_and(|method| method.name() == name);
        if !is_right {
            self.fail(&format!("{name} on channel {channel} was expected"));
        }
        received
    }

    /// Expects exactly this method with these arguments.
    pub fn expect_exactly(&mut self, channel: u16, method: &Method<'_>) {
        let received = self.expect(channel, method.name());
        if received.method() != *method {
            self.fail(&format!("{method:?} was expected"));
        }
    }

    /// Expects the header and the body of a message on this channel.
    pub fn expect_content(&mut self, channel: u16) -> ReceivedContent {
        let header = self.receive_for("a content header");
        let decoded = ContentHeader::decode(&header.payload);
        let (FrameKind::Header, Ok(content)) = (header.kind, decoded) else {
            self.fail("a content header was expected")
        };
        if header.channel != channel {
            self.fail(&format!(
                "a content header on channel {channel} was expected"
            ));
        }
        let mut body = Vec::new();
        let mut frame_sizes = Vec::new();
        while u64::try_from(body.len()).is_ok_and(|len| len < content.body_size) {
            let part = self.receive_for("a part of the body");
            if part.kind != FrameKind::Body || part.channel != channel {
                self.fail(&format!(
                    "a part of the body on channel {channel} was expected"
                ));
            }
            frame_sizes.push(part.payload.len() + frame::OVERHEAD);
            body.extend(part.payload);
        }
        if u64::try_from(body.len()).is_ok_and(|len| len > content.body_size) {
            let size = content.body_size;
            self.fail(&format!("a body of {size} octets was expected"));
        }
        ReceivedContent {
            properties: content.properties.to_vec(),
            body,
            frame_sizes,
        }
    }

    /// Receives whatever frame comes next, a heartbeat included.
    pub fn receive(&mut self) -> Received {
        self.next_frame("a frame")
    }

    /// Expects the other side to end the connection, in whatever way, and to say nothing before
    /// that but heartbeats.
    pub fn expect_end(&mut self) {
        loop {
            while self.buf.starts_with(&HEARTBEAT) {
                self.buf.drain(..HEARTBEAT.len());
            }
            // A heartbeat may have come in part.
            if !HEARTBEAT.starts_with(&self.buf) {
                let n_octets = self.buf.len();
                self.fail(&format!("{n_octets} octets came instead of the end"));
            }
            let mut octets = [0; 1024];
            let since = Instant::now();
            match self.stream.read(&mut octets) {
                Ok(0) => return,
                Ok(n_octets) => self.buf.extend(octets.iter().take(n_octets)),
                Err(error) if is_end(&error) => return,
                Err(error) => {
                    let why = why_nothing_came(&error, since);
                    self.fail(&format!("the end was expected: {why}"))
                }
            }
        }
    }

    /// Sends a method.
    pub fn send<'a, M: TypedMethod<'a> + fmt::Debug>(&mut self, channel: u16, method: &M) {
        self.transcript
            .push(format!("broker: {method:?} on channel {channel}"));
        self.write(&frames::method(channel, method));
    }

    /// Sends a message with the method that carries it, cut into frames as was agreed.
    pub fn send_content<'a, M: TypedMethod<'a> + fmt::Debug>(
        &mut self,
        channel: u16,
        carrier: &M,
        properties: &basic::Properties,
        body: &[u8],
    ) {
        let len = body.len();
        self.transcript.push(format!(
            "broker: {carrier:?} of {len} octets on channel {channel}"
        ));
        self.write(&frames::content(
            channel,
            carrier,
            properties,
            body,
            self.frame_max,
        ));
    }

    /// Sends octets that may be anything.
    pub fn send_raw(&mut self, octets: &[u8]) {
        self.transcript
            .push(format!("broker: {} raw octets", octets.len()));
        self.write(octets);
    }

    fn write(&mut self, octets: &[u8]) {
        if let Err(error) = self
            .stream
            .write_all(octets)
            .and_then(|()| self.stream.flush())
        {
            self.fail(&format!("the other side does not listen: {error}"));
        }
    }

    fn receive_for(&mut self, expected: &str) -> Received {
        loop {
            let received = self.next_frame(expected);
            if received.kind != FrameKind::Heartbeat {
                return received;
            }
        }
    }

    fn next_frame(&mut self, expected: &str) -> Received {
        loop {
            match frame::decode(&self.buf, self.frame_max) {
                Err(error) => {
                    let error = error.to_string();
                    self.fail(&format!("{expected} was expected: {error}"))
                }
                Ok(Some((frame, n_octets))) => {
                    let (kind, channel) = (frame.kind, frame.channel);
                    let received = Received {
                        kind,
                        channel,
                        payload: frame.payload.to_vec(),
                    };
                    self.buf.drain(..n_octets);
                    self.transcript
                        .push(format!("client: {}", received.describe()));
                    return received;
                }
                Ok(None) => self.read_more(expected),
            }
        }
    }

    fn read_more(&mut self, expected: &str) {
        let mut octets = [0; 8192];
        let since = Instant::now();
        match self.stream.read(&mut octets) {
            Ok(0) => self.fail(&format!("{expected} was expected, the connection ended")),
            Ok(n_octets) => self.buf.extend(octets.iter().take(n_octets)),
            Err(error) => {
                let why = why_nothing_came(&error, since);
                self.fail(&format!("{expected} was expected: {why}"))
            }
        }
    }

    fn fail(&self, message: &str) -> ! {
        panic!("{message}; the conversation was:{}", self.transcript)
    }
}

impl Conversation<TcpStream> {
    /// Ends the connection with a reset, which throws away what is still on its way.
    pub fn reset(self) {
        // With this setting the destructor of the socket does it.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl<S> fmt::Debug for Conversation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("transcript", &self.transcript.lines)
            .finish_non_exhaustive()
    }
}

fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    )
}

/// A time that is up is told by the system as a resource that is unavailable.
fn why_nothing_came(error: &io::Error, since: Instant) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!(
            "nothing came for {} s (an async test has to await the script's end, by `finished`: \
             `join` blocks its runtime)",
            since.elapsed().as_secs()
        ),
        _ => error.to_string(),
    }
}
