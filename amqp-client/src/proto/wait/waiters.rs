//! A list of tasks that wait, in order.

use std::collections::BTreeMap;
use std::task::Waker;

use super::Sleeper;

/// The list, to be kept under a lock. Its order is that of `K`, and among equals the order in which
/// they came. `T` is what is known of each.
///
/// A future that waits holds a ticket and gives it up when it is dropped: a connection that lives
/// for months must not keep a waker of every task that ever looked whether it was closed. A task
/// that has been called and has to wait again keeps its ticket, and with it its place.
#[derive(Debug)]
pub(crate) struct Waiters<K = (), T = ()> {
    last_ticket: u64,
    waiting: BTreeMap<(K, u64), Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    waker: Option<Waker>,
    about: T,
}

/// A task on its way from one list to another.
#[derive(Debug)]
pub(crate) struct Moving<K, T> {
    key: K,
    ticket: u64,
    entry: Entry<T>,
}

impl<K, T> Moving<K, T> {
    /// What is known of it.
    pub(crate) fn about(&self) -> &T {
        &self.entry.about
    }
}

impl<K: Ord, T> Default for Waiters<K, T> {
    fn default() -> Self {
        Self {
            last_ticket: 0,
            waiting: BTreeMap::new(),
        }
    }
}

impl Waiters {
    /// Calls the task when the list is taken.
    pub(crate) fn wait(&mut self, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) {
        self.wait_at((), (), ticket, sleeper);
    }

    /// Takes a task off the list; its waker is to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn forget(&mut self, ticket: u64) -> Option<Waker> {
        self.remove((), ticket)
    }
}

impl<K: Copy + Ord, T> Waiters<K, T> {
    /// Has the task wait in this place of the list, and no other waker of the same ticket.
    pub(crate) fn wait_at(
        &mut self,
        key: K,
        about: T,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.last_ticket += 1;
            self.last_ticket
        });
        if let Some(waiter) = self.waiting.get_mut(&(key, ticket)) {
            waiter.about = about;
            sleeper.wait_in(&mut waiter.waker);
        } else if let Some(waker) = sleeper.take_clone() {
            let waker = Some(waker);
            self.waiting.insert((key, ticket), Entry { waker, about });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Who comes first, and what is known of it.
    pub(crate) fn first(&self) -> Option<(K, u64, &T)> {
        let (&(key, ticket), waiter) = self.waiting.first_key_value()?;
        Some((key, ticket, &waiter.about))
    }

    /// The ticket of the first of whom this is true.
    pub(crate) fn find(&self, is_wanted: impl Fn(&T) -> bool) -> Option<u64> {
        let mut waiting = self.waiting.iter();
        let found = waiting.find(|(_, waiter)| is_wanted(&waiter.about));
        found.map(|(&(_, ticket), _)| ticket)
    }

    /// Where they wait, each, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.waiting.keys().map(|&(key, _)| key)
    }

    /// Whether a task waits in this place.
    pub(crate) fn contains(&self, key: K, ticket: u64) -> bool {
        self.waiting.contains_key(&(key, ticket))
    }

    /// Takes a task off the list; its waker is to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn remove(&mut self, key: K, ticket: u64) -> Option<Waker> {
        self.waiting.remove(&(key, ticket))?.waker
    }

    /// Calls the first one: its ticket and what is known of it.
    pub(crate) fn call_first(&mut self, wakers: &mut Vec<Waker>) -> Option<(u64, T)> {
        let ((_, ticket), waiter) = self.waiting.pop_first()?;
        wakers.extend(waiter.waker);
        Some((ticket, waiter.about))
    }

    /// Takes the first one out, to [`put`](Self::put) it on another list.
    pub(crate) fn take_first(&mut self) -> Option<Moving<K, T>> {
        let ((key, ticket), entry) = self.waiting.pop_first()?;
        Some(Moving { key, ticket, entry })
    }

    /// A task that has waited on another list has the place of its ticket on this one.
    pub(crate) fn put(&mut self, moving: Moving<K, T>) {
        let Moving { key, ticket, entry } = moving;
        self.waiting.insert((key, ticket), entry);
    }

    /// Calls those of whom this is true, in order.
    pub(crate) fn call_if(
        &mut self,
        mut is_called: impl FnMut(u64, &T) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        self.waiting.retain(|&(_, ticket), waiter| {
            let called = is_called(ticket, &waiter.about);
            if called {
                wakers.extend(waiter.waker.take());
            }
            !called
        });
    }

    /// Calls all, in order; they keep their places, to wait again or to be called for another
    /// reason.
    pub(crate) fn call_all_in_place(&mut self, wakers: &mut Vec<Waker>) {
        let waiting = self.waiting.values_mut();
        wakers.extend(waiting.filter_map(|waiter| waiter.waker.take()));
    }

    /// Calls all, in order.
    pub(crate) fn call_all(&mut self, wakers: &mut Vec<Waker>) {
        let waiting = std::mem::take(&mut self.waiting).into_values();
        wakers.extend(waiting.filter_map(|waiter| waiter.waker));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use super::*;
    use crate::tests::support::task::Flag;

    fn waker() -> (Waker, Arc<Flag>) {
        let flag = Arc::new(Flag::default());
        (Waker::from(Arc::clone(&flag)), flag)
    }

    fn wait(waiters: &mut Waiters, ticket: &mut Option<u64>, waker: &Waker) {
        let context = Context::from_waker(waker);
        let polled: Poll<()> = Sleeper::poll(&context, |sleeper| {
            waiters.wait(ticket, sleeper);
            Poll::Pending
        });
        assert!(polled.is_pending());
    }

    #[test]
    fn later_waker_of_a_ticket_takes_the_place_of_the_earlier() {
        let mut waiters = Waiters::default();
        let mut ticket = None;
        let ((early, early_flag), (late, late_flag)) = (waker(), waker());
        wait(&mut waiters, &mut ticket, &early);
        wait(&mut waiters, &mut ticket, &late);
        assert_eq!(waiters.len(), 1);
        let mut wakers = Vec::new();
        waiters.call_all(&mut wakers);
        crate::proto::wait::wake_all(&mut wakers);
        assert!(late_flag.take() && !early_flag.take());
        drop(early);
        assert_eq!(Arc::strong_count(&early_flag), 1);
    }

    #[test]
    fn task_that_waits_again_has_its_earlier_place() {
        let mut waiters = Waiters::default();
        let (mut first, mut second) = (None, None);
        let (waker, _) = waker();
        wait(&mut waiters, &mut first, &waker);
        wait(&mut waiters, &mut second, &waker);
        let mut wakers = Vec::new();
        assert_eq!(waiters.call_first(&mut wakers), first.map(|one| (one, ())));
        wait(&mut waiters, &mut first, &waker);
        assert_eq!(waiters.call_first(&mut wakers), first.map(|one| (one, ())));
    }

    #[test]
    fn task_that_is_called_in_its_place_keeps_it_whether_it_looks_or_not() {
        let mut waiters = Waiters::default();
        let (mut first, mut second) = (None, None);
        let (waker, flag) = waker();
        wait(&mut waiters, &mut first, &waker);
        wait(&mut waiters, &mut second, &waker);
        let mut wakers = Vec::new();
        waiters.call_all_in_place(&mut wakers);
        assert_eq!((wakers.len(), waiters.len()), (2, 2));
        crate::proto::wait::wake_all(&mut wakers);
        assert!(flag.take());
        wait(&mut waiters, &mut second, &waker);
        for (ticket, n_wakers) in [(first, 0), (second, 1)] {
            let called = waiters.call_first(&mut wakers);
            assert_eq!(called, ticket.map(|one| (one, ())));
            assert_eq!(wakers.len(), n_wakers);
        }
    }

    #[test]
    fn forgotten_waker_is_handed_back() {
        let mut waiters = Waiters::default();
        let mut ticket = None;
        let (waker, flag) = waker();
        wait(&mut waiters, &mut ticket, &waker);
        let forgotten = waiters.forget(ticket.unwrap());
        assert_eq!(Arc::strong_count(&flag), 3);
        assert!(forgotten.is_some() && waiters.is_empty());
    }
}
