//! What the tests share: a broker, a virtual host, and ways to ask what the broker knows.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use amqp_client::amqp_spec::wire::MethodId;
use amqp_client::consume::ManualAck;
use amqp_client::error::BrokerClose;
use amqp_client::options::Recovery;
use amqp_client::{
    Channel, Connection, ConnectionOptions, Consumer, Delivery, Message, QueueDeclare,
};
use amqp_testing::broker::{Endpoint, Management, VirtualHost};
use tokio::runtime::{Builder, Runtime};

/// Longer than any test takes that will pass, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(300);

/// How long the broker may take for what it does in the background.
const PATIENCE: Duration = Duration::from_secs(120);

/// A virtual host of one test, and the broker that it is on.
pub(crate) struct Site {
    vhost: VirtualHost,
}

/// Runs a test on one thread.
#[track_caller]
pub(crate) fn run(test: impl AsyncFnOnce(&Site)) {
    run_in(&mut Builder::new_current_thread(), test);
}

/// Runs a test whose tasks run on several threads.
#[track_caller]
pub(crate) fn run_on_threads(test: impl AsyncFnOnce(&Site)) {
    run_in(Builder::new_multi_thread().worker_threads(4), test);
}

#[track_caller]
fn run_in(builder: &mut Builder, test: impl AsyncFnOnce(&Site)) {
    let Some(endpoint) = endpoint() else { return };
    let site = Site {
        vhost: endpoint.vhost().unwrap(),
    };
    let runtime = builder.enable_all().build().unwrap();
    limited(&runtime, test(&site));
    // Before the virtual host, so that its end is nobody's error.
    drop(runtime);
    site.vhost.delete().unwrap();
}

/// The broker to test against. Says so if there is none.
#[track_caller]
pub(crate) fn endpoint() -> Option<Endpoint> {
    let endpoint = Endpoint::from_env().unwrap();
    if endpoint.is_none() {
        eprintln!("not tested: {} is not set", Endpoint::URL_VARIABLE);
    }
    endpoint
}

/// Runs a test on a runtime, for as long as any test may take.
#[track_caller]
pub(crate) fn limited(runtime: &Runtime, test: impl Future<Output = ()>) {
    let done = runtime.block_on(async { tokio::time::timeout(LIMIT, test).await });
    assert!(done.is_ok(), "not done after {LIMIT:?}");
}

/// Options for a connection that ends when it is lost: what is told of the end is looked at here.
/// Tests of recovery switch that on.
pub(crate) fn lasting(url: &str) -> ConnectionOptions {
    let options: ConnectionOptions = url.parse().unwrap();
    options.recovery(Recovery::off())
}

impl Site {
    /// How to connect to the virtual host.
    pub(crate) fn options(&self) -> ConnectionOptions {
        lasting(&self.url())
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open_with(&self.options()).await.unwrap()
    }

    /// A channel on a connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        self.connect().await.open_channel().await.unwrap()
    }

    /// The name of the virtual host.
    pub(crate) fn name(&self) -> &str {
        self.vhost.name()
    }

    pub(crate) fn url(&self) -> String {
        self.vhost.url()
    }

    pub(crate) fn management(&self) -> &Management {
        self.vhost.management()
    }

    /// Major and minor version of the broker.
    pub(crate) fn version(&self) -> (u32, u32) {
        version(self.management())
    }
}

/// Major and minor version of a broker.
pub(crate) fn version(management: &Management) -> (u32, u32) {
    let version = management.version().unwrap();
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

/// Declares a durable queue, and checks that it is empty.
pub(crate) async fn declare(channel: &Channel, queue: &str) {
    let declared = channel
        .queue_declare(QueueDeclare::new(queue).durable())
        .await
        .unwrap();
    assert_eq!(declared.message_count, 0);
}

/// Publishes messages with the bodies "0", "1" and so on, and waits until they are in the queue.
pub(crate) async fn fill(channel: &Channel, queue: &str, n_messages: usize) {
    for n in 0..n_messages {
        let message = Message::new(n.to_string());
        channel.basic_publish("", queue, &message).await.unwrap();
    }
    // RabbitMQ routes in the order of the channel, yet lets a question overtake.
    until_ready(channel, queue, n_messages).await;
}

/// How many messages of a queue are neither delivered nor unacknowledged.
pub(crate) async fn ready(channel: &Channel, queue: &str) -> usize {
    let passive = QueueDeclare::new(queue).passive();
    let declared = channel.queue_declare(passive).await.unwrap();
    usize::try_from(declared.message_count).unwrap()
}

/// How many consumers a queue has.
pub(crate) async fn consumers(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclare::new(queue).passive();
    let declared = channel.queue_declare(passive).await.unwrap();
    declared.consumer_count
}

/// Waits until so many messages of a queue are ready.
pub(crate) async fn until_ready(channel: &Channel, queue: &str, n_messages: usize) {
    let what = format!("messages ready in {queue}");
    until(&what, n_messages, async || ready(channel, queue).await).await;
}

/// Asks until the answer is as expected. The questions go to the broker and pace themselves.
pub(crate) async fn until<T: Debug + PartialEq>(
    what: &str,
    expected: T,
    mut ask: impl AsyncFnMut() -> T,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = ask().await;
        if found == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: expected {expected:?}, still {found:?}"
        );
        tokio::task::yield_now().await;
    }
}

/// Takes the next delivery, and checks that it is this message.
pub(crate) async fn expect(consumer: &mut Consumer<ManualAck>, body: &str) -> Delivery {
    let delivery = consumer.next().await.expect("no delivery").unwrap();
    assert_eq!(text(delivery.body()), body);
    delivery
}

pub(crate) fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Checks what the broker said when it closed something.
#[track_caller]
pub(crate) fn check_close(close: Option<&BrokerClose>, code: u16, text: &str, method: MethodId) {
    let close = close.expect("the broker said nothing");
    assert_eq!(close.reply_code.0, code, "{close}");
    assert!(close.reply_text.contains(text), "{close}");
    assert_eq!(close.method, Some(method), "{close}");
}
