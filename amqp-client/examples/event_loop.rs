//! An event loop of one's own over a plain `TcpStream`: no runtime, and the library without its
//! features. The documentation of `proto` says what each call is for.
//!
//! ```text
//! published: hi
//! received: hi
//! ```

use std::error::Error;
use std::future::Future;
use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_client::proto::Core;
use amqp_client::{Connection, ConnectionError, ConnectionOptions, Message, QueueDeclare};

/// Reads and writes of one turn: neither keeps the other waiting.
const PER_TURN: usize = 16;

/// The program itself, which knows nothing of the loop.
async fn program(connection: Connection) -> Result<(), Box<dyn Error>> {
    connection.opened().await?;
    let channel = connection.open_channel().await?;
    let queue = QueueDeclare::new("hello").exclusive();
    channel.queue_declare(queue).await?;
    let publisher = connection.open_publisher().await?;
    publisher.publish("", "hello", Message::new("hi")).await?;
    println!("published: hi");
    let mut consumer = channel.consume("hello").await?;
    let delivery = consumer.next().await.ok_or("cancelled")??;
    println!("received: {}", delivery.text()?);
    delivery.ack()?;
    connection.close().await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = ConnectionOptions::from_env()?;
    options.validate()?;
    // The first host; a real program tries the others, too.
    let address = options.addresses().next().ok_or("no host")?;
    let stream = TcpStream::connect(address)?;
    stream.set_nonblocking(true)?;
    let (core, connection) = Connection::with_core(&options, Instant::now);
    match drive(core, stream, program(connection)) {
        Poll::Ready(result) => result,
        Poll::Pending => Err("the program waits for what is not the connection's".into()),
    }
}

/// Wakes the thread that drives both the program and the connection.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Takes turns until the connection is over.
fn drive<F: Future>(mut core: Core, mut stream: TcpStream, program: F) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut program, mut output) = (pin!(program), Poll::Pending);
    loop {
        if output.is_pending() {
            output = program.as_mut().poll(&mut Context::from_waker(&waker));
        }
        if core.is_finished() {
            return output;
        }
        core.set_waker(&waker);
        core.turn(Instant::now());
        for _ in 0..PER_TURN {
            if !core.interest().read {
                break;
            }
            match stream.read(core.read_space()) {
                Ok(n) => core.read_done(n, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => core.lost(ConnectionError::Io(error.into())),
            }
        }
        for _ in 0..PER_TURN {
            let Some(transmit) = core.transmit() else {
                break;
            };
            let mut next = [IoSlice::new(&[])];
            transmit.slices(&mut next);
            match stream.write_vectored(&next) {
                Ok(n) => core.transmitted(n, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => core.lost(ConnectionError::Io(error.into())),
            }
        }
        let now = Instant::now();
        if core.deadline().is_some_and(|deadline| deadline <= now) {
            core.handle_timeout(now);
        } else if !core.interest().again {
            // Until it is woken. A real loop waits for the stream and the deadline as well.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}
