//! The probes, by topic.

mod administration;
mod arguments;
mod blocked;
mod bounds;
mod channels;
mod consuming;
mod content;
mod dead_letters;
mod exchanges;
mod frames;
mod negotiation;
mod permissions;
mod pipelining;
mod publishing;
mod queues;
mod reply_to;
mod routing;
mod settling;
mod tables;
mod time;
mod transactions;
mod walks;

use amqp_testing::memory::Like;

use crate::probe::Probe;

/// All of them. Those that wait for seconds come first, so that the others pass meanwhile.
pub(crate) fn all() -> Vec<Probe> {
    let topics: &[&[Probe]] = &[
        time::PROBES,
        negotiation::PROBES,
        frames::PROBES,
        content::PROBES,
        channels::PROBES,
        queues::PROBES,
        arguments::PROBES,
        exchanges::PROBES,
        routing::PROBES,
        publishing::PROBES,
        bounds::PROBES,
        consuming::PROBES,
        settling::PROBES,
        pipelining::PROBES,
        transactions::PROBES,
        permissions::PROBES,
        administration::PROBES,
        reply_to::PROBES,
        dead_letters::PROBES,
        tables::PROBES,
    ];
    topics.concat()
}

/// Those that wait for up to half a minute, and walks, which need a node that is not busy.
///
/// RabbitMQ 4.0.5 repeats itself on most walks only: a consumer of a queue that is deleted, or that
/// has just been started, is not heard of again in a few of 500, which differ from run to run.
pub(crate) fn slow(like: Like) -> Vec<Probe> {
    let mut probes = time::SLOW_PROBES.to_vec();
    if like == Like::RabbitMq3_10 {
        probes.extend(walks::walks(1000..1500));
    }
    probes
}

/// Those that harm a node, one after the other.
pub(crate) fn harmful() -> Vec<Probe> {
    blocked::SLOW_PROBES.to_vec()
}
