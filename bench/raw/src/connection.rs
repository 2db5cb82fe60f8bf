//! A socket after the handshake.

use std::io::{Read, Write};
use std::net::TcpStream;

use bench_harness::{Args, Error};
use bench_wire::{Arguments, Frame, PROTOCOL_HEADER, content, method};

/// What RabbitMQ offers, and what the null broker offers.
const FRAME_MAX: usize = 131_072;

/// As much as one read may bring.
const READ_LEN: usize = 256 * 1024;

/// What carries the bytes.
pub trait Stream: Read + Write + Sized {
    /// What the results call the client.
    const CLIENT: &'static str;

    /// How much is written at a time.
    const WRITE_LEN: usize;

    /// Connects to the broker that the command line names.
    fn connect(args: &Args) -> Result<Self, Error>;
}

impl Stream for TcpStream {
    const CLIENT: &'static str = "raw";
    // Larger writes were not cheaper per byte.
    const WRITE_LEN: usize = 64 * 1024;

    fn connect(args: &Args) -> Result<Self, Error> {
        let stream = Self::connect(args.address()?)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A connection with channel 1 open.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    /// Bytes that were read and not used.
    pub(crate) buffer: Vec<u8>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl<S: Stream> Connection<S> {
    pub(crate) fn open(args: &Args) -> Result<Self, Error> {
        let mut connection = Self {
            stream: S::connect(args)?,
            buffer: vec![0; READ_LEN],
            start: 0,
            end: 0,
        };
        connection.stream.write_all(&PROTOCOL_HEADER)?;
        connection.wait_for((10, 10))?;
        let (user, password) = args.credentials()?;
        let start_ok = Arguments::new()
            .long(&[])
            .short(b"PLAIN")
            .long(format!("\0{user}\0{password}").as_bytes())
            .short(b"en_US");
        connection.send(0, (10, 11), &start_ok)?;
        connection.wait_for((10, 30))?;
        let tune_ok = Arguments::new().u16(2047).u32(FRAME_MAX as u32).u16(60);
        connection.send(0, (10, 31), &tune_ok)?;
        connection.call(
            0,
            (10, 40),
            (10, 41),
            &Arguments::new().short(b"/").short(b"").u8(0),
        )?;
        connection.open_channel(1)?;
        Ok(connection)
    }

    pub(crate) fn open_channel(&mut self, channel: u16) -> Result<(), Error> {
        self.call(channel, (20, 10), (20, 11), &Arguments::new().short(b""))?;
        Ok(())
    }

    /// Says goodbye, so that a real broker does not log a lost connection.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        let close = Arguments::new().u16(200).short(b"done").u16(0).u16(0);
        self.call(0, (10, 50), (10, 51), &close)?;
        Ok(())
    }

    pub(crate) fn send(
        &mut self,
        channel: u16,
        (class, id): (u16, u16),
        arguments: &Arguments,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        method(&mut bytes, channel, class, id, arguments);
        Ok(self.stream.write_all(&bytes)?)
    }

    pub(crate) fn call(
        &mut self,
        channel: u16,
        request: (u16, u16),
        reply: (u16, u16),
        arguments: &Arguments,
    ) -> Result<Vec<u8>, Error> {
        self.send(channel, request, arguments)?;
        self.wait_for(reply)
    }

    /// Reads up to a certain method, passing over all others, and returns its payload.
    pub(crate) fn wait_for(&mut self, reply: (u16, u16)) -> Result<Vec<u8>, Error> {
        loop {
            if let Some((frame, len)) = Frame::parse(&self.buffer[self.start..self.end]) {
                let name = (frame.kind == bench_wire::kind::METHOD)
                    .then(|| frame.method())
                    .flatten();
                let payload = frame.payload.to_vec();
                self.start += len;
                match name {
                    Some(name) if name == reply => return Ok(payload),
                    // connection.close and channel.close
                    Some((10, 50) | (20, 40)) => {
                        return Err(String::from_utf8_lossy(&payload).into_owned().into());
                    }
                    _ => continue,
                }
            }
            self.read()?;
        }
    }

    /// Reads once.
    pub(crate) fn read(&mut self) -> Result<(), Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err("the broker closed the connection".into()),
            n => {
                self.end += n;
                Ok(())
            }
        }
    }
}

/// One publish, as every client sends it.
pub(crate) fn publish_bytes(args: &Args) -> Vec<u8> {
    let mut bytes = Vec::new();
    let publish = Arguments::new()
        .u16(0)
        .short(b"")
        .short(args.queue.as_bytes())
        .u8(0);
    method(&mut bytes, 1, 60, 40, &publish);
    content(&mut bytes, 1, &bench_harness::body(args.size), FRAME_MAX);
    bytes
}

/// One delivery, as far as its length is concerned.
pub(crate) fn delivery_len(args: &Args, exchange: &str, routing_key: &str, tag: &str) -> usize {
    let mut bytes = Vec::new();
    let deliver = Arguments::new()
        .short(tag.as_bytes())
        .u64(0)
        .u8(0)
        .short(exchange.as_bytes())
        .short(routing_key.as_bytes());
    method(&mut bytes, 1, 60, 60, &deliver);
    content(&mut bytes, 1, &bench_harness::body(args.size), FRAME_MAX);
    bytes.len()
}
