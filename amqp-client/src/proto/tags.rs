//! The consumer tags in use on one channel.
//!
//! RabbitMQ closes the connection (530) when a tag is used twice on a channel, and LavinMQ keys
//! direct replies by the tag across the virtual host. So a tag is reserved before `basic.consume` is
//! queued, given up when `basic.cancel` is, and the ones that are made up here carry a random part.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use amqp_spec::wire::ShortString;

use super::sync::lock;

/// The tags of one channel.
#[derive(Debug, Default)]
pub(crate) struct Tags(Mutex<BTreeSet<ShortString>>);

impl Tags {
    fn tags(&self) -> MutexGuard<'_, BTreeSet<ShortString>> {
        lock(&self.0)
    }

    /// False if it is in use.
    pub(crate) fn reserve(&self, tag: &ShortString) -> bool {
        self.tags().insert(tag.clone())
    }

    pub(crate) fn give_up(&self, tag: &ShortString) {
        self.tags().remove(tag);
    }

    /// All of them, in order.
    #[cfg(test)]
    pub(crate) fn all(&self) -> Vec<ShortString> {
        self.tags().iter().cloned().collect()
    }
}

/// A tag that nobody else is likely to use: `ctag`, a number that is unique on the connection, and
/// ten letters and digits of the connection's own.
pub(crate) fn make_up(number: u64, mut seed: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut tag = format!("ctag{number}.");
    for _ in 0..10 {
        let digit = usize::try_from(seed % 36).unwrap_or(0);
        tag.push(char::from(*DIGITS.get(digit).unwrap_or(&b'0')));
        seed /= 36;
    }
    tag
}
