//! As [`wakeups`](super::wakeups), for tasks that want the next channel in the place of one that
//! the broker has closed: none sleeps on, whichever task polls the opening or goes away.

use std::future::ready;
use std::sync::Arc;

use amqp_spec::channel;

use super::wakeups::{apart, every_order, read};
use crate::channel::succession::Succession;
use crate::proto::Core;
use crate::tests::support::pair::Pair;
use crate::tests::support::schedule::{Model, look_and_go, wait_for};
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Channel, ChannelError, Connection};

/// A channel that the broker has closed; the next one has been asked for, by a task that has gone.
fn closed() -> (Core, Connection, Arc<Succession<Channel>>) {
    let (mut pair, channel) = Pair::with_channel();
    let channels = Succession::new(channel, |channel| ready(Ok(channel)));
    pair.feed(&wire::channel_close(1));
    drop(Task::start(channels.live()));
    assert_eq!(pair.sent(), ["1 channel.close-ok", "1 channel.open"]);
    let (core, connection) = apart(pair);
    (core, connection, channels)
}

/// The broker opens the channel.
fn open(core: &mut Core) {
    read(core, &wire::method(1, &channel::OpenOk {}));
}

fn live(channels: &Arc<Succession<Channel>>) -> impl FnOnce() -> Channel + Send + 'static {
    let channels = Arc::clone(channels);
    move || wait_for(channels.live()).unwrap()
}

#[test]
fn one_that_wants_the_next_channel_hears_of_it() {
    every_order(|| {
        let (mut core, connection, channels) = closed();
        Model::new()
            .actor("adapter", move || {
                open(&mut core);
                core
            })
            .actor("waiting", live(&channels))
            .check(|| drop((connection, channels)))
    });
}

#[test]
fn all_who_want_the_next_channel_get_it() {
    every_order(|| {
        let (mut core, connection, channels) = closed();
        open(&mut core);
        Model::new()
            .actor("a", live(&channels))
            .actor("b", live(&channels))
            .check(|| drop((core, connection, channels)))
    });
}

#[test]
fn one_that_goes_away_leaves_the_next_channel_to_the_others() {
    every_order(|| {
        let (mut core, connection, channels) = closed();
        open(&mut core);
        let gone = Arc::clone(&channels);
        Model::new()
            .actor("gone", move || look_and_go(gone.live()).is_some())
            .actor("stays", live(&channels))
            .check(|| drop((core, connection, channels)))
    });
}

#[test]
fn end_of_the_connection_reaches_those_who_want_the_next_channel() {
    every_order(|| {
        let (mut core, connection, channels) = closed();
        let waiting = Arc::clone(&channels);
        Model::new()
            .actor("adapter", move || {
                core.lost(crate::ConnectionError::EndOfStream);
                core
            })
            .actor("waiting", move || {
                let live = wait_for(waiting.live());
                assert!(matches!(live, Err(ChannelError::Connection(_))));
            })
            .check(|| drop((connection, channels)))
    });
}
