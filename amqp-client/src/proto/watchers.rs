//! Who wants to know when something happens once. A future that is dropped takes its name off the
//! list again: a connection that lives for months must not keep a waker of every task that ever
//! looked whether it was closed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The list, to be kept under a lock.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Watchers {
    /// Calls the waker of `context` when it happens, and not an earlier one of the same `place`.
    pub(crate) fn watch(&mut self, place: &mut Option<u64>, context: &Context<'_>) {
        let place = *place.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        match self.wakers.get_mut(&place) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                self.wakers.insert(place, context.waker().clone());
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    pub(crate) fn forget(&mut self, place: u64) {
        self.wakers.remove(&place);
    }

    /// It has happened: all are to be called once the lock is released.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.wakers).into_values()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }
}

/// Waits for what `poll` tells, which gets a place on a list; `forget` gives the place up.
#[derive(Debug)]
pub(crate) struct Watch<P, F: FnMut(u64)> {
    place: Option<u64>,
    poll: P,
    forget: F,
}

impl<P, F: FnMut(u64)> Watch<P, F> {
    pub(crate) fn new<T>(poll: P, forget: F) -> Self
    where
        P: FnMut(&mut Option<u64>, &mut Context<'_>) -> Poll<T>,
    {
        Self {
            place: None,
            poll,
            forget,
        }
    }
}

impl<T, P, F> Future for Watch<P, F>
where
    P: FnMut(&mut Option<u64>, &mut Context<'_>) -> Poll<T> + Unpin,
    F: FnMut(u64) + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        (this.poll)(&mut this.place, context)
    }
}

impl<P, F: FnMut(u64)> Drop for Watch<P, F> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            (self.forget)(place);
        }
    }
}
