//! Publisher confirms: every publish ends as the broker said, and leaves nothing behind.

use std::collections::BTreeMap;

use amqp_spec::basic::{Properties, PropertiesRef};
use amqp_spec::field_table;
use amqp_spec::wire::FieldTable;

use crate::error::{ChannelError, ConnectionError, PublishError};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::random::Random;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::tests::support::wire::{ack, nack};
use crate::{Confirmation, Message, Publisher};

type Outcome = Result<(), PublishError>;

/// Sends so many messages, whose confirmations are waited for.
fn send(publisher: &Publisher, n: usize) -> Vec<Task<'static, Outcome>> {
    (0..n)
        .map(|_| Task::start(confirmation(publisher, "key", "body")))
        .collect()
}

#[track_caller]
fn confirmation(publisher: &Publisher, key: &str, body: &str) -> Confirmation {
    done(publisher.send("", key, Message::new(body.to_owned()))).unwrap()
}

/// An outcome in a word.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(()) => "acked",
        Err(PublishError::Nacked) => "nacked",
        Err(PublishError::Returned(_)) => "returned",
        Err(PublishError::Uncertain(_)) => "uncertain",
        Err(PublishError::NotSent(_)) => "not sent",
        Err(PublishError::Refused(_)) => "refused",
    }
}

/// What is known of each now; `-` if nothing.
fn words(tasks: &mut [Task<'static, Outcome>]) -> Vec<&'static str> {
    let word = |task: &mut Task<'static, Outcome>| match task.run() {
        std::task::Poll::Ready(outcome) => word(&outcome),
        std::task::Poll::Pending => "-",
    };
    tasks.iter_mut().map(word).collect()
}

/// What becomes of four publishes when the broker says this.
fn after(answers: &[Vec<u8>]) -> Vec<&'static str> {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut tasks = send(&publisher, 4);
    pair.sent();
    pair.feed(&answers.concat());
    let words = words(&mut tasks);
    drop(tasks);
    pair.feed(&ack(1, 0, true));
    assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
    words
}

#[test]
fn acks_in_order() {
    assert_eq!(after(&[ack(1, 1, false)]), ["acked", "-", "-", "-"]);
    assert_eq!(
        after(&[ack(1, 1, false), ack(1, 2, false)]),
        ["acked", "acked", "-", "-"]
    );
}

#[test]
fn acks_out_of_order() {
    assert_eq!(after(&[ack(1, 3, false)]), ["-", "-", "acked", "-"]);
    assert_eq!(
        after(&[ack(1, 4, false), ack(1, 2, false), ack(1, 1, false)]),
        ["acked", "acked", "-", "acked"]
    );
}

#[test]
fn multiple_covers_everything_below() {
    assert_eq!(after(&[ack(1, 3, true)]), ["acked", "acked", "acked", "-"]);
    assert_eq!(
        after(&[ack(1, 2, false), ack(1, 3, true)]),
        ["acked", "acked", "acked", "-"]
    );
}

#[test]
fn multiple_zero_covers_everything_so_far() {
    assert_eq!(after(&[ack(1, 0, true)]), ["acked"; 4]);
    assert_eq!(after(&[nack(1, 0, true)]), ["nacked"; 4]);
}

#[test]
fn nacks_are_told_from_acks() {
    assert_eq!(after(&[nack(1, 1, false)]), ["nacked", "-", "-", "-"]);
    assert_eq!(after(&[nack(1, 2, false)]), ["-", "nacked", "-", "-"]);
    assert_eq!(
        after(&[nack(1, 2, true), ack(1, 3, false)]),
        ["nacked", "nacked", "acked", "-"]
    );
    assert_eq!(
        after(&[ack(1, 2, false), nack(1, 3, true), ack(1, 4, true)]),
        ["nacked", "acked", "nacked", "acked"]
    );
    assert_eq!(
        after(&[nack(1, 2, false), ack(1, 3, true)]),
        ["acked", "nacked", "acked", "-"]
    );
}

#[test]
fn answers_for_numbers_never_published_change_nothing() {
    for number in [0, 5, 6, u64::MAX] {
        assert_eq!(after(&[ack(1, number, false)]), ["-"; 4]);
        assert_eq!(after(&[nack(1, number, false)]), ["-"; 4]);
    }
    assert_eq!(after(&[ack(1, 5, true)]), ["-"; 4]);
    assert_eq!(after(&[nack(1, u64::MAX, true)]), ["-"; 4]);
}

#[test]
fn answer_ahead_of_its_publish_does_not_count() {
    for early in [ack(1, 2, false), ack(1, 2, true), nack(1, 2, false)] {
        let (mut pair, publisher) = Pair::with_publisher();
        let mut first = Task::start(confirmation(&publisher, "key", "body"));
        pair.sent();
        pair.feed(&early);
        let mut second = Task::start(confirmation(&publisher, "key", "body"));
        first.pending();
        second.pending();
        pair.feed(&ack(1, 2, true));
        first.ready().unwrap();
        second.ready().unwrap();
    }
}

#[test]
fn second_answer_changes_nothing() {
    assert_eq!(
        after(&[ack(1, 1, false), nack(1, 1, false)]),
        ["acked", "-", "-", "-"]
    );
    assert_eq!(
        after(&[nack(1, 2, false), ack(1, 2, false)]),
        ["-", "nacked", "-", "-"]
    );
    assert_eq!(
        after(&[ack(1, 3, false), nack(1, 3, false), nack(1, 3, true)]),
        ["nacked", "nacked", "acked", "-"]
    );
}

#[test]
fn outcome_waits_for_whoever_asks_late() {
    let (mut pair, publisher) = Pair::with_publisher();
    let confirmations: Vec<_> = (0..4)
        .map(|_| confirmation(&publisher, "key", "body"))
        .collect();
    pair.sent();
    let answers = [ack(1, 1, false), nack(1, 3, false), nack(1, 2, false)];
    pair.feed(&answers.concat());
    let mut tasks: Vec<_> = confirmations.into_iter().map(Task::new).collect();
    assert_eq!(words(&mut tasks), ["acked", "nacked", "nacked", "-"]);
}

#[test]
fn numbers_are_assigned_in_wire_order() {
    let (mut pair, publisher) = Pair::with_publisher();
    let numbers: Vec<u64> = (0..3)
        .map(|_| confirmation(&publisher, "key", "body").sequence_number())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(pair.sent().len(), 9);
}

#[test]
fn publishes_without_confirmation_are_numbered_all_the_same() {
    let (mut pair, publisher) = Pair::with_publisher();
    let message = Message::new("plain");
    done(publisher.channel().basic_publish("", "key", &message)).unwrap();
    let mut task = Task::start(confirmation(&publisher, "key", "body"));
    pair.sent();
    pair.feed(&ack(1, 1, false));
    task.pending();
    pair.feed(&ack(1, 2, false));
    task.ready().unwrap();
}

#[test]
fn abandoned_confirmations_leave_nothing_behind() {
    let (mut pair, publisher) = Pair::with_publisher();
    let leftovers = || publisher.channel().shared().confirms().leftovers();
    // Dropped before the answer, and after it; each kind of answer.
    for late in [false, true] {
        let first = pair_numbers(&publisher);
        let mut confirmations: Vec<_> = (0..4)
            .map(|n| confirmation(&publisher.clone().mandatory(), "key", &format!("{n}{late}")))
            .collect();
        if !late {
            confirmations.clear();
        }
        pair.sent();
        let answers = [
            nack(1, first + 2, false),
            wire::returned(1, "key", format!("3{late}").as_bytes()),
            ack(1, first + 3, false),
            nack(1, first, false),
            ack(1, first + 1, false),
        ];
        pair.feed(&answers.concat());
        drop(confirmations);
        assert_eq!(leftovers(), (0, 0));
    }
}

/// The number of the next publish.
fn pair_numbers(publisher: &Publisher) -> u64 {
    let id = publisher.channel().id();
    publisher
        .channel()
        .shared()
        .connection
        .outbox()
        .channels()
        .published(id)
        + 1
}

#[test]
fn refusals_that_nobody_asks_about_leave_nothing_behind() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel();
    let message = Message::new("plain");
    let empty = PropertiesRef::EMPTY;
    let prepared = channel.prepare("", "key", empty).unwrap();
    for _ in 0..100 {
        done(channel.basic_publish("", "key", &message)).unwrap();
        done(channel.basic_publish_body("", "key", empty, b"body")).unwrap();
        done(prepared.publish(b"body")).unwrap();
    }
    pair.sent();
    pair.feed(&nack(1, 300, false));
    pair.feed(&nack(1, 0, true));
    assert_eq!(channel.shared().confirms().leftovers(), (0, 0));
}

#[test]
fn returned_message_belongs_to_its_own_publish() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mandatory = publisher.mandatory();
    let mut tasks: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|body| Task::start(confirmation(&mandatory, "key", body)))
        .collect();
    assert!(
        pair.sent()
            .contains(&"1 basic.publish key mandatory".to_owned())
    );
    pair.feed(&[wire::returned(1, "key", b"b"), ack(1, 3, true)].concat());
    tasks.remove(0).ready().unwrap();
    match tasks.remove(0).ready() {
        Err(error @ PublishError::Returned(_)) => {
            let told = "message returned by the broker: 312 NO_ROUTE (there is no queue 'key')";
            assert_eq!(error.to_string(), told);
            let PublishError::Returned(returned) = error else {
                unreachable!("it has just been one");
            };
            assert_eq!(returned.reply_code.0, 312);
            assert_eq!(returned.reply_text, "NO_ROUTE");
            assert_eq!(returned.routing_key(), "key");
            assert_eq!(returned.body(), b"b");
        }
        other => panic!("{other:?}"),
    }
    tasks.remove(0).ready().unwrap();
}

#[test]
fn returned_message_that_is_large_belongs_to_its_own_publish() {
    let (mut pair, publisher) = Pair::with_publisher();
    let body = "x".repeat(300_000);
    let mut task = Task::start(confirmation(&publisher.mandatory(), "key", &body));
    pair.sent();
    for piece in wire::returned(1, "key", body.as_bytes()).chunks(1000) {
        pair.feed(piece);
    }
    task.pending();
    pair.feed(&ack(1, 1, false));
    assert_eq!(word(&task.ready()), "returned");
}

#[test]
fn of_messages_alike_the_confirmed_ones_are_not_taken_for_the_returned() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mandatory = publisher.mandatory();
    let alike = || Task::start(confirmation(&mandatory, "key", "same"));
    // In order: the queue was there for the first and not for the second.
    let mut tasks = vec![alike(), alike()];
    pair.sent();
    pair.feed(
        &[
            ack(1, 1, false),
            wire::returned(1, "key", b"same"),
            ack(1, 2, false),
        ]
        .concat(),
    );
    assert_eq!(words(&mut tasks), ["acked", "returned"]);
    // Answered ahead of others.
    let mut tasks = vec![
        Task::start(confirmation(&mandatory, "key", "other")),
        alike(),
        alike(),
    ];
    pair.sent();
    pair.feed(
        &[
            ack(1, 4, false),
            wire::returned(1, "key", b"same"),
            ack(1, 5, false),
        ]
        .concat(),
    );
    pair.feed(&ack(1, 3, false));
    assert_eq!(words(&mut tasks), ["acked", "acked", "returned"]);
}

#[test]
fn messages_that_differ_in_their_headers_alone_are_told_apart() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mandatory = publisher.mandatory();
    let send = |headers: &FieldTable| {
        let message = Message::new("same").headers(headers);
        Task::start(done(mandatory.send("", "key", message)).unwrap())
    };
    // A headers exchange routes the first and not the second.
    let second = field_table! { "kind" => "b", "n" => 2 };
    let mut tasks = vec![send(&field_table! { "kind" => "a" }), send(&second)];
    pair.sent();
    let properties = Properties::new().headers(second.as_ref());
    let returned = wire::returned_with(1, "key", properties.as_ref(), b"same");
    pair.feed(&[returned, ack(1, 2, true)].concat());
    assert_eq!(words(&mut tasks), ["acked", "returned"]);
    // A broker that has changed the order of the headers is understood as well.
    let mut tasks = vec![send(&second)];
    pair.sent();
    let sorted = field_table! { "n" => 2, "kind" => "b" };
    let properties = Properties::new().headers(sorted.as_ref());
    let returned = wire::returned_with(1, "key", properties.as_ref(), b"same");
    pair.feed(&[returned, ack(1, 3, false)].concat());
    assert_eq!(words(&mut tasks), ["returned"]);
}

#[test]
fn returned_message_of_nobody_is_dropped() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut task = Task::start(confirmation(&publisher, "key", "body"));
    pair.sent();
    pair.feed(&[wire::returned(1, "other", b"unknown"), ack(1, 1, false)].concat());
    task.ready().unwrap();
}

#[test]
fn end_of_the_channel_leaves_publishes_uncertain() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut tasks = send(&publisher, 4);
    let unseen = confirmation(&publisher, "key", "body");
    pair.sent();
    pair.feed(&[ack(1, 2, false), wire::channel_close(1)].concat());
    for (number, task) in (1..).zip(&mut tasks) {
        let outcome = task.ready();
        if number == 2 {
            outcome.unwrap();
            continue;
        }
        match outcome {
            Err(PublishError::Uncertain(cause)) => {
                assert_eq!(cause.reply_code().unwrap().0, 404);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(word(&done(unseen)), "uncertain");
    let refused = done(publisher.send("", "key", Message::new("late"))).unwrap_err();
    assert!(matches!(refused, PublishError::NotSent(_)));
}

#[test]
fn end_of_the_connection_leaves_publishes_uncertain() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut tasks = send(&publisher, 2);
    pair.sent();
    pair.eof();
    for task in &mut tasks {
        assert!(matches!(
            task.ready(),
            Err(PublishError::Uncertain(ChannelError::Connection(
                ConnectionError::EndOfStream
            )))
        ));
    }
}

#[test]
fn confirms_of_one_channel_do_not_concern_another() {
    let (mut pair, first) = Pair::with_publisher();
    let second = pair.publisher();
    let mut a = send(&first, 2);
    let mut b = send(&second, 2);
    pair.sent();
    let answers = [
        ack(2, 1, false),
        nack(1, 1, false),
        ack(2, 2, false),
        ack(1, 2, false),
    ];
    pair.feed(&answers.concat());
    assert_eq!(words(&mut a), ["nacked", "acked"]);
    assert_eq!(words(&mut b), ["acked", "acked"]);
}

/// The broker of the model: what is unanswered, and what was said of the rest.
#[derive(Default)]
struct Model {
    unanswered: BTreeMap<u64, bool>,
    said: BTreeMap<u64, &'static str>,
}

impl Model {
    /// Answers at random; returns the octets.
    fn answer(&mut self, random: &mut Random) -> Vec<u8> {
        let Some((&first, _)) = self.unanswered.first_key_value() else {
            return Vec::new();
        };
        let window = self.unanswered.len().min(100);
        let at = random.index(window);
        let (&number, &mandatory) = self.unanswered.iter().nth(at).unwrap();
        let unroutable = mandatory && random.below(2) == 0;
        if unroutable {
            self.say(number, false, "returned");
            let body = number.to_string();
            return [
                wire::returned(1, "key", body.as_bytes()),
                ack(1, number, false),
            ]
            .concat();
        }
        match random.below(20) {
            0..=6 => {
                self.say(number, false, "acked");
                ack(1, number, false)
            }
            7..=12 => {
                self.say(first, false, "acked");
                ack(1, first, false)
            }
            13..=15 => {
                self.say(number, true, "acked");
                ack(1, number, true)
            }
            16 => {
                self.say(number, false, "nacked");
                nack(1, number, false)
            }
            17 => {
                self.say(number, true, "nacked");
                nack(1, number, true)
            }
            18 if random.below(10) == 0 => {
                self.say(u64::MAX, true, "acked");
                ack(1, 0, true)
            }
            // Again for something answered before, or never published.
            _ if self.said.contains_key(&(number - 1)) => nack(1, number - 1, false),
            _ => ack(1, number + 1_000_000, random.below(2) == 0),
        }
    }

    fn say(&mut self, number: u64, multiple: bool, outcome: &'static str) {
        let answered: Vec<u64> = if multiple {
            self.unanswered.range(..=number).map(|(&n, _)| n).collect()
        } else {
            vec![number]
        };
        for number in answered {
            self.unanswered.remove(&number);
            self.said.insert(number, outcome);
        }
    }
}

#[test]
fn f23_every_outcome_equals_the_model() {
    const PUBLISHES: u64 = 200_000;
    let mut random = Random::new(7);
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
    let publisher = pair.publisher();
    let mandatory = publisher.clone().mandatory();
    let mut model = Model::default();
    let mut waiting: Vec<(u64, Task<'static, Outcome>)> = Vec::new();
    let mut published = 0;
    let mut checked = 0;
    let mut abandoned = 0;
    while checked + abandoned < PUBLISHES {
        // Some publishes, by some tasks; a few of them do not care, or not yet.
        for _ in 0..random.below(200).min(PUBLISHES - published) {
            published += 1;
            let returnable = random.below(10) == 0;
            let publisher = if returnable { &mandatory } else { &publisher };
            let confirmation = confirmation(publisher, "key", &published.to_string());
            assert_eq!(confirmation.sequence_number(), published);
            model.unanswered.insert(published, returnable);
            let mut task = Task::new(confirmation);
            if random.below(3) > 0 {
                assert!(task.poll().is_pending());
            }
            waiting.push((published, task));
        }
        drop(pair.sent_octets());
        let mut answers = Vec::new();
        for _ in 0..random.below(40) {
            answers.extend(model.answer(&mut random));
        }
        if published == PUBLISHES && random.below(50) == 0 {
            model.say(u64::MAX, true, "acked");
            answers.extend(ack(1, 0, true));
        }
        pair.feed(&answers);
        // Whoever was called looks, and some who were not; some go away.
        waiting.retain_mut(|(number, task)| {
            if random.below(50) == 0 {
                abandoned += 1;
                return false;
            }
            match task.run() {
                std::task::Poll::Pending => {
                    assert!(!model.said.contains_key(number), "not told: {number}");
                    true
                }
                std::task::Poll::Ready(outcome) => {
                    assert_eq!(word(&outcome), model.said[number], "{number}");
                    if let Err(PublishError::Returned(returned)) = outcome {
                        assert_eq!(returned.body(), number.to_string().as_bytes());
                    }
                    checked += 1;
                    false
                }
            }
        });
    }
    assert!(checked > PUBLISHES / 2, "{checked}");
    assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
}
