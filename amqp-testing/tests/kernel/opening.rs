//! The handshake: what is accepted, and the ways of refusing.

use std::time::Duration;

use amqp_spec::connection;
use amqp_testing::memory::{Like, Limits, Permissions, User};

use super::support::{BOTH, Broker, tune_ok};

#[test]
fn a_connection_opens_in_one_segment_or_octet_by_octet() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        broker.client();
        let mut one = broker.connect();
        one.handshake("guest", "guest", "/");
        let octets = one.written();
        for octet in octets.chunks(1) {
            broker.kernel.receive(one.id, octet, broker.now);
        }
        let expected = ["0: start", "0: tune", "0: open-ok", "1: open-ok"];
        assert_eq!(one.hear(&mut broker), expected);
        let view = broker.kernel.connection(one.id).unwrap();
        assert_eq!((view.user(), view.vhost()), (Some("guest"), Some("/")));
        assert_eq!(view.channels(), [1]);
    }
}

#[test]
fn a_broker_goes_from_thread_to_thread_and_repeats_itself() {
    let said = |seed| {
        let mut broker = Broker::new(Like::RabbitMq4_0);
        broker.kernel.set_seed(seed);
        let mut client = broker.client();
        client.declare("").consume("", "").consume("", "");
        std::thread::spawn(move || client.talk(&mut broker))
            .join()
            .unwrap()
    };
    assert_eq!(said(7), said(7));
    assert_ne!(said(7), said(8));
}

#[test]
fn wrong_passwords_are_told_to_clients_that_can_hear_it() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.connect();
        let expected = "0: close 403 ACCESS_REFUSED - Login was refused using authentication \
                        mechanism PLAIN. For details see the broker logfile. (0.0)";
        assert_eq!(
            client.start("guest", "wrong").talk(&mut broker),
            ["0: start", expected]
        );
        broker.pass(Duration::from_secs(3));
        assert_eq!(client.hear(&mut broker), ["closed"]);
    }
}

#[test]
fn limits_are_the_lower_ones_and_not_none() {
    let refused = [
        (0, 131_072),
        (2048, 131_072),
        (2047, 0),
        (2047, 4095),
        (2047, 131_073),
    ];
    for (channel_max, frame_max) in refused {
        let mut broker = Broker::new(Like::RabbitMq4_0);
        let mut client = broker.connect();
        client.start("guest", "guest");
        let wrong = connection::TuneOk {
            channel_max,
            frame_max,
            heartbeat: 0,
        };
        assert_eq!(
            client.say(0, wrong).talk(&mut broker),
            ["0: start", "0: tune"]
        );
        assert_eq!(
            broker.kernel.deadline(),
            Some(broker.now + Duration::from_secs(3))
        );
        broker.pass(Duration::from_secs(3));
        assert_eq!(client.hear(&mut broker), ["closed"]);
    }
}

#[test]
fn virtual_hosts_are_entered_with_permissions() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    broker.kernel.add_vhost("v");
    broker
        .kernel
        .add_user(User::new("u", "p").may("/", Permissions::default()));
    let mut open = |user, password, vhost| {
        let mut client = broker.connect();
        let heard = client.handshake(user, password, vhost).talk(&mut broker);
        heard.into_iter().skip(2).collect::<Vec<_>>()
    };
    assert_eq!(open("guest", "guest", "v"), ["0: open-ok", "1: open-ok"]);
    assert_eq!(open("u", "p", "/"), ["0: open-ok", "1: open-ok"]);
    assert_eq!(
        open("u", "p", "v"),
        ["0: close 530 NOT_ALLOWED - access to vhost 'v' refused for user 'u' (10.40)"]
    );
    assert_eq!(
        open("u", "p", "x"),
        ["0: close 530 NOT_ALLOWED - vhost x not found (10.40)"]
    );
}

#[test]
fn other_protocols_are_refused_with_the_one_that_is_spoken() {
    for (like, header) in [
        (Like::RabbitMq3_10, "AMQP [0, 0, 9, 1]"),
        (Like::RabbitMq4_0, "AMQP [3, 1, 0, 0]"),
    ] {
        let mut broker = Broker::new(like);
        let mut client = broker.connect();
        let heard = client.raw(b"GET / HTTP/1.1\r\n\r\n").talk(&mut broker);
        assert_eq!(heard, [header, "closed"]);
    }
}

#[test]
fn channels_are_limited_by_number_not_by_id() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut limits = Limits::of(Like::RabbitMq4_0);
    limits.channel_max = 1;
    broker.kernel.set_limits(limits);
    let mut client = broker.connect();
    client.start("guest", "guest");
    client.say(
        0,
        connection::TuneOk {
            channel_max: 1,
            ..tune_ok()
        },
    );
    let virtual_host = amqp_spec::short_str!("/");
    client.say(0, connection::Open { virtual_host });
    client.say(65535, amqp_spec::channel::Open {});
    client.say(1, amqp_spec::channel::Open {});
    let heard = client.talk(&mut broker);
    let expected = [
        "0: start",
        "0: tune",
        "0: open-ok",
        "65535: open-ok",
        "0: close 530 NOT_ALLOWED - number of channels opened (1) has reached the negotiated \
         channel_max (1) (0.0)",
    ];
    assert_eq!(heard, expected);
}
