//! The channel of a publisher, which the broker has closed, and a stream that is lost before it is
//! opened anew: the next message is published, numbers go on, and nothing is kept.

use std::task::Poll;
use std::time::Duration;

use crate::event::Event;
use crate::tests::handles::publisher_renewal::{own, read, refusal, send};
use crate::tests::support::comeback::Comeback;
use crate::tests::support::pair::{Pair, all_recover, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, Message, PublishError, Publisher};

const SECOND: Duration = Duration::from_secs(1);

/// A publish, and how it has ended.
type Publishing = (
    Task<'static, Result<(), PublishError>>,
    Option<Result<(), PublishError>>,
);

fn publish(publisher: &Publisher, exchange: &'static str, message: Message) -> Publishing {
    let publisher = publisher.clone();
    let publishing = async move { publisher.publish(exchange, "q", message).await };
    (Task::start(publishing), None)
}

/// Three messages: the first costs the channel, the others stand behind it.
fn publish_all(publisher: &Publisher) -> [Publishing; 3] {
    let large = Message::new(vec![b'.'; 300_000]);
    [
        publish(publisher, "missing", Message::new("bad")),
        publish(publisher, "", Message::new("good")),
        publish(publisher, "", large),
    ]
}

/// Until nothing more is said, or the broker has said as much as it may. Channels that die young
/// are opened after a pause.
fn run(world: &mut Comeback, tasks: &mut [Publishing]) -> bool {
    for _ in 0..20 {
        if !world.run() {
            return false;
        }
        for (task, outcome) in &mut *tasks {
            if let (None, Poll::Ready(told)) = (&outcome, task.run()) {
                *outcome = Some(told);
            }
        }
        world.pair.advance(SECOND / 4);
    }
    true
}

#[test]
fn publisher_goes_on_wherever_the_stream_is_lost_around_a_close_of_its_channel() {
    let mut seen = [false; 3];
    for budget in 0.. {
        let mut world = Comeback::new();
        world.kernel.declare_queue("/", "q");
        let connection = world.pair.connection.clone();
        let publisher = world
            .done(async move { connection.open_publisher().await })
            .unwrap();
        let mut events = publisher.channel().events();
        let mut tasks = Vec::from(publish_all(&publisher));
        world.budget = Some(budget);
        let mut complete = run(&mut world, &mut tasks);
        if complete {
            // The channel rests by now.
            tasks.push(publish(&publisher, "", Message::new("good")));
            complete = run(&mut world, &mut tasks);
        }
        world.budget = None;
        let before = publisher.next_sequence_number().unwrap();
        if !complete {
            world.lose();
            world.come_back();
            assert!(run(&mut world, &mut tasks));
        }
        for (n, (_, outcome)) in tasks.into_iter().enumerate() {
            let outcome = outcome.unwrap_or_else(|| panic!("behind {budget}: {n} is pending"));
            match (n, outcome) {
                (_, Err(PublishError::Uncertain(_))) => seen[0] = true,
                (0, Err(PublishError::Refused(_))) => seen[1] = true,
                (1.., Ok(())) => seen[2] = true,
                // It stood behind the one that is to blame, and the broker took no notice of it.
                (1.., Err(PublishError::NotSent(ChannelError::ClosedByBroker(_)))) => {}
                (n, other) => panic!("behind {budget}: {n} ended with {other:?}"),
            }
        }
        assert!(publisher.channel().is_open(), "behind {budget}");
        let next = publisher.next_sequence_number().unwrap();
        assert!(next >= before, "behind {budget}: {next} after {before}");
        let mut again = [publish(&publisher, "", Message::new("next"))];
        assert!(run(&mut world, &mut again));
        assert!(matches!(again[0].1, Some(Ok(()))), "{:?}", again[0].1);
        assert_eq!(publisher.next_sequence_number(), Some(next + 1));
        assert_eq!(publisher.outstanding(), 0);
        assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
        world.pair.assert_idle();
        let channels = world.kernel.connection(world.client).unwrap();
        assert_eq!(channels.channels(), [publisher.channel().id()]);
        let outbox = world.pair.core.shared().outbox();
        assert_eq!(outbox.channels().n_in_use(), 1);
        drop(outbox);
        while let Poll::Ready(event) = Task::new(events.next()).poll() {
            let renewed = matches!(event, Some(Event::ChannelRenewed { .. }));
            assert!(renewed, "behind {budget}: {event:?}");
        }
        if complete {
            assert_eq!(seen, [true; 3]);
            assert!(budget > 3, "{budget}");
            return;
        }
    }
}

/// Where the channel is that is opened anew.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The rest of a large body is written, in front of the answer to the close.
    Finishing,
    /// Nothing waits for it.
    Resting,
    /// A message waits for it, and so does the pace.
    Wanted,
    /// `channel.open` is written.
    Opening,
}

#[test]
fn channel_that_is_to_be_opened_anew_is_opened_on_the_next_stream() {
    for stage in [
        Stage::Finishing,
        Stage::Resting,
        Stage::Wanted,
        Stage::Opening,
    ] {
        all_recover();
        let mut pair = Pair::open_with(&quiet());
        let publisher = own(&mut pair);
        let bad = send(&publisher, "missing", "key");
        let large = match stage {
            Stage::Finishing => {
                let large = Message::new(vec![b'.'; 1 << 20]);
                let large = done(publisher.send("", "large", large)).unwrap();
                for _ in 0..3 {
                    assert!(pair.write_once());
                }
                Some(large)
            }
            _ => None,
        };
        if large.is_none() {
            pair.sent();
        }
        read(&mut pair, &refusal());
        let mut waiting = match stage {
            Stage::Resting => None,
            _ => Some(Task::start(publisher.publish("", "waits", "x"))),
        };
        if let Stage::Opening = stage {
            pair.advance(Duration::ZERO);
            let sent = pair.sent();
            assert!(sent.contains(&"1 channel.open".to_owned()), "{sent:?}");
        }
        let bad = done(bad).unwrap_err();
        assert!(matches!(bad, PublishError::Refused(_)), "{stage:?}: {bad}");
        let number = publisher.next_sequence_number();
        pair.next_stream();
        assert!(publisher.channel().close_reason().is_none(), "{stage:?}");
        assert_eq!(publisher.next_sequence_number(), number);
        if let Some(large) = large {
            let error = done(large).unwrap_err();
            assert!(matches!(error, PublishError::NotSent(_)), "{error}");
        }
        pair.reopens((2047, 131_072, 0));
        pair.opens_again(publisher.channel());
        let mut next = Task::start(publisher.publish("", "next", "x"));
        let mut confirmed = 1;
        let written = pair.written_now().len();
        if let Some(waiting) = &mut waiting {
            // One that was written with the opening is gone with its stream.
            match waiting.poll() {
                Poll::Pending => confirmed += 1,
                Poll::Ready(outcome) => {
                    assert!(matches!(outcome, Err(PublishError::Uncertain(_))));
                }
            }
        }
        let written = written + pair.written_now().len();
        assert_eq!(written, confirmed * 3, "{stage:?}");
        pair.feed(&wire::ack(1, confirmed as u64, true));
        next.ready().unwrap();
        drop(next);
        assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
        pair.assert_idle();
    }
}
