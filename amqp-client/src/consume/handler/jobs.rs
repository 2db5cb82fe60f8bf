//! A bounded number of futures in one: only those that were woken are polled, and one that panics
//! ends alone.
//!
//! ```text
//! push ─▶ slot ──ready──▶ polled ──Pending──▶ asleep ──wake──▶ ready …
//!                            └──Ready, panic──▶ handed out, slot free
//! ```
//!
//! Each slot has a waker for good, so that a job costs no more than the box of its future. A
//! wake-up for what was in a slot before is one poll too many and does no harm.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use crate::proto::wait::sync::{lock, touch};
use crate::proto::wait::{self, Sleeper};

/// What a panic leaves behind.
pub(crate) type Panic = Box<dyn Any + Send>;

/// A job that is over: what belonged to it, and what came out.
type Finished<T, O> = (T, Result<O, Panic>);

/// The futures, each with something that belongs to it.
pub(crate) struct Jobs<F, T> {
    slots: Vec<JobSlot<F, T>>,
    /// Slots without a job.
    free: Vec<usize>,
    ready: Arc<Ready>,
}

struct JobSlot<F, T> {
    /// The future goes first when both are dropped.
    job: Option<(Pin<Box<F>>, T)>,
    signal: Arc<Signal>,
    waker: Waker,
}

impl<F, T> Jobs<F, T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ready: Arc::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Drops all jobs; says how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        let n_jobs = self.len();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.job.take().is_some() {
                self.free.push(index);
            }
        }
        n_jobs
    }
}

impl<F: Future, T> Jobs<F, T> {
    /// One more job, to be polled soon.
    pub(crate) fn push(&mut self, future: F, token: T) {
        let job = Some((Box::pin(future), token));
        let index = self.free.pop().unwrap_or(self.slots.len());
        if let Some(slot) = self.slots.get_mut(index) {
            slot.job = job;
            slot.signal.raise();
            return;
        }
        let signal = Arc::new(Signal {
            ready: Arc::clone(&self.ready),
            index,
            raised: AtomicBool::new(false),
        });
        signal.raise();
        let waker = Waker::from(Arc::clone(&signal));
        self.slots.push(JobSlot { job, signal, waker });
    }

    /// The next job that is over; `None` if there are no jobs. Each that was woken is polled once.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Finished<T, F::Output>>> {
        if self.len() == 0 {
            return Poll::Ready(None);
        }
        // Who is woken from here on calls the waker: nothing that comes later is overlooked.
        for _ in 0..self.ready.watch(context) {
            let Some(slot) = self.ready.pop().and_then(|at| self.slots.get_mut(at)) else {
                break;
            };
            // Reads what came before a wake-up that found it raised still.
            touch(&slot.signal.raised).swap(false, Ordering::SeqCst);
            let Some((mut future, token)) = slot.job.take() else {
                continue;
            };
            let waker = &slot.waker;
            // Whatever a panic leaves half done is dropped with the future.
            let polled = catch_unwind(AssertUnwindSafe(|| {
                let polled = future.as_mut().poll(&mut Context::from_waker(waker));
                match polled {
                    Poll::Pending => Err(future),
                    Poll::Ready(output) => Ok(output),
                }
            }));
            let result = match polled {
                Ok(Err(future)) => {
                    slot.job = Some((future, token));
                    continue;
                }
                Ok(Ok(output)) => Ok(output),
                Err(panic) => Err(panic),
            };
            self.free.push(slot.signal.index);
            return Poll::Ready(Some((token, result)));
        }
        Poll::Pending
    }
}

/// The slots whose jobs want to be polled, each at most once.
#[derive(Debug, Default)]
struct Ready(Mutex<JobQueue>);

#[derive(Debug, Default)]
struct JobQueue {
    slots: VecDeque<usize>,
    /// The task that polls the jobs; taken when it has been called.
    task: Option<Waker>,
}

impl Ready {
    fn queue(&self) -> MutexGuard<'_, JobQueue> {
        lock(&self.0)
    }

    /// Calls the task when a slot becomes ready; says how many are.
    fn watch(&self, context: &Context<'_>) -> usize {
        let mut n_ready = 0;
        let _: Poll<()> = Sleeper::poll(context, |sleeper| {
            let mut queue = self.queue();
            sleeper.wait_in(&mut queue.task);
            n_ready = queue.slots.len();
            Poll::Pending
        });
        n_ready
    }

    fn pop(&self) -> Option<usize> {
        self.queue().slots.pop_front()
    }
}

/// The waker of one slot.
#[derive(Debug)]
struct Signal {
    ready: Arc<Ready>,
    index: usize,
    /// The slot is in the queue.
    raised: AtomicBool,
}

impl Signal {
    fn raise(&self) {
        if touch(&self.raised).swap(true, Ordering::SeqCst) {
            return;
        }
        let mut queue = self.ready.queue();
        queue.slots.push_back(self.index);
        let task = queue.task.take();
        drop(queue);
        task.into_iter().for_each(wait::wake);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.raise();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raise();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::rc::Rc;

    use super::*;

    #[derive(Debug, Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_what_was_woken_is_polled() {
        let polls = Rc::new(Cell::new(0));
        let woken: Rc<Cell<Option<Waker>>> = Rc::default();
        let mut jobs = Jobs::new();
        for n in 0..3 {
            let (polls, woken) = (Rc::clone(&polls), Rc::clone(&woken));
            let job = poll_fn(move |context| {
                polls.set(polls.get() + 1);
                if n == 1 {
                    woken.set(Some(context.waker().clone()));
                }
                Poll::<()>::Pending
            });
            jobs.push(job, n);
        }
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        assert!(jobs.poll_next(&mut context).is_pending());
        assert_eq!(polls.get(), 3);
        assert!(jobs.poll_next(&mut context).is_pending());
        assert_eq!(polls.get(), 3);

        let one = woken.take().unwrap();
        one.wake_by_ref();
        one.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "woken once");
        assert!(jobs.poll_next(&mut context).is_pending());
        assert_eq!(polls.get(), 4);
        assert_eq!(jobs.clear(), 3);
        assert_eq!(jobs.len(), 0);
    }

    #[test]
    fn a_job_that_wakes_itself_does_not_keep_the_others_waiting() {
        let mut jobs: Jobs<Pin<Box<dyn Future<Output = ()>>>, &str> = Jobs::new();
        jobs.push(
            Box::pin(poll_fn(|context| {
                context.waker().wake_by_ref();
                Poll::Pending
            })),
            "restless",
        );
        jobs.push(Box::pin(async {}), "quick");
        jobs.push(Box::pin(pending()), "never");
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let Poll::Ready(Some(("quick", Ok(())))) = jobs.poll_next(&mut context) else {
            panic!("the quick one is over");
        };
        assert!(jobs.poll_next(&mut context).is_pending());
        assert!(count.0.load(Ordering::Relaxed) > 0, "it goes on");
        assert_eq!(jobs.len(), 2);
    }

    #[test]
    fn a_panic_ends_one_job() {
        let mut jobs: Jobs<Pin<Box<dyn Future<Output = u8>>>, u8> = Jobs::new();
        jobs.push(Box::pin(async { panic!("on purpose") }), 1);
        jobs.push(Box::pin(async { 7 }), 2);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some((1, Err(_)))) = jobs.poll_next(&mut context) else {
            panic!("the first panics");
        };
        let Poll::Ready(Some((2, Ok(7)))) = jobs.poll_next(&mut context) else {
            panic!("the second is well");
        };
        assert!(matches!(jobs.poll_next(&mut context), Poll::Ready(None)));
    }
}
