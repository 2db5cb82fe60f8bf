//! Several addresses of one host: which are tried when, which wins, what is told of the losers.

use super::world::{Fate, LOOK, World, done, fine, ms, options, refused, resolved};
use crate::adapter::dial::Action;
use crate::error::{ConnectCause, ConnectError, Stage};

/// An address, and what becomes of it.
type Racer = (&'static str, fn() -> Fate);

/// A host with these addresses, each with what becomes of it.
fn run(world: &mut World, addresses: &[Racer]) -> Result<(), ConnectError> {
    let names: Vec<_> = addresses.iter().map(|(name, _)| *name).collect();
    world.run(|action| match action {
        Action::Resolve { .. } => Fate::After(0, resolved(&names)),
        Action::Connect(address) => {
            let is_this = |(name, _): &&(&str, _)| *name == address.to_string();
            addresses.iter().find(is_this).unwrap().1()
        }
        _ => fine(action),
    })
}

fn silence() -> Fate {
    Fate::Never
}

fn at_once() -> Fate {
    Fate::After(0, done())
}

fn late() -> Fate {
    Fate::After(400, done())
}

fn refusal() -> Fate {
    Fate::After(3, refused())
}

#[test]
fn each_address_has_a_quarter_of_a_second_for_itself_and_losers_are_abandoned() {
    let mut world = World::new(&options(&["one"]));
    let addresses: [Racer; 4] = [
        ("[::1]:1", silence),
        ("[::2]:1", at_once),
        ("10.0.0.1:1", silence),
        ("10.0.0.2:1", silence),
    ];
    run(&mut world, &addresses).unwrap();
    world.did(&[
        "0 ask",
        "0 resolve one:5672",
        "0 connect [::1]:1",
        "250 connect 10.0.0.1:1",
        "500 connect [::2]:1",
        "500 abandon connect [::1]:1",
        "500 abandon connect 10.0.0.1:1",
        "500 shake one:5672 [::2]:1 15000",
    ]);
}

#[test]
fn the_first_that_answers_wins_though_it_was_not_the_last_to_begin() {
    let mut world = World::new(&options(&["one"]));
    run(&mut world, &[("10.0.0.1:1", late), ("10.0.0.2:1", late)]).unwrap();
    world.did(&[
        "0 ask",
        "0 resolve one:5672",
        "0 connect 10.0.0.1:1",
        "250 connect 10.0.0.2:1",
        "400 abandon connect 10.0.0.2:1",
        "400 shake one:5672 10.0.0.1:1 15000",
    ]);
}

#[test]
fn each_that_fails_lets_the_next_begin_at_once() {
    let mut world = World::new(&options(&["one"]));
    let addresses: [Racer; 3] = [
        ("10.0.0.1:1", refusal),
        ("10.0.0.2:1", refusal),
        ("10.0.0.3:1", refusal),
    ];
    let error = run(&mut world, &addresses).unwrap_err();
    world.did(&[
        "0 ask",
        "0 resolve one:5672",
        "0 connect 10.0.0.1:1",
        "3 connect 10.0.0.2:1",
        "6 connect 10.0.0.3:1",
    ]);
    assert_eq!(world.time(), 9);
    let told = error
        .attempts()
        .iter()
        .map(|one| one.peer.unwrap().to_string());
    assert!(told.eq(addresses.map(|(name, _)| name.to_owned())));
}

#[test]
fn address_whose_turn_did_not_come_is_named() {
    let mut world = World::new(&options(&["one"]).connect_timeout(ms(100)));
    let addresses: [Racer; 2] = [("10.0.0.1:1", silence), ("10.0.0.2:1", at_once)];
    let error = run(&mut world, &addresses).unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    assert_eq!(error.stage(), Stage::Tcp);
    not_tried_and_tried(&error, 100);
}

/// The second address was not tried, and the first did not answer.
#[track_caller]
fn not_tried_and_tried(error: &ConnectError, limit: u64) {
    let [not_tried, tried] = error.attempts() else {
        panic!("{error}");
    };
    let peers = [not_tried, tried].map(|one| one.peer.unwrap().to_string());
    assert_eq!(peers, ["10.0.0.2:1", "10.0.0.1:1"]);
    assert!(matches!(not_tried.cause, ConnectCause::NotTried(after) if after == ms(limit)));
    assert!(matches!(tried.cause, ConnectCause::Timeout(after) if after == ms(limit)));
}

#[test]
fn one_address_is_tried_even_if_the_time_is_over() {
    // At the deadline, or only with the last look at it.
    for (heard_at, first, is_opened) in [
        (500, silence as fn() -> Fate, false),
        (501, silence, false),
        (500, at_once, true),
        (501, at_once, true),
    ] {
        let mut world = World::new(&options(&["one"]).connect_timeout(ms(500)));
        let result = world.run(|action| match action {
            Action::Resolve { .. } => {
                Fate::After(heard_at, resolved(&["10.0.0.1:1", "10.0.0.2:1"]))
            }
            Action::Connect(_) => first(),
            _ => fine(action),
        });
        assert_eq!(world.begun("connect "), ["10.0.0.1:1"]);
        assert_eq!(result.is_ok(), is_opened);
        if let Err(error) = result {
            not_tried_and_tried(&error, 500);
            assert_eq!(world.time(), u128::from(heard_at + LOOK));
        }
    }
}

#[test]
fn name_without_addresses_is_an_error() {
    let error = run(&mut World::new(&options(&["one"])), &[]).unwrap_err();
    assert_eq!(error.stage(), Stage::Resolve);
    assert!(
        error.to_string().contains("the name has no address"),
        "{error}"
    );
}
