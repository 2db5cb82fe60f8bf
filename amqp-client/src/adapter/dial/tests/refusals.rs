//! What is not tried again, here or elsewhere, and what is.

use std::sync::Arc;
use std::time::Instant;

use super::world::{Fate, World, dialer_at, failed, fine, ms, options, refused};
use crate::adapter::dial::{Action, Failure, Outcome, Step};
use crate::error::{
    BrokerClose, ConnectCause, ConnectionError, Diagnosis, LoginClue, Stage, TlsError,
};
use crate::options::{ConnectionOptions, HostOrder};

fn over_tls() -> ConnectionOptions {
    let options: ConnectionOptions = "amqps://one,two".parse().unwrap();
    options
        .host_order(HostOrder::Given)
        .connection_attempts(3)
        .retry_delay(ms(5))
}

fn is_final(cause: ConnectCause) -> Outcome {
    Outcome::Failed(Failure {
        is_final: true,
        ..cause.into()
    })
}

#[test]
fn what_failed_for_good_ends_it_at_whatever_step() {
    let steps = ["read", "ask", "resolve", "encrypt", "shake"];
    for (n, step) in steps.into_iter().enumerate() {
        let mut world = World::new(&over_tls());
        let error = world.run(|action| {
            let place = match action {
                Action::ReadFiles => 0,
                Action::Ask => 1,
                Action::Resolve { .. } => 2,
                Action::Connect(_) | Action::ConnectLocal => return fine(action),
                Action::Encrypt { .. } => 3,
                Action::ShakeHands { .. } => 4,
            };
            match place == n {
                true => Fate::After(0, is_final(ConnectCause::Tls(TlsError::NotTls))),
                false => fine(action),
            }
        });
        let error = error.unwrap_err();
        // Nothing in the cause says so.
        assert!(
            !error.is_retryable() && error.attempts().len() == 1,
            "{step}: {error}"
        );
        assert_eq!(world.begun("resolve ").len(), usize::from(n > 1), "{step}");
    }
}

#[test]
fn refusal_of_the_login_is_final_and_names_what_came_before() {
    let mut world = World::new(&options(&["one", "two", "three"]).connection_attempts(5));
    let error = world.run(|action| match action {
        Action::Connect(address) if address.ip().to_string() == "10.0.0.1" => {
            Fate::After(0, refused())
        }
        Action::ShakeHands { .. } => {
            let offered = ConnectCause::Mechanism {
                offered: "SCRAM".to_owned(),
                wanted: "PLAIN".to_owned(),
            };
            Fate::After(0, failed(offered))
        }
        _ => fine(action),
    });
    assert_eq!(world.begun("resolve "), ["one:5672", "two:5672"]);
    let error = error.unwrap_err();
    assert!(error.is_authentication_failure() && !error.is_retryable());
    let told: Vec<_> = error.attempts().iter().map(|one| one.stage).collect();
    assert_eq!(told, [Stage::Tcp, Stage::Login]);
}

#[test]
fn what_is_wrong_here_is_tried_once_in_a_round_and_told_once() {
    let vault = || std::io::Error::other("the vault is sealed");
    for step in [Action::ReadFiles, Action::Ask] {
        let mut world = World::new(&over_tls());
        let error = world.run(|action| match *action == step {
            true => Fate::After(0, failed(vault())),
            false => fine(action),
        });
        let error = error.unwrap_err();
        assert_eq!(world.begun("read").len(), 3);
        assert_eq!(world.begun("resolve "), [""; 0]);
        assert_eq!((error.attempts().len(), world.time()), (1, 10), "{error}");
        assert_eq!(error.address(), "one:5671, two:5671");
    }
}

#[test]
fn files_that_have_become_unreadable_are_no_matter_of_the_host_before() {
    let mut world = World::new(&over_tls().connection_attempts(2));
    let mut n_read = 0;
    let error = world.run(|action| match action {
        Action::ReadFiles => {
            n_read += 1;
            match n_read {
                1 => fine(action),
                _ => Fate::After(0, refused()),
            }
        }
        Action::ShakeHands { .. } => Fate::After(0, refused()),
        _ => fine(action),
    });
    let error = error.unwrap_err();
    let told: Vec<_> = error.attempts().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3);
    assert!(
        told[2].starts_with("one:5671, two:5671 while agreeing on TLS: "),
        "{told:?}"
    );
}

#[test]
fn what_a_login_may_be_refused_for_is_remembered_for_the_hint() {
    for (clue, hint) in [
        (LoginClue::Nothing, "(are user name and password right?)"),
        (LoginClue::NewlineInPassword, "newline"),
        (
            LoginClue::Guest,
            "right? The user guest may only connect from the broker's host)",
        ),
    ] {
        let error = World::new(&options(&["one"])).run(|action| match action {
            Action::Ask => Fate::After(0, Outcome::Credentials { clue }),
            Action::ShakeHands { .. } => {
                let close = BrokerClose::new(0, 403, "ACCESS_REFUSED - Login was refused");
                let cause = ConnectionError::ClosedByBroker(Arc::new(close));
                let failure = Failure {
                    stage: Some(Stage::Login),
                    ..ConnectCause::Connection(cause).into()
                };
                Fate::After(0, Outcome::Failed(failure))
            }
            _ => fine(action),
        });
        let error = error.unwrap_err();
        assert_eq!(error.furthest().clue, clue);
        assert!(error.to_string().contains(hint), "{error}");
    }
}

#[test]
fn every_other_failure_goes_on_with_the_next_host() {
    let mut world = World::new(&over_tls());
    let mut n = 0;
    world
        .run(|action| {
            let fails = match action {
                Action::Resolve { .. } => 0,
                Action::Connect(_) => 1,
                Action::Encrypt { .. } => 2,
                Action::ShakeHands { .. } => 3,
                _ => return fine(action),
            };
            match fails == n {
                true => {
                    n += 1;
                    Fate::After(0, refused())
                }
                false => fine(action),
            }
        })
        .unwrap();
    let hosts = ["one:5671", "two:5671", "one:5671", "two:5671", "one:5671"];
    assert_eq!(world.begun("resolve "), hosts);
}

/// What is probably wrong if TLS ends so, after the server has been heard or not; `None`: it does
/// not end.
fn hint_at_tls(is_heard: bool, outcome: Option<Outcome>) -> Option<Diagnosis> {
    let options = over_tls().connection_attempts(1).handshake_timeout(ms(10));
    let options = options.hosts(["one"]);
    let mut now = Instant::now();
    let is_tls = |action: &Action| matches!(action, Action::Encrypt { .. });
    let (mut dialer, id) = dialer_at(&options, now, is_tls);
    if is_heard {
        assert!(dialer.report(id, Outcome::Heard, now));
        assert!(dialer.report(id, Outcome::Heard, now));
    }
    if let Some(outcome) = outcome {
        assert!(dialer.report(id, outcome, now));
    }
    loop {
        match dialer.poll(now) {
            Step::Wait(Some(until)) => now = until,
            Step::Begin(id, Action::ShakeHands { within, .. }) => {
                dialer.report(id, failed(ConnectCause::Timeout(within)), now);
            }
            Step::Failed(error) => return error.diagnosis(),
            Step::Abandon(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hints_know_how_far_tls_has_come() {
    let damaged = || {
        let error = Arc::new(std::io::Error::other("damaged"));
        failed(ConnectCause::Tls(TlsError::Damaged(error)))
    };
    use Diagnosis::{BrokerBusy, SilentOverTls, TlsDamaged, TlsNotSpoken};
    for (is_heard, outcome, expected) in [
        (false, None, TlsNotSpoken),
        (true, None, BrokerBusy),
        (false, Some(damaged()), TlsNotSpoken),
        (true, Some(damaged()), TlsDamaged),
        (true, Some(Outcome::Done), SilentOverTls),
    ] {
        let shown = format!("{is_heard} {outcome:?}");
        assert_eq!(hint_at_tls(is_heard, outcome), Some(expected), "{shown}");
    }
}

#[test]
fn refused_client_certificate_that_is_heard_of_late_is_told_as_one_of_tls() {
    let options = over_tls();
    let mut world = World::new(&options);
    let error = world.run(|action| match action {
        Action::ShakeHands { .. } => {
            let alert = Arc::new(std::io::Error::other("certificate required"));
            let error = TlsError::ClientCertificateRefused(alert);
            let cause = ConnectionError::Tls(Arc::new(error));
            Fate::After(0, failed(ConnectCause::Connection(cause)))
        }
        _ => fine(action),
    });
    let error = error.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert_eq!(error.diagnosis(), Some(Diagnosis::ClientCertificate));
}
