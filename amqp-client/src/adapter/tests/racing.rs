//! Several addresses of one host.

use super::network::{AT_ONCE, Fake, Fate, at, ms, options};
use crate::adapter::opening::open_on;
use crate::error::{ConnectCause, Stage};

#[tokio::test(start_paused = true)]
async fn address_that_does_not_answer_costs_a_quarter_of_a_second() {
    let network = Fake::new()
        .name("broker", &["[::1]:5672", "10.0.0.1:5672"])
        .fate("[::1]:5672", Fate::Silence)
        .fate("10.0.0.1:5672", Fate::Broker(ms(20)));
    open_on(&network, &options(&["broker"])).await.unwrap();
    let tried = [(0, at("[::1]:5672")), (250, at("10.0.0.1:5672"))];
    assert_eq!(network.tried(), tried);
    assert_eq!(network.now(), 270);
}

#[tokio::test(start_paused = true)]
async fn address_that_refuses_lets_the_next_begin_at_once() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Refused(ms(3)))
        .fate("10.0.0.2:5672", Fate::Broker(AT_ONCE));
    open_on(&network, &options(&["broker"])).await.unwrap();
    let tried = [(0, at("10.0.0.1:5672")), (3, at("10.0.0.2:5672"))];
    assert_eq!(network.tried(), tried);
}

#[tokio::test(start_paused = true)]
async fn families_are_tried_in_turn() {
    let addresses = ["[::1]:5672", "[::2]:5672", "10.0.0.1:5672", "10.0.0.2:5672"];
    let network = addresses
        .iter()
        .fold(Fake::new().name("broker", &addresses), |fake, address| {
            fake.fate(address, Fate::Refused(AT_ONCE))
        });
    let error = open_on(&network, &options(&["broker"])).await.unwrap_err();
    let tried: Vec<_> = network
        .tried()
        .iter()
        .map(|(_, peer)| peer.to_string())
        .collect();
    let order = ["[::1]:5672", "10.0.0.1:5672", "[::2]:5672", "10.0.0.2:5672"];
    assert_eq!(tried, order);
    assert_eq!(
        format!("{error:#}"),
        "cannot connect, 4 attempts failed:\n  \
         broker:5672 ([::1]:5672) while connecting: connection refused (is the broker running, \
         and is this its port? A node in maintenance does not listen either)\n  \
         broker:5672 (10.0.0.1:5672) while connecting: connection refused (is the broker running, \
         and is this its port? A node in maintenance does not listen either)\n  \
         broker:5672 ([::2]:5672) while connecting: connection refused (is the broker running, \
         and is this its port? A node in maintenance does not listen either)\n  \
         broker:5672 (10.0.0.2:5672) while connecting: connection refused (is the broker running, \
         and is this its port? A node in maintenance does not listen either)"
    );
}

#[tokio::test(start_paused = true)]
async fn addresses_that_do_not_answer_are_given_up_together() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Silence)
        .fate("10.0.0.2:5672", Fate::Silence);
    let options = options(&["broker"]).connect_timeout(ms(3000));
    let error = open_on(&network, &options).await.unwrap_err();
    // The reactor has one more look at them.
    assert_eq!(network.now(), 3001);
    assert!(error.is_timeout() && error.is_retryable());
    let peers: Vec<_> = error
        .attempts()
        .iter()
        .map(|one| one.peer.unwrap())
        .collect();
    assert_eq!(peers, [at("10.0.0.1:5672"), at("10.0.0.2:5672")]);
    for attempt in error.attempts() {
        assert_eq!(attempt.stage, Stage::Tcp);
        assert!(matches!(attempt.cause, ConnectCause::Timeout(after) if after == ms(3000)));
    }
}

#[tokio::test(start_paused = true)]
async fn losers_are_closed_before_the_handshake() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Silence)
        .fate("10.0.0.2:5672", Fate::Mute(ms(10)));
    let options = options(&["broker"]);
    let mut opening = Box::pin(open_on(&network, &options));
    for (time, n_connecting) in [(249, 1), (10, 2), (2, 0)] {
        let limited = tokio::time::timeout(ms(time), opening.as_mut());
        assert!(limited.await.is_err());
        assert_eq!(network.n_connecting(), n_connecting);
    }
    assert_eq!(network.n_open(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_answer_at_once_the_one_that_was_tried_first_is_taken() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Broker(ms(400)))
        .fate("10.0.0.2:5672", Fate::Mute(ms(150)));
    let connection = open_on(&network, &options(&["broker"])).await.unwrap();
    assert_eq!(connection.peer_addr(), Some(at("10.0.0.1:5672")));
    assert_eq!((network.now(), network.tried().len()), (400, 2));
}
