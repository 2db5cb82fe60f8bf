//! How many deliveries a settlement by number settles, on channels where that is done.
//!
//! `multiple` covers all up to a tag, of which some may be settled already. Kept is up to which tag
//! all are, and the runs above it: as many as there are gaps, which are deliveries that are not
//! settled.

use std::collections::BTreeMap;

/// What is settled.
#[derive(Debug, Default)]
pub(super) struct SettledTags {
    /// Everything up to this tag.
    upto: u64,
    /// And these above it: the first and the last of each run.
    above: BTreeMap<u64, u64>,
    /// How many were settled before this was kept, of which it is not known which, and the highest.
    unknown: (u64, u64),
}

impl SettledTags {
    /// `settled` of them are settled already, of which `highest` is the highest.
    pub(super) fn after(settled: u64, highest: u64) -> Self {
        let mut this = Self::default();
        if settled == highest {
            this.upto = highest;
        } else {
            this.unknown = (settled, highest);
        }
        this
    }

    /// Everything up to this tag is settled or gone, whatever is known of it.
    pub(super) fn skip_to(&mut self, tag: u64) {
        self.all_up_to(tag);
    }

    /// One is settled; how many that are more.
    pub(super) fn one(&mut self, tag: u64) -> u64 {
        let before = self.above.range(..=tag).next_back();
        let before = before.map(|(&from, &to)| (from, to));
        if tag <= self.upto || before.is_some_and(|(_, to)| tag <= to) {
            return 0;
        }
        let from = match before {
            Some((from, to)) if to + 1 == tag => from,
            _ => tag,
        };
        let to = match tag.checked_add(1) {
            Some(next) => self.above.remove(&next).unwrap_or(tag),
            None => tag,
        };
        self.above.insert(from, to);
        self.close_gap();
        1
    }

    /// These are settled, from the first to the last, none of which was.
    pub(super) fn run(&mut self, from: u64, to: u64) {
        if self.upto.checked_add(1) == Some(from) {
            self.all_up_to(to);
            return;
        }
        for tag in from..=to {
            self.one(tag);
        }
    }

    /// All up to this one are settled; how many that are more.
    pub(super) fn all_up_to(&mut self, tag: u64) -> u64 {
        let mut n = tag.saturating_sub(self.upto);
        while let Some(run) = self.above.first_entry() {
            let (&from, &to) = (run.key(), run.get());
            if from > tag {
                break;
            }
            n -= to.min(tag) - from + 1;
            run.remove();
            self.upto = self.upto.max(to);
        }
        self.upto = self.upto.max(tag);
        self.close_gap();
        let (unknown, highest) = self.unknown;
        if tag < highest {
            return n;
        }
        self.unknown = (0, 0);
        n.saturating_sub(unknown)
    }

    /// The highest below this tag that is not settled; `None` also if that is not known.
    pub(super) fn highest_open_below(&self, tag: u64) -> Option<u64> {
        let mut open = tag.checked_sub(1)?;
        while let Some((&from, &to)) = self.above.range(..=open).next_back() {
            if to < open {
                break;
            }
            open = from - 1;
        }
        let (unknown, highest) = self.unknown;
        let is_known = unknown == 0 || open > highest;
        (open > self.upto && is_known).then_some(open)
    }

    /// How many are settled, as far as that is known.
    pub(super) fn total(&self) -> u64 {
        let above = self.above.iter().map(|(from, to)| to - from + 1);
        self.upto + self.unknown.0 + above.sum::<u64>()
    }

    fn close_gap(&mut self) {
        while let Some(run) = self.above.first_entry() {
            if Some(*run.key()) != self.upto.checked_add(1) {
                return;
            }
            self.upto = run.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delivery_is_counted_once_however_it_is_settled() {
        let mut settled = SettledTags::default();
        let counts = [
            settled.one(3),
            settled.one(3),
            settled.one(5),
            settled.one(4),
            settled.one(9),
            // 1, 2 and 6.
            settled.all_up_to(6),
            settled.all_up_to(6),
            settled.one(2),
            settled.one(8),
            settled.one(7),
            settled.all_up_to(10),
            settled.one(u64::MAX),
        ];
        assert_eq!(counts, [1, 0, 1, 1, 1, 3, 0, 0, 1, 1, 1, 1]);
        assert_eq!((settled.upto, settled.above.len()), (10, 1));
        settled.skip_to(20);
        assert_eq!(settled.one(15) + settled.one(21), 1);
    }

    #[test]
    fn runs_are_settled_wherever_they_lie() {
        let mut settled = SettledTags::default();
        settled.run(1, 1_000_000);
        settled.run(1_000_002, 1_000_004);
        assert_eq!((settled.upto, settled.above.len()), (1_000_000, 1));
        assert_eq!(settled.total(), 1_000_003);
        // The one between them.
        assert_eq!(settled.all_up_to(1_000_003), 1);
        assert_eq!((settled.upto, settled.total()), (1_000_004, 1_000_004));
        // Behind those of which it is not known which they are.
        let mut settled = SettledTags::after(3, 5);
        settled.run(6, 7);
        assert_eq!((settled.total(), settled.all_up_to(7)), (5, 2));
    }

    #[test]
    fn memory_follows_the_gaps() {
        let mut settled = SettledTags::default();
        for tag in 2..10_000 {
            settled.one(tag);
        }
        assert_eq!(settled.above.len(), 1);
        assert_eq!(settled.all_up_to(9_999), 1);
        assert!(settled.above.is_empty());
    }

    #[test]
    fn highest_that_is_not_settled_is_found_if_it_is_known() {
        let mut settled = SettledTags::after(2, 2);
        for tag in [4, 6, 7] {
            settled.one(tag);
        }
        let open = [9, 8, 7, 6, 5, 4, 3, 1, 0].map(|tag| settled.highest_open_below(tag));
        let five = Some(5);
        let expected = [
            Some(8),
            five,
            five,
            five,
            Some(3),
            Some(3),
            None,
            None,
            None,
        ];
        assert_eq!(open, expected);
        // Which of these are is not known.
        let settled = SettledTags::after(3, 5);
        let open = [8, 7, 6, 3].map(|tag| settled.highest_open_below(tag));
        assert_eq!(open, [Some(7), Some(6), None, None]);
    }

    #[test]
    fn what_was_settled_before_is_not_counted_again() {
        // 1, 3 and 5.
        let mut settled = SettledTags::after(3, 5);
        assert_eq!((settled.one(2), settled.one(4)), (1, 1));
        let mut settled = SettledTags::after(3, 5);
        assert_eq!(settled.all_up_to(7), 4);
        let mut settled = SettledTags::after(5, 5);
        assert_eq!((settled.one(5), settled.all_up_to(7)), (0, 2));
    }
}
