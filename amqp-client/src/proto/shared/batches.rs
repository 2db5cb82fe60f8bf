//! Deliveries in batches: one for each read, joined while they are small, so that what has come is
//! taken by the mebibyte, at the cost of one move whatever is in it.

use std::collections::VecDeque;

use crate::message::RawDelivery;

/// Places for deliveries that are kept when nothing is in them: more than a few reads bring.
const KEEP: usize = 16 * 1024;

/// The most octets that batches are joined to. What is taken counts as held until all of it has
/// been yielded, and others wait to be read meanwhile.
const STEP: usize = 1024 * 1024;

/// Deliveries in order, and what they occupy.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// The next that is taken; empty only if there is nothing.
    first: VecDeque<RawDelivery>,
    first_octets: usize,
    /// What comes behind it, with what each occupies. Most consumers never need it.
    rest: VecDeque<(VecDeque<RawDelivery>, usize)>,
    /// Memory for the next batch, with nothing in it.
    spare: VecDeque<RawDelivery>,
    octets: usize,
    len: usize,
}

impl Batches {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Appends a batch that occupies `octets`, and leaves it empty.
    pub(crate) fn push(&mut self, batch: &mut Vec<RawDelivery>, octets: usize) {
        self.octets += octets;
        self.len += batch.len();
        if self.first.is_empty() {
            // The memory changes hands, in both directions.
            let memory = std::mem::take(&mut self.first);
            self.first = std::mem::replace(batch, memory.into()).into();
            self.first_octets = octets;
            return;
        }
        let (last, last_octets) = match self.rest.back_mut() {
            Some((last, last_octets)) => (last, last_octets),
            None => (&mut self.first, &mut self.first_octets),
        };
        if *last_octets + octets <= STEP {
            last.extend(batch.drain(..));
            *last_octets += octets;
        } else {
            let memory = std::mem::take(&mut self.spare);
            let batch = std::mem::replace(batch, memory.into());
            self.rest.push_back((batch.into(), octets));
        }
    }

    /// Moves the first batch into the empty `into`; says how many octets it occupies.
    pub(crate) fn take(&mut self, into: &mut VecDeque<RawDelivery>) -> usize {
        if into.capacity() > KEEP {
            *into = VecDeque::new();
        }
        std::mem::swap(&mut self.first, into);
        let octets = std::mem::take(&mut self.first_octets);
        if let Some((next, next_octets)) = self.rest.pop_front() {
            self.spare = std::mem::replace(&mut self.first, next);
            self.first_octets = next_octets;
        }
        self.octets -= octets;
        self.len -= into.len();
        octets
    }

    /// Takes everything out.
    pub(crate) fn take_all(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Takes out what has a delivery tag up to this one.
    pub(crate) fn take_up_to(&mut self, delivery_tag: u64) -> Vec<RawDelivery> {
        let mut older = Vec::new();
        for delivery in self.take_all() {
            if delivery.delivery_tag <= delivery_tag {
                older.push(delivery);
            } else {
                let octets = delivery.message.footprint();
                self.push(&mut vec![delivery], octets);
            }
        }
        older
    }
}

impl IntoIterator for Batches {
    type Item = RawDelivery;
    type IntoIter = Box<dyn Iterator<Item = RawDelivery>>;

    fn into_iter(self) -> Self::IntoIter {
        let rest = self.rest.into_iter().flat_map(|(batch, _)| batch);
        Box::new(self.first.into_iter().chain(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::numbered::Numbered;
    use crate::message::{Incoming, Layout};

    fn batch(tags: std::ops::RangeInclusive<u64>) -> Vec<RawDelivery> {
        let delivery = |tag| {
            let message = Incoming::new(Box::default(), Layout::default());
            RawDelivery::new(message, Numbered::first(tag), false)
        };
        tags.map(delivery).collect()
    }

    fn tags(deliveries: impl IntoIterator<Item = RawDelivery>) -> Vec<u64> {
        deliveries.into_iter().map(|d| d.delivery_tag).collect()
    }

    #[test]
    fn small_batches_are_joined_and_taken_by_the_mebibyte_in_order() {
        let mut batches = Batches::default();
        for n in 0..10 {
            let mut one = batch(n * 2 + 1..=n * 2 + 2);
            batches.push(&mut one, STEP / 4);
            assert!(one.is_empty());
        }
        assert_eq!((batches.len(), batches.octets()), (20, 10 * STEP / 4));
        let mut taken = VecDeque::new();
        let mut all = Vec::new();
        for octets in [STEP, STEP, STEP / 2] {
            assert_eq!(batches.take(&mut taken), octets);
            all.extend(tags(taken.drain(..)));
        }
        assert_eq!(all, (1..=20).collect::<Vec<_>>());
        assert!(batches.is_empty());
        assert_eq!((batches.len(), batches.octets()), (0, 0));
    }

    #[test]
    fn batch_larger_than_a_step_is_taken_whole() {
        let mut batches = Batches::default();
        batches.push(&mut batch(1..=1), 5 * STEP);
        batches.push(&mut batch(2..=2), 1);
        let mut taken = VecDeque::new();
        assert_eq!(batches.take(&mut taken), 5 * STEP);
        assert_eq!(tags(taken.drain(..)), [1]);
        assert_eq!(batches.take(&mut taken), 1);
    }

    #[test]
    fn what_is_older_is_taken_out_of_all_batches() {
        let mut batches = Batches::default();
        for n in 1..=4 {
            batches.push(&mut batch(n..=n), STEP);
        }
        assert_eq!(tags(batches.take_up_to(3)), [1, 2, 3]);
        assert_eq!(batches.len(), 1);
        assert_eq!(tags(batches.take_all()), [4]);
        assert!(batches.is_empty());
    }
}
