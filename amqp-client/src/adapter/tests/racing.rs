//! Several addresses of one host.

use tokio::time::Instant;

use super::network::{AT_ONCE, Fake, Fate, at, ms, options};
use crate::adapter::connect::open_on;
use crate::adapter::race::race;
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
async fn slow_address_wins_if_the_others_are_slower() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Broker(ms(400)))
        .fate("10.0.0.2:5672", Fate::Broker(ms(400)));
    open_on(&network, &options(&["broker"])).await.unwrap();
    assert_eq!(network.now(), 400);
    assert_eq!(network.tried().len(), 2);
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
async fn name_without_addresses_is_an_error() {
    let network = Fake::new().name("broker", &[]);
    let error = open_on(&network, &options(&["broker"])).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Resolve);
    assert!(
        error.to_string().contains("the name has no address"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn address_whose_turn_did_not_come_is_named() {
    let network = Fake::new()
        .name("broker", &["10.0.0.1:5672", "10.0.0.2:5672"])
        .fate("10.0.0.1:5672", Fate::Silence)
        .fate("10.0.0.2:5672", Fate::Silence);
    let options = options(&["broker"]).connect_timeout(ms(100));
    let error = open_on(&network, &options).await.unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    assert_eq!(error.stage(), Stage::Tcp);
    let [not_tried, tried] = error.attempts() else {
        panic!("{error}");
    };
    assert_eq!(not_tried.peer, Some(at("10.0.0.2:5672")));
    assert!(matches!(not_tried.cause, ConnectCause::NotTried(after) if after == ms(100)));
    assert_eq!(tried.peer, Some(at("10.0.0.1:5672")));
    assert!(matches!(tried.cause, ConnectCause::Timeout(after) if after == ms(100)));
}

#[tokio::test(start_paused = true)]
async fn one_address_is_tried_even_if_the_time_is_over() {
    let addresses = || vec![at("10.0.0.1:5672"), at("10.0.0.2:5672")];
    let network = Fake::new().fate("10.0.0.1:5672", Fate::Silence);
    let over = Instant::now();
    let Err(losers) = race(&network, addresses(), over, ms(500)).await else {
        panic!("connected to one that is silent");
    };
    let [(first, not_tried), (second, tried)] = losers.as_slice() else {
        panic!("{losers:?}");
    };
    assert_eq!(
        [*first, *second],
        [at("10.0.0.2:5672"), at("10.0.0.1:5672")]
    );
    assert!(matches!(not_tried, ConnectCause::NotTried(after) if *after == ms(500)));
    assert!(matches!(tried, ConnectCause::Timeout(after) if *after == ms(500)));

    let network = Fake::new().fate("10.0.0.1:5672", Fate::Broker(AT_ONCE));
    let connected = race(&network, addresses(), Instant::now(), ms(500)).await;
    assert!(matches!(connected, Ok((peer, _)) if peer == at("10.0.0.1:5672")));
}
