//! What the program is told of a recovery: where the connection stands, and events.

use std::sync::Arc;
use std::time::Duration;

use super::{Course, Lost, RecoveryReport, State};
use crate::error::{ConnectionError, Entity, EntityFailure, Stage};
use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;

/// The connection is over; it was opened once, or came no further than this stage.
pub(crate) fn over(cause: &ConnectionError, stage: Stage, was_open: bool, outside: &mut Outside) {
    if was_open {
        outside.shared().trace.closed(cause);
    } else {
        outside.shared().trace.not_opened(stage, cause);
    }
    let (shared, wakers) = outside.split();
    shared.standing.set(State::Closed(cause.clone()), wakers);
    let cause = cause.clone();
    outside.emit(Source::Connection, &Event::ConnectionClosed { cause });
}

/// The connection is lost, and is to come back.
pub(crate) fn lost(cause: &ConnectionError, lost: Lost, outside: &mut Outside) {
    outside.shared().trace.lost(cause);
    let event = Event::Lost {
        cause: cause.clone(),
        lost,
    };
    outside.emit(Source::Connection, &event);
}

/// An attempt to bring it back comes next.
pub(crate) fn retrying(delay: Duration, course: &Course, outside: &mut Outside) {
    attempt(course, outside);
    let (attempt, last) = (course.attempt(), course.last().cloned());
    outside
        .shared()
        .trace
        .retrying(attempt, delay, last.as_ref());
    let event = Event::Retrying {
        attempt,
        delay,
        last,
    };
    outside.emit(Source::Connection, &event);
}

/// It comes back.
pub(crate) fn attempt(course: &Course, outside: &mut Outside) {
    let (shared, wakers) = outside.split();
    let attempt = course.attempt();
    shared.standing.set(State::Recovering { attempt }, wakers);
}

/// It is open, and was never before.
pub(crate) fn opened(pending: usize, outside: &mut Outside) {
    still_pending(pending, outside);
    outside.emit(Source::Connection, &Event::Opened);
}

/// It is back; this many things are pending.
pub(crate) fn recovered(report: RecoveryReport, pending: usize, outside: &mut Outside) {
    outside.shared().trace.recovered(&report);
    outside.shared().totals.recoveries.add(1);
    still_pending(pending, outside);
    outside.emit(Source::Connection, &Event::Recovered(Arc::new(report)));
}

/// This many things are pending, of a connection that is back.
pub(crate) fn still_pending(pending: usize, outside: &mut Outside) {
    let (shared, wakers) = outside.split();
    shared.standing.set(State::Open { pending }, wakers);
}

/// Something is tried again and again.
pub(crate) fn pending(failure: EntityFailure, outside: &mut Outside) {
    outside.shared().trace.pending(&failure);
    let EntityFailure { entity, cause, .. } = failure;
    outside.emit(
        Source::Connection,
        &Event::Pending {
            entity: Arc::new(entity),
            cause,
        },
    );
}

/// Something that was pending is not tried any more, nor what depends on it.
pub(crate) fn not_restored(failure: EntityFailure, outside: &mut Outside) {
    outside.shared().trace.not_restored(&failure);
    let EntityFailure { entity, cause, .. } = failure;
    outside.emit(
        Source::Connection,
        &Event::NotRestored {
            entity: Arc::new(entity),
            cause,
        },
    );
}

/// Something is back that was pending.
pub(crate) fn restored(entity: Entity, outside: &mut Outside) {
    outside.shared().trace.restored(&entity);
    outside.emit(
        Source::Connection,
        &Event::Restored {
            entity: Arc::new(entity),
        },
    );
}
