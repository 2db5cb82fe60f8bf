//! The ledger: what was published with which outcome, what was delivered, what was settled, what
//! was called, and what the connection said of itself meanwhile.
//!
//! Tasks of the workload write into it; the oracles read a copy of its pages.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A message: which publisher sent it, and its number there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct MessageId {
    pub(crate) publisher: usize,
    pub(crate) number: usize,
}

impl MessageId {
    /// The beginning of the message's body.
    pub(crate) fn text(self) -> String {
        format!("{}-{} ", self.publisher, self.number)
    }

    /// Reads what [`text`](Self::text) has written.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (publisher, number) = text.split_once(' ')?.0.split_once('-')?;
        Some(Self {
            publisher: publisher.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Its future has not resolved.
    Pending,
    Confirmed,
    Uncertain,
    NotSent,
    /// Returned, nacked or refused: the broker says that it has not taken it.
    Refused,
    /// Accepted without a confirm, which promises nothing.
    Plain,
}

#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) begun: Instant,
    pub(crate) ended: Option<Instant>,
    pub(crate) outcome: Outcome,
}

/// How a delivery was settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ack {
    /// Handed over.
    Queued,
    /// The connection it came on was gone.
    Stale,
    /// An error.
    Failed,
    /// By the library, once the handler was done.
    ByHandler,
}

#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) at: Instant,
    pub(crate) consumer: usize,
    /// The number that the program sees, which is never used twice on a channel.
    pub(crate) tag: u64,
    pub(crate) message: MessageId,
    pub(crate) acks: Vec<Ack>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallOutcome {
    Pending,
    Replied,
    /// The reply of another call.
    WrongReply,
    /// An error.
    Failed,
}

#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) begun: Instant,
    pub(crate) outcome: CallOutcome,
}

/// What the connection said of its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    Lost,
    /// With the number of the attempt.
    Retrying(u32),
    Recovered,
}

/// Everything that was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    /// By publisher and number.
    pub(crate) published: Vec<Vec<Published>>,
    pub(crate) deliveries: Vec<Delivered>,
    pub(crate) calls: Vec<Called>,
    pub(crate) said: Vec<(Instant, Said)>,
    /// What `Connection::state` was found to be, where it differed from before.
    pub(crate) states: Vec<State>,
    /// Ends and errors that the workload should not see, in words.
    pub(crate) surprises: Vec<String>,
    /// Errors that are no surprise in a fault.
    pub(crate) notes: Vec<String>,
}

/// A connection's state, without its details.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Open,
    Recovering,
    Closing,
    Closed,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
}

impl Ledger {
    pub(crate) fn new(n_publishers: usize) -> Self {
        let pages = Pages {
            published: vec![Vec::new(); n_publishers],
            ..Pages::default()
        };
        Self {
            pages: Mutex::new(pages),
        }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message of a publisher.
    pub(crate) fn begin(&self, publisher: usize) -> MessageId {
        let published = &mut self.pages().published[publisher];
        published.push(Published {
            begun: Instant::now(),
            ended: None,
            outcome: Outcome::Pending,
        });
        let number = published.len() - 1;
        MessageId { publisher, number }
    }

    pub(crate) fn end(&self, message: MessageId, outcome: Outcome) {
        let MessageId { publisher, number } = message;
        let published = &mut self.pages().published[publisher][number];
        published.outcome = outcome;
        published.ended = Some(Instant::now());
    }

    /// Writes a delivery down; returns its place.
    pub(crate) fn deliver(&self, consumer: usize, tag: u64, body: &[u8]) -> Option<usize> {
        let mut pages = self.pages();
        let Some(message) = MessageId::read(body) else {
            pages
                .surprises
                .push("a body that was not published".to_owned());
            return None;
        };
        pages.deliveries.push(Delivered {
            at: Instant::now(),
            consumer,
            tag,
            message,
            acks: Vec::new(),
        });
        Some(pages.deliveries.len() - 1)
    }

    pub(crate) fn ack(&self, delivery: Option<usize>, ack: Ack) {
        if let Some(place) = delivery {
            self.pages().deliveries[place].acks.push(ack);
        }
    }

    pub(crate) fn call(&self) -> usize {
        let calls = &mut self.pages().calls;
        calls.push(Called {
            begun: Instant::now(),
            outcome: CallOutcome::Pending,
        });
        calls.len() - 1
    }

    pub(crate) fn called(&self, call: usize, outcome: CallOutcome) {
        self.pages().calls[call].outcome = outcome;
    }

    pub(crate) fn say(&self, said: Said) {
        self.pages().said.push((Instant::now(), said));
    }

    pub(crate) fn state(&self, state: State) {
        let states = &mut self.pages().states;
        if states.last() != Some(&state) {
            states.push(state);
        }
    }

    pub(crate) fn note(&self, what: String) {
        self.pages().notes.push(what);
    }

    pub(crate) fn surprise(&self, what: impl Into<String>) {
        self.pages().surprises.push(what.into());
    }
}
