//! Any octets: nothing panics, and what is no method is passed over.

use amqp_spec::{exchange, queue};

use super::*;
use crate::tests::support::random::Random;

/// Payloads of everything that is recorded or forgotten.
fn payloads() -> Vec<Vec<u8>> {
    vec![
        payload(&exchange("x")),
        payload(&auto_delete_exchange("auto")),
        payload(&exchange::Bind {
            ..bind_exchange("x", "auto", "k")
        }),
        payload(&exchange::Unbind {
            ..unbind_exchange("x", "auto", "k")
        }),
        payload(&queue("q")),
        payload(&queue("")),
        payload(&queue::Bind {
            ..bind("q", "x", "k")
        }),
        payload(&queue::Unbind {
            ..unbind("q", "x", "k")
        }),
        payload(&delete_queue("q")),
        payload(&delete_exchange("x")),
        payload(&queue::DeclareOk {
            queue: short("amq.gen-1"),
            ..Default::default()
        }),
    ]
}

fn give(record: &mut Record, random: &mut Random, payload: &[u8], reply: &[u8]) {
    match random.below(4) {
        0 => record.unanswered(payload),
        _ => record.answered(payload, reply),
    }
    let _ = record.translated(payload);
}

#[test]
fn any_octets_do_no_harm() {
    let payloads = payloads();
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut record = Record::default();
        for _ in 0..60 {
            let mut payload = payloads[random.index(payloads.len())].clone();
            let mut reply = payloads[random.index(payloads.len())].clone();
            for octets in [&mut payload, &mut reply] {
                if random.below(2) == 0 {
                    let at = random.index(octets.len());
                    octets[at] ^= 1 << random.below(8);
                }
                if random.below(8) == 0 {
                    octets.truncate(random.index(octets.len()));
                }
            }
            give(&mut record, &mut random, &payload, &reply);
            match random.below(4) {
                0 => record.renamed("amq.gen-1", "amq.gen-2"),
                1 => record.renamed("amq.gen-2", "amq.gen-1"),
                2 => record.consumer_started("q"),
                _ => record.consumer_ended("q"),
            }
        }
        let entries = record.entries(Extent::All, |_| true);
        for (at, entry) in entries.iter().enumerate() {
            assert!(entry.needs.iter().all(|&need| need < at));
            let _ = in_words(entry);
        }
    }
}

#[test]
fn names_that_are_no_text_are_passed_over() {
    let mut record = Record::default();
    let odd = ShortStr::new(b"\xff\xfe").unwrap();
    done(
        &mut record,
        &exchange::Declare {
            exchange: odd,
            ..exchange("x")
        },
    );
    done(
        &mut record,
        &queue::Declare {
            queue: odd,
            ..queue("q")
        },
    );
    done(
        &mut record,
        &queue::Bind {
            routing_key: odd,
            ..bind("q", "x", "k")
        },
    );
    done(
        &mut record,
        &queue::Bind {
            queue: odd,
            ..bind("q", "x", "k")
        },
    );
    let ok = queue::DeclareOk {
        queue: odd,
        ..Default::default()
    };
    record.answered(&payload(&queue("")), &payload(&ok));
    assert!(all(&record).is_empty());
}
