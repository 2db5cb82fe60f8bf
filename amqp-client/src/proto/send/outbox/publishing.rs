//! The publishes of one channel: their numbers, and what is known of each until it is answered.

use super::exchanges::Exchanges;
use super::mandatory::Mandatory;
use crate::error::Entity;
use crate::message::fingerprint::Fingerprint;
use crate::proto::shared::lost::Suspects;

/// What is published on a channel.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// Publishes are numbered: `confirm.select` was sent.
    confirming: bool,
    /// The number of the last publish.
    published: u64,
    /// Mandatory publishes that may come back.
    mandatory: Option<Box<Mandatory>>,
    /// The size of the largest of them, and of those that nothing waits for.
    largest_mandatory: usize,
    /// Where they went; `None` while all of them went to the default exchange.
    exchanges: Option<Box<Exchanges>>,
}

impl Publishing {
    /// Publishes that are queued from here on are numbered.
    pub(super) fn begin_confirming(&mut self) {
        self.confirming = true;
    }

    /// Whether publishes are numbered.
    pub(super) fn is_confirming(&self) -> bool {
        self.confirming
    }

    /// The number of the last publish.
    #[inline]
    pub(super) fn published(&self) -> u64 {
        self.published
    }

    /// A publish to this exchange is queued: its number, or that of the last one which has one.
    #[inline]
    pub(super) fn number(&mut self, exchange: &[u8]) -> u64 {
        if self.confirming {
            self.published += 1;
            if Exchanges::differs(self.exchanges.as_deref(), exchange) {
                self.change_exchange(exchange);
            }
        }
        self.published
    }

    #[cold]
    fn change_exchange(&mut self, exchange: &[u8]) {
        let number = self.published;
        let exchanges = self.exchanges.get_or_insert_default();
        exchanges.change(number, exchange);
    }

    /// The last publish, of this size, may come back.
    #[inline]
    pub(super) fn expect_return(
        &mut self,
        fingerprint: Fingerprint,
        size: usize,
        is_current: bool,
    ) {
        self.largest_mandatory = self.largest_mandatory.max(size);
        if self.confirming && is_current {
            let mandatory = self.mandatory.get_or_insert_default();
            mandatory.expect(self.published, fingerprint);
        }
    }

    /// This publish, which is sent again, may come back.
    pub(super) fn expect_return_again(&mut self, number: u64, fingerprint: Option<Fingerprint>) {
        if let Some(fingerprint) = fingerprint {
            let mandatory = self.mandatory.get_or_insert_default();
            mandatory.expect_again(number, fingerprint);
        }
    }

    /// All up to this number have been answered, and do not come back any more.
    pub(super) fn answered(&mut self, resolved: u64) {
        if let Some(mandatory) = &mut self.mandatory {
            mandatory.forget_up_to(resolved);
        }
    }

    /// The size of the largest message that may come, or have come, back.
    pub(super) fn largest_mandatory(&self) -> u64 {
        self.largest_mandatory as u64
    }

    /// Finds the publish that a returned message belongs to.
    pub(super) fn claim_returned(
        &mut self,
        fingerprint: Fingerprint,
        is_unanswered: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        self.mandatory.as_mut()?.claim(fingerprint, is_unanswered)
    }

    /// Which of the `unanswered` publishes the broker may have closed the channel for, as it says
    /// over this.
    pub(super) fn suspects(
        &self,
        about: Option<&Entity>,
        unanswered: impl Iterator<Item = u64>,
    ) -> Suspects {
        match about {
            _ if !self.confirming => Suspects::Unknown,
            Some(Entity::Exchange(name)) => {
                super::exchanges::suspects(self.exchanges.as_deref(), name, unanswered)
            }
            _ => only(unanswered),
        }
    }

    #[cfg(test)]
    pub(super) fn mandatory(&self) -> Option<&Mandatory> {
        self.mandatory.as_deref()
    }
}

/// Nothing is named: there is no doubt if only one has no answer.
fn only(mut unanswered: impl Iterator<Item = u64>) -> Suspects {
    match (unanswered.next(), unanswered.next()) {
        (Some(number), None) => Suspects::Publish(number),
        _ => Suspects::Unknown,
    }
}
