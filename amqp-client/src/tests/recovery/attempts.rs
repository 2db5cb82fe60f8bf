//! When a lost connection is dialled again, and when it is given up. Time and chance come in.

use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{
    BrokerClose, ConnectCause, ConnectError, ConnectionError, Entity, EntityFailure, OptionError,
    Stage, TlsError,
};
use crate::proto::recovery::{Attempts, Recovery, Verdict};

const LOST: ConnectionError = ConnectionError::EndOfStream;
const SECOND: Duration = Duration::from_secs(1);
/// What a connection has to live for that its next loss is one of its own.
const GROWN_UP: Duration = Duration::from_secs(10);

/// The attempts of a connection that is open, and the time that it is.
struct Client {
    attempts: Attempts,
    now: Instant,
}

impl Client {
    fn open(policy: Recovery, seed: u64) -> Self {
        let now = Instant::now();
        let mut attempts = Attempts::new(policy, seed);
        attempts.opened(now);
        Self { attempts, now }
    }

    fn passes(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn opened(&mut self) {
        self.attempts.opened(self.now);
    }

    /// How long the next attempt is waited for, until when time passes; `None` if there is none.
    fn wait(&mut self, verdict: Verdict) -> Option<Duration> {
        let Verdict::Redial { at, delay } = verdict else {
            return None;
        };
        assert_eq!(at, self.now + delay);
        self.now = at;
        Some(delay)
    }

    fn lost(&mut self) -> Option<Duration> {
        let verdict = self.attempts.lost(&LOST, self.now);
        self.wait(verdict)
    }

    fn failed(&mut self, last: &ConnectError) -> Option<Duration> {
        let verdict = self.attempts.failed(last, self.now);
        self.wait(verdict)
    }

    /// How many attempts follow if this is what each comes to, and when the last one begins.
    fn all_failed(&mut self, last: &ConnectError) -> (u32, Duration) {
        let lost = self.now;
        assert!(self.lost().is_some());
        for _ in 0..10_000 {
            let began = self.now - lost;
            if self.failed(last).is_none() {
                return (self.attempts.count(), began);
            }
        }
        panic!("it is never given up");
    }
}

fn of(stage: Stage, cause: ConnectCause) -> ConnectError {
    ConnectError::new(stage, "broker:5672", cause)
}

fn nothing_listens() -> ConnectError {
    let error = std::io::Error::from(ErrorKind::ConnectionRefused);
    of(Stage::Tcp, error.into())
}

fn closed(stage: Stage, code: u16, text: &str) -> ConnectError {
    let close = Arc::new(BrokerClose::new(0, code, text));
    of(
        stage,
        ConnectCause::Connection(ConnectionError::ClosedByBroker(close)),
    )
}

fn wrong_password() -> ConnectError {
    closed(Stage::Login, 403, "ACCESS_REFUSED - Login was refused")
}

fn no_virtual_host() -> ConnectError {
    closed(Stage::Open, 530, "NOT_ALLOWED - vhost orders not found")
}

fn hung_up(stage: Stage) -> ConnectError {
    of(stage, ConnectCause::Connection(LOST))
}

fn is_between(delay: Duration, limits: RangeInclusive<Duration>) {
    assert!(limits.contains(&delay), "{delay:?} is not in {limits:?}");
}

#[test]
fn delays_double_up_to_the_longest_and_half_of_each_at_least_is_waited() {
    for (shortest, longest) in [(500, 5_000), (1, 1), (200, 250), (7, 1_000_000)] {
        let (shortest, longest) = (
            Duration::from_millis(shortest),
            Duration::from_millis(longest),
        );
        for seed in 0..50_u64 {
            let policy = Recovery::new().delays(shortest..=longest);
            let mut client = Client::open(policy, seed.wrapping_mul(u64::MAX / 49));
            let mut whole = shortest;
            let mut delay = client.lost().unwrap();
            for _ in 0..100 {
                is_between(delay, whole / 2..=whole);
                whole = (whole * 2).min(longest);
                delay = client.failed(&nothing_listens()).unwrap();
            }
        }
    }
}

#[test]
fn delays_of_one_value_do_not_grow() {
    let mut client = Client::open(Recovery::new().delays(SECOND..=SECOND), 7);
    is_between(client.lost().unwrap(), SECOND / 2..=SECOND);
    for _ in 0..100 {
        let delay = client.failed(&nothing_listens()).unwrap();
        is_between(delay, SECOND / 2..=SECOND);
    }
}

/// Behind a connection that dies young, and not behind a broker that is away for long.
#[test]
fn connection_that_is_lost_again_and_again_is_slowed_beyond_the_longest_delay() {
    let mut client = Client::open(Recovery::new(), 7);
    assert!(client.lost().is_some());
    for n in 0..20 {
        client.opened();
        let slowed = client.lost().unwrap();
        let away = client.failed(&nothing_listens()).unwrap();
        if n > 5 {
            is_between(slowed, 15 * SECOND..=30 * SECOND);
            is_between(away, 5 * SECOND / 2..=5 * SECOND);
        }
    }
    let even = Recovery::new().delays(SECOND..=SECOND);
    let mut client = Client::open(even, 7);
    for _ in 0..20 {
        is_between(client.lost().unwrap(), SECOND / 2..=SECOND);
        client.opened();
    }
}

#[test]
fn clients_that_lost_the_same_broker_do_not_come_back_at_once() {
    let mut delays: Vec<Duration> = (0..1000)
        .map(|seed| Client::open(Recovery::new(), seed).lost().unwrap())
        .collect();
    delays.sort();
    // The first 250 ms are waited by all, of the second each tenth has about as many.
    for (tenth, part) in delays.chunks(100).enumerate() {
        let at = Duration::from_millis(250 + 25 * u64::try_from(tenth).unwrap());
        let about = Duration::from_millis(25);
        is_between(part[50], at - about..=at + 2 * about);
    }
    delays.dedup();
    assert!(delays.len() > 990);
}

#[test]
fn count_begins_anew_once_a_connection_has_lived_for_ten_seconds() {
    let mut client = Client::open(Recovery::new(), 3);
    client.lost().unwrap();
    for _ in 0..5 {
        client.failed(&nothing_listens()).unwrap();
    }
    assert_eq!(client.attempts.count(), 6);
    client.opened();
    let lost = client.passes(GROWN_UP).now;
    is_between(client.lost().unwrap(), SECOND / 4..=SECOND / 2);
    assert_eq!(client.attempts.count(), 1);
    assert_eq!(client.attempts.began(), Some(lost));
}

#[test]
fn flapping_connection_waits_longer_each_time() {
    let mut client = Client::open(Recovery::new(), 3);
    // The first loss is that however young the connection was.
    let lost = client.now;
    let mut whole = SECOND / 2;
    for n_flaps in 1..=20 {
        is_between(client.lost().unwrap(), whole / 2..=whole);
        assert_eq!(client.attempts.count(), n_flaps);
        assert_eq!(client.attempts.began(), Some(lost));
        whole = (whole * 2).min(30 * SECOND);
        client.opened();
        client.passes(GROWN_UP - Duration::from_nanos(1));
    }
}

#[test]
fn stream_that_is_lost_before_everything_is_restored_counts_on() {
    let mut client = Client::open(Recovery::new(), 3);
    client.passes(GROWN_UP).lost().unwrap();
    // However long restoring took.
    client.passes(60 * SECOND).lost().unwrap();
    assert_eq!(client.attempts.count(), 2);
}

#[test]
fn there_are_as_many_attempts_as_were_asked_for() {
    for limit in [1, 2, 3, 20] {
        let mut client = Client::open(Recovery::new().attempts(limit), 1);
        let (n_attempts, _) = client.all_failed(&nothing_listens());
        assert_eq!(n_attempts, limit);
    }
    // One that comes back and is lost again soon has used one.
    let mut client = Client::open(Recovery::new().attempts(2), 1);
    client.lost().unwrap();
    client.opened();
    client.passes(SECOND).lost().unwrap();
    client.opened();
    assert_eq!(client.passes(SECOND).lost(), None);
    // One that lived has them all again.
    let mut client = Client::open(Recovery::new().attempts(1), 1);
    for _ in 0..3 {
        client.lost().unwrap();
        client.opened();
        client.passes(GROWN_UP);
    }
}

#[test]
fn last_attempt_begins_when_the_time_is_over() {
    for seed in 0..50 {
        let limit = 600 * SECOND;
        let mut client = Client::open(Recovery::new().give_up_after(limit), seed);
        let (_, began) = client.all_failed(&nothing_listens());
        assert_eq!(began, limit);
    }
    // A time shorter than the first delay leaves one.
    let limit = Duration::from_millis(1);
    let mut client = Client::open(Recovery::new().give_up_after(limit), 0);
    assert_eq!(client.all_failed(&nothing_listens()), (1, limit));
    // Flapping does not begin it anew.
    let mut client = Client::open(Recovery::new().give_up_after(60 * SECOND), 0);
    let lost = client.now;
    while client.lost().is_some() {
        client.opened();
        client.passes(9 * SECOND);
    }
    is_between(client.now - lost, 60 * SECOND..=69 * SECOND);
}

#[test]
fn refusals_are_final_once_their_time_is_over() {
    for refusal in [wrong_password(), no_virtual_host()] {
        for seed in 0..20 {
            let mut client = Client::open(Recovery::new(), seed);
            client.lost().unwrap();
            // The time begins with the first of them.
            let first = client.now;
            let mut last = first;
            while client.failed(&refusal).is_some() {
                last = client.now;
            }
            assert_eq!(last - first, 60 * SECOND, "{refusal}");
        }
        let mut client = Client::open(Recovery::new().refused_for(Duration::ZERO), 1);
        assert_eq!(client.all_failed(&refusal).0, 1);
    }
}

#[test]
fn what_is_no_refusal_begins_the_time_of_refusals_anew() {
    let refused_for = Recovery::new().refused_for(SECOND);
    let close = BrokerClose::new(0, 320, "CONNECTION_FORCED - shutdown");
    let failure = EntityFailure::new(Entity::Queue("q".into()), LOST_ON_A_CHANNEL);
    let others = [
        nothing_listens(),
        // A broker that is on its way down, or behind a balancer, hangs up: it has not refused us.
        hung_up(Stage::Start),
        hung_up(Stage::Login),
        hung_up(Stage::Open),
        of(
            Stage::Login,
            ConnectCause::Connection(ConnectionError::ClosedByBroker(close.into())),
        ),
        of(Stage::Restore, ConnectCause::Restore(failure.into())),
    ];
    for other in &others {
        let mut client = Client::open(refused_for.clone(), 1);
        client.lost().unwrap();
        for _ in 0..100 {
            client.failed(&wrong_password()).expect("the first");
            client.failed(other).unwrap();
        }
    }
    // So does a stream that was logged in, whether everything was restored on it or not.
    for is_restored in [true, false] {
        let mut client = Client::open(refused_for.clone(), 1);
        client.lost().unwrap();
        for _ in 0..100 {
            client.failed(&wrong_password()).expect("the first");
            if is_restored {
                client.opened();
            }
            client.lost().unwrap();
        }
    }
    // One kind of refusal continues the other.
    let mut client = Client::open(refused_for, 1);
    client.lost().unwrap();
    client.failed(&wrong_password()).unwrap();
    client.passes(SECOND);
    assert_eq!(client.failed(&no_virtual_host()), None);
}

const LOST_ON_A_CHANNEL: ConnectionError = ConnectionError::HeartbeatTimeout(SECOND);

#[test]
fn options_that_cannot_be_used_are_final_at_once() {
    let option = OptionError::new("port", "from 1 to 65535");
    let uri = "http://h".parse::<crate::ConnectionOptions>().unwrap_err();
    for cause in [
        ConnectCause::Options(option),
        ConnectCause::Uri(uri),
        ConnectCause::NoRuntime,
    ] {
        let mut client = Client::open(Recovery::new(), 1);
        client.lost().unwrap();
        client.failed(&nothing_listens()).unwrap();
        assert_eq!(client.failed(&of(Stage::Options, cause)), None);
    }
    // A file may be there by the next attempt.
    let missing = TlsError::File {
        path: "ca.pem".into(),
        error: Arc::new(ErrorKind::NotFound.into()),
    };
    let mut client = Client::open(Recovery::new(), 1);
    client.lost().unwrap();
    let missing = of(Stage::Tls, ConnectCause::Tls(missing));
    assert!(client.failed(&missing).is_some());
}

#[test]
fn connection_that_the_program_has_ended_does_not_come_back() {
    let late = ConnectionError::CloseTimeout {
        unwritten_bytes: 1,
        unwritten_messages: 1,
    };
    let not_recovered = ConnectionError::NotRecovered {
        lost: Arc::new(LOST),
        last: None,
        attempts: 1,
    };
    for cause in [
        ConnectionError::Closed,
        ConnectionError::DriverGone,
        late,
        not_recovered,
    ] {
        let mut client = Client::open(Recovery::new(), 1);
        let verdict = client.attempts.lost(&cause, client.now);
        assert_eq!(verdict, Verdict::GiveUp, "{cause}");
        assert_eq!(client.attempts.count(), 0);
    }
    let blocked = ConnectionError::BlockedTimeout {
        reason: "low on memory".into(),
        after: SECOND,
    };
    let operator = BrokerClose::new(0, 320, "CONNECTION_FORCED - by operator");
    let violation = crate::error::Violation::BodyTooLong { channel: 1 };
    for cause in [
        LOST,
        blocked,
        violation.into(),
        ConnectionError::ClosedByBroker(operator.into()),
        ConnectionError::HeartbeatTimeout(SECOND),
        ConnectionError::WriteTimeout(SECOND),
        ConnectionError::Io(Arc::new(ErrorKind::ConnectionReset.into())),
        ConnectionError::Tls(Arc::new(TlsError::NotTls)),
    ] {
        let mut client = Client::open(Recovery::new(), 1);
        let verdict = client.attempts.lost(&cause, client.now);
        assert_ne!(verdict, Verdict::GiveUp, "{cause}");
    }
}

#[test]
fn nothing_is_dialled_again_where_recovery_is_off() {
    let mut client = Client::open(Recovery::off(), 1);
    assert_eq!(client.lost(), None);
    assert_eq!(client.failed(&nothing_listens()), None);
    assert_eq!(client.attempts.count(), 1);
}

#[test]
fn first_connection_that_is_opened_likewise_has_its_first_attempt_at_once() {
    let mut attempts = Attempts::new(Recovery::new().attempts(3), 1);
    let now = Instant::now();
    attempts.starting(now);
    assert_eq!((attempts.count(), attempts.began()), (1, Some(now)));
    let mut client = Client { attempts, now };
    let delay = client.failed(&nothing_listens()).unwrap();
    is_between(delay, SECOND / 4..=SECOND / 2);
    let delay = client.failed(&nothing_listens()).unwrap();
    is_between(delay, SECOND / 2..=SECOND);
    assert_eq!(client.attempts.count(), 3);
    assert_eq!(client.failed(&nothing_listens()), None);
    // Its time begins with the start.
    let mut attempts = Attempts::new(Recovery::new().give_up_after(60 * SECOND), 1);
    attempts.starting(now);
    let mut client = Client { attempts, now };
    let mut last = now;
    while client.failed(&nothing_listens()).is_some() {
        last = client.now;
    }
    assert_eq!(last - now, 60 * SECOND);
}

#[test]
fn longest_times_there_are_do_no_harm() {
    let longest = Duration::MAX;
    let policy = Recovery::new()
        .delays(longest..=longest)
        .give_up_after(longest)
        .patience(longest)
        .entity_patience(longest)
        .refused_for(longest)
        .exclusive_for(longest)
        .attempts(u32::MAX);
    assert_eq!(policy.exclusive_limit(longest), longest);
    assert_eq!(Recovery::new().exclusive_limit(longest), longest);
    let growing = policy.clone().delays(Duration::from_nanos(1)..=longest);
    for policy in [policy, growing] {
        for seed in [0, 1, u64::MAX] {
            let Client { mut attempts, now } = Client::open(policy.clone(), seed);
            let lost = attempts.lost(&LOST, now);
            assert_ne!(lost, Verdict::GiveUp);
            for n in 0..200 {
                let error = match n % 2 {
                    0 => wrong_password(),
                    _ => nothing_listens(),
                };
                assert_ne!(attempts.failed(&error, now), Verdict::GiveUp);
            }
            attempts.opened(now);
            assert_ne!(attempts.lost(&LOST, now), Verdict::GiveUp);
        }
    }
}
