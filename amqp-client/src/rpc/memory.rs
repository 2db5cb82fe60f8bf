//! Requests whose reply was under way when its channel or its connection ended.
//!
//! Such a request is delivered again, and may well have been the reason: one more try is worth
//! while, a third is not. The broker does not say why it delivers a request again.
//! `x-delivery-count`, where there is one, counts deliveries that were never looked at too, and a
//! connection that breaks twice must cost no request that merely waited: so it clears a request,
//! and never condemns one. What condemns is remembered here, in the process and beyond the life of
//! a server, since the next one is often on the next connection. After a restart of the process
//! nothing is known.
//!
//! A request has no name of its own. It is known again by what does not change between deliveries,
//! its ids and the ends of its body; the same request sent twice counts as one, once for each end.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::message::ReceivedMessage;
use crate::proto::wait::sync::lock;

/// How many requests are remembered; of more, the latest.
const REMEMBERED: usize = 1024;

/// How much of either end of a body is looked at.
const END: usize = 256;

/// What is remembered in this process.
static MEMORY: Mutex<Memory> = Mutex::new(Memory::new());

/// A number for each run of a server.
pub(super) fn next_run() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

/// Which end of a channel or a connection: all of one run of a server are one, but for the streams
/// of a connection that comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    pub(super) run: u64,
    /// The stream that the request came on, if the broker has closed the connection over something
    /// since.
    pub(super) stream: Option<u32>,
}

/// What tells a request from others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct RequestIdentity(u64);

impl RequestIdentity {
    pub(super) fn of(request: &ReceivedMessage) -> Self {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        let properties = request.properties();
        let body = request.body();
        let end = body.len().min(END);
        let text = [
            Some(request.exchange()),
            Some(request.routing_key()),
            properties.reply_to(),
            properties.correlation_id(),
            properties.message_id(),
        ];
        let text = text.map(|text| text.map(|text| text.as_bytes()));
        let ends = (body.get(..end), body.get(body.len() - end..));
        let keys = KEYS.get_or_init(RandomState::new);
        Self(keys.hash_one((text, body.len(), ends)))
    }

    /// How often its reply was under way when a channel or connection ended.
    pub(super) fn ends(self) -> u32 {
        lock(&MEMORY).ends(self)
    }

    /// It was so once more, at this end.
    pub(super) fn note(self, end: End) {
        lock(&MEMORY).note(self, end);
    }

    /// Its reply has gone its way.
    pub(super) fn forget(self) {
        lock(&MEMORY).forget(self);
    }
}

#[derive(Debug)]
struct Memory {
    entries: BTreeMap<RequestIdentity, Remembered>,
    /// The same by the order of their last change.
    by_age: BTreeMap<u64, RequestIdentity>,
    changes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    ends: u32,
    /// The end that was noted last.
    last: End,
    changed: u64,
}

impl Memory {
    const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            by_age: BTreeMap::new(),
            changes: 0,
        }
    }

    fn ends(&self, identity: RequestIdentity) -> u32 {
        self.entries.get(&identity).map_or(0, |entry| entry.ends)
    }

    fn note(&mut self, identity: RequestIdentity, end: End) {
        let before = self.entries.get(&identity).copied();
        if before.is_some_and(|before| before.last == end) {
            return;
        }
        self.forget(identity);
        self.changes += 1;
        let entry = Remembered {
            ends: before.map_or(0, |before| before.ends).saturating_add(1),
            last: end,
            changed: self.changes,
        };
        self.entries.insert(identity, entry);
        self.by_age.insert(self.changes, identity);
        if self.entries.len() > REMEMBERED {
            if let Some((_, oldest)) = self.by_age.pop_first() {
                self.entries.remove(&oldest);
            }
        }
    }

    fn forget(&mut self, identity: RequestIdentity) {
        if let Some(entry) = self.entries.remove(&identity) {
            self.by_age.remove(&entry.changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(run: u64) -> End {
        End { run, stream: None }
    }

    #[test]
    fn an_end_counts_once() {
        let mut memory = Memory::new();
        let request = RequestIdentity(7);
        memory.note(request, end_of(1));
        memory.note(request, end_of(1));
        assert_eq!(memory.ends(request), 1);
        memory.note(request, end_of(2));
        assert_eq!(memory.ends(request), 2);
        for stream in [0, 0, 1] {
            let stream = Some(stream);
            memory.note(request, End { run: 2, stream });
        }
        assert_eq!(memory.ends(request), 4);
        memory.forget(request);
        assert_eq!((memory.ends(request), memory.by_age.len()), (0, 0));
    }

    #[test]
    fn the_latest_are_remembered_and_no_more() {
        let mut memory = Memory::new();
        let n_requests = 3 * REMEMBERED as u64;
        for n in 0..n_requests {
            memory.note(RequestIdentity(n), end_of(1));
            memory.note(RequestIdentity(0), end_of(n + 2));
        }
        assert_eq!(memory.entries.len(), REMEMBERED);
        assert_eq!(memory.by_age.len(), REMEMBERED);
        assert!(memory.ends(RequestIdentity(0)) > 1, "noted again and again");
        assert_eq!(memory.ends(RequestIdentity(1)), 0);
        assert_eq!(memory.ends(RequestIdentity(n_requests - 1)), 1);
    }
}
