//! What a consumer that does not keep up costs: a bounded amount of memory, and nothing else.

use std::env;
use std::process::Command;

use amqp_client::Message;

use crate::support::{declare, endpoint, ready, run, until_ready};

/// Says to this program that nobody else measures in it.
const ALONE: &str = "AMQP_TEST_ALONE";

const N_MESSAGES: usize = 3200;
const SIZE: usize = 64 * 1024;
/// How much the process may grow, of the 200 MiB offered.
const LIMIT: usize = 64 * 1024 * 1024;

#[test]
fn s16_a_consumer_that_does_not_poll_costs_bounded_memory() {
    const NAME: &str = "memory::s16_a_consumer_that_does_not_poll_costs_bounded_memory";
    if env::var_os(ALONE).is_some() {
        run(async |site| measure(site).await);
    } else if endpoint().is_some() {
        // Other tests of this process would be measured as well.
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]);
        let output = command.env(ALONE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}{errors}");
        assert!(text.contains("1 passed"), "{text}");
    }
}

async fn measure(site: &crate::support::Site) {
    // On another connection, for a question on the consumer's own makes it read on.
    let watcher = site.channel().await;
    declare(&watcher, "q").await;
    {
        let channel = site.channel().await;
        let body = vec![b'x'; SIZE];
        for _ in 0..N_MESSAGES {
            let message = Message::new(body.clone());
            channel.basic_publish("", "q", &message).await.unwrap();
        }
        until_ready(&channel, "q", N_MESSAGES).await;
    }
    let before = memory("VmRSS");
    let channel = site.channel().await;
    let mut consumer = channel.consume("q").no_ack().await.unwrap();
    let left = until_nothing_moves(&watcher).await;
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(
        left * SIZE > 100 * 1024 * 1024,
        "{left} messages of {N_MESSAGES} are left at the broker"
    );
    assert!(grown < LIMIT, "grown by {grown} octets");

    // Then it wakes up, and everything is there.
    for _ in 0..N_MESSAGES {
        let received = consumer.next().await.unwrap().unwrap();
        assert_eq!(received.body().len(), SIZE);
    }
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < LIMIT, "grown by {grown} octets");
    assert_eq!(ready(&watcher, "q").await, 0);
    println!("grown by {} KiB", grown / 1024);
}

/// Asks until the broker gives the same answer many times in a row, and says how much it still has.
/// That it ever stops is what is tested; stopping too early would only test less.
async fn until_nothing_moves(watcher: &amqp_client::Channel) -> usize {
    let mut left = ready(watcher, "q").await;
    let mut n_equal = 0;
    while n_equal < 1_000 {
        let now = ready(watcher, "q").await;
        n_equal = if now == left { n_equal + 1 } else { 0 };
        left = now;
    }
    left
}

/// A line of Linux's account of this process, in octets.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap();
    kibibytes.parse::<usize>().unwrap() * 1024
}
