//! Publishes that the broker answers no more: their channel has ended, or was opened anew.
//!
//! ```text
//! wire order:  … in front of what the broker objects to │ it │ behind it │ not written
//! told:          may be routed, or not                  │ refused │ not sent  │ not sent
//! ```
//!
//! The broker handles what comes on a channel in order, and ignores what stands behind the
//! operation that it closes the channel for (the rules of `channel.close`). Which one that is it
//! tells by method and name only. One publish is told to be at fault where no other can be; of
//! several that may be, each is told what the broker objects to, and that it may be routed.

use std::sync::Arc;

use crate::error::{ChannelError, ConnectionError};

/// What the broker may have closed a channel for, among its unanswered publishes.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) enum Suspects {
    /// Nothing is known.
    #[default]
    Unknown,
    /// This publish.
    Publish(u64),
    /// One of those from the first to the last number of these, in order; and whether all of them
    /// are known.
    Among(Vec<(u64, u64)>, bool),
    /// Another operation, which was sent behind this publish.
    Behind(u64),
}

/// Why publishes have no answer.
#[derive(Debug)]
pub(crate) struct Loss {
    /// As what provoked it is told, and the end of the channel itself.
    pub(crate) cause: ChannelError,
    /// As all others are told.
    bystander: ChannelError,
    /// The number of the last publish that was sent.
    pub(crate) sent: u64,
    suspects: Suspects,
}

/// What is known of one publish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// No broker has it.
    NotSent,
    /// It may have been routed.
    Uncertain,
    /// The same, and it may be at fault.
    Suspect,
    /// It is at fault.
    Refused,
}

impl Loss {
    pub(crate) fn new(cause: &ChannelError, sent: u64, suspects: Suspects) -> Self {
        Self {
            cause: cause.clone(),
            bystander: cause.for_bystander(),
            sent,
            suspects,
        }
    }

    /// Nothing is known but that these were sent.
    pub(crate) fn plain(cause: &ChannelError, sent: u64) -> Self {
        Self::new(cause, sent, Suspects::Unknown)
    }

    /// Whether the broker may have closed the channel or the connection over one of the messages
    /// that it was sent.
    pub(super) fn may_be_for_a_message(&self) -> bool {
        match &self.cause {
            ChannelError::ClosedByBroker(_) => true,
            ChannelError::Connection(ConnectionError::ClosedByBroker(close)) => {
                matches!(close.reply_code.0, 501..=506 | 540 | 541)
            }
            _ => false,
        }
    }

    /// What has become of this number.
    pub(super) fn fate(&self, number: u64) -> Fate {
        if number > self.sent {
            return Fate::NotSent;
        }
        match &self.suspects {
            Suspects::Unknown => Fate::Uncertain,
            Suspects::Publish(guilty) if number == *guilty => Fate::Refused,
            Suspects::Publish(last) | Suspects::Behind(last) if number > *last => Fate::NotSent,
            Suspects::Publish(_) | Suspects::Behind(_) => Fate::Uncertain,
            Suspects::Among(ranges, all_known) => {
                let at = ranges.partition_point(|&(_, to)| to < number);
                match ranges.get(at) {
                    Some(&(from, _)) if from <= number => Fate::Suspect,
                    None if *all_known => Fate::NotSent,
                    Some(_) | None => Fate::Uncertain,
                }
            }
        }
    }

    /// What a publish of this fate is told.
    pub(crate) fn error(&self, fate: Fate) -> ChannelError {
        match fate {
            Fate::NotSent | Fate::Uncertain => self.bystander.clone(),
            Fate::Suspect | Fate::Refused => self.cause.clone(),
        }
    }
}

/// Publishes with numbers in a row, of the same fate.
#[derive(Debug)]
struct Run {
    from: u64,
    to: u64,
    fate: Fate,
    loss: Arc<Loss>,
    /// How many of them may still be asked about.
    askers: u64,
    /// How many of them nothing has been told of.
    untold: u64,
}

/// How many ends of a channel are kept that something may still be asked about. A channel that is
/// opened anew comes back from many only if a program publishes on it and never asks.
const MOST: usize = 64;

/// All publishes of a channel that are answered no more and have not been told.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// In the order of their numbers.
    runs: Vec<Run>,
    /// Of numbers up to this one nothing more is known, and why.
    forgotten: Option<(u64, Arc<Loss>)>,
    /// What of them nothing was told of.
    untold: u64,
}

/// How many of each fate there were, and why.
#[derive(Debug, Default)]
pub(crate) struct LostCounts {
    pub(crate) not_sent: u64,
    pub(crate) uncertain: u64,
    pub(crate) refused: u64,
    pub(crate) cause: Option<ChannelError>,
}

impl Lost {
    /// The last number that there is anything to be told of; zero if there is none.
    #[inline]
    pub(crate) fn last(&self) -> u64 {
        match (self.runs.last(), &self.forgotten) {
            (Some(run), _) => run.to,
            (None, Some((number, _))) => *number,
            (None, None) => 0,
        }
    }

    /// One more that has not been pushed before. `asked` says whether its outcome may be asked for;
    /// `apart` that it is not to be told together with the one before.
    pub(crate) fn push(&mut self, number: u64, asked: bool, apart: bool, loss: &Arc<Loss>) {
        self.push_as(loss.fate(number), number, asked, apart, loss);
    }

    /// The same, of which more is known.
    pub(crate) fn push_as(
        &mut self,
        fate: Fate,
        number: u64,
        asked: bool,
        apart: bool,
        loss: &Arc<Loss>,
    ) {
        let askers = u64::from(asked);
        if let Some(last) = self.runs.last_mut().filter(|_| !apart) {
            if last.to + 1 == number && last.fate == fate && Arc::ptr_eq(&last.loss, loss) {
                last.to = number;
                last.askers += askers;
                last.untold += 1;
                return;
            }
        }
        let run = Run {
            from: number,
            to: number,
            fate,
            loss: Arc::clone(loss),
            askers,
            untold: 1,
        };
        // What was sent again and is given up may stand in front of others.
        let at = self.runs.partition_point(|run| run.to < number);
        self.runs.insert(at, run);
    }

    /// Forgets what is oldest, if there are many ends: of a number up to there it is only told that
    /// it may have been routed.
    pub(crate) fn forget_oldest(&mut self) {
        let mut ends = 0;
        let mut before: Option<&Arc<Loss>> = None;
        for run in &self.runs {
            ends += usize::from(!before.is_some_and(|before| Arc::ptr_eq(before, &run.loss)));
            before = Some(&run.loss);
        }
        let Some(oldest) = self.runs.first().map(|run| Arc::clone(&run.loss)) else {
            return;
        };
        if ends <= MOST {
            return;
        }
        let n = self
            .runs
            .partition_point(|run| Arc::ptr_eq(&run.loss, &oldest));
        for run in self.runs.drain(..n) {
            self.untold += run.untold;
            self.forgotten = Some((run.to, Arc::clone(&oldest)));
        }
    }

    fn find(&self, number: u64) -> Option<usize> {
        let at = self.runs.partition_point(|run| run.to < number);
        let run = self.runs.get(at)?;
        (run.from <= number).then_some(at)
    }

    /// Tells what has become of one.
    pub(crate) fn tell(&mut self, number: u64) -> Option<(Fate, ChannelError)> {
        let Some(at) = self.find(number) else {
            let (forgotten, loss) = self.forgotten.as_ref()?;
            let fate = Fate::Uncertain;
            return (number <= *forgotten).then(|| (fate, loss.error(fate)));
        };
        let run = self.runs.get_mut(at)?;
        let told = (run.fate, run.loss.error(run.fate));
        run.untold = run.untold.saturating_sub(1);
        self.leave(at);
        Some(told)
    }

    /// One will not be asked for.
    pub(crate) fn abandon(&mut self, number: u64) {
        if let Some(at) = self.find(number) {
            self.leave(at);
        }
    }

    fn leave(&mut self, at: usize) {
        if let Some(run) = self.runs.get_mut(at) {
            run.askers = run.askers.saturating_sub(1);
        }
        self.forget(at);
    }

    fn forget(&mut self, at: usize) {
        let is_over = |run: &Run| run.askers == 0 && run.untold == 0;
        if self.runs.get(at).is_some_and(is_over) {
            self.runs.remove(at);
        }
    }

    /// Tells of those up to this number that have not been told.
    pub(crate) fn tell_up_to(&mut self, number: u64) -> LostCounts {
        let mut counts = LostCounts {
            uncertain: std::mem::take(&mut self.untold),
            ..LostCounts::default()
        };
        if let (1.., Some((_, loss))) = (counts.uncertain, &self.forgotten) {
            counts.cause = Some(loss.error(Fate::Uncertain));
        }
        for run in self.runs.iter_mut().take_while(|run| run.to <= number) {
            let n = std::mem::take(&mut run.untold);
            if n == 0 {
                continue;
            }
            match run.fate {
                Fate::NotSent => counts.not_sent += n,
                Fate::Uncertain | Fate::Suspect => counts.uncertain += n,
                Fate::Refused => counts.refused += n,
            }
            // What is at fault says more than what stands beside it.
            let is_at_fault = matches!(run.fate, Fate::Suspect | Fate::Refused);
            if is_at_fault || counts.cause.is_none() {
                counts.cause = Some(run.loss.error(run.fate));
            }
        }
        self.runs.retain(|run| run.askers > 0 || run.untold > 0);
        counts
    }

    /// How many runs there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(suspects: Suspects, numbers: std::ops::RangeInclusive<u64>) -> Vec<Fate> {
        let loss = Loss::new(&ChannelError::Closed, 6, suspects);
        numbers.map(|number| loss.fate(number)).collect()
    }

    #[test]
    fn order_on_the_wire_tells_what_the_broker_has_looked_at() {
        use Fate::{NotSent, Refused, Suspect, Uncertain};
        assert_eq!(
            fates(Suspects::Publish(3), 2..=7),
            [Uncertain, Refused, NotSent, NotSent, NotSent, NotSent]
        );
        assert_eq!(
            fates(Suspects::Behind(4), 3..=7),
            [Uncertain, Uncertain, NotSent, NotSent, NotSent]
        );
        let among = vec![(2, 2), (4, 5)];
        assert_eq!(
            fates(Suspects::Among(among.clone(), true), 1..=7),
            [
                Uncertain, Suspect, Uncertain, Suspect, Suspect, NotSent, NotSent
            ]
        );
        assert_eq!(
            fates(Suspects::Among(among, false), 5..=7),
            [Suspect, Uncertain, NotSent]
        );
        assert_eq!(fates(Suspects::Unknown, 6..=7), [Uncertain, NotSent]);
    }

    #[test]
    fn what_was_told_is_forgotten() {
        let mut lost = Lost::default();
        let loss = Arc::new(Loss::new(&ChannelError::Closed, 9, Suspects::Publish(2)));
        for number in 1..=4 {
            lost.push(number, number != 4, false, &loss);
        }
        assert_eq!((lost.len(), lost.last()), (3, 4));
        assert!(matches!(lost.tell(2), Some((Fate::Refused, _))));
        assert!(lost.tell(2).is_none() && lost.tell(5).is_none());
        let counts = lost.tell_up_to(u64::MAX);
        assert_eq!(
            (counts.uncertain, counts.not_sent, counts.refused),
            (1, 2, 0)
        );
        assert_eq!(lost.tell_up_to(u64::MAX).cause.map(drop), None);
        lost.abandon(1);
        assert!(matches!(lost.tell(3), Some((Fate::NotSent, _))));
        assert_eq!((lost.len(), lost.last()), (0, 0));
    }

    #[test]
    fn those_that_wait_for_some_are_not_told_of_others() {
        let mut lost = Lost::default();
        let loss = Arc::new(Loss::plain(&ChannelError::Closed, 9));
        for number in 1..=4 {
            lost.push(number, false, number == 3, &loss);
        }
        assert_eq!(lost.tell_up_to(2).uncertain, 2);
        assert_eq!(lost.tell_up_to(4).uncertain, 2);
        assert_eq!(lost.len(), 0);
    }

    #[test]
    fn many_ends_that_nothing_is_asked_about_take_bounded_memory() {
        let mut lost = Lost::default();
        let n = 3 * MOST as u64;
        for number in 1..=n {
            let loss = Arc::new(Loss::plain(&ChannelError::Closed, number));
            lost.push(number, true, false, &loss);
            lost.forget_oldest();
        }
        assert_eq!(lost.len(), MOST);
        assert!(matches!(lost.tell(1), Some((Fate::Uncertain, _))));
        assert!(matches!(lost.tell(n), Some((Fate::Uncertain, _))));
        assert_eq!(lost.tell_up_to(u64::MAX).uncertain, n - 1);
    }
}
