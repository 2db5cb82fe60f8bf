//! Prints one table of all codecs, measured turn by turn in one run, so that whatever else the
//! machine does at that time happens to all of them.
//!
//! `codec-bench` measures time; built with `--features count`, it counts allocations.
//! `codec-bench CASE CODEC N` does one piece of work N times and nothing else, for a profiler.

use std::hint::black_box;
use std::process::ExitCode;
#[cfg(not(feature = "count"))]
use std::time::{Duration, Instant};

use codec_bench::amq_protocol::AmqProtocol;
use codec_bench::amqp_serde::AmqpSerde;
use codec_bench::cloudamqp::Cloudamqp;
use codec_bench::ours::Ours;
use codec_bench::{Codec, Kind, Message, stream, table};

/// A piece of work by its name.
const CASES: [(&str, Case); 17] = [
    ("publish none 16 B", Case::Publish(message(Kind::None, 16))),
    (
        "publish none 1 KiB",
        Case::Publish(message(Kind::None, 1024)),
    ),
    ("publish one 16 B", Case::Publish(message(Kind::One, 16))),
    ("publish one 1 KiB", Case::Publish(message(Kind::One, 1024))),
    ("publish six 16 B", Case::Publish(message(Kind::Six, 16))),
    ("publish six 1 KiB", Case::Publish(message(Kind::Six, 1024))),
    (
        "publish table 16 B",
        Case::Publish(message(Kind::Table, 16)),
    ),
    (
        "publish table 1 KiB",
        Case::Publish(message(Kind::Table, 1024)),
    ),
    ("made one 16 B", Case::Made(message(Kind::One, 16))),
    ("made six 16 B", Case::Made(message(Kind::Six, 16))),
    ("again none 16 B", Case::Again(message(Kind::None, 16))),
    ("again six 16 B", Case::Again(message(Kind::Six, 16))),
    (
        "deliveries one 16 B",
        Case::Deliveries(message(Kind::One, 16)),
    ),
    (
        "deliveries one 1 KiB",
        Case::Deliveries(message(Kind::One, 1024)),
    ),
    (
        "deliveries six 16 B",
        Case::Deliveries(message(Kind::Six, 16)),
    ),
    (
        "deliveries table 16 B",
        Case::Deliveries(message(Kind::Table, 16)),
    ),
    ("table of ten", Case::Table),
];

const fn message(properties: Kind, body: usize) -> Message {
    Message { properties, body }
}

#[derive(Clone, Copy)]
enum Case {
    Publish(Message),
    Made(Message),
    Again(Message),
    Deliveries(Message),
    Table,
}

/// One codec at one piece of work: the argument says how often.
type Work = Box<dyn FnMut(u32)>;

fn work<C: Codec + 'static>(case: Case) -> Work {
    match case {
        Case::Publish(message) => {
            let mut codec = C::new(&message);
            repeat(move || codec.publish().len() as u64)
        }
        Case::Made(message) => {
            let mut codec = C::new(&message);
            repeat(move || codec.publish_made().len() as u64)
        }
        Case::Again(message) => {
            let mut codec = C::new(&message);
            repeat(move || codec.encode().len() as u64)
        }
        Case::Deliveries(message) => {
            let stream = stream(&message);
            repeat(move || C::decode(black_box(&stream)))
        }
        Case::Table => {
            let table = table();
            repeat(move || C::read_table(black_box(&table)))
        }
    }
}

fn repeat(mut once: impl FnMut() -> u64 + 'static) -> Work {
    Box::new(move |n| {
        for _ in 0..n {
            black_box(once());
        }
    })
}

/// Prepares a codec for a piece of work.
type Prepare = fn(Case) -> Work;

const CODECS: [(&str, Prepare); 4] = [
    (Ours::NAME, work::<Ours>),
    (AmqProtocol::NAME, work::<AmqProtocol>),
    (AmqpSerde::NAME, work::<AmqpSerde>),
    (Cloudamqp::NAME, work::<Cloudamqp>),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table_of_all(),
        [case, codec, n] => {
            let case = CASES.iter().find(|(name, _)| *name == case);
            let codec = CODECS.iter().find(|(name, _)| *name == codec);
            let (Some((_, case)), Some((_, work)), Ok(n)) = (case, codec, n.parse()) else {
                eprintln!("no such case, codec or number");
                return ExitCode::FAILURE;
            };
            work(*case)(n);
        }
        _ => {
            eprintln!("usage: codec-bench [CASE CODEC N]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn table_of_all() {
    let names = CODECS.map(|(name, _)| name);
    println!("| | {} | best other ÷ ours |", names.join(" | "));
    println!("|---|{}---:|", "---:|".repeat(CODECS.len()));
    for (name, case) in CASES {
        let mut works = CODECS.map(|(_, work)| work(case));
        let cells = measure(&mut works);
        let (ours, others) = cells.split_first().expect("ours is the first");
        let best = others.iter().copied().fold(f64::INFINITY, f64::min);
        let shown: Vec<String> = cells.iter().map(|cell| show(*cell)).collect();
        let ratio = if *ours > 0.0 {
            format!("{:.1}", best / ours)
        } else {
            "-".into()
        };
        println!("| {name} | {} | {ratio} |", shown.join(" | "));
    }
}

#[cfg(not(feature = "count"))]
fn show(nanoseconds: f64) -> String {
    format!("{nanoseconds:.1} ns")
}

/// The fastest of many turns, in nanoseconds: what disturbs a measurement only makes it longer.
#[cfg(not(feature = "count"))]
fn measure(works: &mut [Work; 4]) -> [f64; 4] {
    const TURN: Duration = Duration::from_millis(2);
    let n = works.each_mut().map(|work| {
        let mut n = 1;
        while time(work, n) < TURN {
            n *= 2;
        }
        n
    });
    let mut fastest = [f64::INFINITY; 4];
    for _ in 0..100 {
        for ((work, n), fastest) in works.iter_mut().zip(n).zip(&mut fastest) {
            *fastest = fastest.min(time(work, n).as_nanos() as f64 / f64::from(n));
        }
    }
    fastest
}

#[cfg(not(feature = "count"))]
fn time(work: &mut Work, n: u32) -> Duration {
    let start = Instant::now();
    work(n);
    start.elapsed()
}

#[cfg(feature = "count")]
fn show(allocations: f64) -> String {
    format!("{allocations}")
}

/// Allocations of one piece of work, after it has been done once.
#[cfg(feature = "count")]
fn measure(works: &mut [Work; 4]) -> [f64; 4] {
    works.each_mut().map(|work| {
        work(1);
        allocation_counter::measure(|| work(1)).count_total as f64
    })
}
