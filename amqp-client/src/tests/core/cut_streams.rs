//! The stream cut at every octet, in both directions, under every operation: each future ends, with
//! the root cause, and nothing is left behind.

use std::io;
use std::task::Poll;

use crate::ConnectionOptions;
use crate::error::ConnectionError;
use crate::tests::support::operations::{After, Operation, World, operations, told};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;

/// Where the stream ends, in octets from the start of the operation, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cut {
    /// The broker's octets, then the end of the stream.
    End(usize),
    /// The broker's octets, then a reset.
    Reset(usize),
    /// So many octets of ours could be written, then no more.
    Write(usize),
    /// Nowhere.
    Never,
}

impl Cut {
    /// How the error names what happened.
    fn cause(self) -> &'static str {
        match self {
            Self::End(_) => "the broker ended the stream",
            Self::Reset(_) => "connection reset",
            Self::Write(_) => "broken pipe",
            Self::Never => "no cause",
        }
    }
}

fn failed(kind: io::ErrorKind) -> ConnectionError {
    ConnectionError::Io(io::Error::from(kind).into())
}

/// Runs the operation until it is complete or the stream is cut, and says how many octets came and
/// went.
#[track_caller]
fn run(operation: &Operation, options: &ConnectionOptions, cut: Cut) -> (usize, usize) {
    let mut world = World::new(options);
    drop(world.pair.sent_octets());
    let connection = world.connection.clone();
    let mut watcher = Task::start(async move { connection.closed().await });
    let publisher = world.publisher.clone();
    // Handed over before, and not answered yet.
    let sent =
        crate::tests::support::task::done(publisher.send("", "key", crate::Message::new("before")));
    let mut confirmation = Task::start(sent.unwrap());
    let mut confirmed = None;
    let mut task = Task::new(operation.start(&world));
    let mut outcome = None;
    let mut ours = Vec::new();
    let (mut n_read, mut n_written) = (0, 0);
    if let Cut::Write(at) = cut {
        world.pair.write_limit = at;
    }
    let is_cut = loop {
        if outcome.is_none() {
            if let Poll::Ready(result) = task.run() {
                outcome = Some(result);
            }
        }
        if confirmed.is_none() {
            if let Poll::Ready(result) = confirmation.run() {
                confirmed = Some(told(result));
            }
        }
        ours.extend(world.pair.sent_octets());
        if world.pair.write_limit == 0 {
            world.pair.core.lost(failed(io::ErrorKind::BrokenPipe));
            break true;
        }
        n_written += ours.len();
        world.broker.read(&ours);
        ours.clear();
        let Some(frame) = world.broker.outgoing.pop_front() else {
            break false;
        };
        let left = match cut {
            Cut::End(at) | Cut::Reset(at) => at - n_read,
            Cut::Write(_) | Cut::Never => usize::MAX,
        };
        world.pair.feed(&frame[..left.min(frame.len())]);
        n_read += left.min(frame.len());
        if left < frame.len() {
            match cut {
                Cut::Reset(_) => world.pair.core.lost(failed(io::ErrorKind::ConnectionReset)),
                _ => world.pair.eof(),
            }
            break true;
        }
    };
    if !is_cut {
        return (n_read, n_written);
    }
    let what = || format!("{} {cut:?}", operation.name);
    if outcome.is_none() {
        assert!(task.is_due(), "{}: nobody woke the task", what());
        match task.poll() {
            // What was answered before was not seen before.
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                assert!(error.contains(cut.cause()), "{}: {error}", what());
            }
            Poll::Pending => panic!("{}: still waiting", what()),
        }
    }
    if confirmed.is_none() {
        let error = told(confirmation.ready());
        assert!(error.is_ok() || error.unwrap_err().contains(cut.cause()));
    }
    let end = format!("{:?}", watcher.ready());
    assert!(end.contains(cut.cause()), "{}: {end}", what());
    drop((task, confirmation));
    world.pair.assert_idle();
    assert!(world.pair.core.is_finished(), "{}", what());
    assert!(world.channel.close_reason().is_some());
    let leftovers = world.channel.shared().confirms().leftovers();
    assert_eq!(leftovers.1, 0, "{}", what());
    (n_read, n_written)
}

/// Every offset; of what is longer, those at the ends of its frames and some between.
fn offsets(len: usize) -> impl Iterator<Item = usize> {
    (0..len).filter(move |&at| len < 3000 || at < 600 || at + 600 > len || at % 8191 == 0)
}

#[track_caller]
fn cut_everywhere(options: &ConnectionOptions, cut: fn(usize) -> Cut) {
    let mut n_cuts = 0;
    for operation in operations() {
        let (n_read, n_written) = run(&operation, options, Cut::Never);
        let len = match cut(0) {
            Cut::Write(_) => n_written,
            _ => n_read,
        };
        assert!(len > 0 || operation.after == After::Usable);
        for at in offsets(len) {
            run(&operation, options, cut(at));
            n_cuts += 1;
        }
    }
    assert!(n_cuts > 1000, "hardly anything was cut");
}

#[test]
fn s3_every_future_ends_with_the_cause_wherever_the_broker_s_octets_end() {
    cut_everywhere(&quiet(), Cut::End);
}

#[test]
fn s3_every_future_ends_with_the_cause_wherever_the_stream_is_reset() {
    cut_everywhere(&quiet(), Cut::Reset);
}

#[test]
fn f3_every_future_ends_with_the_cause_wherever_our_octets_are_cut() {
    cut_everywhere(&quiet(), Cut::Write);
}

#[test]
fn s3_those_who_wait_for_room_learn_the_cause() {
    cut_everywhere(&quiet().write_buffer_limit(1), Cut::End);
    cut_everywhere(&quiet().write_buffer_limit(1), Cut::Write);
}
