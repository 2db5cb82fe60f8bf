//! Measures what a message costs: `perf <mode> --url amqp://… --messages N --size BYTES …`.
//!
//! Prints one line of JSON. The modes are `publish`, `publish-prepared`, `confirm` and
//! `confirm-prepared` (a window of unconfirmed messages), `confirm1` (one at a time),
//! `consume-noack`, `consume-ack`, `declare` (passive declares, one after the other), `channels`,
//! `conns`, and `fairness` (small confirmed publishes, alone and beside large bodies of the size
//! given). Against a broker that is not a null broker, `consume-*` needs a queue that holds
//! messages.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a measuring tool, not a library"
)]

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};

use amqp_client::{Confirmation, Connection, Properties, QueueDeclare};
use bytes::Bytes;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[derive(Clone)]
struct Arguments {
    mode: String,
    url: String,
    messages: usize,
    size: usize,
    queue: String,
    prefetch: u16,
    in_flight: usize,
    runtime: String,
    slow: Duration,
    tasks: usize,
    channels: usize,
}

fn main() -> Outcome {
    let arguments = parse(std::env::args().skip(1))?;
    let runtime = if arguments.runtime == "multi" {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
    } else {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
    };
    runtime.block_on(async {
        // As a program would: not on the thread that waits for the runtime, but on the runtime.
        tokio::spawn(run(arguments)).await?
    })
}

fn parse(
    mut words: impl Iterator<Item = String>,
) -> Result<Arguments, Box<dyn Error + Send + Sync>> {
    let mut arguments = Arguments {
        mode: words.next().ok_or("which mode?")?,
        url: "amqp://localhost".to_owned(),
        messages: 100_000,
        size: 16,
        queue: "perf".to_owned(),
        prefetch: 1000,
        in_flight: 1000,
        runtime: "current".to_owned(),
        slow: Duration::ZERO,
        tasks: 1,
        channels: 1,
    };
    while let Some(name) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--url" => arguments.url = value,
            "--messages" => arguments.messages = value.parse()?,
            "--size" => arguments.size = value.parse()?,
            "--queue" => arguments.queue = value,
            "--prefetch" => arguments.prefetch = value.parse()?,
            "--inflight" => arguments.in_flight = value.parse()?,
            "--runtime" => arguments.runtime = value,
            "--slow-us" => arguments.slow = Duration::from_micros(value.parse()?),
            "--tasks" => arguments.tasks = value.parse()?,
            "--channels" => arguments.channels = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(arguments)
}

async fn run(arguments: Arguments) -> Outcome {
    match arguments.mode.as_str() {
        "publish" => publish(&arguments, false).await,
        "publish-prepared" => publish(&arguments, true).await,
        "confirm" => confirm(&arguments, false).await,
        "confirm-prepared" => confirm(&arguments, true).await,
        "confirm1" => confirm_one_by_one(&arguments).await,
        "consume-noack" => consume(&arguments, false).await,
        "consume-ack" => consume(&arguments, true).await,
        "declare" => declare(&arguments).await,
        "channels" => channels(&arguments).await,
        "conns" => connections(&arguments).await,
        "fairness" => fairness(&arguments).await,
        mode => Err(format!("unknown mode {mode}").into()),
    }
}

async fn publish(arguments: &Arguments, prepared: bool) -> Outcome {
    let connection = Connection::open(&arguments.url).await?;
    let mut channels = Vec::new();
    for _ in 0..arguments.channels.max(1) {
        channels.push(connection.open_channel().await?);
    }
    let body = Bytes::from(vec![b'x'; arguments.size]);
    let properties = Properties::new().delivery_mode(1);
    let measure = Measure::start();
    let mut tasks = Vec::new();
    for task in 0..arguments.tasks {
        let share = arguments.messages / arguments.tasks
            + usize::from(task < arguments.messages % arguments.tasks);
        let (channels, body, queue) = (channels.clone(), body.clone(), arguments.queue.clone());
        let properties = properties.clone();
        let work = async move {
            if prepared {
                let prepared: Result<Vec<_>, _> = channels
                    .iter()
                    .map(|channel| channel.prepare("", &queue, properties.as_ref()))
                    .collect();
                for publisher in prepared?.iter().cycle().take(share) {
                    publisher.publish(&body).await?;
                }
            } else {
                for channel in channels.iter().cycle().take(share) {
                    channel
                        .basic_publish_body("", &queue, properties.as_ref(), &body)
                        .await?;
                }
            }
            Ok::<_, amqp_client::ChannelError>(())
        };
        if arguments.tasks == 1 {
            work.await?;
        } else {
            tasks.push(tokio::spawn(work));
        }
    }
    for task in tasks {
        task.await??;
    }
    // Each channel's reply comes after everything before it has been read.
    let mut at_broker = 0;
    for channel in &channels {
        let passive = QueueDeclare::new(&arguments.queue).passive();
        at_broker += u64::from(channel.queue_declare(passive).await?.message_count);
    }
    let extra = format!(",\"at_broker\":{at_broker}");
    measure.report(arguments, &mut [], &extra);
    connection.close().await?;
    Ok(())
}

/// The wait for small confirmed publishes, alone and beside large bodies on another channel.
async fn fairness(arguments: &Arguments) -> Outcome {
    let connection = Connection::open(&arguments.url).await?;
    let small = connection.open_publisher().await?;
    let bulk = connection.open_channel().await?;
    let measure = Measure::start();
    let mut alone = waits(&small, arguments).await?;
    let body = Bytes::from(vec![b'x'; arguments.size]);
    let queue = arguments.queue.clone();
    let publishing = tokio::spawn(async move {
        loop {
            let properties = Properties::new();
            bulk.basic_publish_body("", &queue, properties.as_ref(), &body)
                .await?;
        }
        #[expect(unreachable_code, reason = "says what the errors are")]
        Ok::<(), amqp_client::ChannelError>(())
    });
    let mut beside = waits(&small, arguments).await?;
    publishing.abort();
    let extra = format!(
        ",\"p50_alone_us\":{:.1},\"p99_alone_us\":{:.1}",
        percentile(&mut alone, 0.5),
        percentile(&mut alone, 0.99),
    );
    measure.report(arguments, &mut beside, &extra);
    Ok(())
}

async fn waits(
    publisher: &amqp_client::Publisher,
    arguments: &Arguments,
) -> Result<Vec<Duration>, amqp_client::PublishError> {
    let message = amqp_client::Message::new(&b"small"[..]);
    let mut waits = Vec::with_capacity(arguments.messages);
    for _ in 0..arguments.messages {
        let start = Instant::now();
        publisher.publish("", &arguments.queue, &message).await?;
        waits.push(start.elapsed());
    }
    Ok(waits)
}

/// In microseconds.
fn percentile(waits: &mut [Duration], part: f64) -> f64 {
    waits.sort_unstable();
    waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6
}

async fn confirm(arguments: &Arguments, prepared: bool) -> Outcome {
    let connection = Connection::open(&arguments.url).await?;
    let publisher = connection.open_publisher().await?;
    let properties = Properties::new().delivery_mode(1);
    let message = amqp_client::Message::new(vec![b'x'; arguments.size]).with_properties(properties);
    let properties = message.properties().as_ref();
    let prepared = match prepared {
        true => Some(publisher.prepare("", &arguments.queue, properties)?),
        false => None,
    };
    let body = Bytes::copy_from_slice(message.body());
    let mut window: VecDeque<Confirmation> = VecDeque::with_capacity(arguments.in_flight);
    let measure = Measure::start();
    for _ in 0..arguments.messages {
        if window.len() >= arguments.in_flight {
            if let Some(oldest) = window.pop_front() {
                oldest.await?;
            }
        }
        window.push_back(match &prepared {
            Some(prepared) => prepared.send(&body).await?,
            None => publisher.send("", &arguments.queue, &message).await?,
        });
    }
    for confirmation in window {
        confirmation.await?;
    }
    measure.report(arguments, &mut [], "");
    connection.close().await?;
    Ok(())
}

async fn confirm_one_by_one(arguments: &Arguments) -> Outcome {
    let connection = Connection::open(&arguments.url).await?;
    let publisher = connection.open_publisher().await?;
    let message = amqp_client::Message::new(vec![b'x'; arguments.size]);
    let mut waits = Vec::with_capacity(arguments.messages);
    let measure = Measure::start();
    for _ in 0..arguments.messages {
        let start = Instant::now();
        publisher.publish("", &arguments.queue, &message).await?;
        waits.push(start.elapsed());
    }
    measure.report(arguments, &mut waits, "");
    connection.close().await?;
    Ok(())
}

async fn consume(arguments: &Arguments, ack: bool) -> Outcome {
    let slow = !arguments.slow.is_zero();
    let connection = Connection::open(&arguments.url).await?;
    let channel = connection.open_channel().await?;
    let measure = Measure::start();
    if ack {
        let consume = channel
            .consume(&arguments.queue)
            .prefetch(arguments.prefetch);
        let mut consumer = consume.await?;
        for _ in 0..arguments.messages {
            let delivery = consumer.next().await.ok_or("the stream ended")??;
            std::hint::black_box(delivery.body());
            delivery.ack()?;
            if slow {
                tokio::time::sleep(arguments.slow).await;
            }
        }
    } else {
        let mut consumer = channel.consume(&arguments.queue).no_ack().await?;
        for _ in 0..arguments.messages {
            let delivery = consumer.next().await.ok_or("the stream ended")??;
            std::hint::black_box(delivery.body());
            if slow {
                tokio::time::sleep(arguments.slow).await;
            }
        }
    }
    measure.report(arguments, &mut [], "");
    connection.close().await?;
    Ok(())
}

async fn declare(arguments: &Arguments) -> Outcome {
    let connection = Connection::open(&arguments.url).await?;
    let channel = connection.open_channel().await?;
    let mut waits = Vec::with_capacity(arguments.messages);
    let measure = Measure::start();
    for _ in 0..arguments.messages {
        let start = Instant::now();
        channel
            .queue_declare(QueueDeclare::new(&arguments.queue).passive())
            .await?;
        waits.push(start.elapsed());
    }
    measure.report(arguments, &mut waits, "");
    connection.close().await?;
    Ok(())
}

async fn channels(arguments: &Arguments) -> Outcome {
    let connection = Connection::open(&arguments.url).await?;
    let measure = Measure::start();
    let mut open = Vec::new();
    for _ in 0..arguments.messages {
        open.push(connection.open_channel().await?);
    }
    measure.report(arguments, &mut [], "");
    connection.close().await?;
    Ok(())
}

async fn connections(arguments: &Arguments) -> Outcome {
    let measure = Measure::start();
    let mut open = Vec::new();
    for _ in 0..arguments.messages {
        open.push(Connection::open(&arguments.url).await?);
    }
    measure.report(arguments, &mut [], "");
    for connection in open {
        connection.close().await?;
    }
    Ok(())
}

/// Wall and processor time from here on, and memory.
struct Measure {
    start: Instant,
    user: f64,
    system: f64,
    rss_before_kb: u64,
}

impl Measure {
    fn start() -> Self {
        let (user, system) = processor_time();
        let rss_before_kb = status("VmRSS:");
        Self {
            start: Instant::now(),
            user,
            system,
            rss_before_kb,
        }
    }

    fn report(self, arguments: &Arguments, waits: &mut [Duration], extra: &str) {
        let wall = self.start.elapsed().as_secs_f64();
        let (user, system) = processor_time();
        let (user, system) = (user - self.user, system - self.system);
        let n = arguments.messages as f64;
        let mut line = format!(
            "{{\"client\":\"amqp-client\",\"version\":\"{}\",\"mode\":\"{}\",\"n\":{},\"size\":{},\
             \"wall_s\":{wall:.6},\"msgs_per_s\":{:.0},\"user_s\":{user:.6},\"sys_s\":{system:.6},\
             \"cpu_us_per_msg\":{:.4},\"max_rss_kb\":{}",
            env!("CARGO_PKG_VERSION"),
            arguments.mode,
            arguments.messages,
            arguments.size,
            n / wall,
            (user + system) * 1e6 / n,
            status("VmHWM:"),
        );
        line += &format!(
            ",\"rss_before_kb\":{},\"rss_kb\":{},\"threads\":{}{extra}",
            self.rss_before_kb,
            status("VmRSS:"),
            status("Threads:"),
        );
        if !waits.is_empty() {
            line += &format!(
                ",\"p50_us\":{:.1},\"p99_us\":{:.1}",
                percentile(waits, 0.5),
                percentile(waits, 0.99),
            );
        }
        println!("{line}}}");
    }
}

/// User and system time of the process, in seconds. The kernel counts the run time in nanoseconds
/// per thread, in `schedstat`, and the division in clock ticks, in `stat`.
fn processor_time() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|word| word.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let (user, system) = (ticks(11), ticks(12));
    let exact: f64 = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e9;
    let share = if user + system > 0.0 {
        user / (user + system)
    } else {
        0.5
    };
    (exact * share, exact * (1.0 - share))
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
