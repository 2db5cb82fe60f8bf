//! Memory of a connection that is lost again and again: each loss leaves what the one before has
//! left.

use std::task::Poll;

use allocation_counter::{measure, opt_out};
use amqp_client::connection::State;
use amqp_client::event::Events;
use amqp_client::options::Recovery;
use amqp_client::{
    Connection, ConnectionOptions, Consumer, Message, PublishError, Publisher, QueueDeclare,
};

use crate::at_most;
use crate::by_hand::{ByHand, Task, done};
use crate::peer::{Confirming, Peer};

/// A client with everything that outlives a stream.
struct Lasting {
    client: ByHand,
    publisher: Publisher,
    consumer: Consumer,
    /// It is read.
    events: Events,
}

impl Lasting {
    fn new() -> Self {
        let options = ConnectionOptions::default().recovery(Recovery::new());
        let mut client = ByHand::open_by(Connection::with_recovering_core, &options);
        client.peer.confirming = Confirming::Each;
        let publisher = client.publisher();
        let channel = client.channel();
        let declare = QueueDeclare::new("q").durable();
        client.finish(channel.queue_declare(declare)).unwrap();
        let consumer = client.finish(channel.consume("q").into_future()).unwrap();
        let events = client.connection.events();
        Self {
            client,
            publisher,
            consumer,
            events,
        }
    }

    /// A message is on its way, and one is delivered, when the stream is lost; the next stream takes
    /// and brings others.
    fn lose(&mut self) {
        let publisher = self.publisher.clone();
        let mut uncertain = Task::new(publisher.publish("", "q", Message::new("?")));
        uncertain.pending();
        self.client.discard();
        let delivery = self.delivered();
        self.client.core.read_done(0, std::time::Instant::now());
        assert!(matches!(uncertain.ready(), Err(PublishError::Uncertain(_))));
        let mut waiting = Task::new(publisher.publish("", "q", Message::new("!")));
        waiting.pending();
        opt_out(|| self.client.peer = Peer::default());
        self.client.peer.confirming = Confirming::Each;
        let options = ConnectionOptions::default();
        let connection = &self.client.connection;
        connection.reconnect(&mut self.client.core, &options);
        self.client.turn();
        assert!(matches!(
            self.client.connection.state(),
            State::Open { pending: 0, .. }
        ));
        waiting.pending();
        self.client.turn();
        waiting.ready().unwrap();
        delivery.ack().unwrap();
        self.delivered().ack().unwrap();
        self.client.turn();
        while let Poll::Ready(Some(_)) = Task::new(self.events.next()).poll() {}
    }

    fn delivered(&mut self) -> amqp_client::Delivery {
        self.client.peer.deliver(1, b"body");
        self.client.read();
        done(self.consumer.next()).unwrap().unwrap()
    }
}

#[test]
fn memory_after_a_hundred_losses_is_that_after_ten() {
    let mut lasting = Lasting::new();
    // These wait all the time.
    let connection = lasting.client.connection.clone();
    let mut closed = Task::new(connection.closed());
    closed.pending();
    let returns = lasting.publisher.channel().returns();
    (0..10).for_each(|_| lasting.lose());
    let more = measure(|| (0..90).for_each(|_| lasting.lose()));
    let more = u64::try_from(more.bytes_current).unwrap_or(0);
    at_most("octets, ninety losses more", more, 0);
    closed.pending();
    drop(returns);
}

#[test]
fn listener_that_is_not_read_has_its_bound_across_losses() {
    let mut lasting = Lasting::new();
    let unread = lasting.client.connection.events();
    // Three events each.
    (0..100).for_each(|_| lasting.lose());
    let more = measure(|| (0..100).for_each(|_| lasting.lose()));
    let more = u64::try_from(more.bytes_current).unwrap_or(0);
    at_most("octets, a hundred losses more", more, 0);
    drop(unread);
}
