//! A connection whose stream is lost gets another one, and whatever is under way on the way there
//! ends with the connection.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::network::{AT_ONCE, Fake, Fate, at, ms, options};
use crate::adapter::opening::{open_on, start_on};
use crate::connection::Connection;
use crate::error::{ConnectCause, ConnectionError};
use crate::options::{HostOrder, Recovery};
use crate::sasl::Credentials;

const ONE: &str = "10.0.0.1:5672";
const TWO: &str = "10.0.0.2:5672";
const THREE: &str = "10.0.0.3:5672";

/// Three hosts with a broker each.
fn three() -> Fake {
    Fake::new()
        .host("one", ONE, Fate::Broker(AT_ONCE))
        .host("two", TWO, Fate::Broker(AT_ONCE))
        .host("three", THREE, Fate::Broker(AT_ONCE))
}

#[tokio::test(start_paused = true)]
async fn lost_connection_goes_on_at_another_host_with_the_same_handles() {
    let network = three();
    let connection = open_on(&network, &options(&["one", "two", "three"]))
        .await
        .unwrap();
    assert_eq!(connection.address(), "one:5672");
    network.cut();
    network.has_opened(2).await;
    assert_eq!(connection.address(), "two:5672");
    assert_eq!(connection.peer_addr(), Some(at(TWO)));
    assert_eq!(network.n_open(), 1);
    connection.open_channel().await.unwrap();
    assert!(connection.close_reason().is_none());
    // The one that it led to is tried last again.
    network.cut();
    network.has_opened(3).await;
    assert_eq!(connection.address(), "one:5672");
    connection.close().await.unwrap();
    sleep(ms(1)).await;
    assert_eq!(network.n_open(), 0);
}

#[tokio::test(start_paused = true)]
async fn host_that_was_lost_is_tried_when_no_other_lets_in() {
    let network = three();
    let connection = open_on(&network, &options(&["one", "two", "three"]))
        .await
        .unwrap();
    network.becomes(TWO, Fate::Closed);
    network.becomes(THREE, Fate::Refused(ms(5)));
    let n_tried = network.tried().len();
    network.cut();
    network.has_opened(2).await;
    assert_eq!(connection.address(), "one:5672");
    let tried: Vec<_> = network.tried()[n_tried..].iter().map(|one| one.1).collect();
    assert_eq!(tried, [at(TWO), at(THREE), at(ONE)]);
    // In the next one the host that was lost is the last again.
    network.becomes(ONE, Fate::WrongPassword);
    network.becomes(THREE, Fate::Broker(AT_ONCE));
    network.cut();
    network.has_opened(3).await;
    assert_eq!(connection.address(), "three:5672");
}

#[tokio::test(start_paused = true)]
async fn host_that_has_failed_last_is_the_last_of_the_next_round() {
    let network = three();
    let options = options(&["one", "two", "three"]).host_order(HostOrder::Random);
    let connection = open_on(&network, &options).await.unwrap();
    for address in [ONE, TWO, THREE] {
        network.becomes(address, Fate::Refused(AT_ONCE));
    }
    let mut last = connection.peer_addr().unwrap();
    let n_tried = network.tried().len();
    network.cut();
    while network.tried().len() < n_tried + 60 {
        sleep(ms(100)).await;
    }
    let tried = &network.tried()[n_tried..n_tried + 60];
    let mut orders = std::collections::BTreeSet::new();
    for round in tried.chunks(3) {
        let round: Vec<_> = round.iter().map(|one| one.1).collect();
        assert_eq!(round[2], last);
        last = round[2];
        orders.insert(round);
    }
    assert!(orders.len() > 1, "always {orders:?}");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_one_round_and_is_bounded() {
    let network = three();
    let options = options(&["one", "two"]).connection_attempts(5);
    let connection = open_on(&network, &options.connect_timeout(ms(50_000)))
        .await
        .unwrap();
    network.becomes(ONE, Fate::Silence);
    network.becomes(TWO, Fate::Silence);
    network.cut();
    sleep(ms(2)).await;
    let lost = network.now();
    let tried = || {
        let tried = network.tried();
        tried[1..].to_vec()
    };
    while tried().len() < 3 {
        sleep(ms(1)).await;
    }
    let tried = tried();
    let addresses: Vec<_> = tried.iter().map(|one| one.1).collect();
    assert_eq!(addresses, [at(TWO), at(ONE), at(TWO)]);
    assert!(tried[0].0 <= lost + 500);
    // It has waited for one host, had ten seconds for the other, and has paused.
    assert_eq!(tried[1].0 - tried[0].0, 50_001);
    let begun_again = tried[2].0 - tried[0].0;
    assert!((60_000..61_002).contains(&begun_again), "{begun_again}");
    connection.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_are_asked_for_and_names_resolved_at_each_attempt() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&n_asked);
    let source = move || {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready(match n {
            1 => Err("the vault is sealed"),
            _ => Ok(Credentials::new("guest", "hunter2")),
        })
    };
    let network = Fake::new()
        .name("one", &[ONE])
        .name("one", &[TWO])
        .name("one", &[THREE])
        .fate(ONE, Fate::Broker(AT_ONCE))
        .fate(TWO, Fate::Refused(AT_ONCE))
        .fate(THREE, Fate::Broker(AT_ONCE));
    let options = options(&["one"]).credential_source(source);
    let connection = open_on(&network, &options).await.unwrap();
    network.cut();
    network.has_opened(2).await;
    assert_eq!(connection.peer_addr(), Some(at(THREE)));
    // Once to open it; then the source fails, no host answers, and it is let in.
    assert_eq!(n_asked.load(Ordering::Relaxed), 4);
    assert_eq!(network.resolved(), ["one", "one", "one"]);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_in_the_time_of_those_of_the_present_stream() {
    for starts in [false, true] {
        let n_asked = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&n_asked);
        // The second one is short-lived.
        let source = move || {
            let seconds = match asked.fetch_add(1, Ordering::Relaxed) {
                1 => 100,
                _ => 1000,
            };
            let token = Credentials::new("guest", "guest").valid_for(Duration::from_secs(seconds));
            std::future::ready(Ok::<_, String>(token))
        };
        let network = Fake::new().host("one", ONE, Fate::Broker(AT_ONCE));
        let options = options(&["one"]).credential_source(source);
        let connection = match starts {
            true => start_on(&network, &options),
            false => open_on(&network, &options).await.unwrap(),
        };
        connection.ready().await.unwrap();
        let asked = || n_asked.load(Ordering::Relaxed);
        assert_eq!(asked(), 1);
        network.cut();
        network.has_opened(2).await;
        assert_eq!(asked(), 2);
        sleep(ms(79_000)).await;
        assert_eq!(asked(), 2);
        sleep(ms(2_000)).await;
        assert_eq!(asked(), 3);
        // The time of the first one comes, and changes nothing.
        sleep(ms(730_000)).await;
        assert_eq!(asked(), 3);
        sleep(ms(80_000)).await;
        assert_eq!(asked(), 4);
        // Its task ends with the connection.
        network.becomes(ONE, Fate::Silence);
        network.cut();
        sleep(ms(1000)).await;
        let attempts = asked();
        connection.close().await.unwrap();
        sleep(ms(1)).await;
        assert_eq!((network.n_open(), network.n_connecting()), (0, 0));
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
        assert_eq!(asked(), attempts);
    }
}

/// Where a connection stands that has lost its stream.
#[derive(Clone, Copy, Debug)]
enum Step {
    Waiting,
    Asking,
    Resolving,
    Connecting,
    ShakingHands,
}

const STEPS: [Step; 5] = [
    Step::Waiting,
    Step::Asking,
    Step::Resolving,
    Step::Connecting,
    Step::ShakingHands,
];

/// A connection that has been lost, and does not come further than this.
async fn stalled(step: Step) -> (Fake, Connection) {
    let network = Fake::new().host("one", ONE, Fate::Broker(AT_ONCE));
    let stuck = Arc::new(AtomicBool::new(false));
    let is_stuck = Arc::clone(&stuck);
    let source = move || {
        let is_stuck = is_stuck.load(Ordering::Relaxed);
        async move {
            if is_stuck {
                pending::<()>().await;
            }
            Ok::<_, String>(Credentials::new("guest", "guest"))
        }
    };
    let options = options(&["one"]).credential_source(source);
    let connection = open_on(&network, &options).await.unwrap();
    match step {
        Step::Waiting => {}
        Step::Asking => stuck.store(true, Ordering::Relaxed),
        Step::Resolving => network.stick(),
        Step::Connecting => network.becomes(ONE, Fate::Silence),
        Step::ShakingHands => network.becomes(ONE, Fate::Mute(AT_ONCE)),
    }
    network.cut();
    let time = match step {
        Step::Waiting => ms(100),
        _ => ms(1000),
    };
    sleep(time).await;
    let n_tried = 1 + usize::from(matches!(step, Step::Connecting | Step::ShakingHands));
    assert_eq!(network.tried().len(), n_tried, "{step:?}");
    let n_resolved = n_tried + usize::from(matches!(step, Step::Resolving));
    assert_eq!(network.resolved().len(), n_resolved, "{step:?}");
    assert_eq!(
        network.n_connecting(),
        usize::from(matches!(step, Step::Connecting))
    );
    assert_eq!(
        network.n_open(),
        usize::from(matches!(step, Step::ShakingHands))
    );
    assert!(connection.close_reason().is_none(), "{step:?}");
    (network, connection)
}

/// Nothing is left of the connection, and no time has passed.
async fn nothing_is_left(network: &Fake, since: u64, step: Step) {
    // As many times as there are tasks to run, and one after the other.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(network.now(), since, "{step:?}");
    assert_eq!(
        (network.n_open(), network.n_connecting()),
        (0, 0),
        "{step:?}"
    );
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "{step:?}");
}

#[tokio::test(start_paused = true)]
async fn close_ends_a_recovery_at_each_step_at_once() {
    for step in STEPS {
        let (network, connection) = stalled(step).await;
        let since = network.now();
        connection.close().await.unwrap();
        assert!(matches!(
            connection.close_reason(),
            Some(ConnectionError::Closed)
        ));
        nothing_is_left(&network, since, step).await;
    }
}

#[tokio::test(start_paused = true)]
async fn drop_of_all_handles_ends_a_recovery_at_each_step_at_once() {
    for step in STEPS {
        let (network, connection) = stalled(step).await;
        let since = network.now();
        drop(connection);
        nothing_is_left(&network, since, step).await;
    }
}

#[test]
fn runtime_that_goes_down_ends_a_recovery_at_each_step() {
    for step in STEPS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let (network, connection) = runtime.block_on(stalled(step));
        drop(runtime);
        assert!(
            matches!(connection.close_reason(), Some(ConnectionError::DriverGone)),
            "{step:?}: {:?}",
            connection.close_reason()
        );
        assert_eq!(
            (network.n_open(), network.n_connecting()),
            (0, 0),
            "{step:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn hundred_attempts_in_vain_leave_no_socket_and_no_task() {
    let network =
        Fake::new()
            .host("one", ONE, Fate::Broker(AT_ONCE))
            .host("two", TWO, Fate::Mute(AT_ONCE));
    let options = options(&["one", "two"]).handshake_timeout(ms(1000));
    let connection = open_on(&network, &options).await.unwrap();
    network.becomes(ONE, Fate::Refused(AT_ONCE));
    network.cut();
    let n_tasks = || Handle::current().metrics().num_alive_tasks();
    while network.tried().len() < 202 {
        sleep(ms(100)).await;
        assert!(network.n_open() <= 1 && network.n_connecting() <= 1);
        // The connection's, and that of the broker that says nothing.
        assert!(n_tasks() <= 2, "{}", n_tasks());
    }
    network.becomes(TWO, Fate::Broker(AT_ONCE));
    network.has_opened(2).await;
    assert_eq!(network.n_open(), 1);
    connection.close().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!((network.n_open(), n_tasks()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn connection_that_is_started_is_opened_as_soon_as_a_broker_is_there() {
    let network = Fake::new().host("one", ONE, Fate::Refused(AT_ONCE));
    let connection = start_on(&network, &options(&["one"]));
    assert_eq!(connection.address(), "one:5672");
    while network.tried().len() < 4 {
        sleep(ms(100)).await;
    }
    assert!(!connection.is_open());
    network.becomes(ONE, Fate::Broker(AT_ONCE));
    connection.ready().await.unwrap();
    assert!(connection.is_open());
    assert_eq!(connection.peer_addr(), Some(at(ONE)));
    connection.open_channel().await.unwrap();
    // From then on it is a connection as any other.
    network.cut();
    network.has_opened(2).await;
    connection.ready().await.unwrap();
    connection.open_channel().await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn open_from_the_start_outlives_a_broker_that_is_not_there_yet() {
    let network = Fake::new().host("one", ONE, Fate::Refused(AT_ONCE));
    let options = options(&["one"]).recovery(Recovery::new().from_the_start());
    let (there, of_broker) = (network.clone(), options.clone());
    let opening = tokio::spawn(async move { open_on(&there, &of_broker).await });
    while network.tried().len() < 20 {
        sleep(ms(100)).await;
    }
    network.becomes(ONE, Fate::Broker(AT_ONCE));
    let connection = opening.await.unwrap().unwrap();
    assert!(connection.is_open());
    connection.close().await.unwrap();

    // The error is that of the last attempt.
    network.becomes(ONE, Fate::Refused(AT_ONCE));
    let options = options.recovery(Recovery::new().from_the_start().attempts(3));
    let n_tried = network.tried().len();
    let error = open_on(&network, &options).await.unwrap_err();
    assert_eq!(network.tried().len(), n_tried + 3);
    let text = "cannot connect to one:5672 (10.0.0.1:5672) while connecting: connection refused";
    assert!(error.to_string().starts_with(text), "{error}");
    // Dropping it ends everything.
    network.becomes(ONE, Fate::Mute(AT_ONCE));
    let opening = tokio::time::timeout(ms(1000), open_on(&network, &options));
    assert!(opening.await.is_err());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!((network.n_open(), network.n_connecting()), (0, 0));
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn started_connection_with_options_that_cannot_be_used_ends_at_once() {
    let connection = start_on(&Fake::new(), &options(&[]));
    let error = connection.ready().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the option hosts must be at least one"),
        "{text}"
    );
}

#[test]
fn started_outside_a_runtime_a_connection_ends_at_once() {
    let connection = Connection::start(&options(&["one"]));
    let error = connection.close_reason().unwrap();
    let text = error.to_string();
    assert!(text.contains("runtime"), "{text}");
    let ConnectionError::NotRecovered {
        last: Some(last), ..
    } = error
    else {
        panic!("{text}");
    };
    assert!(matches!(last.cause(), ConnectCause::NoRuntime), "{text}");
}
