//! The workload: four publishers with confirms and one without, two consumers of a durable queue,
//! one of them with a handler, and an RPC pair over an exclusive queue; all on one connection.
//!
//! It goes on whatever happens to the connection, and writes everything down in the ledger.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_client::{
    Channel, Connection, Consumer, Delivery, Disposition, ExchangeDeclare, Message, Properties,
    PublishError, Publisher, QueueDeclare, ReceivedMessage, rpc,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout_at};

use crate::HANG;
use crate::ledger::{Ack, CallOutcome, Ledger, MessageId, Outcome};

/// Publishers with confirms; one without has the number behind them.
pub(crate) const N_CONFIRMING: usize = 4;

pub(crate) const N_CONSUMERS: usize = 2;

const EXCHANGE: &str = "jobs";
pub(crate) const QUEUE: &str = "work";
pub(crate) const EXCLUSIVE: &str = "requests";

/// What idle calls are called.
pub(crate) const CALLS: &str = "calls";

/// How long a publisher waits between two messages.
const PACE: Duration = Duration::from_millis(10);

/// How long one call waits for its reply. RabbitMQ 4.0 loses some of the replies to channels that
/// it has only just opened.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// What kind of queue the messages go through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Classic,
    Quorum,
}

/// How far the workload is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Phase {
    Running,
    /// Nothing new is published.
    Draining,
    /// Nothing is consumed.
    Stopping,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A workload under way.
pub(crate) struct Workload {
    pub(crate) ledger: Arc<Ledger>,
    connection: Connection,
    phase: watch::Sender<Phase>,
    tasks: Vec<(String, JoinHandle<()>)>,
    /// The queue and the channel of each consumer that the broker lists.
    consuming: Vec<(&'static str, Channel)>,
}

impl Workload {
    /// Declares what it needs and begins.
    pub(crate) async fn start(connection: &Connection, kind: Kind) -> Result<Self, Failure> {
        let (phase, _) = watch::channel(Phase::Running);
        let mut workload = Self {
            ledger: Arc::new(Ledger::new(N_CONFIRMING + 1)),
            connection: connection.clone(),
            phase,
            tasks: Vec::new(),
            consuming: Vec::new(),
        };
        workload.declare(kind).await?;
        workload.consume().await?;
        workload.publish().await?;
        workload.call().await?;
        Ok(workload)
    }

    async fn declare(&self, kind: Kind) -> Result<(), Failure> {
        let channel = self.connection.open_channel().await?;
        let queue = QueueDeclare::new(QUEUE).durable();
        let queue = match kind {
            Kind::Classic => queue,
            Kind::Quorum => queue.quorum(),
        };
        channel
            .exchange_declare(ExchangeDeclare::direct(EXCHANGE).durable())
            .await?;
        channel.queue_declare(queue).await?;
        channel.queue_bind(QUEUE, EXCHANGE, QUEUE).await?;
        channel.close().await?;
        Ok(())
    }

    async fn consume(&mut self) -> Result<(), Failure> {
        let channel = self.connection.open_channel().await?;
        let consumer = channel.consume(QUEUE).prefetch(50).await?;
        let (ledger, phase) = (Arc::clone(&self.ledger), self.phase.subscribe());
        self.spawn("consumer 0", take(consumer, ledger, phase));
        self.consuming.push((QUEUE, channel));

        let channel = self.connection.open_channel().await?;
        let consumer = channel.consume(QUEUE).prefetch(50).await?;
        let (ledger, phase) = (Arc::clone(&self.ledger), self.phase.subscribe());
        self.spawn("consumer 1", handle(consumer, ledger, phase));
        self.consuming.push((QUEUE, channel));
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        for number in 0..N_CONFIRMING {
            let publisher = self.connection.open_publisher().await?.mandatory();
            let name = format!("publisher {number}");
            let (ledger, phase) = (Arc::clone(&self.ledger), self.phase.subscribe());
            match number {
                0 | 1 => self.spawn(name, one_by_one(publisher, number, ledger, phase)),
                2 => self.spawn(name, pipelined(publisher, number, ledger, phase)),
                _ => self.spawn(name, prepared(publisher, number, ledger, phase)),
            }
        }
        let channel = self.connection.open_channel().await?;
        let (ledger, phase) = (Arc::clone(&self.ledger), self.phase.subscribe());
        self.spawn("plain publisher", plain(channel, ledger, phase));
        Ok(())
    }

    async fn call(&mut self) -> Result<(), Failure> {
        let channel = self.connection.open_channel().await?;
        channel
            .queue_declare(QueueDeclare::new(EXCLUSIVE).exclusive())
            .await?;
        let requests = channel.consume(EXCLUSIVE).prefetch(10).await?;
        let replies = self.connection.open_publisher().await?;
        let mut phase = self.phase.subscribe();
        let serving = rpc::Server::new(requests, replies)
            .until(async move { until(&mut phase, Phase::Stopping).await });
        let ledger = Arc::clone(&self.ledger);
        self.spawn("server", async move {
            let echo =
                |request: ReceivedMessage| async move { Message::new(request.body().to_vec()) };
            let summary = serving.serve(echo).await;
            if let Err(error) = summary.result() {
                ledger.surprise(format!("the server ended: {error}"));
            }
        });
        self.consuming.push((EXCLUSIVE, channel));
        let client = rpc::Client::open(&self.connection)
            .timeout(CALL_TIMEOUT)
            .await?;
        let (ledger, phase) = (Arc::clone(&self.ledger), self.phase.subscribe());
        self.spawn("caller", call(client, ledger, phase));
        Ok(())
    }

    fn spawn(&mut self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push((name.into(), tokio::spawn(task)));
    }

    /// Waits until all that takes part has passed something through that began after this moment,
    /// or it has hung; tells how long it took.
    pub(crate) async fn until_flowing(&self, since: Instant) -> Option<Duration> {
        let deadline = Instant::now() + HANG;
        while !self.has_flowed(since) {
            if Instant::now() > deadline {
                return None;
            }
            sleep(PACE).await;
        }
        Some(since.elapsed())
    }

    fn has_flowed(&self, since: Instant) -> bool {
        self.idle(since).is_empty()
    }

    /// What takes part and has not passed anything through since.
    pub(crate) fn idle(&self, since: Instant) -> Vec<String> {
        let pages = self.ledger.pages();
        let mut idle = Vec::new();
        for (number, published) in pages.published.iter().enumerate() {
            let recent = published.iter().rev();
            let mut recent = recent.take_while(|it| it.begun > since);
            if !recent.any(|it| matches!(it.outcome, Outcome::Confirmed | Outcome::Plain)) {
                idle.push(format!("publisher {number}"));
            }
        }
        for consumer in 0..N_CONSUMERS {
            let recent = pages.deliveries.iter().rev();
            let mut recent = recent.take_while(|it| it.at > since);
            let is_new = |id: MessageId| pages.published[id.publisher][id.number].begun > since;
            if !recent.any(|it| it.consumer == consumer && is_new(it.message)) {
                idle.push(format!("consumer {consumer}"));
            }
        }
        let mut calls = pages.calls.iter().rev().take_while(|it| it.begun > since);
        if !calls.any(|it| it.outcome == CallOutcome::Replied) {
            idle.push(CALLS.to_owned());
        }
        idle
    }

    /// Queue and tag of all consumers that the broker should list.
    pub(crate) fn consumers(&self) -> BTreeSet<(String, String)> {
        let consuming = self.consuming.iter();
        let tags = consuming.flat_map(|(queue, channel)| {
            let tags = channel.consumer_tags().into_iter();
            tags.map(move |tag| ((*queue).to_owned(), tag))
        });
        tags.collect()
    }

    /// Whether a publish has not resolved yet.
    pub(crate) fn is_publishing(&self) -> bool {
        let pages = self.ledger.pages();
        let mut all = pages.published.iter().flatten();
        all.any(|it| it.outcome == Outcome::Pending)
    }

    /// Publishes and calls nothing more.
    pub(crate) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Stops consuming, and waits for every task; returns those that do not end.
    pub(crate) async fn stop(self) -> (Arc<Ledger>, Vec<String>) {
        self.phase.send_replace(Phase::Stopping);
        let mut stuck = Vec::new();
        let deadline = Instant::now() + HANG;
        for (name, task) in self.tasks {
            let abort = task.abort_handle();
            match timeout_at(deadline.into(), task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.ledger.surprise(format!("{name}: {error}")),
                Err(_) => {
                    abort.abort();
                    stuck.push(format!("{name} does not end"));
                }
            }
        }
        (self.ledger, stuck)
    }
}

/// Waits until the workload is so far.
async fn until(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // An error says that the workload is gone, which is far enough.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

fn is_running(phase: &watch::Receiver<Phase>) -> bool {
    *phase.borrow() == Phase::Running
}

/// The body of a message: its number, and now and then more than one frame of padding.
fn body(id: MessageId) -> Vec<u8> {
    let mut body = id.text().into_bytes();
    let size = if id.number % 50 == 49 { 150_000 } else { 200 };
    body.resize(size, b'.');
    body
}

fn message(id: MessageId) -> Message {
    Message::new(body(id)).persistent()
}

fn outcome(result: &Result<(), PublishError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Confirmed,
        Err(PublishError::Uncertain(_)) => Outcome::Uncertain,
        Err(PublishError::NotSent(_)) => Outcome::NotSent,
        Err(_) => Outcome::Refused,
    }
}

async fn one_by_one(
    publisher: Publisher,
    number: usize,
    ledger: Arc<Ledger>,
    phase: watch::Receiver<Phase>,
) {
    while is_running(&phase) {
        let id = ledger.begin(number);
        let result = publisher.publish(EXCHANGE, QUEUE, message(id)).await;
        ledger.end(id, outcome(&result));
        sleep(PACE).await;
    }
}

async fn prepared(
    publisher: Publisher,
    number: usize,
    ledger: Arc<Ledger>,
    phase: watch::Receiver<Phase>,
) {
    let properties = Properties::new().delivery_mode(2);
    let prepared = match publisher.prepare(EXCHANGE, QUEUE, properties.as_ref()) {
        Ok(prepared) => prepared,
        Err(error) => return ledger.surprise(error.to_string()),
    };
    while is_running(&phase) {
        let id = ledger.begin(number);
        let result = prepared.publish(body(id)).await;
        ledger.end(id, outcome(&result));
        sleep(PACE).await;
    }
}

/// Up to 32 messages wait for their confirms at once.
async fn pipelined(
    publisher: Publisher,
    number: usize,
    ledger: Arc<Ledger>,
    phase: watch::Receiver<Phase>,
) {
    let window = Arc::new(Semaphore::new(32));
    while is_running(&phase) {
        let Ok(place) = Arc::clone(&window).acquire_owned().await else {
            return;
        };
        let id = ledger.begin(number);
        match publisher.send(EXCHANGE, QUEUE, message(id)).await {
            Ok(confirmation) => {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    ledger.end(id, outcome(&confirmation.await));
                    drop(place);
                });
            }
            Err(error) => ledger.end(id, outcome(&Err(error))),
        }
        sleep(PACE / 4).await;
    }
    // All of them have resolved.
    let _ = window.acquire_many(32).await;
}

async fn plain(channel: Channel, ledger: Arc<Ledger>, phase: watch::Receiver<Phase>) {
    while is_running(&phase) {
        let id = ledger.begin(N_CONFIRMING);
        let result = channel.basic_publish(EXCHANGE, QUEUE, &message(id)).await;
        let outcome = match result {
            Ok(()) => Outcome::Plain,
            Err(_) => Outcome::NotSent,
        };
        ledger.end(id, outcome);
        sleep(PACE).await;
    }
}

async fn take(mut consumer: Consumer, ledger: Arc<Ledger>, mut phase: watch::Receiver<Phase>) {
    loop {
        let next = tokio::select! {
            next = consumer.next() => next,
            () = until(&mut phase, Phase::Stopping) => break,
        };
        match next {
            Some(Ok(delivery)) => settle(delivery, &ledger),
            Some(Err(error)) => return ledger.surprise(format!("consumer 0: {error}")),
            None => return ledger.surprise("consumer 0 ended"),
        }
    }
    if let Err(error) = consumer.cancel().await {
        ledger.surprise(format!("consumer 0 was not cancelled: {error}"));
    }
    // What had come before the broker heard of it.
    while let Some(Ok(delivery)) = consumer.next().await {
        settle(delivery, &ledger);
    }
}

fn settle(delivery: Delivery, ledger: &Ledger) {
    let place = ledger.deliver(0, delivery.delivery_tag(), delivery.body());
    match delivery.ack() {
        Ok(settled) => ledger.ack(place, how(&settled)),
        Err(error) => {
            ledger.ack(place, Ack::Failed);
            ledger.surprise(format!("an ack failed: {error}"));
        }
    }
}

fn how(settled: &impl Debug) -> Ack {
    match format!("{settled:?}").as_str() {
        "Stale" => Ack::Stale,
        _ => Ack::Queued,
    }
}

async fn handle(consumer: Consumer, ledger: Arc<Ledger>, mut phase: watch::Receiver<Phase>) {
    let written = Arc::clone(&ledger);
    let handled = consumer
        .handle(move |message: ReceivedMessage| {
            let place = written.deliver(1, message.delivery_tag(), message.body());
            let ledger = Arc::clone(&written);
            async move {
                sleep(Duration::from_millis(5)).await;
                ledger.ack(place, Ack::ByHandler);
                Disposition::Ack
            }
        })
        .concurrency(8)
        .until(async move { until(&mut phase, Phase::Stopping).await })
        .await;
    if handled.failed + handled.panicked + handled.rejected > 0 {
        ledger.surprise(format!("the handler: {handled:?}"));
    }
    if let Err(error) = handled.result() {
        ledger.surprise(format!("consumer 1: {error}"));
    }
}

async fn call(client: rpc::Client, ledger: Arc<Ledger>, phase: watch::Receiver<Phase>) {
    while is_running(&phase) {
        let number = ledger.call();
        let request = number.to_string();
        let outcome = match client
            .call("", EXCLUSIVE, Message::new(request.clone()))
            .await
        {
            Ok(reply) if reply.body() == request.as_bytes() => CallOutcome::Replied,
            Ok(_) => CallOutcome::WrongReply,
            Err(error) => {
                ledger.note(format!("call {number}: {error}"));
                CallOutcome::Failed
            }
        };
        ledger.called(number, outcome);
        sleep(PACE * 2).await;
    }
}
