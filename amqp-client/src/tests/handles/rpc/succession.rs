//! Calls when the broker closes their channel: what they end with, and the channel that the next
//! ones get.

use std::cell::Cell;
use std::future::IntoFuture;
use std::rc::Rc;
use std::time::Duration;

use amqp_spec::{basic, channel, confirm};

use super::calls::{Calling, assert_reply};
use crate::error::ConnectionError;
use crate::tests::support::pair::when_asked;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, ConsumeError, Message, ReceivedMessage, rpc};

type Calls = Task<'static, Result<ReceivedMessage, rpc::Error>>;

const REQUEST: [&str; 3] = ["1 basic.publish server mandatory", "1 header 1", "1 body 1"];

impl Calling {
    /// A call that cannot be sent yet.
    #[track_caller]
    fn begin(&mut self) -> Calls {
        let client = self.client.clone();
        let call = async move { client.call("", "server", Message::new("?")).await };
        Task::start(call)
    }

    /// The broker closes the channel, and has its answer.
    #[track_caller]
    fn lose_channel(&mut self) {
        self.pair.feed(&wire::channel_close(1));
        assert_eq!(self.pair.sent(), ["1 channel.close-ok"]);
        self.n_delivered = 0;
    }

    /// The broker does what is asked of it until the next channel is ready; one of these callers
    /// sees to it.
    #[track_caller]
    fn set_up(&mut self, callers: &mut [&mut Calls]) {
        assert_eq!(self.pair.sent(), ["1 channel.open"]);
        self.pair.says(1, &channel::OpenOk {});
        Self::run(callers);
        assert_eq!(self.pair.sent(), ["1 confirm.select"]);
        self.pair.says(1, &confirm::SelectOk {});
        Self::run(callers);
        let sent = self.pair.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        self.tag = sent[0].strip_prefix("1 basic.consume ").unwrap().to_owned();
        self.pair.feed(&wire::consume_ok(1, &self.tag));
        Self::run(callers);
    }

    #[track_caller]
    fn run(callers: &mut [&mut Calls]) {
        for caller in callers {
            assert!(caller.is_due(), "each of those who wait may have to go on");
            caller.pending();
        }
    }
}

#[track_caller]
fn assert_uncertain(outcome: &Result<ReceivedMessage, rpc::Error>) {
    let Err(rpc::Error::Uncertain(ConsumeError::Channel(ChannelError::ClosedByBroker(_)))) =
        outcome
    else {
        panic!("the broker has closed the channel: {outcome:?}");
    };
}

#[test]
fn f30_a_bad_request_costs_the_calls_of_its_moment_and_none_that_come_later() {
    let mut calling = Calling::new();
    let mut bad = calling.call();
    let mut other = calling.call();
    calling.lose_channel();
    assert_uncertain(&bad.ready());
    assert_uncertain(&other.ready());
    // No call wants a channel, so that none is opened.
    assert_eq!(calling.pair.sent(), [""; 0]);
    let mut call = calling.begin();
    calling.set_up(&mut [&mut call]);
    assert_eq!(calling.pair.sent(), REQUEST);
    calling.pair.feed(&wire::ack(1, 1, false));
    calling.reply("3", "three");
    assert_reply(call.ready(), "three");
    drop((bad, other, call));
    calling.assert_counts([3, 0, 1, 0, 0, 0]);
    calling.assert_nothing_waits();
}

#[test]
fn one_channel_is_opened_however_many_calls_want_it() {
    let mut calling = Calling::new();
    calling.lose_channel();
    let mut calls = [calling.begin(), calling.begin(), calling.begin()];
    let [first, second, third] = &mut calls;
    calling.set_up(&mut [first, second, third]);
    assert_eq!(calling.pair.sent(), [REQUEST; 3].concat());
    for id in ["2", "3", "1"] {
        calling.reply(id, id);
    }
    for (call, id) in calls.iter_mut().zip(["1", "2", "3"]) {
        assert_reply(call.ready(), id);
    }
}

/// It may be a program's own, and take locks.
#[test]
fn the_clock_is_looked_at_without_a_lock() {
    let mut calling = Calling::new();
    let (client, looks) = (calling.client.clone(), Rc::<Cell<u32>>::default());
    let counted = Rc::clone(&looks);
    // Hangs while the succession is locked.
    when_asked(move || counted.set(counted.get() + u32::from(client.channel().id() > 0)));
    calling.lose_channel();
    let mut call = calling.begin();
    calling.set_up(&mut [&mut call]);
    assert_eq!(calling.pair.sent(), REQUEST);
    assert!(looks.get() > 0);
    when_asked(|| ());
}

#[test]
fn a_caller_that_goes_away_leaves_the_opening_to_the_next() {
    let mut calling = Calling::new();
    calling.lose_channel();
    let first = calling.begin();
    let mut second = calling.begin();
    assert_eq!(calling.pair.sent(), ["1 channel.open"]);
    drop(first);
    calling.pair.says(1, &channel::OpenOk {});
    assert!(second.is_due());
    second.pending();
    assert_eq!(calling.pair.sent(), ["1 confirm.select"]);
    drop(second);
    // No call waits: the opening rests until one does.
    calling.pair.says(1, &confirm::SelectOk {});
    assert_eq!(calling.pair.sent(), [""; 0]);
    let mut third = calling.begin();
    let sent = calling.pair.sent();
    let tag = sent[0].strip_prefix("1 basic.consume ").unwrap();
    calling.pair.feed(&wire::consume_ok(1, tag));
    third.pending();
    assert_eq!(calling.pair.sent(), REQUEST);
}

#[test]
fn a_call_that_was_not_written_goes_on_by_itself() {
    let mut calling = Calling::new();
    let mut written = calling.call();
    calling.pair.write_limit = 0;
    let mut call = calling.begin();
    calling.pair.feed(&wire::channel_close(1));
    assert_uncertain(&written.ready());
    assert!(call.is_due());
    call.pending();
    calling.pair.write_limit = usize::MAX;
    assert_eq!(
        calling.pair.sent(),
        ["1 channel.close-ok", "1 channel.open"]
    );
    calling.pair.says(1, &channel::OpenOk {});
    call.pending();
    assert_eq!(calling.pair.sent(), ["1 confirm.select"]);
    calling.pair.says(1, &confirm::SelectOk {});
    call.pending();
    let sent = calling.pair.sent();
    calling.tag = sent[0].strip_prefix("1 basic.consume ").unwrap().to_owned();
    calling.pair.feed(&wire::consume_ok(1, &calling.tag));
    call.pending();
    assert_eq!(calling.pair.sent(), REQUEST);
    calling.reply("3", "written at last");
    assert_reply(call.ready(), "written at last");
    drop((written, call));
    calling.assert_counts([2, 0, 1, 0, 0, 0]);
}

#[test]
fn channels_that_die_young_are_opened_further_apart() {
    let mut calling = Calling::new();
    calling.lose_channel();
    for pause in [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
        let mut call = calling.begin();
        if pause > 0 {
            calling.pair.advance(Duration::from_millis(pause - 1));
            assert_eq!(calling.pair.sent(), [""; 0], "within {pause} ms");
            calling.pair.advance(Duration::from_millis(1));
            assert!(call.is_due());
            call.pending();
        }
        calling.set_up(&mut [&mut call]);
        assert_eq!(calling.pair.sent(), REQUEST);
        calling.lose_channel();
        assert_uncertain(&call.ready());
    }
}

#[test]
fn a_call_waits_for_a_channel_no_longer_than_it_has_time() {
    let mut calling = Calling::with(|open| open.timeout(Duration::from_millis(50)));
    calling.lose_channel();
    let mut call = calling.begin();
    assert_eq!(calling.pair.sent(), ["1 channel.open"]);
    calling.pair.advance(Duration::from_millis(50));
    assert!(matches!(
        call.ready(),
        Err(rpc::Error::Timeout { sent: false, .. })
    ));
}

#[test]
fn a_channel_that_cannot_be_set_up_is_told_to_all_who_wait_and_tried_again() {
    let mut calling = Calling::new();
    calling.lose_channel();
    let (mut first, mut second) = (calling.begin(), calling.begin());
    assert_eq!(calling.pair.sent(), ["1 channel.open"]);
    calling.lose_channel();
    for call in [&mut first, &mut second] {
        let Err(rpc::Error::NotSent(ConsumeError::Channel(ChannelError::ClosedByBroker(_)))) =
            call.ready()
        else {
            panic!("the broker has closed the channel");
        };
    }
    let mut third = calling.begin();
    assert_eq!(calling.pair.sent(), [""; 0]);
    calling.pair.advance(Duration::from_millis(100));
    third.pending();
    calling.set_up(&mut [&mut third]);
    assert_eq!(calling.pair.sent(), REQUEST);
}

#[test]
fn the_end_of_the_connection_ends_those_who_wait_for_a_channel() {
    let mut calling = Calling::new();
    calling.lose_channel();
    let mut call = calling.begin();
    calling.set_up(&mut [&mut call]);
    calling.pair.sent();
    calling.lose_channel();
    assert_uncertain(&call.ready());
    let mut waiting = calling.begin();
    calling.pair.eof();
    let Err(rpc::Error::NotSent(ConsumeError::Channel(ChannelError::Connection(_)))) =
        waiting.ready()
    else {
        panic!("the connection has ended");
    };
    let client = calling.client.clone();
    let later = done(client.call("", "server", Message::new("?")).into_future());
    let Err(rpc::Error::NotSent(ConsumeError::Channel(ChannelError::Connection(
        ConnectionError::EndOfStream,
    )))) = later
    else {
        panic!("{later:?}");
    };
}

#[test]
fn a_client_that_the_program_closed_stays_closed() {
    let mut calling = Calling::new();
    let channel = calling.client.channel();
    let mut closing = Task::start(async move { channel.close().await });
    calling.pair.sent();
    calling.pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    let client = calling.client.clone();
    let call = done(client.call("", "server", Message::new("?")).into_future());
    assert!(
        matches!(
            call,
            Err(rpc::Error::NotSent(ConsumeError::Channel(
                ChannelError::Closed
            )))
        ),
        "{call:?}"
    );
    assert_eq!(calling.pair.sent(), [""; 0]);
}

#[test]
fn a_client_whose_replies_the_broker_cancelled_has_another_channel_opened() {
    let mut calling = Calling::new();
    let consumer_tag = wire::short(&calling.tag);
    let no_wait = true;
    let cancel = basic::Cancel {
        consumer_tag,
        no_wait,
    };
    calling.pair.says(1, &cancel);
    let mut call = calling.begin();
    assert_eq!(calling.pair.sent(), ["2 channel.open"]);
    calling.pair.says(2, &channel::OpenOk {});
    call.pending();
    calling.pair.says(2, &confirm::SelectOk {});
    call.pending();
    let sent = calling.pair.sent();
    let tag = sent[1].strip_prefix("2 basic.consume ").unwrap();
    calling.pair.feed(&wire::consume_ok(2, tag));
    call.pending();
    let sent = calling.pair.sent();
    assert!(sent.contains(&"1 channel.close 200".to_owned()), "{sent:?}");
    assert!(sent.contains(&"2 body 1".to_owned()), "{sent:?}");
}

#[test]
fn a_call_whose_replies_the_broker_cancels_again_and_again_was_not_sent() {
    let mut calling = Calling::new();
    let cancel = |tag: &str, channel: u16| {
        let cancel = basic::Cancel {
            consumer_tag: wire::short(tag),
            no_wait: true,
        };
        wire::method(channel, &cancel)
    };
    let first = cancel(&calling.tag, 1);
    calling.pair.feed(&first);
    let mut call = calling.begin();
    let mut sent = Vec::new();
    let error = loop {
        calling.pair.advance(Duration::from_secs(1));
        if let std::task::Poll::Ready(outcome) = call.run() {
            break outcome.unwrap_err();
        }
        let now = calling.pair.sent();
        for frame in &now {
            let (channel, what) = frame.split_once(' ').unwrap();
            let id: u16 = channel.parse().unwrap();
            match what.split_once(' ') {
                None if what == "channel.open" => calling.pair.says(id, &channel::OpenOk {}),
                None if what == "confirm.select" => calling.pair.says(id, &confirm::SelectOk {}),
                Some(("channel.close", _)) => calling.pair.says(id, &channel::CloseOk {}),
                Some(("basic.consume", tag)) => {
                    let answer = [wire::consume_ok(id, tag), cancel(tag, id)].concat();
                    calling.pair.feed(&answer);
                }
                _ => {}
            }
        }
        sent.extend(now);
    };
    let rpc::Error::Timeout { sent: false, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        !sent.iter().any(|frame| frame.contains("basic.publish")),
        "{sent:?}"
    );
}
