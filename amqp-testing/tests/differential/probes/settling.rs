//! Acknowledging, refusing, recovering; and fetching, whose messages share the tags.

use amqp_spec::basic;

use crate::lab::{Client, Lab};
use crate::say::{
    ack, cancel, consume, declare, get, message, nack, passive, purge, qos, recover, reject, take,
};

probes! { "settling":
    settle_ack_unknown,
    settle_nack_unknown,
    settle_reject_unknown,
    settle_ack_twice,
    settle_ack_what_needs_none,
    settle_ack_on_another_channel,
    settle_ack_multiple_beyond_the_last,
    settle_ack_multiple_below_the_first,
    settle_ack_zero,
    settle_ack_zero_multiple,
    settle_ack_zero_multiple_of_nothing,
    settle_nack_zero_multiple_of_nothing,
    settle_reject_zero,
    settle_ack_of_some,
    settle_ack_multiple_amid,
    settle_reject_drops,
    settle_reject_requeues,
    settle_nack_drops,
    settle_nack_requeues_in_order,
    settle_nack_some_requeued_in_order,
    settle_requeued_by_several_consumers,
    settle_recover,
    settle_recover_with_consumer,
    settle_recover_async,
    settle_recover_without_requeue,
    settle_recover_async_without_requeue,
    settle_recover_of_nothing,
    settle_errors_leave_messages,
    settle_while_prefetch_is_full,
    settle_ack_frees_all_of_a_multiple,
    get_empty,
    get_missing_queue,
    get_counts_what_is_left,
    get_without_acks,
    get_and_deliver_share_tags,
    get_while_consumed,
    get_exclusively_consumed,
    get_in_one_segment,
    get_redelivered,
    get_gone_with_the_channel,
    get_not_acked_twice,
}

/// A channel, and a queue with this many messages, whose bodies are numbers.
fn filled(lab: &Lab, n_messages: u64) -> (String, Client) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let messages: Vec<_> = (1..=n_messages)
        .map(|n| message(1, "", &q, &n.to_string()))
        .collect();
    c.raw(&messages);
    c.wait_settled(1, n_messages);
    c.forget();
    (q, c)
}

/// What is filled and has been delivered.
fn delivered(lab: &Lab, n_messages: u64) -> (String, Client) {
    let (q, c) = filled(lab, n_messages);
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", usize::try_from(n_messages).unwrap());
    c.forget();
    (q, c)
}

fn settle_ack_unknown(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &ack(5, false));
    c.wait(1, "channel.close");
}

fn settle_nack_unknown(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &nack(5, false, true));
    c.wait(1, "channel.close");
}

fn settle_reject_unknown(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &reject(5, true));
    c.wait(1, "channel.close");
}

fn settle_ack_twice(lab: &Lab) {
    let (_, c) = delivered(lab, 2);
    c.send(1, &ack(1, false));
    c.send(1, &ack(1, false));
    c.wait(1, "channel.close");
}

fn settle_ack_what_needs_none(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    c.call(
        1,
        &basic::Consume {
            no_ack: true,
            ..consume(&q, "t")
        },
    );
    c.wait(1, "basic.deliver");
    c.send(1, &ack(1, false));
    c.wait(1, "channel.close");
}

fn settle_ack_on_another_channel(lab: &Lab) {
    let (_, c) = delivered(lab, 1);
    c.open_channel(2);
    c.send(2, &ack(1, false));
    c.wait(2, "channel.close");
}

fn settle_ack_multiple_beyond_the_last(lab: &Lab) {
    let (_, c) = delivered(lab, 2);
    c.send(1, &ack(3, true));
    c.wait(1, "channel.close");
}

fn settle_ack_multiple_below_the_first(lab: &Lab) {
    let (_, c) = delivered(lab, 3);
    c.send(1, &ack(2, true));
    c.send(1, &ack(1, true));
    c.wait(1, "channel.close");
}

fn settle_ack_zero(lab: &Lab) {
    let (_, c) = delivered(lab, 2);
    c.send(1, &ack(0, false));
    c.wait(1, "channel.close");
}

fn settle_ack_zero_multiple(lab: &Lab) {
    let (q, c) = delivered(lab, 3);
    c.send(1, &ack(0, true));
    c.call(1, &recover());
    c.call(1, &passive(&q));
}

fn settle_ack_zero_multiple_of_nothing(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &ack(0, true));
    c.call(1, &qos(0));
}

fn settle_nack_zero_multiple_of_nothing(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &nack(0, true, true));
    c.call(1, &qos(0));
}

fn settle_reject_zero(lab: &Lab) {
    let (_, c) = delivered(lab, 1);
    c.send(1, &reject(0, true));
    c.wait(1, "channel.close");
}

fn settle_ack_of_some(lab: &Lab) {
    let (q, c) = delivered(lab, 4);
    c.call(1, &cancel("t"));
    c.send(1, &ack(2, false));
    c.send(1, &ack(4, false));
    c.call(1, &recover());
    for _ in 0..3 {
        c.call(1, &take(&q));
    }
}

fn settle_ack_multiple_amid(lab: &Lab) {
    let (q, c) = delivered(lab, 4);
    c.call(1, &cancel("t"));
    c.send(1, &ack(1, false));
    c.send(1, &ack(3, true));
    c.call(1, &recover());
    for _ in 0..2 {
        c.call(1, &take(&q));
    }
}

fn settle_reject_drops(lab: &Lab) {
    let (q, c) = delivered(lab, 2);
    c.call(1, &cancel("t"));
    c.send(1, &reject(1, false));
    c.call(1, &recover());
    for _ in 0..2 {
        c.call(1, &take(&q));
    }
}

fn settle_reject_requeues(lab: &Lab) {
    let (_, c) = delivered(lab, 2);
    c.send(1, &reject(1, true));
    c.wait(1, "basic.deliver");
}

fn settle_nack_drops(lab: &Lab) {
    let (q, c) = delivered(lab, 3);
    c.call(1, &cancel("t"));
    c.send(1, &nack(2, true, false));
    c.call(1, &recover());
    for _ in 0..2 {
        c.call(1, &take(&q));
    }
}

fn settle_nack_requeues_in_order(lab: &Lab) {
    let (_, c) = delivered(lab, 4);
    c.send(1, &nack(4, true, true));
    c.wait_n(1, "basic.deliver", 4);
}

fn settle_nack_some_requeued_in_order(lab: &Lab) {
    let (q, c) = filled(lab, 5);
    for _ in 0..4 {
        c.call(1, &get(&q));
    }
    c.send(1, &nack(3, false, true));
    c.send(1, &nack(1, false, true));
    c.send(1, &nack(4, false, true));
    for _ in 0..5 {
        c.call(1, &take(&q));
    }
}

fn settle_requeued_by_several_consumers(lab: &Lab) {
    let (q, c) = filled(lab, 4);
    c.open_channel(2);
    c.call(1, &get(&q));
    c.call(2, &get(&q));
    c.call(1, &get(&q));
    c.send(1, &nack(2, true, true));
    c.quiet();
    c.call(1, &passive(&q));
    c.send(2, &nack(1, true, true));
    c.call(2, &take(&q));
    for _ in 0..3 {
        c.call(1, &take(&q));
    }
}

fn settle_recover(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &get(&q));
    c.call(1, &get(&q));
    c.call(1, &recover());
    for _ in 0..3 {
        c.call(1, &get(&q));
    }
}

fn settle_recover_with_consumer(lab: &Lab) {
    let (_, c) = delivered(lab, 2);
    c.call(1, &recover());
    c.wait_n(1, "basic.deliver", 2);
}

fn settle_recover_async(lab: &Lab) {
    let (_, c) = delivered(lab, 2);
    c.send(1, &basic::RecoverAsync { requeue: true });
    c.wait_n(1, "basic.deliver", 2);
}

fn settle_recover_without_requeue(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &basic::Recover { requeue: false });
    c.close_ok();
}

fn settle_recover_async_without_requeue(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &basic::RecoverAsync { requeue: false });
    c.wait(0, "connection.close");
    c.close_ok();
}

fn settle_recover_of_nothing(lab: &Lab) {
    lab.channel().call(1, &recover());
}

fn settle_errors_leave_messages(lab: &Lab) {
    let (q, c) = delivered(lab, 2);
    c.send(1, &ack(9, false));
    c.wait(1, "channel.close");
    c.open_channel(2);
    c.quiet();
    for _ in 0..3 {
        c.call(2, &take(&q));
    }
}

fn settle_while_prefetch_is_full(lab: &Lab) {
    let (q, c) = filled(lab, 4);
    c.call(1, &qos(1));
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.send(1, &reject(1, true));
    c.wait(1, "basic.deliver");
    c.send(1, &reject(2, false));
    c.wait(1, "basic.deliver");
    c.send(1, &ack(3, false));
    c.wait(1, "basic.deliver");
}

fn settle_ack_frees_all_of_a_multiple(lab: &Lab) {
    let (q, c) = filled(lab, 7);
    c.call(1, &qos(3));
    c.call(1, &consume(&q, "t"));
    c.wait_n(1, "basic.deliver", 3);
    c.send(1, &ack(2, true));
    c.wait_n(1, "basic.deliver", 2);
    c.send(1, &ack(0, true));
    c.wait_n(1, "basic.deliver", 2);
}

fn get_empty(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(1, &get(&q));
    c.call(1, &take(&q));
}

fn get_missing_queue(lab: &Lab) {
    lab.channel().call(1, &get(&lab.name("q")));
}

fn get_counts_what_is_left(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    for _ in 0..4 {
        c.call(1, &get(&q));
    }
    c.send(1, &ack(2, true));
    c.call(1, &passive(&q));
}

fn get_without_acks(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.call(1, &take(&q));
    c.send(1, &ack(1, false));
    c.wait(1, "channel.close");
}

fn get_and_deliver_share_tags(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.call(1, &get(&q));
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.call(1, &cancel("t"));
    c.send(1, &nack(2, true, true));
    c.call(1, &get(&q));
    c.call(1, &get(&q));
}

fn get_while_consumed(lab: &Lab) {
    let (q, c) = filled(lab, 3);
    c.call(1, &qos(1));
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.call(1, &get(&q));
    c.call(1, &passive(&q));
}

fn get_exclusively_consumed(lab: &Lab) {
    let (q, c) = filled(lab, 0);
    c.call(
        1,
        &basic::Consume {
            exclusive: true,
            ..consume(&q, "t")
        },
    );
    c.call(1, &get(&q));
}

fn get_in_one_segment(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    let fetch = || crate::say::method(1, &take(&q));
    c.raw(&[fetch(), fetch(), fetch()]);
    c.wait(1, "basic.get-empty");
}

fn get_redelivered(lab: &Lab) {
    let (q, c) = filled(lab, 1);
    c.call(1, &get(&q));
    c.send(1, &nack(1, false, true));
    c.call(1, &get(&q));
    c.send(1, &reject(2, true));
    c.call(1, &get(&q));
    c.call(1, &purge(&q));
}

fn get_gone_with_the_channel(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.open_channel(2);
    c.call(2, &get(&q));
    c.call(2, &amqp_spec::channel::Close::default());
    c.quiet();
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn get_not_acked_twice(lab: &Lab) {
    let (q, c) = filled(lab, 2);
    c.call(1, &get(&q));
    c.call(1, &get(&q));
    c.send(1, &ack(2, true));
    c.send(1, &nack(2, false, true));
    c.wait(1, "channel.close");
}
