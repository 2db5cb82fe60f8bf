//! Many tasks on one channel: nothing that they send gets into each other.

use amqp_client::{Channel, Message, Properties, QueueDeclare, field_table};

use crate::support::{ready, run_on_threads};

const N_TASKS: usize = 64;
const N_ROUNDS: usize = 20;

/// From an empty body to one of three frames, many of which go through the lane for large ones.
const SIZES: [usize; 8] = [0, 1, 700, 9_000, 65_535, 65_536, 131_073, 300_000];

/// Fowler, Noll and Vo's hash, 64 bits, variant 1a.
fn checksum(octets: &[u8]) -> i64 {
    let hash = octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
        });
    i64::from_be_bytes(hash.to_be_bytes())
}

/// Octets that look like nothing else, frames least of all.
fn body(task: usize, round: usize) -> Vec<u8> {
    let mut state = (task * N_ROUNDS + round + 1) as u64;
    let size = SIZES[(task + round) % SIZES.len()];
    let next = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// Publishes to a queue of its own, and takes back and settles what it published, while the others
/// do the same on the same channel.
async fn work(channel: Channel, task: usize) {
    let queue = format!("queue-{task}");
    let declare = || QueueDeclare::new(&queue).durable();
    channel.queue_declare(declare()).await.unwrap();
    let mut consumer = channel.consume(&queue).prefetch(5).await.unwrap();
    for round in 0..N_ROUNDS {
        let body = body(task, round);
        let n = i64::try_from(round).unwrap();
        let headers = field_table! { "round" => n, "sum" => checksum(&body) };
        let properties = Properties::default().headers(headers.as_ref());
        if task % 2 == 0 {
            let published = channel.basic_publish_body("", &queue, properties.as_ref(), &body);
            published.await.unwrap();
        } else {
            let message = Message::new(body).with_properties(properties);
            channel.basic_publish("", &queue, &message).await.unwrap();
        }
        if round % 4 == task % 4 {
            let declared = channel.queue_declare(declare()).await.unwrap();
            assert_eq!(declared.name, queue);
        }
        if round % 2 == 1 {
            for earlier in [round - 1, round] {
                let delivery = consumer.next().await.unwrap().unwrap();
                let headers = delivery.properties().headers().unwrap();
                let header = |name| headers.get(name).unwrap().unwrap().as_i64().unwrap();
                assert_eq!(header("round"), i64::try_from(earlier).unwrap());
                assert_eq!(delivery.routing_key(), queue.as_str());
                let sum = checksum(delivery.body());
                assert_eq!(header("sum"), sum, "task {task}, round {earlier}");
                delivery.ack().unwrap();
            }
        }
    }
    consumer.cancel().await.unwrap();
    assert!(consumer.next().await.is_none());
}

#[test]
fn s7_messages_acks_and_declarations_of_many_tasks_do_not_interleave() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let start = |task| tokio::spawn(work(channel.clone(), task));
        for task in (0..N_TASKS).map(start).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        channel.close().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        for task in 0..N_TASKS {
            assert_eq!(ready(&channel, &format!("queue-{task}")).await, 0);
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn large_messages_of_many_channels_do_not_interleave() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let tasks = (0..16).map(|task| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let channel = connection.open_channel().await.unwrap();
                work(channel.clone(), task).await;
                channel.close().await.unwrap();
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        connection.close().await.unwrap();
    });
}
