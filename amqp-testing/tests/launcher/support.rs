//! Looking at a broker from outside, without a client library.

use std::{
    env,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use amqp_testing::{BrokerOptions, broker::Installation};

/// Options for a broker under the build folder, or `None` if there is no RabbitMQ to start.
pub(crate) fn options() -> Option<BrokerOptions> {
    match Installation::find() {
        Ok(installation) => {
            let directory = env!("CARGO_TARGET_TMPDIR");
            Some(
                BrokerOptions::new()
                    .directory(directory)
                    .installation(installation),
            )
        }
        Err(error) if env::var_os("CI").is_none() => {
            eprintln!("not tested: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A connection that has sent the protocol header.
pub(crate) struct Greeting {
    socket: TcpStream,
}

impl Greeting {
    /// Connects to the host and port of a URL.
    pub(crate) fn send(url: &str) -> std::io::Result<Self> {
        let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
        let address = authority.split('@').next_back().unwrap();
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(b"AMQP\x00\x00\x09\x01")?;
        Ok(Self { socket })
    }

    /// Tells whether `connection.start` arrives within the time.
    pub(crate) fn is_answered_within(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut frame = [0; 11];
        match self.socket.read_exact(&mut frame) {
            // A method frame on channel 0 with class 10, method 10.
            Ok(()) => frame[..3] == [1, 0, 0] && frame[7..] == [0, 10, 0, 10],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                false
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Tells whether AMQP is served at the URL.
pub(crate) fn serves(url: &str) -> bool {
    Greeting::send(url).is_ok_and(|mut greeting| greeting.is_answered_within(LONG))
}

/// Long enough for anything that happens at all.
pub(crate) const LONG: Duration = Duration::from_secs(60);
