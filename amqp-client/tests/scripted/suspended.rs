//! A process that stood still, or was too busy to look: what came in the meantime counts before any
//! deadline does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use amqp_client::{Connection, Message, Publisher};
use amqp_spec::{confirm, queue};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::peer::{Peer, options, soon};
use crate::wire;

const SECOND: Duration = Duration::from_secs(1);

/// What the stream remembers of itself.
const LOOKED: u8 = 0;
const SUSPENDED: u8 = 1;
const RESUMED: u8 = 2;

/// A stream as a reactor shows it: whether it is ready is remembered. While the process is
/// suspended nothing is; when it goes on, that is noticed with the reactor's next look.
struct Remembered {
    stream: DuplexStream,
    state: Arc<AtomicU8>,
}

impl Remembered {
    fn new(stream: DuplexStream) -> (Self, Arc<AtomicU8>) {
        let state = Arc::new(AtomicU8::new(LOOKED));
        let remembered = Self {
            stream,
            state: Arc::clone(&state),
        };
        (remembered, state)
    }

    fn is_ready(&self, context: &Context<'_>) -> bool {
        match self.state.load(Ordering::Relaxed) {
            LOOKED => return true,
            RESUMED => {
                let (state, waker) = (Arc::clone(&self.state), context.waker().clone());
                tokio::spawn(async move {
                    // Tokio goes on with it behind its next look.
                    tokio::task::yield_now().await;
                    state.store(LOOKED, Ordering::Relaxed);
                    waker.wake();
                });
            }
            _ => {}
        }
        false
    }
}

impl AsyncRead for Remembered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_ready(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Remembered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.is_ready(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[tokio::test(start_paused = true)]
async fn s8_what_came_while_suspended_is_read_before_anything_is_judged() {
    let (stream, mut peer) = Peer::pair(4096);
    let (stream, state) = Remembered::new(stream);
    let options = options().heartbeat(2 * SECOND).request_timeout(2 * SECOND);
    let connection = peer.open(stream, &options).await;
    let channel = peer.channel(&connection).await;
    let select = async {
        peer.expect("1 confirm.select").await;
        peer.say(1, &confirm::SelectOk {}).await;
    };
    let (publisher, ()) = tokio::join!(soon(Publisher::new(channel.clone())), select);
    let publisher = publisher.unwrap();
    let publisher = publisher.confirm_timeout(2 * SECOND);
    let publishing = tokio::spawn(async move {
        let published = publisher.publish("", "key", Message::new("m")).await;
        (published, publisher)
    });
    let purging = tokio::spawn({
        let channel = channel.clone();
        async move { channel.queue_purge("q").await }
    });
    for line in [
        "basic.publish key mandatory",
        "header 1",
        "body 1",
        "queue.purge q",
    ] {
        peer.expect(&format!("1 {line}")).await;
    }

    state.store(SUSPENDED, Ordering::Relaxed);
    peer.send(&wire::ack(1, 1, false)).await;
    peer.say(1, &queue::PurgeOk { message_count: 3 }).await;
    tokio::task::yield_now().await;
    state.store(RESUMED, Ordering::Relaxed);
    tokio::time::advance(8 * SECOND).await;

    assert_eq!(soon(purging).await.unwrap().unwrap(), 3);
    soon(publishing).await.unwrap().0.unwrap();
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn s9_what_could_be_written_while_suspended_is_written_before_the_peer_is_judged() {
    let (stream, mut peer) = Peer::pair(1024);
    let (stream, state) = Remembered::new(stream);
    let options = options().write_timeout(Some(5 * SECOND));
    let connection = peer.open(stream, &options).await;
    let channel = peer.channel(&connection).await;
    let message = Message::new(vec![b'.'; 4096]);
    channel.basic_publish("", "key", &message).await.unwrap();
    tokio::task::yield_now().await;

    state.store(SUSPENDED, Ordering::Relaxed);
    peer.expect("1 basic.publish key").await;
    peer.expect("1 header 4096").await;
    state.store(RESUMED, Ordering::Relaxed);
    tokio::time::advance(8 * SECOND).await;

    peer.expect("1 body 4096").await;
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn s8_peer_that_was_silent_all_the_while_is_given_up_with_its_whole_silence() {
    let (stream, mut peer) = Peer::pair(4096);
    let (stream, state) = Remembered::new(stream);
    let connection = peer.open(stream, &options().heartbeat(2 * SECOND)).await;
    state.store(RESUMED, Ordering::Relaxed);
    tokio::time::advance(8 * SECOND).await;
    let end = soon(connection.closed()).await;
    assert_eq!(end.to_string(), "connection lost: nothing heard for 8 s");
    drop(peer);
}

/// A child process is stopped with SIGSTOP for longer than every limit.
#[cfg(unix)]
mod process {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc;
    use std::thread;

    use amqp_client::ConnectionOptions;
    use amqp_spec::connection;
    use amqp_spec::frame::HEARTBEAT;
    use amqp_testing::peer::Conversation;

    use super::*;

    /// Half of them on a runtime of one thread, half on one of several.
    const CONNECTIONS: usize = 20;

    /// Tells the child where the broker is.
    const URL: &str = "AMQP_CLIENT_SUSPENDED_URL";

    const PACE: Duration = Duration::from_millis(300);

    /// Longer than twice the heartbeat of a second, and than the two seconds that requests have.
    const BEATS_WHILE_STOPPED: usize = 12;

    /// What a connection of the broker tells.
    #[derive(Eq, PartialEq)]
    enum Told {
        Asked,
        Beat,
    }

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn signal(child: &Child, signal: &str) {
        let kill = format!("kill -{signal} {}", child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// One connection of the broker: answers a publish and a purge while the child is stopped.
    fn serve(socket: TcpStream, told: &mpsc::Sender<Told>, stopped: &mpsc::Receiver<()>) {
        socket.set_read_timeout(Some(60 * SECOND)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut heart = socket.try_clone().unwrap();
        let mut client = Conversation::over(socket);
        client.open_connection_with(connection::Tune {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 1,
        });
        // Until the child is gone.
        let beats = told.clone();
        let beating = thread::spawn(move || {
            while heart.write_all(&HEARTBEAT).is_ok() {
                let _ = beats.send(Told::Beat);
                thread::park_timeout(PACE);
            }
        });
        client.open_channel(1);
        client.expect(1, "confirm.select");
        client.send(1, &confirm::SelectOk {});
        client.expect(1, "basic.publish");
        client.expect_content(1);
        client.expect(1, "queue.purge");
        told.send(Told::Asked).unwrap();
        stopped.recv().unwrap();
        client.send_raw(&wire::ack(1, 1, false));
        client.send(1, &queue::PurgeOk { message_count: 3 });
        beating.join().unwrap();
    }

    #[test]
    fn s8_a_process_that_was_stopped_and_goes_on_keeps_its_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("amqp://{}", listener.local_addr().unwrap());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "suspended::process::child", "--nocapture"])
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        let mut say = child.0.stdin.take().unwrap();
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut hear = |word: &str| loop {
            let line = lines.next().expect("the child goes on").unwrap();
            if let Some((_, rest)) = line.split_once(word) {
                return rest.to_owned();
            }
        };

        let (told, heard) = mpsc::channel();
        let mut waiting = Vec::new();
        for _ in 0..CONNECTIONS {
            let (socket, _) = listener.accept().unwrap();
            let (stop, stopped) = mpsc::channel();
            waiting.push(stop);
            let told = told.clone();
            thread::spawn(move || serve(socket, &told, &stopped));
        }
        hear("all are open");
        writeln!(say, "ask").unwrap();
        let wait_for = |what: Told, n: usize| {
            let mut left = n;
            while left > 0 {
                let told = heard.recv_timeout(60 * SECOND).expect("the broker goes on");
                left -= usize::from(told == what);
            }
        };
        wait_for(Told::Asked, CONNECTIONS);
        signal(&child.0, "STOP");
        for stopped in &waiting {
            stopped.send(()).unwrap();
        }
        wait_for(Told::Beat, BEATS_WHILE_STOPPED * CONNECTIONS);
        signal(&child.0, "CONT");
        assert_eq!(hear("outcome:"), format!(" {CONNECTIONS} well, []"));
    }

    /// Opens a connection, waits for its turn, and asks for a confirm and a reply.
    async fn ask(
        url: String,
        mut go: tokio::sync::watch::Receiver<bool>,
        told: mpsc::Sender<()>,
    ) -> Result<(), String> {
        let options: ConnectionOptions = url.parse().unwrap();
        let options = options.heartbeat(SECOND).request_timeout(2 * SECOND);
        let connection = Connection::open_with(&options).await.unwrap();
        let publisher = connection.open_publisher().await.unwrap();
        let publisher = publisher.confirm_timeout(2 * SECOND);
        told.send(()).unwrap();
        go.wait_for(|go| *go).await.unwrap();
        let confirmation = publisher.send("", "key", &Message::new("m")).await.unwrap();
        let purging = publisher.channel().queue_purge("q");
        let (confirmed, purged) = tokio::join!(confirmation, purging);
        confirmed.map_err(|error| error.to_string())?;
        purged.map_err(|error| error.to_string())?;
        match connection.close_reason() {
            None => Ok(()),
            Some(end) => Err(end.to_string()),
        }
    }

    /// What the test above runs in a process of its own; alone it has nothing to do.
    #[test]
    fn child() {
        let Ok(url) = std::env::var(URL) else {
            return;
        };
        let one = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let several = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (go, going) = tokio::sync::watch::channel(false);
        let (told, telling) = mpsc::channel();
        let start = |n| ask(url.clone(), going.clone(), n);
        let mut tasks = Vec::new();
        for n in 0..CONNECTIONS {
            let runtime = if n % 2 == 0 { &one } else { &several };
            tasks.push(runtime.spawn(start(told.clone())));
        }
        let driving = thread::spawn(move || {
            one.block_on(async {
                let mut failures = Vec::new();
                for task in tasks {
                    failures.extend(task.await.unwrap().err());
                }
                failures
            })
        });
        for _ in 0..CONNECTIONS {
            telling.recv().unwrap();
        }
        println!("all are open");
        io::stdin().lines().next().unwrap().unwrap();
        go.send(true).unwrap();
        let failures = driving.join().unwrap();
        println!(
            "outcome: {} well, {failures:?}",
            CONNECTIONS - failures.len()
        );
        drop(several);
    }
}
