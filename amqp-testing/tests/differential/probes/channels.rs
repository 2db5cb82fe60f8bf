//! Opening and closing channels and connections.

use amqp_spec::{channel, connection};

use crate::lab::Lab;
use crate::say::{declare, message, method, passive, qos, short, take};

probes! { "channels":
    channel_opened,
    channel_opened_twice,
    channel_opened_in_any_order,
    channel_closed,
    channel_closed_twice,
    channel_closed_and_opened,
    channel_closed_with_odd_code,
    channel_closed_with_a_long_text,
    channel_closed_behind_publishes,
    channel_not_open_closed,
    channel_used_after_its_close,
    channel_opened_before_close_ok,
    channel_closed_by_the_broker_is_silent,
    channel_closed_by_the_broker_publishes_dropped,
    channel_closed_by_both,
    channel_close_ok_never_sent,
    channel_flow_on,
    channel_flow_off,
    channel_flow_ok_from_the_client,
    channel_max_reached,
    channel_max_reached_and_one_closed,
    channel_id_above_the_maximum,
    connection_closed,
    connection_closed_twice,
    connection_closed_with_unacked,
    connection_closed_behind_publishes,
    connection_closed_behind_an_error,
    connection_closed_after_the_brokers_close,
    connection_close_answered_late,
    connection_used_after_its_close,
}

fn channel_opened(lab: &Lab) {
    let c = lab.open();
    c.call(1, &channel::Open {});
    c.call(2, &channel::Open {});
}

fn channel_opened_twice(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &channel::Open {});
    c.wait(0, "connection.close");
    c.close_ok();
}

fn channel_opened_in_any_order(lab: &Lab) {
    let c = lab.open();
    for id in [7, 3, 2047, 1] {
        c.call(id, &channel::Open {});
        c.call(id, &declare(""));
    }
}

fn close() -> channel::Close<'static> {
    channel::Close {
        reply_code: 200,
        reply_text: short("bye"),
        ..Default::default()
    }
}

fn channel_closed(lab: &Lab) {
    lab.channel().call(1, &close());
}

fn channel_closed_twice(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[method(1, &close()), method(1, &close())]);
    c.wait_any(1);
    c.wait_any(1);
}

fn channel_closed_and_opened(lab: &Lab) {
    let c = lab.channel();
    for _ in 0..3 {
        c.call(1, &close());
        c.call(1, &channel::Open {});
        c.call(1, &declare(""));
    }
}

fn channel_closed_with_odd_code(lab: &Lab) {
    let c = lab.channel();
    c.call(
        1,
        &channel::Close {
            reply_code: 0,
            ..close()
        },
    );
    c.open_channel(1);
    c.call(
        1,
        &channel::Close {
            reply_code: 65535,
            ..close()
        },
    );
}

fn channel_closed_with_a_long_text(lab: &Lab) {
    let text = "x".repeat(255);
    lab.channel().call(
        1,
        &channel::Close {
            reply_text: short(&text),
            ..close()
        },
    );
}

fn channel_closed_behind_publishes(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.open_channel(2);
    c.raw(&[
        message(1, "", &q, "one"),
        message(1, "", &q, "two"),
        method(1, &close()),
    ]);
    c.wait(1, "channel.close-ok");
    for _ in 0..3 {
        c.call(2, &take(&q));
    }
}

fn channel_not_open_closed(lab: &Lab) {
    let c = lab.open();
    c.call(5, &close());
    c.close_ok();
}

fn channel_used_after_its_close(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &close());
    c.send(1, &qos(1));
    c.wait(0, "connection.close");
    c.close_ok();
}

fn channel_opened_before_close_ok(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &passive(&lab.name("q")));
    c.send(1, &channel::Open {});
    c.wait(0, "connection.close");
    c.close_ok();
}

fn channel_closed_by_the_broker_is_silent(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &passive(&q));
    c.send(1, &qos(1));
    c.send(1, &declare(&q));
    c.send(1, &channel::CloseOk {});
    c.open_channel(1);
    c.call(1, &passive(&q));
}

fn channel_closed_by_the_broker_publishes_dropped(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.open_channel(2);
    c.call(2, &declare(&q));
    c.call(1, &passive(&lab.name("r")));
    c.raw(&[
        message(1, "", &q, "dropped"),
        method(1, &channel::CloseOk {}),
    ]);
    c.open_channel(1);
    c.call(1, &take(&q));
}

fn channel_closed_by_both(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &passive(&lab.name("q")));
    c.call(1, &close());
    c.send(1, &channel::CloseOk {});
    c.open_channel(1);
    c.call(1, &declare(""));
}

fn channel_close_ok_never_sent(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &passive(&lab.name("q")));
    c.open_channel(2);
    c.call(2, &declare(""));
    c.close();
}

fn channel_flow_on(lab: &Lab) {
    lab.channel().call(1, &channel::Flow { active: true });
}

fn channel_flow_off(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &channel::Flow { active: false });
    c.close_ok();
}

fn channel_flow_ok_from_the_client(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &channel::FlowOk { active: true });
    c.wait(0, "connection.close");
    c.close_ok();
}

/// Of this many channels.
fn with_channel_max(channel_max: u16) -> connection::TuneOk {
    connection::TuneOk {
        channel_max,
        ..crate::say::tune_ok()
    }
}

fn channel_max_reached(lab: &Lab) {
    let c = lab.open_with("guest", "guest", &with_channel_max(2));
    c.call(1, &channel::Open {});
    c.call(2, &channel::Open {});
    c.call(3, &channel::Open {});
    c.close_ok();
}

fn channel_max_reached_and_one_closed(lab: &Lab) {
    let c = lab.open_with("guest", "guest", &with_channel_max(2));
    c.call(1, &channel::Open {});
    c.call(2, &channel::Open {});
    c.call(1, &close());
    c.call(3, &channel::Open {});
    c.leave();
}

fn channel_id_above_the_maximum(lab: &Lab) {
    let c = lab.open_with("guest", "guest", &with_channel_max(2));
    c.call(9000, &channel::Open {});
    c.call(9000, &declare(""));
}

fn connection_closed(lab: &Lab) {
    lab.channel().close();
}

fn connection_closed_twice(lab: &Lab) {
    let c = lab.channel();
    let close = || method(0, &connection::Close::default());
    c.raw(&[close(), close()]);
    c.wait_any(0);
    c.wait_any(0);
}

fn connection_closed_with_unacked(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.confirming(), lab.channel());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &crate::say::get(&q));
    c.close();
    other.quiet();
    other.call(1, &take(&q));
}

fn connection_closed_behind_publishes(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.channel(), lab.channel());
    c.call(1, &declare(&q));
    c.raw(&[
        message(1, "", &q, "one"),
        message(1, "", &q, "two"),
        method(0, &connection::Close::default()),
    ]);
    c.wait(0, "connection.close-ok");
    other.quiet();
    for _ in 0..3 {
        other.call(1, &take(&q));
    }
}

fn connection_closed_behind_an_error(lab: &Lab) {
    let c = lab.channel();
    // It is answered if it comes late, as a race.
    lab.perhaps("connection.close-ok");
    c.raw(&[
        method(1, &channel::Open {}),
        method(0, &connection::Close::default()),
    ]);
    c.wait(0, "connection.close");
    c.quiet();
    c.close_ok();
}

fn connection_closed_after_the_brokers_close(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &channel::Open {});
    c.wait(0, "connection.close");
    c.send(0, &connection::Close::default());
    c.wait_any(0);
    c.close_ok();
}

fn connection_close_answered_late(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &channel::Open {});
    c.wait(0, "connection.close");
    c.quiet();
    c.send(1, &qos(1));
    c.send(0, &declare("q"));
    c.quiet();
    c.close_ok();
}

fn connection_used_after_its_close(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.channel(), lab.channel());
    c.raw(&[
        method(0, &connection::Close::default()),
        method(1, &declare(&q)),
    ]);
    c.wait(0, "connection.close-ok");
    c.quiet();
    other.call(1, &passive(&q));
}
