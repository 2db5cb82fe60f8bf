//! What a user may not do.

use amqp_testing::memory::{Access, Permissions};

use crate::lab::{Client, Lab};
use crate::say::{
    bind, bind_exchange, consume, declare, declare_with, delete, delete_exchange, exchange, get,
    mandatory, message, passive, purge, unbind,
};
use crate::side::Login;

probes! { "permissions":
    may_not_declare,
    may_declare_some,
    may_not_declare_passively,
    may_not_delete,
    may_not_purge,
    may_not_consume,
    may_not_get,
    may_not_bind_queue,
    may_not_bind_to_exchange,
    may_not_unbind,
    may_not_bind_exchange,
    may_not_declare_exchange,
    may_not_delete_exchange,
    may_not_publish,
    may_not_publish_to_the_default_exchange,
    may_not_dead_letter,
    may_not_declare_generated,
}

/// A client that is allowed this alone.
fn limited(lab: &Lab, configure: Access, write: Access, read: Access) -> Client {
    let name = lab.name("limited");
    let permissions = Permissions {
        configure,
        write,
        read,
    };
    let login = Login {
        name: &name,
        password: "secret",
        permissions,
        max_connections: None,
        max_channels: None,
    };
    lab.add_user(&login);
    let client = lab.open_as(&name, "secret");
    client.open_channel(1);
    client
}

/// A client that may do nothing, and a queue and an exchange of another.
fn powerless(lab: &Lab) -> (String, String, Client) {
    let (q, x, owner) = (lab.name("q"), lab.name("x"), lab.channel());
    owner.call(1, &declare(&q));
    owner.call(1, &exchange(&x, "direct"));
    owner.forget();
    (
        q,
        x,
        limited(lab, Access::Nothing, Access::Nothing, Access::Nothing),
    )
}

fn may_not_declare(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.call(1, &declare(&q));
}

fn may_declare_some(lab: &Lab) {
    let prefix = Access::Prefix(lab.name("mine"));
    let c = limited(lab, prefix, Access::All, Access::All);
    c.call(1, &declare(&lab.name("mine-1")));
    c.call(1, &declare(&lab.name("other")));
}

fn may_not_declare_passively(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.call(1, &passive(&q));
}

fn may_not_delete(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.call(1, &delete(&q));
}

fn may_not_purge(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.call(1, &purge(&q));
}

fn may_not_consume(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.call(1, &consume(&q, "t"));
}

fn may_not_get(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.call(1, &get(&q));
}

fn may_not_bind_queue(lab: &Lab) {
    let (q, x, c) = powerless(lab);
    c.call(1, &bind(&q, &x, "k"));
}

fn may_not_bind_to_exchange(lab: &Lab) {
    let (q, x, owner) = (lab.name("q"), lab.name("x"), lab.channel());
    owner.call(1, &declare(&q));
    owner.call(1, &exchange(&x, "direct"));
    let c = limited(lab, Access::All, Access::All, Access::Nothing);
    c.call(1, &bind(&q, &x, "k"));
}

fn may_not_unbind(lab: &Lab) {
    let (q, x, c) = powerless(lab);
    c.call(1, &unbind(&q, &x, "k"));
}

fn may_not_bind_exchange(lab: &Lab) {
    let (_, x, c) = powerless(lab);
    c.call(1, &bind_exchange(&x, "amq.direct", "k"));
}

fn may_not_declare_exchange(lab: &Lab) {
    let (_, x, c) = powerless(lab);
    c.call(1, &exchange(&x, "direct"));
}

fn may_not_delete_exchange(lab: &Lab) {
    let (_, x, c) = powerless(lab);
    c.call(1, &delete_exchange(&x));
}

fn may_not_publish(lab: &Lab) {
    let (_, x, c) = powerless(lab);
    c.raw(&[message(1, &x, "k", "m")]);
    c.wait(1, "channel.close");
}

fn may_not_publish_to_the_default_exchange(lab: &Lab) {
    let (q, _, c) = powerless(lab);
    c.raw(&[mandatory(1, "", &q, "m")]);
    c.wait(1, "channel.close");
}

fn may_not_dead_letter(lab: &Lab) {
    let (q, x) = (lab.name("q"), lab.name("x"));
    let c = limited(lab, Access::All, Access::Exactly(q.clone()), Access::All);
    let arguments = amqp_spec::field_table! { "x-dead-letter-exchange" => x.as_str() };
    c.call(1, &declare_with(&q, &arguments));
}

fn may_not_declare_generated(lab: &Lab) {
    let (_, _, c) = powerless(lab);
    c.call(1, &declare(""));
}
