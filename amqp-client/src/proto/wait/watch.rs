//! A future made of two closures.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for what `poll` tells, which gets a ticket for a list; `forget` gives the ticket up.
#[derive(Debug)]
pub(crate) struct Watch<P, F: FnMut(u64)> {
    ticket: Option<u64>,
    poll: P,
    forget: F,
}

impl<P, F: FnMut(u64)> Watch<P, F> {
    pub(crate) fn new<T>(poll: P, forget: F) -> Self
    where
        P: FnMut(&mut Option<u64>, &mut Context<'_>) -> Poll<T>,
    {
        Self {
            ticket: None,
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
        (this.poll)(&mut this.ticket, context)
    }
}

impl<P, F: FnMut(u64)> Drop for Watch<P, F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            (self.forget)(ticket);
        }
    }
}
