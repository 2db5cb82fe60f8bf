//! What shows that each oracle finds its fault, and finds none where there is none.

use std::time::{Duration, Instant};

use crate::ledger::{Ack, CallOutcome, Ledger, MessageId, Outcome, Pages, Said, State};
use crate::oracles::{Excuses, Findings, Losses, Numbers, judge};

/// A run in which the connection was lost once and all went well.
fn good() -> (Pages, Findings) {
    let ledger = Ledger::new(2);
    ledger.state(State::Open);
    let first = ledger.begin(0);
    ledger.end(first, Outcome::Confirmed);
    let second = ledger.begin(0);
    ledger.end(second, Outcome::Uncertain);
    let plain = ledger.begin(1);
    ledger.end(plain, Outcome::Plain);
    let delivered = |tag, message: MessageId, ack| {
        let place = ledger.deliver(0, tag, message.text().as_bytes());
        ledger.ack(place, ack);
    };
    delivered(1, first, Ack::Stale);
    ledger.state(State::Recovering);
    ledger.say(Said::Lost);
    ledger.say(Said::Retrying(1));
    ledger.say(Said::Retrying(2));
    ledger.say(Said::Recovered);
    ledger.state(State::Open);
    delivered(2, first, Ack::Queued);
    let call = ledger.call();
    ledger.called(call, CallOutcome::Replied);
    let consumers = || [("work".to_owned(), "tag".to_owned())].into();
    let findings = Findings {
        expected_consumers: consumers(),
        listed_consumers: consumers(),
        flows: true,
        ..Findings::default()
    };
    (ledger.pages().clone(), findings)
}

/// The oracles that are not satisfied when this is changed in a good run.
#[track_caller]
fn accused(change: impl FnOnce(&mut Pages, &mut Findings)) -> Vec<&'static str> {
    let (mut pages, mut findings) = good();
    change(&mut pages, &mut findings);
    let verdicts = judge(&pages, &findings, Excuses::default());
    verdicts.iter().map(|verdict| verdict.oracle).collect()
}

#[test]
fn a_good_run_satisfies_all_oracles() {
    assert_eq!(accused(|_, _| ()), [""; 0]);
    let (pages, _) = good();
    let numbers = Numbers::of(&pages, Excuses::default());
    assert_eq!((numbers.messages, numbers.confirmed), (3, 1));
    assert_eq!((numbers.delivered, numbers.duplicates), (2, 1));
    assert_eq!((numbers.losses, numbers.attempts), (1, 2));
}

#[test]
fn a_confirmed_message_that_never_came_is_found() {
    let loss = accused(|pages, _| {
        pages.published[0][1].outcome = Outcome::Confirmed;
    });
    assert_eq!(loss, ["O1"]);
    // Unless it was in a queue that was deleted.
    let (mut pages, findings) = good();
    pages.published[0][1].outcome = Outcome::Confirmed;
    let excuses = Excuses {
        losses_until: Some(Instant::now() + Duration::from_secs(1)),
        ..Excuses::default()
    };
    assert_eq!(judge(&pages, &findings, excuses), []);
}

#[test]
fn a_delivery_settled_twice_or_never_is_found() {
    let twice = accused(|pages, _| pages.deliveries[1].acks.push(Ack::Queued));
    assert_eq!(twice, ["O2"]);
    assert_eq!(accused(|pages, _| pages.deliveries[1].acks.clear()), ["O2"]);
    let failed = accused(|pages, _| pages.deliveries[1].acks = vec![Ack::Failed]);
    assert_eq!(failed, ["O2"]);
    // A number that is used again, so that an old acknowledgement could hit a new delivery.
    assert_eq!(accused(|pages, _| pages.deliveries[1].tag = 1), ["O2"]);
    assert_eq!(accused(|_, findings| findings.left_in_queue = 1), ["O2"]);
}

#[test]
fn a_future_that_does_not_resolve_is_found() {
    let publish = accused(|pages, _| pages.published[1][0].outcome = Outcome::Pending);
    assert_eq!(publish, ["O3"]);
    let call = accused(|pages, _| pages.calls[0].outcome = CallOutcome::Pending);
    assert_eq!(call, ["O3"]);
    let task = accused(|_, findings| findings.stuck_tasks.push("publisher 0".to_owned()));
    assert_eq!(task, ["O3"]);
}

#[test]
fn events_and_states_that_are_no_story_are_found() {
    let said = |said: &[Said]| {
        accused(|pages, _| {
            let now = Instant::now();
            pages.said = said.iter().map(|it| (now, *it)).collect();
        })
    };
    let (lost, retrying, recovered) = (Said::Lost, Said::Retrying(1), Said::Recovered);
    assert_eq!(said(&[lost, retrying, recovered]), [""; 0]);
    assert_eq!(said(&[lost, recovered]), ["O4"]);
    assert_eq!(said(&[lost, retrying]), ["O4"]);
    assert_eq!(said(&[lost, retrying, recovered, retrying]), ["O4"]);
    assert_eq!(said(&[]), ["O4"]);
    // Twice, though it was lost once.
    let twice = [lost, retrying, recovered, lost, retrying, recovered];
    assert_eq!(said(&twice), ["O4"]);
    let n_accused = |losses, n_lost: usize| {
        let (mut pages, findings) = good();
        let story = pages.said.clone();
        pages.said = story
            .iter()
            .copied()
            .cycle()
            .take(story.len() * n_lost)
            .collect();
        let excuses = Excuses {
            losses,
            ..Excuses::default()
        };
        judge(&pages, &findings, excuses).len()
    };
    let by_number = |losses| [0, 1, 2].map(|n_lost| n_accused(losses, n_lost));
    assert_eq!(by_number(Losses::None), [0, 1, 1]);
    assert_eq!(by_number(Losses::One), [1, 0, 1]);
    assert_eq!(by_number(Losses::AtLeastOne), [1, 0, 0]);
    assert_eq!(by_number(Losses::Any), [0, 0, 0]);
    assert_eq!(accused(|pages, _| pages.states.truncate(2)), [""; 0]);
    assert_eq!(
        accused(|pages, _| pages.states.push(State::Closing)),
        [""; 0]
    );
    assert_eq!(accused(|pages, _| pages.states.clear()), ["O4"]);
    let closed = [State::Open, State::Closed, State::Open];
    assert_eq!(accused(|pages, _| pages.states = closed.into()), ["O4"]);
}

#[test]
fn what_does_not_flow_or_is_left_behind_is_found() {
    assert_eq!(accused(|_, findings| findings.flows = false), ["O5"]);
    assert_eq!(accused(|_, findings| findings.leaked_files = 1), ["O6"]);
    assert_eq!(accused(|_, findings| findings.growth = 1 << 30), ["O6"]);
    let surprise = |pages: &mut Pages, _: &mut Findings| pages.surprises.push(String::new());
    assert_eq!(accused(surprise), ["O6"]);
    let reply = accused(|pages, _| pages.calls[0].outcome = CallOutcome::WrongReply);
    assert_eq!(reply, ["O6"]);
}

#[test]
fn consumers_that_the_broker_does_not_have_or_has_beside_ours_are_found() {
    assert_eq!(
        accused(|_, findings| findings.listed_consumers.clear()),
        ["S1"]
    );
    assert_eq!(
        accused(|_, findings| findings.expected_consumers.clear()),
        ["S1"]
    );
}
