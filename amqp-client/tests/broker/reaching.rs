//! Brokers that cannot be reached any more, and brokers that let nobody in.

use std::time::Duration;

use amqp_client::error::{Diagnosis, Stage};
use amqp_client::{Connection, ConnectionError};
use amqp_testing::{BrokerOptions, Proxy};
use tokio::runtime::Builder;

use crate::support::{Site, declare, endpoint, lasting, limited, run, run_on_threads, until};

/// A proxy in front of the shared broker, and a connection through it.
async fn behind_proxy(site: &Site, heartbeat: Duration) -> (Proxy, Connection) {
    let proxy = Proxy::to_url(&site.url()).unwrap();
    let options = lasting(&proxy.url());
    let options = options.virtual_host(site.name()).heartbeat(heartbeat);
    let connection = Connection::open_with(&options).await.unwrap();
    (proxy, connection)
}

/// S8, F4. How soon the loss is noticed is a matter of the core's tests, which have a clock of
/// their own.
#[test]
fn s8_f4_network_that_loses_everything_is_noticed_unless_heartbeats_are_off() {
    run(async |site| {
        let second = Duration::from_secs(1);
        let (deaf, hears_nothing) = behind_proxy(site, second).await;
        deaf.to_client().lose();
        let (mute, is_not_heard) = behind_proxy(site, second).await;
        mute.to_broker().lose();
        let (cut, is_cut_off) = behind_proxy(site, second).await;
        cut.to_client().lose();
        cut.to_broker().lose();
        let (idle, does_not_care) = behind_proxy(site, Duration::ZERO).await;
        idle.to_client().lose();
        idle.to_broker().lose();

        for connection in [hears_nothing, is_cut_off] {
            let end = connection.closed().await;
            assert!(matches!(end, ConnectionError::HeartbeatTimeout(_)), "{end}");
        }
        // The broker hears nothing, and hangs up.
        let end = is_not_heard.closed().await;
        let is_end = matches!(end, ConnectionError::EndOfStream | ConnectionError::Io(_));
        assert!(is_end, "{end}");

        // Nothing was said meanwhile, so that nothing was lost.
        idle.heal();
        does_not_care.open_channel().await.unwrap();
        does_not_care.close().await.unwrap();
    });
}

#[test]
fn s8_handler_that_blocks_its_task_does_not_cost_the_connection() {
    run_on_threads(async |site| {
        let (proxy, connection) = behind_proxy(site, Duration::from_secs(1)).await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "work").await;
        let work = amqp_client::Message::new("slow");
        channel.basic_publish("", "work", &work).await.unwrap();
        let mut consumer = channel.consume("work").await.unwrap();
        let delivery = consumer.next().await.unwrap().unwrap();
        let handler = tokio::spawn(async move {
            // Until eight heartbeats have left, one in half a second: longer than the broker waits.
            let enough = proxy.to_broker().n_forwarded() + 8 * 8;
            while proxy.to_broker().n_forwarded() < enough {
                std::thread::sleep(Duration::from_millis(5));
            }
            delivery.ack().unwrap();
            proxy
        });
        let _proxy = handler.await.unwrap();
        connection.open_channel().await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn f21_permissions_and_limits_of_a_virtual_host_are_told_apart() {
    run(async |site| {
        let open = async || Connection::open_with(&site.options()).await;
        let limits = format!("/api/vhost-limits/{}/max-connections", site.name());
        site.management().put(&limits, r#"{"value": 0}"#).unwrap();
        let error = open().await.unwrap_err();
        assert_eq!(error.stage(), Stage::Open);
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::ConnectionLimit),
            "{error}"
        );
        assert!(error.is_retryable() && !error.is_access_refused());
        site.management().delete(&limits).unwrap();

        let permissions = format!("/api/permissions/{}/guest", site.name());
        site.management().delete(&permissions).unwrap();
        let error = open().await.unwrap_err();
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::VirtualHostRefused),
            "{error}"
        );
        assert!(error.is_access_refused() && !error.is_retryable());

        let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
        site.management().put(&permissions, all).unwrap();
        open().await.unwrap().close().await.unwrap();
    });
}

/// S18, F21, on a node of our own: what concerns users and the whole node.
#[test]
fn f21_limits_of_a_user_and_maintenance_are_told() {
    if endpoint().is_none() {
        return;
    }
    let broker = BrokerOptions::new().start().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let management = broker.management();
        let user = r#"{"password": "hunter2", "tags": ""}"#;
        management.put("/api/users/single", user).unwrap();
        let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
        management.put("/api/permissions/%2f/single", all).unwrap();
        let limit = r#"{"value": 1}"#;
        management
            .put("/api/user-limits/single/max-connections", limit)
            .unwrap();
        let options = lasting(&broker.url());
        let options = options.login("single", "hunter2");
        let first = Connection::open_with(&options).await.unwrap();
        // The broker counts its connections behind our back.
        until("diagnosis", Some(Diagnosis::ConnectionLimit), async || {
            let opened = Connection::open_with(&options).await;
            opened.err().and_then(|error| error.diagnosis())
        })
        .await;

        let drained = broker.first().run("rabbitmq-upgrade", &["drain"]);
        drained.unwrap();
        let end = first.closed().await;
        assert!(!matches!(end, ConnectionError::Closed), "{end}");
        let error = Connection::open_with(&options).await.unwrap_err();
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::NothingListens),
            "{error}"
        );
        assert!(error.is_retryable());
        assert!(!format!("{error} {error:#?}").contains("hunter2"));
    });
}
