//! Which replies may be under way beside each other.
//!
//! The broker closes a channel for a message and does not say for which, so that all that were
//! under way are suspect. Those that have been so once go one at a time: an end of the channel is
//! the fault of the one that was under way then.
//!
//! ```text
//! among others ─┐              ┌─ among others
//!  among others ┴─▶ one alone ─┴─ among others
//! ```

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::proto::wait::sync::lock;
use crate::proto::wait::{Sleeper, Waiters, Watch, wake_all};

/// Who is under way.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<TurnsState>);

#[derive(Debug, Default)]
struct TurnsState {
    /// How many are, among others.
    among: usize,
    /// One is, alone.
    alone: bool,
    /// Those that want to be alone, in the order in which they came: none sets out before them.
    wanting: BTreeSet<u64>,
    last: u64,
    waiting: Waiters,
}

impl TurnsState {
    fn admits_among(&mut self) -> bool {
        let admits = !self.alone && self.wanting.is_empty();
        self.among += usize::from(admits);
        admits
    }

    fn admits_alone(&mut self, number: u64) -> bool {
        let admits = !self.alone && self.among == 0 && self.wanting.first() == Some(&number);
        self.alone |= admits;
        admits
    }
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, TurnsState> {
        lock(&self.0)
    }

    /// Waits for a turn among others.
    pub(super) async fn among(&self) -> ReplyTurn<'_> {
        self.admitted(TurnsState::admits_among).await;
        ReplyTurn {
            turns: self,
            alone: false,
        }
    }

    /// Waits for a turn alone.
    pub(super) async fn alone(&self) -> ReplyTurn<'_> {
        let wanting = Wanting::new(self);
        self.admitted(|state| state.admits_alone(wanting.number))
            .await;
        drop(wanting);
        ReplyTurn {
            turns: self,
            alone: true,
        }
    }

    async fn admitted(&self, mut admits: impl FnMut(&mut TurnsState) -> bool + Unpin) {
        Watch::new(
            |ticket, context: &mut Context<'_>| {
                Sleeper::poll(context, |sleeper| {
                    let mut state = self.state();
                    if admits(&mut state) {
                        return Poll::Ready(());
                    }
                    state.waiting.wait(ticket, sleeper);
                    Poll::Pending
                })
            },
            |ticket| drop(self.forget(ticket)),
        )
        .await;
    }

    fn forget(&self, ticket: u64) -> Option<Waker> {
        self.state().waiting.forget(ticket)
    }

    /// Something has changed: all who wait look again.
    fn change(&self, change: impl FnOnce(&mut TurnsState)) {
        let mut wakers = Vec::new();
        let mut state = self.state();
        change(&mut state);
        state.waiting.call_all(&mut wakers);
        drop(state);
        wake_all(&mut wakers);
    }
}

/// One that waits to be alone.
struct Wanting<'a> {
    turns: &'a Turns,
    number: u64,
}

impl<'a> Wanting<'a> {
    fn new(turns: &'a Turns) -> Self {
        let mut state = turns.state();
        state.last += 1;
        let number = state.last;
        state.wanting.insert(number);
        Self { turns, number }
    }
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        let number = self.number;
        self.turns.change(|state| {
            state.wanting.remove(&number);
        });
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct ReplyTurn<'a> {
    turns: &'a Turns,
    alone: bool,
}

impl Drop for ReplyTurn<'_> {
    fn drop(&mut self) {
        let alone = self.alone;
        self.turns.change(|state| match alone {
            true => state.alone = false,
            false => state.among -= 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tests::races::wakeups::every_order;
    use crate::tests::support::schedule::{Model, look_and_go, wait_for};
    use crate::tests::support::task::{Task, done};

    #[test]
    fn one_that_is_alone_waits_for_the_others_and_lets_none_before_it() {
        let turns = Turns::default();
        let (first, second) = (done(turns.among()), done(turns.among()));
        let mut alone = Task::start(turns.alone());
        let mut other = Task::start(turns.alone());
        let mut third = Task::start(turns.among());
        drop(first);
        assert!(alone.run().is_pending());
        drop(second);
        let alone = alone.ready();
        assert!(other.run().is_pending());
        assert!(third.run().is_pending());
        drop(alone);
        assert!(third.run().is_pending(), "one more is to be alone");
        let other = other.ready();
        assert!(third.run().is_pending());
        drop(other);
        drop(third.ready());
    }

    #[test]
    fn one_that_goes_away_lets_the_others_go_on() {
        let turns = Turns::default();
        let first = done(turns.among());
        let alone = Task::start(turns.alone());
        let mut second = Task::start(turns.among());
        drop(alone);
        drop(second.ready());
        drop(first);
        drop(done(turns.alone()));
    }
    #[test]
    fn one_that_waits_gets_its_turn_whenever_the_other_ends_its_own() {
        let ways: [fn(&Turns); 3] = [
            |turns| drop(wait_for(turns.alone())),
            |turns| drop(wait_for(turns.among())),
            |turns| drop(look_and_go(turns.alone())),
        ];
        for (one, other) in [(0, 1), (0, 0), (2, 1)] {
            every_order(|| {
                let turns = Arc::new(Turns::default());
                let (first, second) = (turns.clone(), turns.clone());
                Model::new()
                    .actor("one", move || ways[one](&first))
                    .actor("other", move || ways[other](&second))
                    .check(move || assert_eq!(turns.state().among, 0))
            });
        }
    }
}
