//! Hosts, in which order they are tried, and how often.

use super::world::{Fate, LOOK, World, dead, fine, ms, options, plan, refused};
use crate::adapter::dial::{Action, Dialer, Plan, Rounds, Way};
use crate::error::Stage;
use crate::options::{ConnectionOptions, HostOrder};

#[test]
fn each_step_comes_in_its_order_and_once() {
    let mut world = World::new(&options(&["one", "two"]));
    world.run(fine).unwrap();
    world.did(&[
        "0 ask",
        "0 resolve one:5672",
        "0 connect 10.0.0.1:5672",
        "0 shake one:5672 10.0.0.1:5672 15000",
    ]);
}

#[test]
fn files_are_read_once_in_a_round_and_tls_comes_before_the_handshake() {
    let options: ConnectionOptions = "amqps://one,two".parse().unwrap();
    let options = options.host_order(HostOrder::Given).connection_attempts(2);
    let mut world = World::new(&options.retry_delay(ms(10)));
    let mut n_resolved = 0;
    world
        .run(|action| match action {
            Action::Resolve { .. } => {
                n_resolved += 1;
                match n_resolved {
                    4 => fine(action),
                    _ => Fate::After(0, refused()),
                }
            }
            _ => fine(action),
        })
        .unwrap();
    world.did(&[
        "0 read",
        "0 ask",
        "0 resolve one:5671",
        "0 ask",
        "0 resolve two:5671",
        "10 read",
        "10 ask",
        "10 resolve one:5671",
        "10 ask",
        "10 resolve two:5671",
        "10 connect 10.0.0.2:5671",
        "10 encrypt two",
        "10 shake two:5671 10.0.0.2:5671 15000",
    ]);
}

#[test]
fn socket_of_this_machine_and_stream_that_is_there_need_no_host() {
    let options: ConnectionOptions = "amqps://one".parse().unwrap();
    let way = Way::Local {
        path: "/run/broker".to_owned(),
    };
    let over = |way| Plan::first(way, Rounds::ONCE, &options, ms(LOOK));
    let mut world = World::with(&options, over(way));
    world.run(fine).unwrap();
    world.did(&["0 ask", "0 connect", "0 shake /run/broker 15000"]);
    let mut world = World::with(&options, over(Way::Brought));
    world.run(fine).unwrap();
    world.did(&["0 ask", "0 shake one:5671 15000"]);
}

#[test]
fn attempts_are_counted_in_rounds_with_a_delay_between() {
    let options = options(&["one", "two"])
        .connection_attempts(3)
        .retry_delay(ms(1000));
    let mut world = World::new(&options);
    let fate = |action: &Action| match action {
        Action::Connect(address) if address.ip().to_string() == "10.0.0.2" => {
            Fate::After(100, refused())
        }
        _ => dead(action),
    };
    let error = world.run(fate).unwrap_err();
    let times = world.times("connect ");
    assert_eq!(times, ["0", "0", "1100", "1100", "2200", "2200"]);
    // None after the last.
    assert_eq!(world.time(), 2300);
    assert_eq!(error.attempts().len(), 6);
}

#[test]
fn only_the_latest_attempts_are_kept() {
    let options = options(&["one"]).connection_attempts(1000);
    let error = World::new(&options).run(dead).unwrap_err();
    assert_eq!(error.attempts().len(), 64);
    let text = format!("{error:#}");
    assert!(
        text.starts_with("cannot connect, 1000 attempts failed:\n  …\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2 + 64);
    // In one line there are few.
    let text = error.to_string();
    assert!(
        text.starts_with("cannot connect, 1000 attempts failed: …; one:5672 "),
        "{text}"
    );
    assert_eq!(text.matches("one:5672").count(), 8);
    assert!(!text.contains('\n') && text.len() < 2000);
}

#[test]
fn no_host_is_an_error() {
    let options = options(&[]);
    let error = Dialer::new(&options, plan(&options), std::time::Instant::now()).unwrap_err();
    assert_eq!(error.stage(), Stage::Options);
    assert_eq!(
        error.to_string(),
        "cannot connect: the option hosts must be at least one"
    );
}

#[test]
fn each_round_has_an_order_of_its_own_and_tries_each_host_once() {
    let names = ["four", "one", "three", "two"];
    let options = options(&names).host_order(HostOrder::Random);
    let mut world = World::new(&options.connection_attempts(20));
    world.run(dead).unwrap_err();
    let resolved = world.begun("resolve ");
    let rounds: Vec<_> = resolved.chunks(4).collect();
    assert_eq!(rounds.len(), 20);
    assert!(rounds.iter().any(|round| *round != rounds[0]));
    for round in rounds {
        let mut round = round.to_vec();
        round.sort_unstable();
        assert_eq!(round, names.map(|name| format!("{name}:5672")));
    }
}

#[test]
fn host_that_has_just_failed_is_tried_last_in_the_one_round_of_an_attempt() {
    let names = ["one", "two", "three", "four"];
    let given = options(&names).connection_attempts(7).retry_delay(ms(100));
    let plan = |options: &ConnectionOptions, seed, last: &str| {
        let (way, last) = (Way::Network { seed }, Some(last.to_owned()));
        Plan::again(way, last, options, ms(LOOK))
    };
    let mut world = World::with(&given, plan(&given, 0, "two:5672"));
    world.run(dead).unwrap_err();
    assert_eq!(
        world.begun("resolve "),
        ["one:5672", "three:5672", "four:5672", "two:5672"]
    );
    assert_eq!(world.dialer.last_tried().as_deref(), Some("two:5672"));
    // One that is not among them, since the options were changed, changes nothing.
    let mut world = World::with(&given, plan(&given, 0, "five:5672"));
    world.run(dead).unwrap_err();
    let resolved = world.begun("resolve ");
    assert_eq!(
        resolved,
        ["one:5672", "two:5672", "three:5672", "four:5672"]
    );
    assert_eq!(world.dialer.last_tried().as_deref(), Some("four:5672"));
    let random = given.host_order(HostOrder::Random);
    let orders = (0..20).map(|seed| {
        let mut world = World::with(&random, plan(&random, seed, "two:5672"));
        world.run(dead).unwrap_err();
        let resolved = world.begun("resolve ").join(" ");
        assert!(resolved.ends_with("two:5672"), "{resolved}");
        resolved
    });
    let orders: std::collections::BTreeSet<_> = orders.collect();
    assert!(orders.len() > 3, "{orders:?}");
}

#[test]
fn attempt_to_connect_again_is_bounded() {
    let silent = |action: &Action| match action {
        Action::Connect(_) => Fate::Never,
        other => fine(other),
    };
    let options = options(&["one", "two", "three"]).connect_timeout(ms(25_000));
    let again = |options: &ConnectionOptions| {
        let way = Way::Network { seed: 0 };
        World::with(options, Plan::again(way, None, options, ms(LOOK)))
    };
    let mut world = again(&options);
    let error = world.run(silent).unwrap_err();
    // One more look after each host, and behind the end.
    assert_eq!(world.time(), u128::from(60_000 + LOOK));
    assert_eq!(error.attempts().len(), 3);
    let mut world = again(&options.open_timeout(ms(30_000)));
    let error = world.run(silent).unwrap_err();
    assert_eq!(world.time(), u128::from(30_000 + LOOK));
    assert_eq!(error.attempts().len(), 2);
}
