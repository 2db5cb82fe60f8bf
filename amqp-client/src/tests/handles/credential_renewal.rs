//! Credentials that expire: they are asked for in time, and the broker is told.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use amqp_spec::connection;

use crate::ConnectionOptions;
use crate::error::ConnectionError;
use crate::options::Recovery;
use crate::sasl::Credentials;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

const MINUTE: Duration = Duration::from_secs(60);

/// A clock that goes on when the test says so.
#[derive(Clone, Default)]
pub(crate) struct Sleeps(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    asked: Vec<Duration>,
    over: usize,
    waker: Option<Waker>,
}

impl Sleeps {
    pub(crate) fn sleep(&self) -> impl Fn(Duration) -> SleepFuture + use<> {
        let sleeps = self.clone();
        move |time| {
            let mut state = sleeps.0.lock().unwrap();
            state.asked.push(time);
            let n = state.asked.len();
            drop(state);
            let sleeps = sleeps.clone();
            Box::pin(poll_fn(move |context| {
                let mut state = sleeps.0.lock().unwrap();
                if state.over >= n {
                    return Poll::Ready(());
                }
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }))
        }
    }

    /// The last sleep, which is over now.
    pub(crate) fn wake(&self) -> Duration {
        let mut state = self.0.lock().unwrap();
        state.over = state.asked.len();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        *state.asked.last().expect("asleep")
    }

    pub(crate) fn last(&self) -> Duration {
        *self.0.lock().unwrap().asked.last().expect("asleep")
    }
}

pub(crate) type SleepFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tokens named after how often one was asked for, which are valid for so long. The third time
/// there is none.
fn tokens(validity: Option<Duration>) -> (ConnectionOptions, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let options = quiet().credential_source(move || {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let credentials = Credentials::new("app", format!("t0ken-{n}"));
            match validity {
                _ if n == 2 => Err("the token server is down"),
                Some(validity) => Ok(credentials.valid_for(validity)),
                None => Ok(credentials),
            }
        }
    });
    (options, asked)
}

fn holds(octets: &[u8], needle: &str) -> bool {
    octets
        .windows(needle.len())
        .any(|part| part == needle.as_bytes())
}

/// An open connection whose credentials are renewed.
fn renewing(validity: Option<Duration>) -> (Pair, Task<'static, ()>, Sleeps) {
    let (options, _) = tokens(validity);
    let options = done(options.with_current_credentials()).unwrap();
    let pair = Pair::open_with(&options);
    let sleeps = Sleeps::default();
    let renewal = pair.connection.renew_credentials(&options, sleeps.sleep());
    (pair, Task::start(renewal), sleeps)
}

#[test]
fn source_is_asked_each_time_and_keeps_what_it_said_to_itself() {
    let (options, asked) = tokens(Some(MINUTE));
    let first = done(options.with_current_credentials()).unwrap();
    let second = done(options.with_current_credentials()).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    for (options, token) in [(first, "t0ken-0"), (second, "t0ken-1")] {
        let mut pair = Pair::new(&options);
        pair.feed(&wire::start("PLAIN"));
        assert!(holds(&pair.sent_octets(), token));
        assert!(!format!("{options:?}").contains("t0ken"));
    }
    match done(options.with_current_credentials()) {
        Err(error) => assert_eq!(
            error.to_string(),
            "cannot connect: no credentials: the token server is down"
        ),
        Ok(options) => panic!("{options:?}"),
    }
}

#[test]
fn token_is_renewed_when_four_fifths_of_its_time_have_passed() {
    let (mut pair, mut renewal, sleeps) = renewing(Some(10 * MINUTE));
    assert_eq!(sleeps.last(), 8 * MINUTE);
    assert_eq!(pair.sent(), [""; 0]);
    sleeps.wake();
    renewal.pending();
    assert!(holds(&pair.sent_octets(), "t0ken-1"));
    pair.says(0, &connection::UpdateSecretOk {});
    renewal.pending();
    assert_eq!(sleeps.last(), 8 * MINUTE);
    pair.assert_idle();
}

#[test]
fn source_that_fails_is_asked_again_soon() {
    let (mut pair, mut renewal, sleeps) = renewing(Some(10 * MINUTE));
    sleeps.wake();
    renewal.pending();
    pair.sent_octets();
    pair.says(0, &connection::UpdateSecretOk {});
    renewal.pending();
    assert_eq!(sleeps.wake(), 8 * MINUTE);
    renewal.pending();
    assert_eq!(pair.sent(), [""; 0]);
    assert_eq!(sleeps.wake(), Duration::from_secs(30));
    renewal.pending();
    assert!(holds(&pair.sent_octets(), "t0ken-3"));
}

#[test]
fn f25_source_that_never_answers_is_asked_again_soon() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let options = quiet().credential_source(move || {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            if n == 1 {
                std::future::pending::<()>().await;
            }
            let token = Credentials::new("app", format!("t0ken-{n}"));
            Ok::<_, std::convert::Infallible>(token.valid_for(10 * MINUTE))
        }
    });
    let options = done(options.with_current_credentials()).unwrap();
    let mut pair = Pair::open_with(&options);
    let sleeps = Sleeps::default();
    let renewal = pair.connection.renew_credentials(&options, sleeps.sleep());
    let mut renewal = Task::start(renewal);
    assert_eq!(sleeps.wake(), 8 * MINUTE);
    renewal.pending();
    // It waits for the source, as long as it may take when connecting.
    assert_eq!(sleeps.wake(), options.connect_timeout);
    renewal.pending();
    assert_eq!(pair.sent(), [""; 0]);
    assert_eq!(sleeps.wake(), MINUTE / 2);
    renewal.pending();
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert!(holds(&pair.sent_octets(), "t0ken-2"));
}

#[test]
fn refused_token_is_the_end_of_the_connection_and_of_the_renewal() {
    let (mut pair, mut renewal, sleeps) = renewing(Some(MINUTE));
    sleeps.wake();
    renewal.pending();
    pair.feed(&wire::connection_close());
    renewal.ready();
    assert!(matches!(pair.end(), ConnectionError::ClosedByBroker(_)));
}

#[test]
fn renewal_ends_with_the_connection() {
    let (mut pair, mut renewal, _sleeps) = renewing(Some(MINUTE));
    pair.eof();
    renewal.ready();
    assert_eq!(pair.core.shared().end.n_waiting(), 0);
}

#[test]
fn renewal_does_not_keep_the_connection_open() {
    let (options, _) = tokens(Some(MINUTE));
    let options = done(options.with_current_credentials()).unwrap();
    let mut pair = Pair::open_with(&options);
    let sleeps = Sleeps::default();
    let renewal = pair.connection.renew_credentials(&options, sleeps.sleep());
    let mut renewal = Task::start(renewal);
    // Another connection takes the place of the only handle.
    let other = Pair::open();
    pair.connection = other.connection;
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    renewal.ready();
}

#[test]
fn credentials_that_last_are_not_renewed() {
    let (options, _) = tokens(None);
    let options = options.recovery(Recovery::off());
    let options = done(options.with_current_credentials()).unwrap();
    let pair = Pair::open_with(&options);
    let sleeps = Sleeps::default();
    done(pair.connection.renew_credentials(&options, sleeps.sleep()));
    done(pair.connection.renew_credentials(&quiet(), sleeps.sleep()));
}
