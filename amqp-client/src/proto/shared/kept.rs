//! Messages of one channel that are kept until the broker has answered them, to be sent again where
//! their stream, or their use of the channel, ends before.
//!
//! ```text
//! kept ──answered, came back──▶ gone
//!   └──lost──▶ to be sent again, under the same number ──▶ kept
//!                └──unconfirmed at three closes by the broker, or at fault──▶ given up
//! ```
//!
//! What is sent again goes in front of everything else, in order. The broker counts it from 1, and
//! what is published behind it on from there: until all of it is answered, `again` has the numbers
//! that the broker's stand for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use amqp_spec::Method;
use amqp_spec::basic::{self, PropertiesRef};
use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::Reader;
use bytes::Bytes;

use super::lost::{Fate, Loss};
use crate::message::Body;
use crate::message::fingerprint::{Common, Fingerprint};
use crate::proto::send::outbox::{Head, encode_apart};

/// After this many closes by the broker a message that is still unconfirmed is not sent again.
const CLOSES: u8 = 3;

/// How many octets a message takes beside its own: what it is kept in, with its places in lists.
pub(crate) const AROUND: usize = 192;

/// A message that is kept.
pub(crate) struct KeptMessage {
    number: u64,
    /// Method frame and header frame; behind them the body, if that was only borrowed.
    octets: Vec<u8>,
    head_len: usize,
    /// The body, if it was handed over.
    body: Option<Bytes>,
    is_mandatory: bool,
    /// The header that tells that it was sent before.
    mark: Option<Arc<str>>,
    /// A broker may have it.
    left: bool,
    /// At how many closes by the broker it was unconfirmed.
    closes: u8,
}

impl fmt::Debug for KeptMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptMessage")
            .field("number", &self.number)
            .field("octets", &self.len())
            .finish_non_exhaustive()
    }
}

impl KeptMessage {
    /// A message that is about to be queued on this channel.
    pub(crate) fn new(
        channel: u16,
        head: &impl Head,
        body: &Body<'_>,
        is_mandatory: bool,
        mark: Option<Arc<str>>,
    ) -> Result<Self, FrameTooLarge> {
        /// What most heads take, without their names.
        const HEAD: usize = 64;
        let shared = body.shared();
        let octets = body.as_slice();
        let copied = if shared.is_some() { 0 } else { octets.len() };
        let names = head.exchange().len() + head.routing_key().len();
        let room = HEAD + names + copied;
        let mut kept = encode_apart(head, channel, octets.len(), usize::MAX, room)?;
        let head_len = kept.len();
        if shared.is_none() {
            kept.extend_from_slice(octets);
        }
        Ok(Self {
            number: 0,
            octets: kept,
            head_len,
            body: shared,
            is_mandatory,
            mark,
            left: false,
            closes: 0,
        })
    }

    /// How many octets it takes: its body, what stands in front of that, and what is around it.
    pub(crate) fn len(&self) -> usize {
        let body = self.body.as_ref().map_or(0, Bytes::len);
        AROUND + self.octets.capacity() + body
    }

    pub(crate) fn body(&self) -> Body<'_> {
        match &self.body {
            Some(body) => body.into(),
            None => self.octets.get(self.head_len..).unwrap_or_default().into(),
        }
    }

    fn head(&self) -> &[u8] {
        self.octets.get(..self.head_len).unwrap_or_default()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Has it queued on this channel by `queue`: with its mark, or without if it does not fit into a
    /// frame with it. Says what tells it should it come back.
    pub(crate) fn queue_again(
        &self,
        channel: u16,
        mut queue: impl FnMut(&KeptHead<'_>, &Body<'_>) -> Result<(), FrameTooLarge>,
    ) -> Result<Option<Fingerprint>, FrameTooLarge> {
        let (marked, fingerprint) = self.marked(channel).unwrap_or_default();
        let plain = KeptHead(self.head());
        if marked.is_empty() || queue(&KeptHead(&marked), &self.body()).is_err() {
            queue(&plain, &self.body())?;
        }
        Ok(fingerprint)
    }

    /// The head with the mark, or nothing; and the fingerprint, if it may come back.
    fn marked(&self, channel: u16) -> Option<(Vec<u8>, Option<Fingerprint>)> {
        /// Class, weight and size.
        const FIXED: usize = 2 + 2 + 8;
        let (method, n) = frame::decode(self.head(), usize::MAX).ok()??;
        let (header, _) = frame::decode(self.head().get(n..)?, usize::MAX).ok()??;
        let Ok(Method::BasicPublish(publish)) = Method::decode(method.payload) else {
            return None;
        };
        let before = PropertiesRef::decode(header.payload.get(FIXED..)?).ok()?;
        let (mut octets, mut properties) = (Vec::new(), before.to_owned());
        if let Some(mark) = &self.mark {
            let mut headers = before.headers().map(|it| it.to_owned()).unwrap_or_default();
            headers.insert(mark.as_bytes(), true);
            properties = properties.headers(headers.as_ref());
            let size = self.body().as_slice().len() as u64;
            octets.extend_from_slice(self.head().get(..n)?);
            let encoded = properties.as_bytes();
            let class = basic::CLASS_ID;
            frame::encode_header(&mut octets, channel, class, size, encoded, usize::MAX).ok()?;
        }
        let fingerprint = self.is_mandatory.then(|| {
            let (exchange, key) = (publish.exchange.as_bytes(), publish.routing_key.as_bytes());
            Common::new(exchange, key, properties.as_ref()).with(self.body().as_slice())
        });
        Some((octets, fingerprint))
    }
}

/// Method frame and header frame of a message that is sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptHead<'m>(&'m [u8]);

impl KeptHead<'_> {
    /// The exchange and the routing key.
    fn names(&self) -> (&[u8], &[u8]) {
        /// Type, channel, size; class, method; reserved.
        const EXCHANGE: usize = 7 + 2 + 2 + 2;
        let mut reader = Reader::new(self.0.get(EXCHANGE..).unwrap_or_default());
        let exchange = reader.short_str("exchange").unwrap_or_default();
        let key = reader.short_str("routing key").unwrap_or_default();
        (exchange.as_bytes(), key.as_bytes())
    }
}

impl Head for KeptHead<'_> {
    fn exchange(&self) -> &[u8] {
        self.names().0
    }

    fn routing_key(&self) -> &[u8] {
        self.names().1
    }

    fn encode(
        &self,
        buf: &mut Vec<u8>,
        _channel: u16,
        _body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        let mut rest = self.0;
        while let Ok(Some((_, size))) = frame::decode(rest, usize::MAX) {
            if size > frame_max {
                return Err(FrameTooLarge { size, frame_max });
            }
            rest = rest.get(size..).unwrap_or_default();
        }
        buf.extend_from_slice(self.0);
        Ok(())
    }
}

/// The messages of a channel that are kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// In the order of their numbers; none of them is answered.
    messages: VecDeque<Box<KeptMessage>>,
    /// How many octets they take.
    octets: usize,
    /// The numbers that the broker's first ones stand for, in order. Empty once all of them are
    /// answered.
    again: VecDeque<u64>,
    /// What the broker counts behind `again` are the numbers behind this one. Without `again` it is
    /// what the broker's numbers count from.
    upto: u64,
    /// What is kept up to this number is to be sent again, and has not been queued.
    waits: Option<u64>,
    /// Bodies to be dropped once the lock is released.
    dropped: Vec<Bytes>,
}

impl Kept {
    /// How many octets are kept.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Keeps one with a higher number than all before.
    pub(super) fn push(&mut self, number: u64, mut message: Box<KeptMessage>) {
        message.number = number;
        self.octets += message.len();
        self.messages.push_back(message);
    }

    /// This number is answered, and all up to `resolved`.
    pub(super) fn answered(&mut self, number: u64, resolved: u64) {
        while self
            .messages
            .front()
            .is_some_and(|it| it.number <= resolved)
        {
            let first = self.messages.pop_front();
            first.into_iter().for_each(|first| self.discard(*first));
        }
        if number > resolved {
            self.forget(number);
        }
        if self.again.back().is_some_and(|&last| last <= resolved) {
            self.upto = self.base().0;
            self.again.clear();
        }
    }

    /// This one is not sent again.
    pub(super) fn forget(&mut self, number: u64) {
        let at = self.messages.binary_search_by_key(&number, |it| it.number);
        let found = at.ok().and_then(|at| self.messages.remove(at));
        found.into_iter().for_each(|it| self.discard(*it));
    }

    fn discard(&mut self, message: KeptMessage) {
        self.octets -= message.len();
        self.dropped.extend(message.body);
    }

    pub(super) fn take_dropped(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.dropped)
    }

    // What the broker's numbers stand for

    /// What the broker's numbers count from, once those of `again` are over; and whether they are.
    pub(super) fn base(&self) -> (u64, bool) {
        let n = self.again.len() as u64;
        (self.upto.saturating_sub(n), self.again.is_empty())
    }

    /// What this number of the broker's stands for.
    pub(super) fn number_of(&self, count: u64) -> Option<u64> {
        let at = count.checked_sub(1)?;
        let again = usize::try_from(at).ok().and_then(|at| self.again.get(at));
        Some(again.map_or_else(|| count.saturating_add(self.base().0), |&number| number))
    }

    /// The number of the last message that was sent, of those that were queued up to `sent`.
    pub(super) fn last_sent(&self, sent: u64) -> u64 {
        if self.again.is_empty() {
            return sent;
        }
        let count = sent.saturating_sub(self.base().0);
        self.number_of(count).unwrap_or(0)
    }

    /// The broker answers no more of what it was sent up to `loss.sent`, in its order; that becomes
    /// a number.
    pub(super) fn look_up(&self, loss: &mut Loss) {
        loss.sent = self.last_sent(loss.sent);
    }

    /// What is kept up to this number has no answer any more, and is sent again if the channel
    /// `goes_on`. Returns what is given up, in order.
    pub(super) fn lose(&mut self, loss: &Loss, upto: u64, goes_on: bool) -> Vec<(u64, Fate)> {
        let mut given_up = Vec::new();
        let mut again = VecDeque::new();
        for mut message in std::mem::take(&mut self.messages) {
            let number = message.number;
            if number > upto {
                self.messages.push_back(message);
                continue;
            }
            let mut fate = loss.fate(number);
            if self.waits.is_some_and(|waits| number <= waits) {
                fate = Fate::NotSent;
            }
            let was_sent = fate != Fate::NotSent;
            message.left |= was_sent;
            message.closes += u8::from(was_sent && loss.may_be_for_a_message());
            let at_fault = matches!(fate, Fate::Refused | Fate::Suspect);
            if !goes_on || at_fault || message.closes >= CLOSES {
                if message.left && !was_sent {
                    fate = Fate::Uncertain;
                }
                given_up.push((number, fate));
                self.discard(*message);
            } else {
                again.push_back(number);
                self.messages.push_back(message);
            }
        }
        if !self.again.is_empty() {
            // Those that are behind are still in line.
            again.extend(self.again.iter().filter(|&&number| number > upto));
            self.upto = self.upto.max(upto);
        } else {
            self.upto = upto;
        }
        self.again = again;
        self.waits = Some(upto);
        given_up
    }

    /// The first number up to this one that is sent again.
    pub(super) fn first_again(&self, upto: u64) -> Option<u64> {
        self.again.front().copied().filter(|&first| first <= upto)
    }

    /// Whether this number is sent again.
    pub(super) fn is_sent_again(&self, number: u64) -> bool {
        self.again.binary_search(&number).is_ok()
    }

    /// Nothing of what was queued to be sent again has left.
    pub(super) fn wait_again(&mut self) {
        self.waits = self.again.back().copied();
    }

    /// Has everything that waits to be sent again queued by `queue`, in order. Returns how much that
    /// is, and what does not fit, with what is known of it.
    pub(super) fn send_again(
        &mut self,
        mut queue: impl FnMut(&KeptMessage) -> Result<(), FrameTooLarge>,
    ) -> (u64, Vec<(u64, Fate, FrameTooLarge)>) {
        let (mut n, mut unfit) = (0, Vec::new());
        let Some(upto) = self.waits.take() else {
            return (n, unfit);
        };
        for message in &self.messages {
            if message.number > upto {
                break;
            }
            match queue(message) {
                Ok(()) => n += 1,
                Err(error) if message.left => {
                    unfit.push((message.number, Fate::Uncertain, error));
                }
                Err(error) => unfit.push((message.number, Fate::NotSent, error)),
            }
        }
        if !unfit.is_empty() {
            let fits = |number: u64| unfit.binary_search_by_key(&number, |it| it.0).is_err();
            for message in std::mem::take(&mut self.messages) {
                if fits(message.number) {
                    self.messages.push_back(message);
                } else {
                    self.discard(*message);
                }
            }
            self.again.retain(|&number| fits(number));
        }
        (n, unfit)
    }
}
