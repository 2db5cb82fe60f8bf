//! Every public future of the crate, one line each, and a world to run it in: a client whose
//! channel is busy, and an honest broker.
//!
//! [`dropped_futures`](crate::tests::races::dropped_futures) drops each of them at every poll,
//! [`cut_streams`](crate::tests::core::cut_streams) cuts the stream under each of them at every
//! octet. `cargo xtask tidy` tells of those that are not in here.

use std::cell::RefCell;
use std::fmt::Debug;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::broker::Broker;
use super::pair::Pair;
use super::task::Task;
use crate::consume::{NextWithin, QosScope};
use crate::declare::Topology;
use crate::{
    Channel, Connection, ConnectionOptions, Consumer, ExchangeDeclare, Message, Publisher,
    QueueDeclare, rpc,
};

/// How an operation ended: well, or with the error in words.
pub(crate) type Told = Result<(), String>;

pub(crate) fn told<T, E: Debug>(result: Result<T, E>) -> Told {
    result.map(drop).map_err(|error| format!("{error:?}"))
}

fn told_of<T, E: Debug>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{error:?}"))
}

/// What is left of the world when an operation is complete, or was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum After {
    /// Everything as before.
    Usable,
    /// The channel is closed, if the operation got so far.
    ChannelMayBeClosed,
    /// The same for the connection.
    ConnectionMayBeClosed,
}

/// A client with one channel for everything, and its broker.
pub(crate) struct World {
    pub(crate) pair: Pair,
    pub(crate) broker: Broker,
    pub(crate) connection: Connection,
    pub(crate) publisher: Publisher,
    pub(crate) channel: Channel,
    /// Its first two deliveries have come and have not been looked at.
    pub(crate) consumer: Rc<RefCell<Consumer>>,
}

impl World {
    pub(crate) fn new(options: &ConnectionOptions) -> Self {
        let mut pair = Pair::open_with(options);
        let mut broker = Broker::new();
        let connection = pair.connection.clone();
        let opening = connection.clone();
        let mut preparing = Task::new(async move {
            let publisher = opening.open_publisher().await.unwrap();
            let consume = publisher.channel().consume("standing").tag("standing");
            let consumer = consume.await.unwrap();
            (publisher, consumer)
        });
        let (publisher, consumer) = loop {
            if let Poll::Ready(prepared) = preparing.run() {
                break prepared;
            }
            broker.read(&pair.sent_octets());
            while let Some(frame) = broker.outgoing.pop_front() {
                pair.feed(&frame);
            }
        };
        let channel = publisher.channel().clone();
        Self {
            pair,
            broker,
            connection,
            publisher,
            channel,
            consumer: Rc::new(RefCell::new(consumer)),
        }
    }

    /// The broker reads what was sent, and so many of its frames arrive. False if nothing came.
    pub(crate) fn turn(&mut self, n_frames: usize) -> bool {
        let octets = self.pair.sent_octets();
        self.broker.read(&octets);
        let n = n_frames.min(self.broker.outgoing.len());
        for frame in self.broker.outgoing.drain(..n).collect::<Vec<_>>() {
            self.pair.feed(&frame);
        }
        n > 0
    }

    /// Until neither side has anything to say.
    pub(crate) fn settle(&mut self) {
        while self.turn(1) {}
    }

    /// Client and broker agree, and neither holds more than the application does.
    #[track_caller]
    pub(crate) fn assert_nothing_left(mut self, after: After) {
        if self.broker.closed {
            assert_eq!(after, After::ConnectionMayBeClosed);
            assert!(self.pair.core.is_finished());
            return self.pair.assert_idle();
        }
        let id = self.channel.id();
        if !self.broker.channels().contains(&id) {
            assert_ne!(after, After::Usable);
            assert!(self.channel.close_reason().is_some());
            return self.pair.assert_idle();
        }
        // The channel works.
        let channel = self.channel.clone();
        let mut late =
            Task::start(async move { channel.queue_declare(QueueDeclare::new("late")).await });
        self.settle();
        assert_eq!(late.ready().unwrap().name, "late");
        // Nothing but our own channel, consumer and its two deliveries.
        self.pair.assert_idle();
        assert_eq!(self.broker.channels(), [id], "channels at the broker");
        assert_eq!(self.pair.core.shared().outbox().channels().n_in_use(), 1);
        let at_broker = self.broker.channel(id);
        assert!(!at_broker.is_amid_content(), "half a message");
        let consumers: Vec<_> = at_broker
            .consumers()
            .iter()
            .map(|(tag, _)| tag.clone())
            .collect();
        assert_eq!(self.pair.core.consumer_tags(id), consumers);
        assert_eq!(self.channel.shared().confirms().leftovers(), (0, 0));
        let demands = self.pair.core.shared().reading.n_demands();
        assert_eq!(demands, 0, "counted as waiting");
        if consumers == ["standing"] {
            assert_eq!(at_broker.unacked().len(), 2, "not settled");
        } else {
            assert_eq!(consumers, [""; 0], "consumers at the broker");
        }
        // No delivery was lost; behind the consumer there may be one more.
        let open: Vec<_> = at_broker.unacked().iter().copied().take(2).collect();
        let mut consumer = self.consumer.borrow_mut();
        for tag in open {
            let delivery = super::task::done(consumer.next()).unwrap().unwrap();
            assert_eq!(delivery.delivery_tag(), tag);
            delivery.ack().unwrap();
        }
        drop(consumer);
        self.settle();
        let at_broker = self.broker.channel(id);
        let late = usize::from(at_broker.consumers().is_empty());
        assert_eq!(at_broker.unacked().len(), late, "{at_broker:?}");
    }
}

/// An operation under way.
pub(crate) type Running = Pin<Box<dyn Future<Output = Told>>>;

/// One way to use the client.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) after: After,
    /// Left alone it is complete after a while.
    pub(crate) ends: bool,
    start: Box<dyn Fn(&World) -> Running>,
}

impl Operation {
    pub(crate) fn start(&self, world: &World) -> Running {
        (self.start)(world)
    }
}

fn on_channel(
    name: &'static str,
    run: impl AsyncFn(Channel) -> Told + Copy + 'static,
) -> Operation {
    Operation {
        name,
        after: After::Usable,
        ends: true,
        start: Box::new(move |world| {
            let channel = world.channel.clone();
            Box::pin(async move { run(channel).await })
        }),
    }
}

fn on_publisher(
    name: &'static str,
    run: impl AsyncFn(Publisher) -> Told + Copy + 'static,
) -> Operation {
    Operation {
        name,
        after: After::Usable,
        ends: true,
        start: Box::new(move |world| {
            let publisher = world.publisher.clone();
            Box::pin(async move { run(publisher).await })
        }),
    }
}

fn on_connection(
    name: &'static str,
    run: impl AsyncFn(Connection) -> Told + Copy + 'static,
) -> Operation {
    Operation {
        name,
        after: After::Usable,
        ends: true,
        start: Box::new(move |world| {
            let connection = world.connection.clone();
            Box::pin(async move { run(connection).await })
        }),
    }
}

fn on_consumer(
    name: &'static str,
    run: impl AsyncFn(Rc<RefCell<Consumer>>) -> Told + Copy + 'static,
) -> Operation {
    Operation {
        name,
        after: After::Usable,
        ends: true,
        start: Box::new(move |world| {
            let consumer = Rc::clone(&world.consumer);
            Box::pin(async move { run(consumer).await })
        }),
    }
}

impl Operation {
    fn leaves(mut self, after: After) -> Self {
        self.after = after;
        self
    }

    fn without_end(mut self) -> Self {
        self.ends = false;
        self
    }
}

fn small() -> Message {
    Message::new("body")
}

fn large() -> Message {
    Message::new(vec![b'.'; 300_000])
}

/// All of them.
pub(crate) fn operations() -> Vec<Operation> {
    [requests(), publishing(), consuming(), ending()]
        .into_iter()
        .flatten()
        .collect()
}

fn requests() -> Vec<Operation> {
    vec![
        on_channel("queue.declare", async |c| {
            told(c.queue_declare(QueueDeclare::new("dropped")).await)
        }),
        on_channel("queue.bind", async |c| {
            told(c.queue_bind("q", "x", "k").await)
        }),
        on_channel("queue.unbind", async |c| {
            told(c.queue_unbind("q", "x", "k").await)
        }),
        on_channel("queue.purge", async |c| told(c.queue_purge("q").await)),
        on_channel("queue.delete", async |c| told(c.queue_delete("q").await)),
        on_channel("exchange.declare", async |c| {
            told(c.exchange_declare(ExchangeDeclare::topic("x")).await)
        }),
        on_channel("exchange.delete", async |c| {
            told(c.exchange_delete("x").await)
        }),
        on_channel("exchange.bind", async |c| {
            told(c.exchange_bind("x", "y", "k").await)
        }),
        on_channel("exchange.unbind", async |c| {
            told(c.exchange_unbind("x", "y", "k").await)
        }),
        on_channel("all of a topology", async |c| {
            let topology = Topology::default()
                .exchange(ExchangeDeclare::topic("x"))
                .queue(QueueDeclare::new("one"))
                .queue_binding("one", "x", "k")
                .exchange_binding("x", "y", "k");
            told(topology.declare(&c).await)
        }),
        on_channel("requests without replies", async |c| {
            let no_wait = c.no_wait();
            told(no_wait.exchange_declare(ExchangeDeclare::topic("x")).await)?;
            told(no_wait.exchange_bind("x", "y", "k").await)?;
            told(no_wait.queue_declare(QueueDeclare::new("one")).await)?;
            told(no_wait.queue_bind("one", "x", "k").await)?;
            told(c.queue_purge("q").await)?;
            told(no_wait.queue_purge("q").await)?;
            told(no_wait.queue_delete("one").await)?;
            told(no_wait.exchange_unbind("x", "y", "k").await)?;
            told(no_wait.exchange_delete("x").await)
        }),
        on_channel("channel.flow", async |c| {
            told(c.flow(crate::channel::Flow::Active).await)
        }),
        on_channel("basic.get without acknowledgement", async |c| {
            let got = told_of(c.basic_get_no_ack("fetched").await)?;
            told(got.ok_or("nothing to get"))
        }),
        on_channel("basic.qos", async |c| {
            told(c.basic_qos(10, QosScope::Consumer).await)
        }),
        on_channel("channel.reopen", async |c| told(c.reopen().await)),
        on_channel("basic.recover", async |c| told(c.basic_recover().await)),
        on_channel("confirm.select", async |c| told(c.confirm_select().await)),
        on_channel("tx.select", async |c| told(c.tx_select().await)),
        on_channel("tx.commit", async |c| told(c.tx_commit().await)),
        on_channel("tx.rollback", async |c| told(c.tx_rollback().await)),
        on_channel("basic.get", async |c| {
            let Some(got) = c
                .basic_get("fetched")
                .await
                .map_err(|error| format!("{error:?}"))?
            else {
                return Err("nothing to get".to_owned());
            };
            // Stale, if another task has given everything back.
            told(got.delivery.ack())
        }),
        on_channel("a delivery that goes back", async |c| {
            let got = told_of(c.basic_get("fetched").await)?;
            let fetched = got.ok_or("nothing to get")?;
            told(c.basic_recover().await)?;
            fetched.delivery.lost().await;
            Ok(())
        }),
        on_channel("basic.get of nothing", async |c| {
            told(c.basic_get("empty").await)
        }),
        on_channel("several requests", async |c| {
            told(c.queue_declare(QueueDeclare::new("one")).await)?;
            told(c.queue_bind("one", "x", "k").await)?;
            told(c.queue_delete("one").await)
        }),
    ]
}

fn publishing() -> Vec<Operation> {
    vec![
        on_channel("basic.publish", async |c| {
            told(c.basic_publish("", "key", &small()).await)
        }),
        on_channel("basic.publish of octets", async |c| {
            let none = amqp_spec::basic::PropertiesRef::EMPTY;
            told(c.basic_publish_body("", "key", none, "body").await)
        }),
        on_channel("basic.publish, prepared", async |c| {
            let prepared = c.prepare("", "key", amqp_spec::basic::PropertiesRef::EMPTY);
            told(prepared.unwrap().publish("body").await)
        }),
        on_channel("basic.publish, mandatory", async |c| {
            told(c.basic_publish_mandatory("", "nowhere", &small()).await)
        }),
        on_publisher("publish", async |p| {
            told(p.publish("", "key", small()).await)
        }),
        on_publisher("publish a large message", async |p| {
            told(p.publish("", "key", large()).await)
        }),
        on_publisher("publish, returned", async |p| {
            let outcome = p.publish("", "nowhere", small()).await;
            match outcome {
                Err(crate::PublishError::Returned(_)) => Ok(()),
                other => told(other),
            }
        }),
        on_publisher("send, then confirm in another order", async |p| {
            let first = p.send("", "key", small()).await;
            let first = first.map_err(|error| format!("{error:?}"))?;
            let second = p.send("", "key", small()).await;
            told(second.map_err(|error| format!("{error:?}"))?.await)?;
            told(first.await)
        }),
        on_publisher("prepared publish", async |p| {
            let prepared = p.prepare("", "key", amqp_spec::basic::PropertiesRef::EMPTY);
            told(prepared.unwrap().publish("body").await)
        }),
        on_publisher("prepared send", async |p| {
            let prepared = p.prepare("", "key", amqp_spec::basic::PropertiesRef::EMPTY);
            let confirmation = prepared.unwrap().send("body").await;
            told(confirmation.map_err(|error| format!("{error:?}"))?.await)
        }),
        on_publisher("publish within a limit", async |p| {
            let limited = p
                .max_outstanding(6)
                .confirm_timeout(std::time::Duration::from_secs(9));
            for _ in 0..6 {
                drop(told_of(limited.send("", "key", small()).await)?);
            }
            told(limited.publish("", "key", small()).await)
        }),
        on_publisher("wait for confirms", async |p| {
            drop(told_of(p.send("", "key", small()).await)?);
            // What others publish may come back.
            let _ = p.wait_for_confirms().await;
            Ok(())
        }),
        on_publisher("publish more than there is room for", async |p| {
            for _ in 0..3 {
                told(p.publish("", "key", small()).await)?;
                told(p.channel().basic_publish("", "key", &small()).await)?;
            }
            Ok(())
        }),
    ]
}

fn consuming() -> Vec<Operation> {
    vec![
        on_channel("basic.consume", async |c| {
            told(c.consume("q").tag("dropped").await)
        }),
        on_channel("consume, next, cancel", async |c| {
            let consumer = c.consume("q").tag("a").prefetch(1).await;
            let mut consumer = consumer.map_err(|error| format!("{error:?}"))?;
            for _ in 0..2 {
                let delivery = consumer.next().await.unwrap();
                told(delivery.map_err(|error| format!("{error:?}"))?.ack())?;
            }
            told(consumer.cancel().await)?;
            while let Some(delivery) = consumer.next().await {
                told(delivery.map_err(|error| format!("{error:?}"))?.ack())?;
            }
            Ok(())
        }),
        on_channel("consume in batches", async |c| {
            let mut consumer = told_of(c.consume("q").tag("b").await)?;
            let mut n_taken = 0;
            while n_taken < 2 {
                let mut batch = Vec::new();
                n_taken += told_of(consumer.recv_many(&mut batch, 10).await)?;
                batch.into_iter().try_for_each(|d| told(d.ack()))?;
            }
            Ok(())
        }),
        on_channel("consume with patience", async |c| {
            let mut consumer = told_of(c.consume("q").tag("p").await)?;
            let limit = std::time::Duration::from_secs(1);
            match told_of(consumer.next_within(limit).await.unwrap())? {
                NextWithin::Delivery(delivery) => told(delivery.ack()),
                NextWithin::Idle => Err("idle".to_owned()),
            }
        }),
        on_channel("consume without acknowledgements", async |c| {
            let consumer = c.consume("q").no_ack().tag("z").await;
            let mut consumer = consumer.map_err(|error| format!("{error:?}"))?;
            told(consumer.next().await.unwrap())
        }),
        on_channel("consume with a handler", async |c| {
            let consumer = told_of(c.consume("q").tag("h").await)?;
            let n_handled = std::cell::Cell::new(0);
            let handling = consumer.handle(async |_| n_handled.set(n_handled.get() + 1));
            let enough = std::future::poll_fn(|_| match n_handled.get() {
                0 | 1 => Poll::Pending,
                _ => Poll::Ready(()),
            });
            told(handling.until(enough).await.result())
        }),
        on_channel("serve calls", async |c| {
            let requests = told_of(c.consume("q").tag("s").await)?;
            let replies = told_of(Publisher::new(c).await)?;
            let n_served = std::cell::Cell::new(0);
            let enough = std::future::poll_fn(|_| match n_served.get() {
                0 | 1 => Poll::Pending,
                _ => Poll::Ready(()),
            });
            let server = rpc::Server::new(requests, replies).until(enough);
            let served = server.serve(async |_| {
                n_served.set(n_served.get() + 1);
                small()
            });
            told(served.await.result())
        }),
        on_channel("cancel by tag", async |c| {
            told(c.basic_cancel("standing").await)
        }),
        #[expect(
            clippy::await_holding_refcell_ref,
            reason = "nobody else looks meanwhile"
        )]
        on_consumer("cancel", async |c| told(c.borrow().cancel().await)),
    ]
}

fn ending() -> Vec<Operation> {
    vec![
        on_connection("open_channel", async |c| told(c.open_channel().await)),
        on_connection("open_channel_with_id", async |c| {
            told(c.open_channel_with_id(7).await)
        }),
        on_connection("open_publisher", async |c| told(c.open_publisher().await)),
        on_connection("a publisher of a channel", async |c| {
            let channel = c
                .open_channel()
                .await
                .map_err(|error| format!("{error:?}"))?;
            told(Publisher::new(channel).await)
        }),
        on_connection("a life on a channel of its own", async |c| {
            let channel = c
                .open_channel()
                .await
                .map_err(|error| format!("{error:?}"))?;
            let consumer = channel.consume("q").await;
            told(channel.queue_purge("q").await)?;
            drop(consumer);
            told(channel.close().await)
        }),
        on_connection("connection.update-secret", async |c| {
            told(
                c.update_secret(&crate::sasl::Secret::from("new"), "expired")
                    .await,
            )
        }),
        on_connection("connection.shutdown", async |c| {
            let grace = std::time::Duration::from_secs(1);
            match c.shutdown(grace).await.cause {
                None => Ok(()),
                Some(cause) => told::<(), _>(Err(cause)),
            }
        })
        .leaves(After::ConnectionMayBeClosed),
        on_connection("unblocked", async |c| told(c.unblocked().await)),
        on_connection("opened", async |c| told(c.opened().await)),
        on_connection("open an RPC client", async |c| {
            told(rpc::Client::open(&c).await)
        }),
        on_connection("call nobody", async |c| {
            let client = told_of(rpc::Client::open(&c).await)?;
            match client.call("", "nowhere", small()).await {
                Err(rpc::Error::Unroutable(_)) => Ok(()),
                other => told(other),
            }
        }),
        // It ends with the connection only, and says why.
        on_connection("closed", async |c| Err(format!("{:?}", c.closed().await))).without_end(),
        on_channel("a channel's closed", async |c| {
            Err(format!("{:?}", c.closed().await))
        })
        .without_end(),
        on_channel("channel.close", async |c| told(c.close().await))
            .leaves(After::ChannelMayBeClosed),
        on_channel("channel.close with a code", async |c| {
            told(c.close_with(amqp_spec::ReplyCode(299), "enough").await)
        })
        .leaves(After::ChannelMayBeClosed),
        on_connection("connection.close", async |c| told(c.close().await))
            .leaves(After::ConnectionMayBeClosed),
    ]
}
