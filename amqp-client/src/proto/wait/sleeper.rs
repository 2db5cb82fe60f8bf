//! A task that is being polled and may have to wait.

use std::mem;
use std::task::{Context, Poll, Waker};

/// The task that polls, on its way to a list or a slot under a lock.
///
/// Its waker is cloned when it is known to be needed, which is not known before the lock is taken.
/// So a poll looks first; if it has to wait where its waker is not known yet, it lets go of the
/// lock, clones the waker, and looks once more. A task that is polled again where it waits already,
/// or that need not wait, clones nothing and looks once.
#[derive(Debug)]
pub(crate) struct Sleeper<'a> {
    waker: &'a Waker,
    /// A clone that no list has taken yet.
    spare: Option<Waker>,
    /// A list wants a clone and there was none.
    wanted: bool,
    /// What lists have given up for it.
    replaced: Vec<Waker>,
}

impl Sleeper<'_> {
    /// Polls with `look`, which takes its locks itself and has released them when it returns. It is
    /// called a second time if it was pending for want of a clone.
    #[inline]
    pub(crate) fn poll<T>(
        context: &Context<'_>,
        mut look: impl FnMut(&mut Sleeper<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut sleeper = Sleeper {
            waker: context.waker(),
            spare: None,
            wanted: false,
            replaced: Vec::new(),
        };
        loop {
            let polled = look(&mut sleeper);
            if polled.is_ready() || !mem::take(&mut sleeper.wanted) {
                return polled;
            }
            sleeper.spare = Some(sleeper.waker.clone());
        }
    }

    /// Has the slot hold this task's waker. Where it does not yet and there is no clone at hand,
    /// the slot is left alone, and this poll is repeated with one.
    #[inline]
    pub(crate) fn wait_in(&mut self, slot: &mut Option<Waker>) {
        if slot
            .as_ref()
            .is_some_and(|known| known.will_wake(self.waker))
        {
            return;
        }
        if let Some(waker) = self.take_clone() {
            let replaced = slot.replace(waker);
            self.discard(replaced);
        }
    }

    /// The clone, for a place that is known to hold no waker of this task. Without one this poll is
    /// repeated.
    #[inline]
    pub(crate) fn take_clone(&mut self) -> Option<Waker> {
        self.wanted = self.spare.is_none();
        self.spare.take()
    }

    /// Whether this waker calls the same task.
    #[inline]
    pub(crate) fn is_called_by(&self, waker: &Waker) -> bool {
        waker.will_wake(self.waker)
    }

    /// Drops a waker once the locks are released.
    #[inline]
    pub(crate) fn discard(&mut self, waker: Option<Waker>) {
        self.replaced.extend(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tests::support::task::Flag;

    #[test]
    fn waker_is_cloned_only_where_it_is_not_known() {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let context = Context::from_waker(&waker);
        let mut slot = None;
        let looks = |slot: &mut Option<Waker>| {
            let mut looks = 0;
            let polled: Poll<()> = Sleeper::poll(&context, |sleeper| {
                looks += 1;
                sleeper.wait_in(slot);
                Poll::Pending
            });
            assert!(polled.is_pending());
            looks
        };
        assert_eq!(looks(&mut slot), 2);
        assert_eq!(looks(&mut slot), 1);
        assert_eq!(Arc::strong_count(&flag), 3);
        drop(slot.take());
        assert_eq!(looks(&mut slot), 2);
    }

    #[test]
    fn what_is_ready_at_once_or_at_the_second_look_leaves_no_clone_behind() {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let context = Context::from_waker(&waker);
        assert_eq!(Sleeper::poll(&context, |_| Poll::Ready(1)), Poll::Ready(1));
        let mut looks = 0;
        let polled = Sleeper::poll(&context, |sleeper| {
            looks += 1;
            if looks == 2 {
                return Poll::Ready(2);
            }
            sleeper.wait_in(&mut None);
            Poll::Pending
        });
        assert_eq!(polled, Poll::Ready(2));
        assert_eq!(Arc::strong_count(&flag), 2);
    }

    #[test]
    fn replaced_waker_is_dropped_after_the_look() {
        let flag = Arc::new(Flag::default());
        let mut slot = Some(Waker::from(Arc::clone(&flag)));
        let context = Context::from_waker(Waker::noop());
        let polled: Poll<()> = Sleeper::poll(&context, |sleeper| {
            sleeper.wait_in(&mut slot);
            assert_eq!(Arc::strong_count(&flag), 2);
            Poll::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(Arc::strong_count(&flag), 1);
    }
}
