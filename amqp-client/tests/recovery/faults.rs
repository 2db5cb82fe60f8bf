//! The faults of one node.
//!
//! Those that take minutes are a step of `cargo xtask ci-extra`.

use std::time::{Duration, Instant};

use amqp_client::options::Recovery;
use amqp_client::{Connection, ConnectionOptions, QueueDeclare};
use tokio::time::sleep;

use crate::oracles::{Excuses, Losses};
use crate::stage::{Length, Setting, Stage, is_asked_for, run};
use crate::workload::{EXCLUSIVE, Kind, QUEUE};

/// What the oracles are measured by.
#[test]
fn a_healthy_broker_satisfies_all_oracles() {
    if !is_asked_for(Length::Short) {
        return;
    }
    let excuses = Excuses {
        losses: Losses::None,
        ..Excuses::default()
    };
    let setting = Setting {
        excuses,
        kind: Kind::Quorum,
        ..Setting::new("none")
    };
    run(setting, async |_, _| sleep(Duration::from_secs(1)).await);
}

#[test]
fn killed_and_started_again_at_once() {
    if is_asked_for(Length::Short) {
        killed(
            Setting::new("kill -9, started again at once"),
            Duration::ZERO,
        );
    }
}

#[test]
fn killed_and_started_again_after_20_s() {
    if is_asked_for(Length::Long) {
        let setting = Setting {
            kind: Kind::Quorum,
            ..Setting::new("kill -9, started again after 20 s")
        };
        killed(setting, Duration::from_secs(20));
    }
}

fn killed(setting: Setting, down: Duration) {
    run(setting, async |stage, _| {
        // RabbitMQ 3.10 may forget what was declared in the moments before it is killed.
        sleep(Duration::from_secs(2)).await;
        stage.broker(|it| it.kill().unwrap()).await;
        sleep(down).await;
        stage.broker(|it| it.start_again().unwrap()).await;
    });
}

#[test]
fn stopped_in_good_order_and_started_again() {
    if !is_asked_for(Length::Short) {
        return;
    }
    run(Setting::new("stopped in good order"), async |stage, _| {
        stage.broker(|it| it.stop().unwrap()).await;
        stage.broker(|it| it.start_again().unwrap()).await;
    });
}

#[test]
fn broker_that_stands_still_for_6_s() {
    if is_asked_for(Length::Short) {
        stands_still("stands still for 6 s", Duration::from_secs(6));
    }
}

#[test]
fn broker_that_stands_still_for_90_s() {
    if is_asked_for(Length::Long) {
        stands_still("stands still for 90 s", Duration::from_secs(90));
    }
}

fn stands_still(name: &'static str, time: Duration) {
    let setting = Setting {
        heartbeat: Duration::from_secs(2),
        // What the broker has not answered it may, once it goes on, have taken for abandoned.
        excuses: Excuses {
            losses: Losses::AtLeastOne,
            ..Excuses::default()
        },
        ..Setting::new(name)
    };
    run(setting, async |stage, _| {
        stage.broker(|it| it.pause().unwrap()).await;
        sleep(time).await;
        stage.broker(|it| it.resume().unwrap()).await;
    });
}

#[test]
fn connections_closed_3_times_by_the_broker() {
    if is_asked_for(Length::Short) {
        closed_often("connections closed 3 times", 3);
    }
}

#[test]
fn connections_closed_50_times_by_the_broker() {
    if is_asked_for(Length::Long) {
        closed_often("connections closed 50 times", 50);
    }
}

fn closed_often(name: &'static str, times: usize) {
    let excuses = Excuses {
        losses: Losses::AtLeastOne,
        ..Excuses::default()
    };
    let setting = Setting {
        excuses,
        ..Setting::new(name)
    };
    run(setting, async |stage, _| {
        for _ in 0..times {
            let vhost = stage.vhost().to_owned();
            let close = move |it: &amqp_testing::Broker| {
                it.first()
                    .close_connections(&vhost, "closed by the operator")
            };
            stage.broker(close).await.unwrap();
            sleep(Duration::from_millis(200)).await;
        }
    });
}

#[test]
fn alarm_during_recovery() {
    if !is_asked_for(Length::Short) {
        return;
    }
    run(Setting::new("alarm during recovery"), async |stage, _| {
        stage.disconnect();
        stage.broker(|it| it.first().raise_alarm().unwrap()).await;
        stage.heal();
        sleep(Duration::from_secs(3)).await;
        stage.broker(|it| it.first().clear_alarm().unwrap()).await;
    });
}

#[test]
fn queue_deleted_during_recovery() {
    if !is_asked_for(Length::Short) {
        return;
    }
    let setting = Setting::new("queue deleted during recovery");
    run(setting, async |stage, excuses| {
        stage.disconnect();
        let path = format!("/api/queues/{}/{QUEUE}", stage.vhost());
        stage
            .broker(move |it| it.management().delete(&path).unwrap())
            .await;
        // What was in it is gone with it; what is confirmed from now on is not.
        excuses.losses_until = Some(Instant::now());
        stage.heal();
    });
}

#[test]
fn permissions_withdrawn_during_recovery() {
    if !is_asked_for(Length::Short) {
        return;
    }
    let setting = Setting::new("permissions withdrawn during recovery");
    run(setting, async |stage, _| {
        stage.disconnect();
        let (vhost, again) = (stage.vhost().to_owned(), stage.vhost().to_owned());
        stage
            .broker(move |it| it.first().clear_permissions("guest", &vhost).unwrap())
            .await;
        stage.heal();
        sleep(Duration::from_secs(3)).await;
        let all = [".*"; 3];
        stage
            .broker(move |it| it.first().set_permissions("guest", &again, all).unwrap())
            .await;
    });
}

/// As behind a network that has swallowed a connection: the broker keeps what was exclusive to it.
#[test]
fn exclusive_queue_still_locked() {
    if !is_asked_for(Length::Short) {
        return;
    }
    let setting = Setting::new("exclusive queue still locked");
    run(setting, async |stage, _| {
        stage.disconnect();
        let locking = lock(stage).await;
        stage.heal();
        sleep(Duration::from_secs(4)).await;
        locking.close().await.unwrap();
    });
}

/// A connection of its own that has the exclusive queue.
pub(crate) async fn lock(stage: &Stage<'_>) -> Connection {
    let options: ConnectionOptions = stage.url().parse().unwrap();
    let options = options.recovery(Recovery::off());
    let other = Connection::open_with(&options).await.unwrap();
    // The broker may still have it for the connection that was lost.
    loop {
        let queue = QueueDeclare::new(EXCLUSIVE).exclusive();
        let channel = other.open_channel().await.unwrap();
        if channel.queue_declare(queue).await.is_ok() {
            break;
        }
    }
    other
}
