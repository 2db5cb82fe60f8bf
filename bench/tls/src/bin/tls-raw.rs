//! The limit over TLS: the bytes of `bench-raw`, through rustls on a blocking socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use bench_harness::{Args, Error, main_with};
use bench_raw::Stream;
use rustls::{ClientConnection, StreamOwned};

fn main() -> ExitCode {
    main_with(bench_raw::run::<Tls>)
}

#[derive(Debug)]
struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Stream for Tls {
    const CLIENT: &'static str = "tls-raw";
    // A large body in a write of its own ends with a small record, and costs half as much again.
    const WRITE_LEN: usize = 256 * 1024;

    fn connect(args: &Args) -> Result<Self, Error> {
        let socket = <TcpStream as Stream>::connect(args)?;
        let mut session = ClientConnection::new(bench_tls::config()?, bench_tls::server_name()?)?;
        // The default of 64 KiB would split each block into several writes.
        session.set_buffer_limit(None);
        Ok(Self(StreamOwned::new(session, socket)))
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
