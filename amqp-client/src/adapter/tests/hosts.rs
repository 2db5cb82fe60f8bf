//! Several hosts, several rounds, and the time that all of it may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::network::{AT_ONCE, Fake, Fate, at, ms, options};
use crate::adapter::opening::open_on;
use crate::error::{ConnectCause, Diagnosis, Stage};
use crate::options::ConnectionOptions;
use crate::options::HostOrder;
use crate::sasl::Credentials;

/// The time, without what the reactor has for one more look at the stream before a deadline counts.
fn judged(network: &Fake) -> u64 {
    const LOOK: u64 = 1;
    network.now() - LOOK
}

#[tokio::test(start_paused = true)]
async fn second_host_is_tried_if_the_first_is_dead() {
    let network = Fake::new()
        .host("one", "10.0.0.1:5672", Fate::Refused(AT_ONCE))
        .host("two", "10.0.0.2:5672", Fate::Broker(AT_ONCE));
    open_on(&network, &options(&["nosuch", "one", "two"]))
        .await
        .unwrap();
    assert_eq!(network.resolved(), ["nosuch", "one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn host_that_answered_is_told() {
    let network = Fake::new()
        .host("one", "10.0.0.1:5672", Fate::Refused(AT_ONCE))
        .host("two", "10.0.0.2:5672", Fate::Broker(AT_ONCE));
    let connection = open_on(&network, &options(&["one", "two"])).await.unwrap();
    assert_eq!(connection.address(), "two:5672");
    assert_eq!(connection.peer_addr(), Some(at("10.0.0.2:5672")));
    let shown = format!("{connection:?}");
    let begin = "Connection { address: \"two:5672\", peer_addr: Some(10.0.0.2:5672), limits: ";
    assert!(shown.starts_with(begin), "{shown}");
    let (_core, by_hand) =
        crate::Connection::with_core(&options(&["one"]), std::time::Instant::now);
    assert_eq!(by_hand.address(), "one:5672");
    assert_eq!(by_hand.peer_addr(), None);
}

#[tokio::test(start_paused = true)]
async fn all_hosts_are_named_if_all_are_dead() {
    let network = Fake::new()
        .host("one", "10.0.0.1:5672", Fate::Mute(AT_ONCE))
        .host("two", "10.0.0.2:5672", Fate::Refused(AT_ONCE));
    let options = options(&["one", "two", "nosuch"]).handshake_timeout(ms(1500));
    let error = open_on(&network, &options).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot connect, 3 attempts failed: one:5672 (10.0.0.1:5672) while "),
        "{text}"
    );
    assert!(text.contains("; two:5672 ") && text.contains("; nosuch:5672 "));
    assert_eq!(text.lines().count(), 1, "{text}");
    let text = format!("{error:#}");
    assert_eq!(format!("{error:?}"), text);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[0], "cannot connect, 3 attempts failed:");
    let begins = [
        "  one:5672 (10.0.0.1:5672) while waiting for connection.start: not done after 1.5 s",
        "  two:5672 (10.0.0.2:5672) while connecting: connection refused",
        "  nosuch:5672 while resolving the host name: failed to lookup address information",
    ];
    for (line, begin) in lines[1..].iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    // The one that came furthest speaks for all.
    assert_eq!((error.stage(), error.address()), (Stage::Start, "one:5672"));
    assert_eq!(error.diagnosis(), Some(Diagnosis::SilentAtStart));
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn wrong_password_is_not_tried_again_nor_elsewhere() {
    let network = Fake::new()
        .host("one", "10.0.0.1:5672", Fate::Refused(AT_ONCE))
        .host("two", "10.0.0.2:5672", Fate::WrongPassword)
        .host("three", "10.0.0.3:5672", Fate::Broker(AT_ONCE));
    let options = options(&["one", "two", "three"]).connection_attempts(5);
    let options = options.login("guest", "hunter2");
    let error = open_on(&network, &options).await.unwrap_err();
    assert_eq!(network.resolved(), ["one", "two"]);
    assert!(error.is_authentication_failure() && !error.is_retryable());
    assert_eq!(error.attempts().len(), 2);
    assert!(!format!("{error} {error:#?}").contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_had_are_asked_for_once_in_a_round_and_told_once() {
    let network = Fake::new()
        .host("one", "10.0.0.1:5672", Fate::Broker(AT_ONCE))
        .host("two", "10.0.0.2:5672", Fate::Broker(AT_ONCE));
    let n_asked = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&n_asked);
    // Until the fourth time.
    let source = move || {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        std::future::ready(if n < 3 {
            Err("the vault is sealed")
        } else {
            Ok(Credentials::new("guest", "hunter2"))
        })
    };
    let options = options(&["one", "two"])
        .credential_source(source)
        .connection_attempts(3);
    let error = open_on(&network, &options).await.unwrap_err();
    assert_eq!(n_asked.load(Ordering::Relaxed), 3);
    assert_eq!(network.resolved(), [""; 0]);
    assert_eq!(error.attempts().len(), 1);
    assert_eq!(
        error.to_string(),
        "cannot connect: no credentials: the vault is sealed"
    );
    assert!(error.is_retryable());
    open_on(&network, &options).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn names_are_resolved_anew_at_each_attempt() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672"])
        .name("broker", &["10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Refused(AT_ONCE))
        .fate("10.0.0.2:5672", Fate::Broker(AT_ONCE));
    let options = options(&["broker"])
        .connection_attempts(2)
        .retry_delay(ms(700));
    open_on(&network, &options).await.unwrap();
    assert_eq!(
        network.tried(),
        [(0, at("10.0.0.1:5672")), (700, at("10.0.0.2:5672"))]
    );
}

#[tokio::test(start_paused = true)]
async fn resolver_that_does_not_answer_is_given_up() {
    let options = options(&["slow"]).connect_timeout(ms(4000));
    let network = Fake::new();
    let error = open_on(&network, &options).await.unwrap_err();
    assert_eq!(judged(&network), 4000);
    assert_eq!(error.stage(), Stage::Resolve);
    assert!(error.is_timeout());
}

#[tokio::test(start_paused = true)]
async fn resolving_and_connecting_share_their_time_and_the_handshake_has_its_own() {
    let network = Fake::new().host("one", "10.0.0.1:5672", Fate::Mute(ms(900)));
    let options = options(&["one"])
        .connect_timeout(ms(1000))
        .handshake_timeout(ms(2000));
    let error = open_on(&network, &options).await.unwrap_err();
    assert_eq!(judged(&network), 2900);
    assert_eq!(error.stage(), Stage::Start);
    assert!(matches!(error.cause(), ConnectCause::Timeout(after) if *after == ms(2000)));
}

#[tokio::test(start_paused = true)]
async fn open_timeout_covers_everything() {
    let limited = |options: ConnectionOptions| options.open_timeout(ms(1700));
    let total =
        |cause: &ConnectCause| matches!(cause, ConnectCause::Timeout(at) if *at == ms(1700));

    // While resolving.
    let network = Fake::new();
    let error = open_on(&network, &limited(options(&["slow", "slow"])))
        .await
        .unwrap_err();
    assert_eq!((judged(&network), error.stage()), (1700, Stage::Resolve));
    assert!(total(error.cause()) && error.attempts().len() == 1);

    // While connecting to the second host.
    let network = Fake::new()
        .host("one", "10.0.0.1:5672", Fate::Silence)
        .host("two", "10.0.0.2:5672", Fate::Silence);
    let twice = options(&["one", "two"]).connect_timeout(ms(1000));
    let error = open_on(&network, &limited(twice)).await.unwrap_err();
    assert_eq!((judged(&network), error.stage()), (1700, Stage::Tcp));
    assert!(total(error.cause()) && error.attempts().len() == 2);

    // While shaking hands.
    let network = Fake::new().host("one", "10.0.0.1:5672", Fate::Mute(ms(300)));
    let error = open_on(&network, &limited(options(&["one"])))
        .await
        .unwrap_err();
    assert_eq!((judged(&network), error.stage()), (1700, Stage::Start));
    assert!(total(error.cause()));

    // A delay that would end too late is not begun.
    let network = Fake::new().host("one", "10.0.0.1:5672", Fate::Refused(AT_ONCE));
    let again = options(&["one"])
        .connection_attempts(9)
        .retry_delay(ms(1000));
    let error = open_on(&network, &limited(again)).await.unwrap_err();
    assert_eq!((network.now(), error.attempts().len()), (1000, 2));
}

#[tokio::test(start_paused = true)]
async fn endless_limits_are_limits() {
    let endless = std::time::Duration::MAX;
    let options = options(&["one"])
        .connect_timeout(endless)
        .handshake_timeout(endless);
    let options = options.open_timeout(endless);
    let network = Fake::new().host("one", "10.0.0.1:5672", Fate::Broker(AT_ONCE));
    open_on(&network, &options).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn random_order_begins_with_each_host_about_as_often() {
    let names = ["one", "two", "three", "four"];
    let network = Fake::new().host("one", "10.0.0.1:5672", Fate::Broker(AT_ONCE));
    let options = options(&names).host_order(HostOrder::Random);
    for _ in 0..400 {
        let _ = open_on(&network, &options).await;
    }
    let resolved = network.resolved();
    // Every attempt ends with the one that answers: the next name is the first of the next attempt.
    let mut firsts = vec![resolved[0].as_str()];
    let following = resolved.windows(2).filter(|two| two[0] == "one");
    firsts.extend(following.map(|two| two[1].as_str()));
    for name in names {
        let n = firsts.iter().filter(|first| **first == name).count();
        assert!(
            (60..140).contains(&n),
            "{name} was the first {n} times of 400"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn open_that_is_dropped_leaves_nothing_behind() {
    let network = Fake::new()
        .name("one", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Silence)
        .fate("10.0.0.2:5672", Fate::Mute(ms(10)));
    let options = options(&["one"]);
    // While it connects to the first, to both, and while it shakes hands with the second.
    for (time, n_open) in [(100, 0), (255, 0), (300, 1)] {
        let opening = Box::pin(open_on(&network, &options));
        let mut opening = Some(opening);
        let limited = tokio::time::timeout(ms(time), opening.as_mut().unwrap());
        assert!(limited.await.is_err());
        assert_eq!(network.n_open(), n_open);
        drop(opening.take());
        tokio::time::sleep(ms(1)).await;
        assert_eq!(network.n_open(), 0, "dropped after {time} ms");
    }
}
