//! Declaring, binding and deleting exchanges.

use amqp_spec::wire::ShortStr;
use amqp_spec::{exchange, field_table, queue};

use crate::lab::Lab;
use crate::say::{
    bind, bind_exchange, declare, delete_exchange, exchange, message, short, take, unbind,
    unbind_exchange,
};

probes! { "exchanges":
    exchange_of_each_type,
    exchange_declared_again,
    exchange_type_unknown,
    exchange_type_unknown_without_waiting,
    exchange_type_empty,
    exchange_type_differs,
    exchange_durable_differs,
    exchange_auto_delete_differs,
    exchange_internal_differs,
    exchange_alternate_differs,
    exchange_unknown_argument_differs,
    exchange_passive_missing,
    exchange_passive_with_another_type,
    exchange_passive_with_an_unknown_type,
    exchange_name_reserved,
    exchange_reserved_declared_again,
    exchange_reserved_with_another_type,
    exchange_reserved_passive,
    exchange_default_declared,
    exchange_default_passive,
    exchange_default_deleted,
    exchange_default_bound,
    exchange_default_unbound,
    exchange_default_as_source,
    exchange_delete_missing,
    exchange_delete_reserved,
    exchange_delete_missing_reserved,
    exchange_delete_if_unused_in_use,
    exchange_delete_if_unused,
    exchange_delete_takes_bindings_along,
    exchange_internal_published_to,
    exchange_auto_delete_after_unbind,
    exchange_auto_delete_after_queue_delete,
    exchange_auto_delete_without_bindings,
    exchange_no_wait,
    exchange_no_wait_fails,
    exchange_name_is_no_text,
    exchange_name_with_newline,
    exchange_alternate_of_number,
    exchange_bind_missing_source,
    exchange_bind_missing_destination,
    exchange_unbind_missing,
    exchange_bind_twice,
    queue_bind_missing_exchange,
    queue_bind_missing_queue,
    queue_unbind_missing_exchange,
    queue_unbind_missing_queue,
    queue_unbind_missing_binding,
    queue_unbind_with_other_arguments,
    queue_bind_key_is_no_text,
}

fn exchange_of_each_type(lab: &Lab) {
    let c = lab.channel();
    for kind in ["direct", "fanout", "topic", "headers"] {
        c.call(1, &exchange(&lab.name(kind), kind));
    }
    let all = exchange::Declare {
        durable: true,
        auto_delete: true,
        internal: true,
        ..exchange("all", "fanout")
    };
    c.call(1, &all);
    c.call(1, &delete_exchange("all"));
}

fn exchange_declared_again(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &exchange(&x, "topic"));
    c.call(1, &exchange(&x, "topic"));
    c.call(1, &delete_exchange(&x));
    c.call(1, &exchange(&x, "fanout"));
}

fn exchange_type_unknown(lab: &Lab) {
    lab.channel().call(1, &exchange(&lab.name("x"), "foo"));
}

fn exchange_type_unknown_without_waiting(lab: &Lab) {
    let c = lab.channel();
    let x = lab.name("x");
    let silent = exchange::Declare {
        no_wait: true,
        ..exchange(&x, "foo")
    };
    c.send(1, &silent);
    c.wait(1, "channel.close");
}

fn exchange_type_empty(lab: &Lab) {
    lab.channel().call(1, &exchange(&lab.name("x"), ""));
}

/// Declares an exchange twice.
fn twice(lab: &Lab, change: impl Fn(&mut exchange::Declare<'_>)) {
    let (x, c) = (lab.name("x"), lab.channel());
    let mut declared = exchange(&x, "direct");
    c.call(1, &declared);
    change(&mut declared);
    c.call(1, &declared);
}

fn exchange_type_differs(lab: &Lab) {
    twice(lab, |it| it.type_ = ShortStr::literal("fanout"));
}

fn exchange_durable_differs(lab: &Lab) {
    twice(lab, |it| it.durable = true);
}

fn exchange_auto_delete_differs(lab: &Lab) {
    twice(lab, |it| it.auto_delete = true);
}

fn exchange_internal_differs(lab: &Lab) {
    twice(lab, |it| it.internal = true);
}

fn exchange_alternate_differs(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &exchange(&x, "direct"));
    let other = field_table! { "alternate-exchange" => "amq.fanout" };
    let other = exchange::Declare {
        arguments: other.as_ref(),
        ..exchange(&x, "direct")
    };
    c.call(1, &other);
}

fn exchange_unknown_argument_differs(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &exchange(&x, "direct"));
    let other = field_table! { "x-nothing" => 1i32 };
    let other = exchange::Declare {
        arguments: other.as_ref(),
        ..exchange(&x, "direct")
    };
    c.call(1, &other);
}

fn passive<'a>(name: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        passive: true,
        ..exchange(name, kind)
    }
}

fn exchange_passive_missing(lab: &Lab) {
    lab.channel().call(1, &passive(&lab.name("x"), "direct"));
}

fn exchange_passive_with_another_type(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &passive(&x, "fanout"));
    c.call(1, &passive(&x, ""));
}

fn exchange_passive_with_an_unknown_type(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &passive(&x, "foo"));
}

fn exchange_name_reserved(lab: &Lab) {
    lab.channel().call(1, &exchange("amq.x", "direct"));
}

fn exchange_reserved_declared_again(lab: &Lab) {
    let c = lab.channel();
    for (name, kind) in [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ] {
        let same = exchange::Declare {
            durable: true,
            ..exchange(name, kind)
        };
        c.call(1, &same);
    }
}

fn exchange_reserved_with_another_type(lab: &Lab) {
    let other = exchange::Declare {
        durable: true,
        ..exchange("amq.direct", "fanout")
    };
    lab.channel().call(1, &other);
}

fn exchange_reserved_passive(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &passive("amq.direct", "direct"));
    c.call(1, &passive("amq.nosuch", "direct"));
}

fn exchange_default_declared(lab: &Lab) {
    lab.channel().call(1, &exchange("", "direct"));
}

fn exchange_default_passive(lab: &Lab) {
    lab.channel().call(1, &passive("", "direct"));
}

fn exchange_default_deleted(lab: &Lab) {
    lab.channel().call(1, &delete_exchange(""));
}

fn exchange_default_bound(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &bind(&q, "", "k"));
}

fn exchange_default_unbound(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &unbind(&q, "", &q));
}

fn exchange_default_as_source(lab: &Lab) {
    lab.channel().call(1, &bind_exchange("amq.direct", "", "k"));
}

fn exchange_delete_missing(lab: &Lab) {
    lab.channel().call(1, &delete_exchange(&lab.name("x")));
}

fn exchange_delete_reserved(lab: &Lab) {
    lab.channel().call(1, &delete_exchange("amq.direct"));
}

fn exchange_delete_missing_reserved(lab: &Lab) {
    lab.channel().call(1, &delete_exchange("amq.nosuch"));
}

fn exchange_delete_if_unused_in_use(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &bind(&q, &x, "k"));
    let if_unused = exchange::Delete {
        if_unused: true,
        ..delete_exchange(&x)
    };
    c.call(1, &if_unused);
}

fn exchange_delete_if_unused(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &bind_exchange(&x, "amq.direct", "k"));
    let if_unused = exchange::Delete {
        if_unused: true,
        ..delete_exchange(&x)
    };
    c.call(1, &if_unused);
    c.call(1, &passive(&x, "direct"));
}

fn exchange_delete_takes_bindings_along(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &bind(&q, &x, "k"));
    c.call(1, &delete_exchange(&x));
    c.call(1, &exchange(&x, "direct"));
    c.raw(&[message(1, &x, "k", "lost")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn exchange_internal_published_to(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    let internal = exchange::Declare {
        internal: true,
        ..exchange(&x, "direct")
    };
    c.call(1, &internal);
    c.raw(&[message(1, &x, "k", "refused")]);
    c.wait(1, "channel.close");
}

fn auto_delete<'a>(name: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        auto_delete: true,
        ..exchange(name, kind)
    }
}

fn exchange_auto_delete_after_unbind(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &auto_delete(&x, "direct"));
    c.call(1, &bind(&q, &x, "k"));
    c.call(1, &bind(&q, &x, "l"));
    c.call(1, &unbind(&q, &x, "k"));
    c.call(1, &passive(&x, "direct"));
    c.call(1, &unbind(&q, &x, "l"));
    c.call(1, &passive(&x, "direct"));
}

fn exchange_auto_delete_after_queue_delete(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &auto_delete(&x, "direct"));
    c.call(1, &bind(&q, &x, "k"));
    c.call(1, &crate::say::delete(&q));
    c.call(1, &passive(&x, "direct"));
}

fn exchange_auto_delete_without_bindings(lab: &Lab) {
    let (x, c, other) = (lab.name("x"), lab.channel(), lab.channel());
    c.call(1, &auto_delete(&x, "direct"));
    c.close();
    other.call(1, &passive(&x, "direct"));
}

fn exchange_no_wait(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.send(
        1,
        &exchange::Declare {
            no_wait: true,
            ..exchange(&x, "fanout")
        },
    );
    c.send(
        1,
        &exchange::Bind {
            no_wait: true,
            ..bind_exchange(&x, "amq.direct", &q)
        },
    );
    c.send(
        1,
        &queue::Bind {
            no_wait: true,
            ..bind(&q, &x, "k")
        },
    );
    c.raw(&[message(1, "amq.direct", &q, "through both")]);
    c.wait_settled(1, 1);
    c.send(
        1,
        &exchange::Unbind {
            no_wait: true,
            ..unbind_exchange(&x, "amq.direct", &q)
        },
    );
    c.raw(&[message(1, "amq.direct", &q, "lost")]);
    c.wait_settled(1, 2);
    c.send(
        1,
        &exchange::Delete {
            no_wait: true,
            ..delete_exchange(&x)
        },
    );
    c.call(1, &take(&q));
    c.call(1, &take(&q));
    c.call(1, &passive(&x, "fanout"));
}

fn exchange_no_wait_fails(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.send(
        1,
        &exchange::Declare {
            no_wait: true,
            ..passive(&x, "fanout")
        },
    );
    c.wait(1, "channel.close");
}

fn exchange_name_is_no_text(lab: &Lab) {
    let name = exchange::Declare {
        exchange: ShortStr::new(b"x\xff").unwrap(),
        ..exchange("", "fanout")
    };
    lab.channel().call(1, &name);
}

fn exchange_name_with_newline(lab: &Lab) {
    let (x, c) = (lab.name("x\nx"), lab.channel());
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &passive(&lab.name("xx"), "fanout"));
}

fn exchange_alternate_of_number(lab: &Lab) {
    let x = lab.name("x");
    let alternate = field_table! { "alternate-exchange" => 1i32 };
    let alternate = exchange::Declare {
        arguments: alternate.as_ref(),
        ..exchange(&x, "fanout")
    };
    lab.channel().call(1, &alternate);
}

fn exchange_bind_missing_source(lab: &Lab) {
    let x = lab.name("x");
    lab.channel().call(1, &bind_exchange("amq.direct", &x, "k"));
}

fn exchange_bind_missing_destination(lab: &Lab) {
    let x = lab.name("x");
    lab.channel().call(1, &bind_exchange(&x, "amq.direct", "k"));
}

fn exchange_unbind_missing(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.channel());
    c.call(1, &unbind_exchange(&x, "amq.direct", "k"));
    c.call(1, &unbind_exchange("amq.direct", &x, "k"));
    c.call(1, &unbind_exchange("amq.direct", "amq.fanout", "k"));
}

fn exchange_bind_twice(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &bind_exchange(&x, "amq.direct", &q));
    c.call(1, &bind_exchange(&x, "amq.direct", &q));
    c.call(1, &bind(&q, &x, ""));
    c.raw(&[message(1, "amq.direct", &q, "once")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn queue_bind_missing_exchange(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &bind(&q, &lab.name("x"), "k"));
}

fn queue_bind_missing_queue(lab: &Lab) {
    lab.channel()
        .call(1, &bind(&lab.name("q"), "amq.direct", "k"));
}

fn queue_unbind_missing_exchange(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &unbind(&q, &lab.name("x"), "k"));
}

fn queue_unbind_missing_queue(lab: &Lab) {
    lab.channel()
        .call(1, &unbind(&lab.name("q"), "amq.direct", "k"));
}

fn queue_unbind_missing_binding(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &unbind(&q, "amq.direct", "k"));
}

fn queue_unbind_with_other_arguments(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let arguments = field_table! { "n" => 1i32 };
    let with = queue::Bind {
        arguments: arguments.as_ref(),
        ..bind(&q, "amq.direct", &q)
    };
    c.call(1, &with);
    c.call(1, &unbind(&q, "amq.direct", &q));
    c.raw(&[message(1, "amq.direct", &q, "still bound")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
    let with = queue::Unbind {
        arguments: arguments.as_ref(),
        ..unbind(&q, "amq.direct", &q)
    };
    c.call(1, &with);
    c.raw(&[message(1, "amq.direct", &q, "lost")]);
    c.wait_settled(1, 2);
    c.call(1, &take(&q));
}

fn queue_bind_key_is_no_text(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    let odd = queue::Bind {
        queue: short(&q),
        routing_key: ShortStr::new(b"k\xff").unwrap(),
        ..bind(&q, "amq.direct", "k")
    };
    c.call(1, &odd);
}
