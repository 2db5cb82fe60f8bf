//! Consumers: tags, prefetch, cancelling, priorities.

use std::time::Duration;

use amqp_spec::wire::ShortStr;
use amqp_spec::{basic, channel, field_table};

use crate::lab::{Client, Lab};
use crate::say::{
    ack, cancel, consume, declare, declare_with, delete, exclusive, message, message_with, nack,
    passive, qos, reject, take,
};

probes! { "consuming":
    consume_delivers,
    consume_what_is_there,
    consume_without_acks,
    consume_missing_queue,
    consume_tag_made_by_the_broker,
    consume_tag_made_without_waiting,
    consume_tag_in_use,
    consume_tag_on_two_channels,
    consume_tag_used_again,
    consume_tag_is_no_text,
    consume_without_waiting,
    consume_exclusively,
    consume_exclusively_while_consumed,
    consume_exclusively_then_cancel,
    consume_unknown_arguments,
    consume_no_local,
    consume_prefetch,
    consume_prefetch_of_nothing_is_no_limit,
    consume_prefetch_is_for_consumers_to_come,
    consume_prefetch_is_not_for_those_without_acks,
    consume_prefetch_of_the_channel,
    consume_prefetch_of_both,
    consume_prefetch_of_the_channel_raised,
    consume_prefetch_size,
    consume_prefetch_does_not_limit_fetching,
    consume_in_turns,
    consume_by_priority,
    consume_priority_of_text,
    consume_single_active,
    consume_cancelled_unknown,
    consume_cancelled_twice,
    consume_cancelled_on_another_channel,
    consume_cancelled_without_waiting,
    consume_cancelled_leaves_unacked,
    consume_queue_deleted,
    consume_queue_deleted_by_another_connection,
    consume_queue_deleted_without_capability,
    consume_queue_deleted_with_unacked,
    consume_queue_with_exclusive_owner_gone,
    consume_cancel_answered,
    consume_channel_closed_requeues,
    consume_connection_gone_requeues,
    consume_redelivered_in_order,
    consume_by_message_priority,
    consume_large_bodies_in_small_frames,
    consume_tags_count_over_consumers,
    consume_from_an_expired_message,
}

/// A channel, and a queue with this many messages, whose bodies are numbers.
fn filled(lab: &Lab, n_messages: u64) -> (String, Client) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    fill(&c, &q, n_messages);
    (q, c)
}

fn fill(c: &Client, q: &str, n_messages: u64) {
    let messages: Vec<_> = (1..=n_messages)
        .map(|n| message(1, "", q, &n.to_string()))
        .collect();
    c.raw(&messages);
    c.wait_settled(1, n_messages);
    c.forget();
}

fn consume_delivers(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    c.open_channel(2);
    c.raw(&[message(2, "", &q, "one"), message(2, "", &q, "two")]);
    c.wait_n(1, "basic.deliver", 2);
    c.send(1, &ack(2, true));
    c.call(1, &passive(&q));
}

fn consume_what_is_there(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 3);
}

fn no_ack<'a>(queue: &'a str, tag: &'a str) -> basic::Consume<'a> {
    basic::Consume {
        no_ack: true,
        ..consume(queue, tag)
    }
}

fn consume_without_acks(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &no_ack(&q, "t"));
    c.wait_n(1, "basic.deliver", 3);
    c.call(1, &cancel("t"));
    c.call(1, &crate::say::recover());
    c.call(1, &passive(&q));
}

fn consume_missing_queue(lab: &Lab) {
    lab.channel().call(1, &consume(&lab.name("q"), "t"));
}

fn consume_tag_made_by_the_broker(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    c.call(1, &consume(&q, ""));
    c.wait(1, "basic.deliver");
    c.call(1, &consume(&q, ""));
}

fn consume_tag_made_without_waiting(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    c.send(
        1,
        &basic::Consume {
            no_wait: true,
            ..consume(&q, "")
        },
    );
    c.wait(1, "basic.deliver");
}

fn consume_tag_in_use(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.call(1, &consume(&q, "t"));
    c.close_ok();
}

fn consume_tag_on_two_channels(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.open_channel(2);
    c.call(1, &consume(&q, "t"));
    c.call(2, &consume(&q, "t"));
    c.call(2, &passive(&q));
}

fn consume_tag_used_again(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.call(1, &cancel("t"));
    c.call(1, &consume(&q, "t"));
    c.send(1, &reject(1, true));
    c.wait(1, "basic.deliver");
}

fn consume_tag_is_no_text(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    let odd = basic::Consume {
        consumer_tag: ShortStr::new(b"t\xff").unwrap(),
        ..consume(&q, "")
    };
    c.call(1, &odd);
    c.close_ok();
}

fn consume_without_waiting(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.send(
        1,
        &basic::Consume {
            no_wait: true,
            ..consume(&q, "t")
        },
    );
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &passive(&q));
}

fn exclusively<'a>(queue: &'a str, tag: &'a str) -> basic::Consume<'a> {
    basic::Consume {
        exclusive: true,
        ..consume(queue, tag)
    }
}

fn consume_exclusively(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.channel(), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &exclusively(&q, "t"));
    other.call(1, &consume(&q, "t"));
}

fn consume_exclusively_while_consumed(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.call(1, &exclusively(&q, "u"));
}

fn consume_exclusively_then_cancel(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &exclusively(&q, "t"));
    c.call(1, &cancel("t"));
    c.call(1, &consume(&q, "u"));
}

fn consume_unknown_arguments(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    let arguments = field_table! { "x-nothing" => 1i32, "n" => "m" };
    c.call(
        1,
        &basic::Consume {
            arguments: arguments.as_ref(),
            ..consume(&q, "t")
        },
    );
    c.wait(1, "basic.deliver");
}

fn consume_no_local(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    c.call(
        1,
        &basic::Consume {
            no_local: true,
            ..consume(&q, "t")
        },
    );
    c.wait(1, "basic.deliver");
}

fn consume_prefetch(lab: &Lab) {
    let (q, c) = filled(lab, 5);
    c.call(1, &qos(2));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.quiet();
    c.send(1, &ack(1, false));
    c.wait(1, "basic.deliver");
    c.quiet();
    c.send(1, &ack(3, true));
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &passive(&q));
}

fn consume_prefetch_of_nothing_is_no_limit(lab: &Lab) {
    let (q, c) = filled(lab, 20);
    c.call(1, &qos(1));
    c.call(1, &qos(0));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 20);
}

fn consume_prefetch_is_for_consumers_to_come(lab: &Lab) {
    let (q, c) = filled(lab, 6);
    c.call(1, &qos(2));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &qos(3));
    c.quiet();
    c.call(1, &consume(&q, "u"));
    c.wait_n(1, "basic.deliver", 3);
    c.call(1, &passive(&q));
}

fn consume_prefetch_is_not_for_those_without_acks(lab: &Lab) {
    let (q, c) = filled(lab, 5);
    c.call(1, &qos(2));
    c.call(1, &no_ack(&q, "t"));
    c.wait_n(1, "basic.deliver", 5);
}

fn of_channel(prefetch_count: u16) -> basic::Qos {
    basic::Qos {
        global: true,
        ..qos(prefetch_count)
    }
}

fn consume_prefetch_of_the_channel(lab: &Lab) {
    let (q, c) = filled(lab, 6);
    c.call(1, &of_channel(3));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 3);
    c.call(1, &consume(&q, "u"));
    c.quiet();
    c.call(1, &cancel("t"));
    c.send(1, &ack(3, true));
    c.wait_n(1, "basic.deliver", 3);
    c.call(1, &passive(&q));
}

fn consume_prefetch_of_both(lab: &Lab) {
    let (q, c) = filled(lab, 6);
    c.call(1, &of_channel(3));
    c.call(1, &qos(2));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.quiet();
    c.call(1, &consume(&q, "u"));
    c.wait_n(1, "basic.deliver", 2);
    c.quiet();
    c.call(1, &passive(&q));
}

fn consume_prefetch_of_the_channel_raised(lab: &Lab) {
    let (q, c) = filled(lab, 6);
    c.call(1, &of_channel(2));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &of_channel(4));
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &of_channel(0));
    c.wait_n(1, "basic.deliver", 2);
}

fn consume_prefetch_size(lab: &Lab) {
    let c = lab.channel();
    let sized = basic::Qos {
        prefetch_size: 1,
        ..qos(0)
    };
    c.call(1, &sized);
    c.close_ok();
}

fn consume_prefetch_does_not_limit_fetching(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &of_channel(1));
    c.call(1, &crate::say::get(&q));
    c.call(1, &crate::say::get(&q));
    c.call(1, &crate::say::get(&q));
}

fn consume_in_turns(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.open_channel(2);
    c.open_channel(3);
    c.call(2, &no_ack(&q, "t"));
    c.call(3, &no_ack(&q, "u"));
    for n in 1..=4 {
        c.raw(&[message(1, "", &q, &n.to_string())]);
        let turn = if n % 2 == 1 { 2 } else { 3 };
        c.wait(turn, "basic.deliver");
    }
}

fn consume_by_priority(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    let arguments = field_table! { "x-priority" => 10i32 };
    c.call(1, &qos(2));
    c.call(1, &consume(&q, "low"));
    c.call(
        1,
        &basic::Consume {
            arguments: arguments.as_ref(),
            ..consume(&q, "high")
        },
    );
    c.open_channel(2);
    for n in 1..=4 {
        c.raw(&[message(2, "", &q, &n.to_string())]);
        c.wait(1, "basic.deliver");
    }
}

fn consume_priority_of_text(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    let arguments = field_table! { "x-priority" => "high" };
    c.call(
        1,
        &basic::Consume {
            arguments: arguments.as_ref(),
            ..consume(&q, "t")
        },
    );
}

fn consume_single_active(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    let arguments = field_table! { "x-single-active-consumer" => true };
    c.call(1, &declare_with(&q, &arguments));
    c.call(1, &no_ack(&q, "t"));
    c.call(1, &no_ack(&q, "u"));
    c.open_channel(2);
    c.raw(&[message(2, "", &q, "one"), message(2, "", &q, "two")]);
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &cancel("t"));
    c.raw(&[message(2, "", &q, "three")]);
    c.wait(1, "basic.deliver");
    c.call(1, &passive(&q));
}

fn consume_cancelled_unknown(lab: &Lab) {
    lab.channel().call(1, &cancel("nosuch"));
}

fn consume_cancelled_twice(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.call(1, &cancel("t"));
    c.call(1, &cancel("t"));
}

fn consume_cancelled_on_another_channel(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.open_channel(2);
    c.call(2, &cancel("t"));
    c.call(2, &passive(&q));
}

fn consume_cancelled_without_waiting(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.send(
        1,
        &basic::Cancel {
            no_wait: true,
            ..cancel("t")
        },
    );
    c.quiet();
    c.call(1, &passive(&q));
}

fn consume_cancelled_leaves_unacked(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &cancel("t"));
    c.call(1, &passive(&q));
    c.send(1, &ack(1, false));
    c.send(1, &nack(2, false, true));
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn consume_queue_deleted(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.open_channel(2);
    c.call(2, &delete(&q));
    c.wait(1, "basic.cancel");
    c.call(1, &qos(0));
}

fn consume_queue_deleted_by_another_connection(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.channel(), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &consume(&q, "u"));
    other.call(1, &delete(&q));
    c.wait_n(1, "basic.cancel", 2);
}

fn consume_queue_deleted_without_capability(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.open_plainly());
    c.open_channel(1);
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &delete(&q));
    c.quiet();
    c.call(1, &qos(0));
}

fn consume_queue_deleted_with_unacked(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.open_channel(2);
    c.call(2, &delete(&q));
    c.wait(1, "basic.cancel");
    c.send(1, &ack(1, false));
    c.send(1, &nack(2, false, true));
    c.call(1, &qos(0));
}

fn consume_queue_with_exclusive_owner_gone(lab: &Lab) {
    let (q, owner, c) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    owner.call(1, &consume(&q, "t"));
    owner.close();
    c.quiet();
    c.call(1, &exclusive(&q));
}

fn consume_cancel_answered(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &consume(&q, "t"));
    c.call(1, &delete(&q));
    c.wait(1, "basic.cancel");
    let answer = basic::CancelOk {
        consumer_tag: crate::say::short("t"),
    };
    c.send(1, &answer);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn consume_channel_closed_requeues(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &qos(2));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    c.call(1, &channel::Close::default());
    c.open_channel(2);
    c.quiet();
    for _ in 0..4 {
        c.call(2, &take(&q));
    }
}

fn consume_connection_gone_requeues(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 2);
    let other = lab.channel();
    c.hang_up();
    other.pass(Duration::from_secs(1));
    for _ in 0..3 {
        other.call(1, &take(&q));
    }
}

fn consume_redelivered_in_order(lab: &Lab) {
    let (q, c) = filled(lab, 4);
    c.call(1, &qos(3));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 3);
    c.send(1, &nack(3, true, true));
    c.wait_n(1, "basic.deliver", 3);
    c.send(1, &reject(5, true));
    c.wait(1, "basic.deliver");
}

fn consume_by_message_priority(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! { "x-max-priority" => 5i32 };
    c.call(1, &declare_with(&q, &arguments));
    for (n, priority) in [None, Some(3), Some(1), Some(3), Some(9), Some(5)]
        .iter()
        .enumerate()
    {
        let properties = basic::Properties::new();
        let properties = match priority {
            Some(priority) => properties.priority(*priority),
            None => properties,
        };
        c.raw(&[message_with(1, "", &q, &properties, &n.to_string())]);
    }
    c.wait_settled(1, 6);
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 6);
}

fn consume_large_bodies_in_small_frames(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    let small = amqp_spec::connection::TuneOk {
        frame_max: 4096,
        ..crate::say::tune_ok()
    };
    let reader = lab.open_with("guest", "guest", &small);
    reader.open_channel(1);
    reader.call(1, &consume(&q, "t"));
    c.raw(&[
        message(1, "", &q, &"x".repeat(10_000)),
        message(1, "", &q, &"y".repeat(4088)),
    ]);
    reader.wait_n(1, "basic.deliver", 2);
}

fn consume_tags_count_over_consumers(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &no_ack(&q, "t"));
    c.wait_n(1, "basic.deliver", 3);
    c.call(1, &cancel("t"));
    c.call(1, &consume(&q, "u"));
    c.open_channel(2);
    c.raw(&[message(2, "", &q, "four")]);
    c.wait(1, "basic.deliver");
}

fn consume_from_an_expired_message(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! { "x-message-ttl" => 1500i32 };
    c.call(1, &declare_with(&q, &arguments));
    c.raw(&[message(1, "", &q, "expires")]);
    c.wait_settled(1, 1);
    c.pass(Duration::from_secs(2));
    c.raw(&[message(1, "", &q, "fresh")]);
    c.wait_settled(1, 2);
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
}
