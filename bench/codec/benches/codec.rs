//! Each codec at each piece of work, by divan, with allocations counted.

use codec_bench::amq_protocol::AmqProtocol;
use codec_bench::amqp_serde::AmqpSerde;
use codec_bench::cloudamqp::Cloudamqp;
use codec_bench::ours::Ours;
use codec_bench::{Codec, Kind, Message, stream, table};
use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const PUBLISHES: [Message; 8] = [
    Message {
        properties: Kind::None,
        body: 16,
    },
    Message {
        properties: Kind::None,
        body: 1024,
    },
    Message {
        properties: Kind::One,
        body: 16,
    },
    Message {
        properties: Kind::One,
        body: 1024,
    },
    Message {
        properties: Kind::Six,
        body: 16,
    },
    Message {
        properties: Kind::Six,
        body: 1024,
    },
    Message {
        properties: Kind::Table,
        body: 16,
    },
    Message {
        properties: Kind::Table,
        body: 1024,
    },
];

#[divan::bench(types = [Ours, AmqProtocol, AmqpSerde, Cloudamqp], args = PUBLISHES)]
fn encode_publish<C: Codec>(bencher: Bencher, message: &Message) {
    let mut codec = C::new(message);
    bencher.bench_local(|| black_box(codec.publish()).len());
}

#[divan::bench(types = [Ours, AmqProtocol, AmqpSerde, Cloudamqp], args = PUBLISHES)]
fn decode_64_kib<C: Codec>(bencher: Bencher, message: &Message) {
    let stream = stream(message);
    bencher
        .counter(BytesCount::new(stream.octets.len()))
        .counter(ItemsCount::new(stream.n_deliveries))
        .bench(|| C::decode(black_box(&stream)));
}

#[divan::bench(types = [Ours, AmqProtocol, AmqpSerde, Cloudamqp])]
fn read_table<C: Codec>(bencher: Bencher) {
    let table = table();
    bencher.bench(|| C::read_table(black_box(&table)));
}
