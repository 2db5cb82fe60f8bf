//! Returned messages among many that are outstanding: each is told to whom it belongs, and what
//! that takes does not grow with how many others there are.

use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Confirmation, Message, PublishError, Publisher};

/// How many mandatory messages are outstanding.
const MANY: u64 = 100_000;

fn send(publisher: &Publisher, body: String) -> Confirmation {
    done(publisher.send("", "nowhere", Message::new(body))).unwrap()
}

fn outstanding(pair: &mut Pair, publisher: &Publisher) -> Vec<Confirmation> {
    let publisher = publisher.clone().mandatory();
    let mut sent = Vec::new();
    for n in 1..=MANY {
        sent.push(send(&publisher, n.to_string()));
        if n % 1000 == 0 {
            // So that there is room.
            pair.sent_octets();
        }
    }
    sent
}

fn come_back(pair: &mut Pair, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        pair.feed(&wire::returned(1, "nowhere", n.to_string().as_bytes()));
    }
}

#[track_caller]
fn assert_returned(confirmation: Confirmation, number: u64) {
    match Task::new(confirmation).ready() {
        Err(PublishError::Returned(message)) => {
            assert_eq!(message.body(), number.to_string().as_bytes());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_back_in_order_is_found_behind_the_last() {
    let (mut pair, publisher) = Pair::with_publisher();
    let sent = outstanding(&mut pair, &publisher);
    // The even ones are in a queue, and some of them acknowledged ahead of the others.
    for n in (2..=MANY).step_by(4) {
        pair.feed(&wire::ack(1, n, false));
    }
    come_back(&mut pair, (1..=MANY).step_by(2));
    let looks = pair.core.shared().outbox().channels().n_looks(1);
    assert!(looks <= 2 * MANY, "{looks} looks");
    pair.feed(&wire::ack(1, MANY, true));
    for (confirmation, number) in sent.into_iter().zip(1..) {
        if number % 2 == 1 {
            assert_returned(confirmation, number);
        } else {
            done(confirmation).unwrap();
        }
    }
}

#[test]
fn what_comes_back_in_another_order_is_found_as_soon() {
    let (mut pair, publisher) = Pair::with_publisher();
    let sent = outstanding(&mut pair, &publisher);
    come_back(&mut pair, (1..=MANY).rev());
    let looks = pair.core.shared().outbox().channels().n_looks(1);
    assert!(looks <= 5 * MANY, "{looks} looks");
    pair.feed(&wire::ack(1, MANY, true));
    for (confirmation, number) in sent.into_iter().zip(1..) {
        assert_returned(confirmation, number);
    }
}

#[test]
fn what_was_never_published_costs_no_more_than_one_that_was() {
    let (mut pair, publisher) = Pair::with_publisher();
    let sent = outstanding(&mut pair, &publisher);
    for _ in 0..1000 {
        pair.feed(&wire::returned(1, "nowhere", b"never published"));
    }
    come_back(&mut pair, [MANY, 1]);
    let looks = pair.core.shared().outbox().channels().n_looks(1);
    assert!(looks <= 3 * MANY, "{looks} looks");
    pair.feed(&wire::ack(1, MANY, true));
    let mut sent = sent.into_iter();
    assert_returned(sent.next().unwrap(), 1);
    assert_returned(sent.next_back().unwrap(), MANY);
    sent.for_each(|confirmation| done(confirmation).unwrap());
}

#[test]
fn same_message_again_and_again_is_told_to_each_in_turn() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.mandatory();
    let sent: Vec<_> = (0..1000).map(|_| send(&publisher, "same".into())).collect();
    pair.sent_octets();
    for _ in 0..1000 {
        pair.feed(&wire::returned(1, "nowhere", b"same"));
    }
    let looks = pair.core.shared().outbox().channels().n_looks(1);
    assert!(looks <= 2000, "{looks} looks");
    pair.feed(&wire::ack(1, 1000, true));
    for confirmation in sent {
        assert!(matches!(done(confirmation), Err(PublishError::Returned(_))));
    }
}

#[test]
fn index_forgets_what_is_answered() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mandatory = publisher.mandatory();
    drop(send(&mandatory, "0".into()));
    pair.sent_octets();
    // From here on there is an index, for one is always outstanding.
    pair.feed(&wire::returned(1, "nowhere", b"never published"));
    for n in 1..1000_u64 {
        let confirmation = send(&mandatory, (n % 3).to_string());
        pair.sent_octets();
        pair.feed(&wire::ack(1, n, false));
        if n % 10 == 0 {
            pair.feed(&wire::returned(
                1,
                "nowhere",
                (n % 3).to_string().as_bytes(),
            ));
            pair.feed(&wire::ack(1, n + 1, true));
            assert!(matches!(done(confirmation), Err(PublishError::Returned(_))));
        } else {
            drop(confirmation);
        }
    }
}

#[test]
fn whether_a_confirm_is_waited_for_is_known_without_a_search() {
    let (mut pair, publisher) = Pair::with_publisher();
    let shared = publisher.channel().shared().clone();
    let has_waiter = || shared.confirms().has_waiter();
    let mut waiting: Vec<_> = (0..4)
        .map(|n| Task::new(send(&publisher, n.to_string())))
        .collect();
    assert!(!has_waiter());
    waiting.iter_mut().for_each(Task::pending);
    assert!(has_waiter());
    // One is answered, one refused, one dropped, and one learns the end.
    pair.sent_octets();
    pair.feed(&wire::ack(1, 1, false));
    pair.feed(&wire::nack(1, 3, false));
    drop(waiting.remove(1));
    assert!(has_waiter());
    pair.eof();
    assert!(!has_waiter());
    assert!(waiting.iter_mut().all(|task| task.run().is_ready()));
}
