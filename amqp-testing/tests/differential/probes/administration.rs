//! What an operator does, and the limits that one sets.

use std::time::Duration;

use amqp_spec::channel;
use amqp_testing::memory::{Access, Permissions};

use crate::lab::{Client, Lab};
use crate::say::{
    HEADER, consume, declare, delete, get, message, method, open, passive, start_ok, tune_ok,
};
use crate::side::Login;

probes! { "administration":
    user_has_too_many_connections,
    user_has_no_connections,
    user_has_too_many_channels,
    user_has_too_many_channels_on_two_connections,
    user_has_a_channel_again,
    permissions_taken_away,
    permissions_given,
    vhost_deleted,
    vhost_deleted_under_a_consumer,
    vhost_of_its_own,
    vhosts_share_nothing,
}

fn login<'a>(name: &'a str, permissions: Permissions) -> Login<'a> {
    Login {
        name,
        password: "secret",
        permissions,
        max_connections: None,
        max_channels: None,
    }
}

/// Opens a connection as far as it goes.
fn attempt(lab: &Lab, user: &str, vhost: &str) -> Client {
    let c = lab.connect();
    let octets = [
        HEADER.to_vec(),
        start_ok(user, "secret"),
        method(0, &tune_ok()),
        open(vhost),
    ];
    c.raw(&octets);
    c.wait(0, "connection.open-ok");
    c.forget();
    c
}

/// RabbitMQ counts connections and channels of users aside.
fn let_it_count(client: &Client) {
    client.pass(Duration::from_millis(1500));
}

fn user_has_too_many_connections(lab: &Lab) {
    let name = lab.name("user");
    lab.add_user(&Login {
        max_connections: Some(1),
        ..login(&name, Permissions::default())
    });
    let first = attempt(lab, &name, &lab.vhost());
    let_it_count(&first);
    let second = attempt(lab, &name, &lab.vhost());
    second.close_ok();
    first.close();
}

fn user_has_no_connections(lab: &Lab) {
    let name = lab.name("user");
    lab.add_user(&Login {
        max_connections: Some(0),
        ..login(&name, Permissions::default())
    });
    attempt(lab, &name, &lab.vhost()).close_ok();
}

fn user_has_too_many_channels(lab: &Lab) {
    let name = lab.name("user");
    lab.add_user(&Login {
        max_channels: Some(1),
        ..login(&name, Permissions::default())
    });
    let c = attempt(lab, &name, &lab.vhost());
    c.call(1, &channel::Open {});
    let_it_count(&c);
    c.call(2, &channel::Open {});
    c.close_ok();
}

fn user_has_too_many_channels_on_two_connections(lab: &Lab) {
    let name = lab.name("user");
    lab.add_user(&Login {
        max_channels: Some(1),
        ..login(&name, Permissions::default())
    });
    let first = attempt(lab, &name, &lab.vhost());
    first.call(1, &channel::Open {});
    let_it_count(&first);
    let second = attempt(lab, &name, &lab.vhost());
    second.call(1, &channel::Open {});
    second.close_ok();
    first.close();
}

fn user_has_a_channel_again(lab: &Lab) {
    let name = lab.name("user");
    lab.add_user(&Login {
        max_channels: Some(1),
        ..login(&name, Permissions::default())
    });
    let c = attempt(lab, &name, &lab.vhost());
    c.call(1, &channel::Open {});
    c.call(1, &channel::Close::default());
    let_it_count(&c);
    c.call(2, &channel::Open {});
    c.close();
}

fn permissions_taken_away(lab: &Lab) {
    let (name, q) = (lab.name("user"), lab.name("q"));
    lab.add_user(&login(&name, Permissions::default()));
    let c = attempt(lab, &name, &lab.vhost());
    c.open_channel(1);
    c.call(1, &declare(&q));
    let nothing = Permissions {
        configure: Access::Nothing,
        ..Permissions::default()
    };
    lab.permit(&login(&name, nothing));
    c.quiet();
    c.open_channel(2);
    c.call(2, &get(&q));
    c.call(2, &delete(&q));
}

fn permissions_given(lab: &Lab) {
    let (name, q) = (lab.name("user"), lab.name("q"));
    let nothing = Permissions {
        configure: Access::Nothing,
        ..Permissions::default()
    };
    lab.add_user(&login(&name, nothing));
    let c = attempt(lab, &name, &lab.vhost());
    c.open_channel(1);
    c.call(1, &declare(&q));
    lab.permit(&login(&name, Permissions::default()));
    c.quiet();
    c.open_channel(2);
    c.call(2, &declare(&q));
}

/// A connection to a virtual host that goes by this name.
fn open_in(lab: &Lab, vhost: &str) -> Client {
    let c = lab.connect();
    let octets = [
        HEADER.to_vec(),
        start_ok("guest", "guest"),
        method(0, &tune_ok()),
        open(vhost),
    ];
    c.raw(&octets);
    c.wait(0, "connection.open-ok");
    c.forget();
    c
}

fn vhost_deleted(lab: &Lab) {
    let vhost = lab.name("vhost");
    lab.add_vhost(&vhost);
    let c = open_in(lab, &vhost);
    c.open_channel(1);
    lab.delete_vhost(&vhost);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn vhost_deleted_under_a_consumer(lab: &Lab) {
    // The queue's end and that of the connection race.
    lab.perhaps("basic.cancel");
    let vhost = lab.name("vhost");
    lab.add_vhost(&vhost);
    let c = open_in(lab, &vhost);
    c.open_channel(1);
    c.call(1, &declare("q"));
    c.call(1, &consume("q", "t"));
    lab.delete_vhost(&vhost);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn vhost_of_its_own(lab: &Lab) {
    let vhost = lab.name("vhost");
    lab.add_vhost(&vhost);
    let c = open_in(lab, &vhost);
    c.open_channel(1);
    c.call(1, &declare("q"));
    c.call(1, &passive("nosuch"));
    c.close();
}

fn vhosts_share_nothing(lab: &Lab) {
    let vhost = lab.name("vhost");
    lab.add_vhost(&vhost);
    let (q, c, other) = (lab.name("q"), lab.channel(), open_in(lab, &vhost));
    other.open_channel(1);
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "m")]);
    c.call(1, &get(&q));
    other.call(1, &passive(&q));
}
