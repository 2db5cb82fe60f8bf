//! The faults of three nodes: all of them a step of `cargo xtask ci-extra`.
//!
//! The client is connected to the first node, on which its queue has its home or its leader.

use std::time::Duration;

use amqp_testing::Broker;
use amqp_testing::broker::Node;
use tokio::time::sleep;

use crate::oracles::{Excuses, Losses};
use crate::stage::{Length, Setting, is_asked_for, run};
use crate::workload::{Kind, QUEUE};

fn setting(name: &'static str, kind: Kind) -> Setting {
    Setting {
        n_nodes: 3,
        kind,
        // Nodes that stop or come back may close connections more than once.
        excuses: Excuses {
            losses: Losses::AtLeastOne,
            ..Excuses::default()
        },
        ..Setting::new(name)
    }
}

/// The node on which the queue lives, or is led.
fn home<'b>(broker: &'b Broker, vhost: &str) -> &'b Node {
    let queues = broker.first().queues(vhost).unwrap();
    let queue = queues.iter().find(|it| it.name == QUEUE).unwrap();
    let is_home = |node: &&Node| Some(node.name()) == queue.home;
    broker.nodes().iter().find(is_home).unwrap()
}

#[test]
fn node_of_the_leader_killed() {
    if !is_asked_for(Length::Long) {
        return;
    }
    let setting = setting("the leader's node killed", Kind::Quorum);
    run(setting, async |stage, _| {
        let vhost = stage.vhost().to_owned();
        stage
            .broker(move |it| home(it, &vhost).kill().unwrap())
            .await;
        // The others elect another leader, and it goes on there.
        stage.until_flowing().await;
        stage.broker(start_all).await;
    });
}

#[test]
fn home_of_a_classic_queue_restarted() {
    if !is_asked_for(Length::Long) {
        return;
    }
    let setting = setting("a classic queue's node restarted", Kind::Classic);
    run(setting, async |stage, _| {
        let vhost = stage.vhost().to_owned();
        stage
            .broker(move |it| home(it, &vhost).stop().unwrap())
            .await;
        // The client is connected to another node by then, which does not have the queue.
        sleep(Duration::from_secs(10)).await;
        stage.broker(start_all).await;
    });
}

#[test]
fn rolling_restart() {
    if !is_asked_for(Length::Long) {
        return;
    }
    run(
        setting("rolling restart", Kind::Quorum),
        async |stage, _| {
            stage
                .broker(|broker| {
                    for node in broker {
                        while node.is_quorum_critical().unwrap() {}
                        node.stop().unwrap();
                        start_all(broker);
                    }
                })
                .await;
        },
    );
}

#[test]
fn client_cut_off_from_one_node() {
    if !is_asked_for(Length::Long) {
        return;
    }
    let setting = setting("cut off from one node", Kind::Quorum);
    run(setting, async |stage, _| {
        let first = &stage.proxies()[0];
        first.refuse();
        first.reset();
        stage.until_flowing().await;
        first.heal();
    });
}

/// The queue's declaration has no answer, or costs the connection (541): neither keeps what does
/// not need it from coming back.
#[test]
fn quorum_queue_without_a_majority() {
    if !is_asked_for(Length::Long) {
        return;
    }
    let setting = setting("a quorum queue without a majority", Kind::Quorum);
    run(setting, async |stage, _| {
        stage
            .broker(|broker| broker.nodes()[1..].iter().try_for_each(Node::kill).unwrap())
            .await;
        stage.proxies()[0].reset();
        stage.until_calls_flow().await;
        println!("calls flow: {:?}", stage.connection().state());
        sleep(Duration::from_secs(20)).await;
        println!("after 20 s: {:?}", stage.connection().state());
        stage.broker(start_all).await;
    });
}

/// Starts the nodes that are down, and waits until all know each other.
fn start_all(broker: &Broker) {
    for node in broker {
        if !node.is_running() {
            node.start().unwrap();
        }
    }
    broker.wait_until_joined().unwrap();
}
