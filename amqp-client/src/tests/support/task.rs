//! Futures polled by hand.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A waker that remembers whether it was called.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Flag {
    /// Whether it was called since the last look.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A future on its own, as a runtime would hold it.
pub(crate) struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Flag>,
    started: bool,
}

impl<'a, T> Task<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::default(),
            started: false,
        }
    }

    /// Polls for the first time; it must not be ready at once.
    #[track_caller]
    pub(crate) fn start(future: impl Future<Output = T> + 'a) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_pending(), "ready at once");
        task
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        self.started = true;
        self.woken.take();
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Whether a runtime would poll it.
    pub(crate) fn is_due(&self) -> bool {
        !self.started || self.woken.is_set()
    }

    /// What a runtime would get from it now: nothing unless it was woken.
    pub(crate) fn run(&mut self) -> Poll<T> {
        if self.is_due() {
            self.poll()
        } else {
            Poll::Pending
        }
    }

    /// It must have been woken and be ready now.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> T {
        assert!(self.is_due(), "nobody woke the task");
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("still pending"),
        }
    }

    /// It must not be ready.
    #[track_caller]
    pub(crate) fn pending(&mut self) {
        assert!(self.poll().is_pending(), "ready too early");
    }
}

/// The output of a future that is ready at once.
#[track_caller]
pub(crate) fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}
