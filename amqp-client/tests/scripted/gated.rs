//! A socket that fails after a given number of octets, or takes none for a while.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a [`Gated`] stream is to do.
pub(crate) struct Gate {
    shut: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// As many octets are taken before writing fails.
    left: AtomicUsize,
}

impl Gate {
    /// Nothing is taken until the gate is opened.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }

    /// As many octets more are taken; then writing fails, as a socket does: without taking
    /// anything.
    pub(crate) fn fail_after(&self, octets: usize) {
        self.left.store(octets, Ordering::Relaxed);
    }

    /// As many octets are left of those.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

pub(crate) struct Gated<S> {
    stream: S,
    gate: Arc<Gate>,
}

impl<S> Gated<S> {
    pub(crate) fn new(stream: S) -> (Self, Arc<Gate>) {
        let gate = Arc::new(Gate {
            shut: AtomicBool::new(false),
            waker: Mutex::new(None),
            left: AtomicUsize::new(usize::MAX),
        });
        let gated = Self {
            stream,
            gate: Arc::clone(&gate),
        };
        (gated, gate)
    }

    fn is_shut(&self, context: &Context<'_>) -> bool {
        let shut = self.gate.shut.load(Ordering::Relaxed);
        if shut {
            *self.gate.waker.lock().unwrap() = Some(context.waker().clone());
        }
        shut
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_shut(context) {
            return Poll::Pending;
        }
        let left = self.gate.left.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let octets = &octets[..octets.len().min(left)];
        let polled = Pin::new(&mut self.stream).poll_write(context, octets);
        if left == usize::MAX {
            return polled;
        }
        polled.map_ok(|n| {
            self.gate.left.fetch_sub(n, Ordering::Relaxed);
            n
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_shut(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
