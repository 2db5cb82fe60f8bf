//! A quorum queue counts a lost connection as a failed delivery of all that was outstanding: a
//! connection that is lost again and again has messages dead-lettered that are not to blame.
//!
//! What is counted is exact: the queue holds one batch of messages, all of which are delivered when
//! the connection is lost, and it gets the next batch when those are dead. The delays of the policy
//! decide how fast that goes; the rate of each is printed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use amqp_client::event::Event;
use amqp_client::message::DeathReason;
use amqp_client::options::Recovery;
use amqp_client::{
    Channel, Connection, ConnectionOptions, Consumer, Message, Publisher, QueueDeclare,
};
use amqp_testing::Proxy;
use amqp_testing::broker::{Endpoint, Management, VirtualHost};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::HANG;
use crate::stage::{Length, alone, is_asked_for};

/// The limit that RabbitMQ has from 4.0 on where none is declared.
const DEFAULT_LIMIT: usize = 20;

/// How long the connections of one comparison are lost again and again.
const SPAN: Duration = Duration::from_secs(60);

fn millis(shortest: u64, longest: u64) -> Recovery {
    Recovery::new().delays(Duration::from_millis(shortest)..=Duration::from_millis(longest))
}

/// What a connection said of its losses.
#[derive(Debug, Default)]
struct Told {
    losses: usize,
    /// The number of each attempt, and the delay before it.
    attempts: Vec<(u32, Duration)>,
    recoveries: usize,
}

/// A connection that is lost as soon as its consumer has all that it may have.
struct Flapping {
    proxy: Proxy,
    connection: Connection,
    consumer: Consumer,
    told: Arc<Mutex<Told>>,
    hearing: JoinHandle<()>,
    /// The next two are of a connection that is not lost.
    publisher: Publisher,
    channel: Channel,
    queue: String,
    dead_letters: String,
    batch: usize,
    /// How often a message may be lost.
    limit: usize,
    losses: usize,
    dead: usize,
}

impl Flapping {
    /// A queue with this limit, or that of the broker, and a consumer that may have one batch.
    async fn open(
        vhost: &VirtualHost,
        (name, policy): (&str, Recovery),
        batch: u16,
        limit: Option<u32>,
    ) -> Self {
        let options: ConnectionOptions = vhost.url().parse().unwrap();
        let steady = Connection::open_with(&options).await.unwrap();
        let channel = steady.open_channel().await.unwrap();
        let dead_letters = format!("{name}, dead");
        let queue = QueueDeclare::new(name).quorum();
        let queue = queue.dead_letter_queue(&dead_letters);
        let queue = match limit {
            Some(limit) => queue.delivery_limit(limit),
            None => queue,
        };
        channel.queue_declare(queue).await.unwrap();
        let dead = QueueDeclare::new(&dead_letters).durable();
        channel.queue_declare(dead).await.unwrap();

        let proxy = Proxy::to_url(&vhost.url()).unwrap();
        let options = options
            .hosts([proxy.address().to_string()])
            .recovery(policy);
        let connection = Connection::open_with(&options).await.unwrap();
        let told = Arc::new(Mutex::new(Told::default()));
        let hearing = tokio::spawn(hear(connection.clone(), Arc::clone(&told)));
        let consuming = connection.open_channel().await.unwrap();
        Self {
            proxy,
            consumer: consuming.consume(name).prefetch(batch).await.unwrap(),
            connection,
            told,
            hearing,
            publisher: steady.open_publisher().await.unwrap(),
            channel,
            queue: name.to_owned(),
            dead_letters,
            batch: usize::from(batch),
            limit: limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap()),
            losses: 0,
            dead: 0,
        }
    }

    /// One batch, from its first delivery to its death.
    async fn lose_a_batch(&mut self) {
        for n in 0..self.batch {
            let message = Message::new(n.to_string()).persistent();
            let publishing = self.publisher.publish("", &self.queue, &message);
            publishing.await.unwrap();
        }
        // The last loss is one more than the limit allows.
        for n_failed in 0..=self.limit {
            let mut outstanding = Vec::new();
            for _ in 0..self.batch {
                let delivery = timeout(HANG, self.consumer.next()).await;
                let delivery = delivery.expect("not delivered").unwrap().unwrap();
                let counted = delivery.delivery_count().unwrap_or(0);
                assert_eq!(counted, n_failed as u64, "{}", self.queue);
                outstanding.push(delivery);
            }
            self.proxy.reset();
            self.losses += 1;
        }
        let all = self.dead + self.batch;
        while self.dead < all {
            let passive = QueueDeclare::new(&self.dead_letters).passive();
            let declared = self.channel.queue_declare(passive).await.unwrap();
            self.dead = usize::try_from(declared.message_count).unwrap();
        }
        assert_eq!(self.dead, all);
    }

    /// Closes the connection, once it has come back from its last loss, and returns what it said.
    async fn close(self) -> Told {
        let counts = || (self.connection.counters().recoveries, self.n_told());
        let all = (self.losses as u64, (self.losses, self.losses));
        let deadline = Instant::now() + HANG;
        while counts() != all && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(counts(), all, "{}", self.queue);
        drop(self.consumer);
        self.connection.close().await.unwrap();
        timeout(HANG, self.hearing).await.unwrap().unwrap();
        std::mem::take(&mut *told(&self.told))
    }

    /// How many losses and recoveries there were, as it says.
    fn n_told(&self) -> (usize, usize) {
        let told = told(&self.told);
        (told.losses, told.recoveries)
    }
}

fn told(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes down what the connection tells, to its end.
async fn hear(connection: Connection, told: Arc<Mutex<Told>>) {
    let mut events = connection.events();
    drop(connection);
    while let Some(event) = events.next().await {
        let mut told = self::told(&told);
        match event {
            Event::Lost { .. } => told.losses += 1,
            Event::Retrying { attempt, delay, .. } => told.attempts.push((attempt, delay)),
            Event::Recovered(_) => told.recoveries += 1,
            _ => {}
        }
    }
}

/// Runs a test on a virtual host of its own, unless there is no broker, or one that is too old.
#[track_caller]
fn run(oldest: u32, test: impl AsyncFnOnce(&VirtualHost)) {
    let Some(endpoint) = Endpoint::from_env().unwrap() else {
        eprintln!("not tested: {} is not set", Endpoint::URL_VARIABLE);
        return;
    };
    // To ask for the version opens a socket.
    let _alone = alone();
    let version = endpoint.management().version().unwrap();
    if major(endpoint.management()) < oldest {
        eprintln!("not tested: RabbitMQ {oldest} is needed, and this is {version}");
        return;
    }
    let vhost = endpoint.vhost().unwrap();
    let runtime: Runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    println!("RabbitMQ {version}");
    runtime.block_on(test(&vhost));
    drop(runtime);
    vhost.delete().unwrap();
}

fn major(management: &Management) -> u32 {
    let version = management.version().unwrap();
    version.split('.').next().unwrap().parse().unwrap()
}

/// With a limit of three, for speed: the fourth loss is one too many. The connection tells of each,
/// and that it waits longer before each.
#[test]
fn messages_out_die_with_one_loss_more_than_the_limit_and_the_losses_are_told() {
    if !is_asked_for(Length::Short) {
        return;
    }
    run(3, async |vhost| {
        let policy = ("three", millis(20, 1000));
        let mut flapping = Flapping::open(vhost, policy, 10, Some(3)).await;
        flapping.lose_a_batch().await;
        flapping.lose_a_batch().await;
        assert_eq!((flapping.losses, flapping.dead), (8, 20));
        let dead = flapping.channel.basic_get(&flapping.dead_letters).await;
        let dead = dead.unwrap().unwrap().delivery;
        assert_eq!(dead.deaths()[0].reason, DeathReason::DeliveryLimit);
        let told = flapping.close().await;
        assert_eq!((told.losses, told.recoveries), (8, 8));
        // Unless it has lived for long, each loss counts on.
        assert!(told.attempts.len() >= 8, "{told:?}");
    });
}

/// The limit of 20 that RabbitMQ has by itself from 4.0 on, and 200 messages.
#[test]
fn two_hundred_messages_die_with_the_twenty_first_loss() {
    if !is_asked_for(Length::Long) {
        return;
    }
    run(4, async |vhost| {
        let policy = ("twenty", millis(1, 5));
        let mut flapping = Flapping::open(vhost, policy, 200, None).await;
        flapping.lose_a_batch().await;
        assert_eq!((flapping.losses, flapping.dead), (21, 200));
        let told = flapping.close().await;
        assert_eq!((told.losses, told.recoveries), (21, 21));
    });
}

/// One minute of each policy: the default one, one that always waits for the shortest delay of the
/// default, as it would be if young connections did not count on, and one of milliseconds.
#[test]
fn slower_connection_has_fewer_messages_dead_lettered_in_a_minute() {
    if !is_asked_for(Length::Long) {
        return;
    }
    run(4, async |vhost| {
        let policies = [
            ("default", Recovery::new()),
            ("half a second", millis(500, 500)),
            ("milliseconds", millis(1, 5)),
        ];
        let [slowed, even, fast] = policies;
        let (slowed, even, fast) = tokio::join!(
            for_a_minute(vhost, slowed),
            for_a_minute(vhost, even),
            for_a_minute(vhost, fast),
        );
        // It takes 21 losses, of which the default has nine in a minute at most.
        assert_eq!(slowed.dead, 0);
        assert!(
            slowed.losses < even.losses,
            "{} {}",
            slowed.losses,
            even.losses
        );
        assert!(even.losses < fast.losses, "{} {}", even.losses, fast.losses);
        assert!(even.dead < fast.dead, "{} {}", even.dead, fast.dead);
        for flapping in [slowed, even, fast] {
            // No more than whole batches.
            let batches = flapping.losses / (DEFAULT_LIMIT + 1);
            assert!(flapping.dead <= batches * flapping.batch);
            let losses = flapping.losses;
            assert_eq!(flapping.close().await.losses, losses);
        }
    });
}

async fn for_a_minute(vhost: &VirtualHost, policy: (&str, Recovery)) -> Flapping {
    let mut flapping = Flapping::open(vhost, policy, 200, None).await;
    let losing = async {
        loop {
            flapping.lose_a_batch().await;
        }
    };
    tokio::select! {
        () = losing => {}
        () = sleep(SPAN) => {}
    }
    println!(
        "FLAPPING {}: {} losses and {} dead letters in {SPAN:?}",
        flapping.queue, flapping.losses, flapping.dead
    );
    flapping
}
