//! Logging in: by every mechanism, with a token of every length, and what a broker refuses.

use std::time::Duration;

use amqp_client::error::{ConnectCause, Diagnosis, Stage};
use amqp_client::options::Heartbeat;
use amqp_client::sasl::AuthMechanism;
use amqp_client::{ChannelError, ConnectError, Connection, ConnectionError, ConnectionOptions};
use amqp_testing::BrokerOptions;
use tokio::runtime::Builder;

use crate::support::{endpoint, lasting, limited, run};

async fn open(options: &ConnectionOptions) -> Connection {
    Connection::open_with(options).await.unwrap()
}

async fn refused(options: &ConnectionOptions) -> ConnectError {
    Connection::open_with(options).await.unwrap_err()
}

#[test]
fn both_mechanisms_of_every_broker_let_us_in() {
    run(async |site| {
        for mechanism in [AuthMechanism::Plain, AuthMechanism::AmqPlain] {
            let options = site.options().auth_mechanisms([mechanism.clone()]);
            let connection = open(&options).await;
            connection.open_channel().await.unwrap();
            connection.close().await.unwrap();
            let error = refused(&options.login("guest", "hunter2")).await;
            assert_eq!(
                error.diagnosis(),
                Some(Diagnosis::WrongCredentials),
                "{error}"
            );
            assert!(error.to_string().contains(mechanism.name()), "{error}");
        }
    });
}

#[test]
fn mechanism_that_the_broker_has_not_is_refused_here_with_both_lists() {
    run(async |site| {
        let error = refused(
            &site
                .options()
                .auth_mechanisms([AuthMechanism::RabbitCrDemo]),
        )
        .await;
        assert_eq!(error.stage(), Stage::Login, "{error}");
        match error.cause() {
            ConnectCause::Mechanism { offered, wanted } => {
                assert!(offered.contains("AMQPLAIN"), "{offered}");
                assert_eq!(wanted, "RABBIT-CR-DEMO");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn login_as_long_as_the_broker_takes_it_is_taken() {
    run(async |site| {
        let limit = if site.version() < (4, 1) { 4096 } else { 8192 };
        // How long it is with a name of so many octets is told when it is too long.
        let named = |length| site.options().connection_name("x".repeat(length));
        let error = refused(&named(10_000)).await;
        let ConnectCause::LoginTooLarge { size, limit: told } = *error.cause() else {
            panic!("{error}");
        };
        assert_eq!(told, limit);
        let longest = 10_000 - (size - limit);
        let connection = open(&named(longest)).await;
        connection.close().await.unwrap();
        let error = refused(&named(longest + 1)).await;
        assert_eq!(error.diagnosis(), Some(Diagnosis::LoginTooLarge), "{error}");
    });
}

#[test]
fn new_secret_is_accepted_while_messages_flow() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let (updated, closed) = tokio::join!(
            connection.update_secret("whatever", "it expires"),
            channel.close()
        );
        updated.unwrap();
        closed.unwrap();
        connection.close().await.unwrap();
        let after = connection.update_secret("whatever", "it expires").await;
        assert!(matches!(
            after,
            Err(ChannelError::Connection(ConnectionError::Closed))
        ));
    });
}

#[test]
fn capabilities_of_the_broker_are_told_by_name() {
    run(async |site| {
        let can = site.connect().await.server_capabilities();
        let all = [
            can.publisher_confirms,
            can.exchange_exchange_bindings,
            can.basic_nack,
            can.consumer_cancel_notify,
            can.connection_blocked,
            can.consumer_priorities,
            can.authentication_failure_close,
            can.per_consumer_qos,
            can.direct_reply_to,
        ];
        assert_eq!(all, [true; 9]);
    });
}

#[test]
fn heartbeats_are_agreed_on_as_asked_for() {
    run(async |site| {
        let seconds = Duration::from_secs;
        let third = Heartbeat::negotiate(|proposed| proposed / 3);
        // RabbitMQ proposes a minute.
        for (heartbeat, expected) in [
            (Heartbeat::Server, 60),
            (Heartbeat::Off, 0),
            (Heartbeat::Fixed(seconds(1)), 1),
            (Heartbeat::Fixed(seconds(65_535)), 65_535),
            (Heartbeat::AtMost(seconds(90)), 60),
            (Heartbeat::AtMost(seconds(9)), 9),
            (third, 20),
        ] {
            let connection = open(&site.options().heartbeat(heartbeat)).await;
            assert_eq!(connection.limits().heartbeat, seconds(expected));
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn smallest_limits_are_agreed_on() {
    run(async |site| {
        // Less than 8192 would be refused from RabbitMQ 4.1 on.
        let options = site.options().channel_max(1).frame_max(4096);
        let connection = open(&options).await;
        let limits = connection.limits();
        assert_eq!((limits.channel_max, limits.frame_max), (1, 8192));
        connection.open_channel().await.unwrap();
        connection.close().await.unwrap();
        let error = refused(&site.options().frame_max(4095)).await;
        assert!(matches!(error.cause(), ConnectCause::Options(_)), "{error}");
    });
}

// A broker of their own

#[test]
fn challenge_is_answered_and_a_user_s_limit_of_channels_is_told() {
    if endpoint().is_none() {
        return;
    }
    let broker = BrokerOptions::new()
        .config("auth_mechanisms.1 = RABBIT-CR-DEMO")
        .config("auth_mechanisms.2 = PLAIN")
        .start()
        .unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let options = lasting(&broker.url());
        challenges_are_answered(&options).await;
        let limits = r#"{"max-channels": 1}"#;
        broker.ctl(&["set_user_limits", "guest", limits]).unwrap();
        let connection = open(&options).await;
        // One is allowed, whatever was agreed on; one more costs the connection. RabbitMQ counts them
        // aside, so that a busy node may let some pass.
        let mut channels = vec![connection.open_channel().await.unwrap()];
        let error = loop {
            match connection.open_channel().await {
                Ok(channel) => channels.push(channel),
                Err(error) => break error,
            }
        };
        let close = error.broker_close().expect("the broker said nothing");
        assert_eq!(close.reply_code.0, 530, "{close}");
        assert!(close.reply_text.contains("limit"), "{close}");
        assert!(matches!(
            connection.closed().await,
            ConnectionError::ClosedByBroker(_)
        ));
    });
}

async fn challenges_are_answered(options: &ConnectionOptions) {
    let demo = options
        .clone()
        .auth_mechanisms([AuthMechanism::RabbitCrDemo]);
    open(&demo).await.close().await.unwrap();
    let error = refused(&demo.login("guest", "hunter2")).await;
    assert_eq!(error.stage(), Stage::Login, "{error}");
    assert_eq!(
        error.diagnosis(),
        Some(Diagnosis::WrongCredentials),
        "{error}"
    );
    assert!(error.to_string().contains("RABBIT-CR-DEMO"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
