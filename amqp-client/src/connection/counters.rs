//! What a connection has done so far, and what it holds, in numbers.

use std::sync::atomic::Ordering;

use super::Connection;

/// A look at the numbers of a connection; see [`Connection::counters`].
///
/// The numbers are taken one after the other while the connection goes on: two of them may differ
/// by what happened in between.
///
/// ```no_run
/// # fn example(connection: amqp_client::Connection) {
/// let counters = connection.counters();
/// println!("{} published, {} unconfirmed", counters.published, counters.confirms_outstanding);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes written to the stream.
    pub bytes_sent: u64,
    /// Bytes read from the stream.
    pub bytes_received: u64,
    /// Frames queued to be written; those that wait for something on their own channel, once that has
    /// happened. What is never written, since a channel or the connection ended, is included, and
    /// messages that a publisher's channel takes along when it is opened anew are counted twice.
    pub frames_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Messages handed over for sending.
    pub published: u64,
    /// Messages that the broker has acknowledged, returned ones included.
    pub confirmed: u64,
    /// Messages that the broker has refused (`basic.nack`).
    pub nacked: u64,
    /// Mandatory messages that came back.
    pub returned: u64,
    /// Messages delivered to consumers.
    pub delivered: u64,
    /// Messages fetched with `basic.get`.
    pub fetched: u64,
    /// Deliveries and fetched messages that were acknowledged, each once, however many one
    /// `basic.ack` covers. When all are settled, `delivered` and `fetched` make `acked` and
    /// `refused`, unless some needed no acknowledgement.
    pub acked: u64,
    /// Deliveries and fetched messages that were refused (`basic.nack`, `basic.reject`), likewise.
    pub refused: u64,
    /// Settlements of deliveries that had gone back to the broker, of which nothing was sent: see
    /// [`Settled::Stale`](crate::consume::Settled::Stale). Each call counts, whatever it covers.
    pub stale_settled: u64,
    /// Messages published on open channels with confirms that the broker has not answered.
    pub confirms_outstanding: u64,
    /// Requests that have not been answered, whether or not their callers still wait.
    pub requests_outstanding: u64,
    /// Bytes that wait to be written.
    pub bytes_queued: u64,
    /// Bytes of deliveries that consumers have not taken, about. What came together counts until
    /// the consumer asks for what follows; what is left when a consumer has ended does not.
    pub bytes_buffered: u64,
    /// Publishes that wait for room, or for an alarm to end.
    pub publishers_waiting: u64,
    /// Channels that are open or being opened.
    pub channels: u64,
    /// Consumers that receive.
    pub consumers: u64,
    /// Events dropped because a listener did not read them in time.
    pub events_missed: u64,
    /// How often the connection was lost and has come back, with everything restored or
    /// [reported](crate::event::Event::Recovered).
    pub recoveries: u64,
    /// Messages that were sent again, each time: see
    /// [`Publisher::resend`](crate::Publisher::resend). They are not counted in `published` once
    /// more.
    pub resent: u64,
    /// How often a consumer that the broker had cancelled has
    /// [subscribed again](crate::consume::Consume::resubscribe).
    pub resubscriptions: u64,
}

/// Numbers.
impl Connection {
    /// What the connection has done so far, and what it holds. Cheap: it may be asked every second.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let connection = self.shared();
        let totals = &connection.totals;
        let held = connection.outbox().held_now();
        let answered = totals.confirmed.get() + totals.nacked.get() + totals.lost.get();
        let answered = answered.saturating_sub(totals.answered_before.get());
        Counters {
            bytes_sent: totals.octets_sent.get(),
            bytes_received: totals.octets_received.get(),
            frames_sent: held.totals.frames,
            frames_received: totals.frames_received.get(),
            published: held.totals.published,
            confirmed: totals.confirmed.get(),
            nacked: totals.nacked.get(),
            returned: totals.returned.get(),
            delivered: totals.delivered.get(),
            fetched: totals.fetched.get(),
            acked: held.totals.acked,
            refused: held.totals.refused,
            stale_settled: held.totals.stale,
            confirms_outstanding: held.numbered.saturating_sub(answered),
            requests_outstanding: held.requests as u64,
            bytes_queued: held.octets as u64,
            bytes_buffered: connection.reading.buffered() as u64,
            publishers_waiting: held.waiting as u64,
            channels: held.channels as u64,
            consumers: totals.consumers.load(Ordering::Relaxed) as u64,
            events_missed: totals.events_missed.get(),
            recoveries: totals.recoveries.get(),
            resent: totals.resent.get(),
            resubscriptions: totals.resubscriptions.get(),
        }
    }
}
