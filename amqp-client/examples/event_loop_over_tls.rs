//! An event loop of one's own over TLS: that of `event_loop`, with a `Session` between the stream
//! and the core. (Takes the feature `rustls`, or a part of it, and none of a runtime.)
//!
//! The address is in `AMQP_URL` (`amqps://…`), the rest in the variables that
//! `ConnectionOptions::from_env` reads.
//!
//! ```text
//! received: hi
//! ```

use std::error::Error;
use std::future::Future;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_client::proto::Core;
use amqp_client::tls::Session;
use amqp_client::{Connection, ConnectionError, ConnectionOptions, QueueDeclare};

/// Reads and writes of one turn: neither keeps the other waiting.
const PER_TURN: usize = 16;

/// The program itself, which knows nothing of the loop.
async fn program(connection: Connection) -> Result<(), Box<dyn Error>> {
    connection.opened().await?;
    let channel = connection.open_channel().await?;
    let queue = QueueDeclare::new("hello").exclusive();
    channel.queue_declare(queue).await?;
    channel.basic_publish("", "hello", "hi").await?;
    let fetched = channel.basic_get_no_ack("hello").await?;
    println!("received: {}", fetched.ok_or("nothing")?.delivery.text()?);
    Ok(connection.close().await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = ConnectionOptions::from_env()?;
    options.validate()?;
    // The first host; a real program tries the others, too.
    let (host, port) = options.addresses().next().ok_or("no host")?;
    let session = Session::new(options.tls_options().ok_or("no amqps://")?, host)?;
    let stream = TcpStream::connect((host, port))?;
    stream.set_nonblocking(true)?;
    let (core, connection) = Connection::with_core(&options, Instant::now);
    drive(core, session, stream, program(connection)).ok_or("it waits for something else")?
}

/// Wakes the thread that drives both the program and the connection.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Takes turns until the connection is over.
fn drive<F>(mut core: Core, mut tls: Session, mut tcp: TcpStream, work: F) -> Option<F::Output>
where
    F: Future,
{
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut work, mut output) = (pin!(work), None);
    loop {
        if output.is_none() {
            if let Poll::Ready(ready) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                output = Some(ready);
            }
        }
        if core.is_finished() {
            // As much of the last words as the stream takes.
            tls.close();
            let _ = tcp.write(tls.transmit());
            return output;
        }
        core.set_waker(&waker);
        core.turn(Instant::now());
        for _ in 0..PER_TURN {
            tls.decrypt_into(&mut core, Instant::now());
            if !tls.interest(&core).read {
                break;
            }
            match tcp.read(tls.read_space()) {
                Ok(n) => tls.read_done(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => core.lost(ConnectionError::Io(error.into())),
            }
        }
        for _ in 0..PER_TURN {
            tls.encrypt_from(&mut core, Instant::now());
            if tls.transmit().is_empty() {
                break;
            }
            match tcp.write(tls.transmit()) {
                Ok(n) => tls.transmitted(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => core.lost(ConnectionError::Io(error.into())),
            }
        }
        let now = Instant::now();
        if core.deadline().is_some_and(|deadline| deadline <= now) {
            core.handle_timeout(now);
        } else if !tls.interest(&core).again {
            // Until it is woken. A real loop waits for the stream and the deadline as well.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}
