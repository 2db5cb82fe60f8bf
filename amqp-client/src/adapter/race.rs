//! Connecting to whichever address of a host answers first (RFC 8305, "happy eyeballs").
//!
//! Addresses of both families take turns. One more is tried whenever the others have not answered
//! for a quarter of a second, or one of them has failed; the first that answers wins.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::network::Network;
use super::tokio::REACTOR_LOOKS;
use crate::error::ConnectCause;

/// How long an address has for itself (RFC 8305 §5, "Connection Attempt Delay").
const STAGGER: Duration = Duration::from_millis(250);

/// The addresses that failed, with their reasons, in the order in which they failed.
pub(super) type Losers = Vec<(SocketAddr, ConnectCause)>;

/// Connects to the first address that answers before the deadline, which is `limit` after the start
/// of the attempt. One address is tried even if that has passed; those that were not are among the
/// losers.
///
/// # Cancel safety
///
/// All sockets are closed.
pub(super) async fn race<N: Network>(
    network: &N,
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    limit: Duration,
) -> Result<(SocketAddr, N::Stream), Losers> {
    let mut race = Race {
        network,
        waiting: alternate(addresses).into_iter(),
        running: Vec::new(),
        lost: Vec::new(),
        next: Box::pin(sleep_until(Instant::now())),
        deadline: Box::pin(sleep_until(deadline)),
        is_over: false,
        limit,
    };
    poll_fn(|context| race.poll(context)).await
}

type Connecting<'n, S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send + 'n>>;

struct Race<'n, N: Network> {
    network: &'n N,
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<(SocketAddr, Connecting<'n, N::Stream>)>,
    lost: Losers,
    /// When one more address is tried.
    next: Pin<Box<Sleep>>,
    deadline: Pin<Box<Sleep>>,
    /// The deadline has passed, and the reactor looks once more at what still runs.
    is_over: bool,
    limit: Duration,
}

impl<N: Network> Race<'_, N> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(SocketAddr, N::Stream), Losers>> {
        loop {
            if let Some(winner) = self.poll_running(context) {
                return Poll::Ready(Ok(winner));
            }
            if self.running.is_empty() && self.waiting.len() == 0 {
                return Poll::Ready(Err(std::mem::take(&mut self.lost)));
            }
            if self.deadline.as_mut().poll(context).is_ready() {
                if self.is_over {
                    return Poll::Ready(Err(self.give_up()));
                }
                self.is_over = true;
                if self.running.is_empty() && self.lost.is_empty() {
                    self.start_one();
                }
                self.deadline.as_mut().reset(Instant::now() + REACTOR_LOOKS);
                continue;
            }
            if self.is_over {
                return Poll::Pending;
            }
            let is_due = self.waiting.len() > 0 && self.next.as_mut().poll(context).is_ready();
            if !is_due {
                return Poll::Pending;
            }
            self.start_one();
        }
    }

    /// One more address gets its chance, and some time before the next.
    fn start_one(&mut self) {
        if let Some(address) = self.waiting.next() {
            let connecting = Box::pin(self.network.connect(address));
            self.running.push((address, connecting));
            self.next.as_mut().reset(Instant::now() + STAGGER);
        }
    }

    /// The first that has answered. Each that has failed lets the next begin at once.
    fn poll_running(&mut self, context: &mut Context<'_>) -> Option<(SocketAddr, N::Stream)> {
        let mut winner = None;
        let Self { running, lost, .. } = self;
        let n_lost = lost.len();
        running.retain_mut(|(address, connecting)| {
            if winner.is_some() {
                return true;
            }
            match connecting.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    winner = Some((*address, stream));
                    false
                }
                Poll::Ready(Err(error)) => {
                    lost.push((*address, error.into()));
                    false
                }
            }
        });
        if lost.len() > n_lost {
            self.next.as_mut().reset(Instant::now());
        }
        winner
    }

    /// Time is over for all that still run, and for those whose turn has not come.
    fn give_up(&mut self) -> Losers {
        let limit = self.limit;
        let waiting = self.waiting.by_ref();
        self.lost
            .extend(waiting.map(|address| (address, ConnectCause::NotTried(limit))));
        let late = self.running.drain(..);
        self.lost
            .extend(late.map(|(address, _)| (address, ConnectCause::Timeout(limit))));
        std::mem::take(&mut self.lost)
    }
}

/// Both families take turns, each in its order; the first stays the first (RFC 8305 §4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ones, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut others = others.into_iter();
    let mut alternating = Vec::new();
    for one in ones {
        alternating.push(one);
        alternating.extend(others.next());
    }
    alternating.extend(others);
    alternating
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_first_stays_first() {
        let addresses = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|one| one.parse().unwrap()).collect()
        };
        let found = addresses("[::1]:1 [::2]:1 [::3]:1 10.0.0.1:1 10.0.0.2:1");
        let tried = addresses("[::1]:1 10.0.0.1:1 [::2]:1 10.0.0.2:1 [::3]:1");
        assert_eq!(alternate(found), tried);
        let found = addresses("10.0.0.1:1 10.0.0.2:1 [::1]:1");
        let tried = addresses("10.0.0.1:1 [::1]:1 10.0.0.2:1");
        assert_eq!(alternate(found), tried);
        assert_eq!(alternate(Vec::new()), []);
    }
}
