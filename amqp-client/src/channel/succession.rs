//! What stands on a channel of its own, and goes on on a new one when the broker has closed that.
//!
//! ```text
//! current ──closed by the broker──▶ wanted ──pause──▶ opening ──▶ current, the next
//!    │                                ▲                  └─fails─▶ told to all who wait
//!    └──ended otherwise──▶ for good   └────────the next who wants it─────┘
//! ```
//!
//! A broker closes a channel for one bad message, and every caller on that channel loses it. Here
//! one channel is opened in its place: only when a caller needs it, and once for all callers that
//! wait. No task of its own does this. One of the waiting callers polls the attempt, and if that
//! caller goes away, another one goes on with it. The new channel is set up (confirm mode, a
//! consumer) before any caller gets it. When channels die young the next ones are opened further
//! and further apart, so that a program that provokes the broker in a loop soon opens one channel
//! in five seconds.
//!
//! What belongs to a channel of before stays with it: its confirmations, its deliveries and its
//! numbers are those of another use, and end with its end.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use super::Channel;
use crate::error::ChannelError;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::timers::Timer;
use crate::proto::time::pace::Pace;
use crate::proto::wait::sync::lock;
use crate::proto::wait::{Sleeper, Waiters, Watch, wake_all};

/// What stands on a channel.
pub(crate) trait OnChannel: Clone + Send {
    fn channel(&self) -> &Channel;

    /// Whether the broker has made it useless although its channel is open.
    fn is_useless(&self) -> bool {
        false
    }
}

impl OnChannel for Channel {
    fn channel(&self) -> &Channel {
        self
    }
}

/// Sets up on a new channel what stood on the one before.
type SetUp<T> = Arc<dyn Fn(Channel) -> Opening<T> + Send + Sync>;

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, ChannelError>> + Send>>;

/// What is current, and the next that is being opened.
pub(crate) struct Succession<T> {
    state: Mutex<SuccessionState<T>>,
    set_up: SetUp<T>,
    connection: Arc<ConnectionShared>,
}

struct SuccessionState<T> {
    current: T,
    /// Which one it is.
    number: u64,
    pace: Pace,
    /// How many attempts to open the next there were.
    attempts: u64,
    attempt: NextAttempt<T>,
    /// The last attempt that failed.
    failed: Option<(u64, ChannelError)>,
    /// Who waits for the attempt.
    waiting: Waiters,
}

enum NextAttempt<T> {
    None,
    /// To be polled by one of those who wait.
    Idle(Opening<T>),
    /// One of them polls it; it may have called since.
    Polled {
        called: bool,
    },
}

/// What a caller finds who wants the next.
enum Joined<T> {
    /// There is another one by now.
    TooLate,
    Failed(ChannelError),
    /// Another caller polls the attempt.
    Waits,
    Polls(Opening<T>),
}

impl<T: OnChannel + 'static> Succession<T> {
    /// `set_up` makes of a channel that is open what is to stand on it.
    pub(crate) fn new<F>(
        first: T,
        set_up: impl Fn(Channel) -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Result<T, ChannelError>> + Send + 'static,
    {
        let shared = first.channel().shared();
        let connection = Arc::clone(&shared.connection);
        // This opens the next.
        connection
            .outbox()
            .channels_mut()
            .end_when_closed(shared.at);
        Arc::new(Self {
            state: Mutex::new(SuccessionState {
                current: first,
                number: 0,
                pace: Pace::new(connection.clock.now()),
                attempts: 0,
                attempt: NextAttempt::None,
                failed: None,
                waiting: Waiters::default(),
            }),
            set_up: Arc::new(move |channel| Box::pin(set_up(channel))),
            connection,
        })
    }

    fn state(&self) -> MutexGuard<'_, SuccessionState<T>> {
        lock(&self.state)
    }

    pub(crate) fn connection(&self) -> &Arc<ConnectionShared> {
        &self.connection
    }

    /// The latest, whether or not it has ended.
    pub(crate) fn current(&self) -> T {
        self.state().current.clone()
    }

    /// One that has not ended as far as is known; if the broker has closed the latest, the next is
    /// opened.
    ///
    /// # Errors
    ///
    /// Why there will be none, or why this attempt to open one failed: another call makes another.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the other callers go on with the attempt; if there are none, it
    /// rests until the next call.
    pub(crate) async fn live(self: &Arc<Self>) -> Result<T, ChannelError> {
        let mut joined = None;
        Watch::new(
            |ticket, context| self.poll_live(&mut joined, ticket, context),
            |ticket| drop(self.forget(ticket)),
        )
        .await
    }

    fn forget(&self, ticket: u64) -> Option<Waker> {
        self.state().waiting.forget(ticket)
    }

    fn poll_live(
        self: &Arc<Self>,
        joined: &mut Option<u64>,
        ticket: &mut Option<u64>,
        context: &Context<'_>,
    ) -> Poll<Result<T, ChannelError>> {
        loop {
            let state = self.state();
            let (current, number) = (state.current.clone(), state.number);
            drop(state);
            match current.channel().shared().ended() {
                None if !current.is_useless() => return Poll::Ready(Ok(current)),
                None | Some(ChannelError::ClosedByBroker(_)) => {}
                Some(cause) => return Poll::Ready(Err(cause)),
            }
            // What happens from here on calls.
            let _: Poll<()> = Sleeper::poll(context, |sleeper| {
                self.state().waiting.wait(ticket, sleeper);
                Poll::Pending
            });
            match self.join(current, number, joined) {
                Joined::TooLate => {}
                Joined::Failed(error) => return Poll::Ready(Err(error)),
                Joined::Waits => return Poll::Pending,
                Joined::Polls(opening) => {
                    if !self.poll_attempt(opening) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Takes part in the attempt that is under way, or begins one.
    fn join(&self, current: T, number: u64, joined: &mut Option<u64>) -> Joined<T> {
        let now = self.connection.clock.now();
        let mut state = self.state();
        if state.number != number {
            return Joined::TooLate;
        }
        match (&state.failed, *joined) {
            (Some((attempt, error)), Some(joined)) if *attempt >= joined => {
                return Joined::Failed(error.clone());
            }
            _ => {}
        }
        if matches!(state.attempt, NextAttempt::None) {
            let not_before = state.pace.wanted(now);
            state.attempts += 1;
            state.attempt = NextAttempt::Idle(self.open(current, not_before));
        }
        joined.get_or_insert(state.attempts);
        let polled = NextAttempt::Polled { called: false };
        match std::mem::replace(&mut state.attempt, polled) {
            NextAttempt::Idle(opening) => Joined::Polls(opening),
            attempt => {
                state.attempt = attempt;
                Joined::Waits
            }
        }
    }

    /// Polls the attempt until it waits or is over, of which it says true. No lock is held while it
    /// works.
    fn poll_attempt(self: &Arc<Self>, mut opening: Opening<T>) -> bool {
        let waker = Waker::from(Arc::new(AttemptWaker(Arc::downgrade(self))));
        loop {
            let polled = opening.as_mut().poll(&mut Context::from_waker(&waker));
            let now = self.connection.clock.now();
            let mut state = self.state();
            let called = matches!(state.attempt, NextAttempt::Polled { called: true });
            match polled {
                Poll::Pending if called => state.attempt = NextAttempt::Polled { called: false },
                Poll::Pending => {
                    state.attempt = NextAttempt::Idle(opening);
                    return false;
                }
                Poll::Ready(opened) => {
                    state.attempt = NextAttempt::None;
                    state.pace.opened(now);
                    let before = match opened {
                        Ok(next) => {
                            state.number += 1;
                            Some(std::mem::replace(&mut state.current, next))
                        }
                        Err(error) => {
                            state.failed = Some((state.attempts, error));
                            None
                        }
                    };
                    let mut wakers = Vec::new();
                    state.waiting.call_all(&mut wakers);
                    drop(state);
                    wake_all(&mut wakers);
                    // Closes its channel, if that is open still.
                    drop((before, opening));
                    return true;
                }
            }
        }
    }

    /// Opens the next one. Nothing is done before this is polled.
    fn open(&self, before: T, not_before: Instant) -> Opening<T> {
        let (connection, set_up) = (Arc::clone(&self.connection), Arc::clone(&self.set_up));
        Box::pin(async move {
            pause(&connection, not_before).await?;
            let channel = match before.channel().shared().ended() {
                // Open, and useless.
                None => Channel::open(before.channel().connection(), None).await?,
                Some(_) => before.channel().successor().await?,
            };
            set_up(channel).await
        })
    }

    /// The attempt can go on.
    fn called(&self) {
        let mut state = self.state();
        if let NextAttempt::Polled { called } = &mut state.attempt {
            *called = true;
        }
        let mut wakers = Vec::new();
        state.waiting.call_all(&mut wakers);
        drop(state);
        wake_all(&mut wakers);
    }
}

impl<T: OnChannel + fmt::Debug + 'static> fmt::Debug for Succession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current();
        f.debug_tuple("Succession").field(&current).finish()
    }
}

/// What an attempt wakes: those who wait, of whom one goes on with it. Keeps nothing alive.
struct AttemptWaker<T>(Weak<Succession<T>>);

impl<T: OnChannel + 'static> Wake for AttemptWaker<T> {
    fn wake(self: Arc<Self>) {
        if let Some(succession) = self.0.upgrade() {
            succession.called();
        }
    }
}

/// Waits for a time, or for the end of the connection, which keeps it.
pub(super) async fn pause(
    connection: &Arc<ConnectionShared>,
    until: Instant,
) -> Result<(), ChannelError> {
    let mut timer = Timer::at(connection, until);
    poll_fn(|context| match timer.poll(context) {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => match connection.ended() {
            Some(error) => Poll::Ready(Err(ChannelError::Connection(error))),
            None => Poll::Pending,
        },
    })
    .await
}
