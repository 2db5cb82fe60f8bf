//! Deliveries that come at once and octet by octet: the first are recognised as a whole, the others
//! never, and no consumer can tell the difference.

use std::task::Poll;

use amqp_spec::basic;

use super::content::consuming;
use crate::tests::support::task::Task;
use crate::tests::support::wire;

/// Three deliveries, with properties, without a body, and with a larger body, and what may follow.
fn stream() -> Vec<u8> {
    let properties = basic::Properties::new()
        .content_type(wire::short("text/plain"))
        .delivery_mode(2);
    let deliver = basic::Deliver {
        redelivered: true,
        ..wire::deliver("tag", 1)
    };
    [
        wire::method(1, &deliver),
        wire::header_with(1, 4, properties.as_ref()),
        wire::body(1, b"body", wire::FRAME_MAX),
        wire::delivery(1, "tag", 2, b""),
        wire::delivery(1, "tag", 3, b"a larger body"),
        wire::ack(1, 1, false),
    ]
    .concat()
}

/// What the consumer gets and how the connection stands after these octets, fed in pieces.
fn outcome(octets: &[u8], piece: usize) -> Vec<String> {
    let (mut pair, _channel, mut consumer) = consuming();
    for piece in octets.chunks(piece) {
        if pair.connection.close_reason().is_none() {
            pair.feed(piece);
        }
    }
    let mut outcome = Vec::new();
    while let Poll::Ready(Some(next)) = Task::new(consumer.next()).poll() {
        outcome.push(format!("{next:?}"));
        if let Ok(delivery) = next {
            let (tag, redelivered) = (delivery.delivery_tag(), delivery.redelivered());
            outcome.push(format!("{tag} {redelivered} {:?}", delivery.body()));
        }
    }
    outcome.push(format!("{:?}", pair.connection.close_reason()));
    outcome
}

#[test]
fn whole_deliveries_are_read_as_those_in_pieces() {
    let stream = stream();
    let at_once = outcome(&stream, stream.len());
    assert_eq!(at_once.len(), 7, "{at_once:?}");
    assert_eq!(at_once, outcome(&stream, 1));
    assert!(at_once[1].starts_with("1 true ") && at_once[3] == "2 false []");
}

#[test]
fn any_fault_in_whole_deliveries_is_told_as_that_in_pieces() {
    let good = stream();
    let mut faults = 0;
    for at in 0..good.len() {
        for change in [0x01, 0x02, 0x80, 0xff] {
            let mut octets = good.clone();
            octets[at] ^= change;
            let at_once = outcome(&octets, octets.len());
            assert_eq!(at_once, outcome(&octets, 1), "octet {at} ^ {change:#04x}");
            faults += usize::from(at_once.last().is_some_and(|end| end != "None"));
        }
    }
    // Most changes are faults; others change a name, a tag, or the body.
    assert!(faults > good.len(), "{faults} of {}", 4 * good.len());
}
