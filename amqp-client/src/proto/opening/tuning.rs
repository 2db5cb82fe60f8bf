//! What both sides agree on: channels, frames and heartbeats (`connection.tune`).

use std::time::Duration;

use amqp_spec::{connection, constants};

use crate::error::Violation;
use crate::proto::config::{Limits, Login};

/// Below this RabbitMQ from 4.1 on refuses to work, and does not say so.
const FRAME_MAX_FLOOR: u32 = 8192;

/// More is never agreed on: a frame is held whole before it is parsed, and keeps the frames of
/// other channels waiting. Not above what the core accepts.
const FRAME_MAX_CEILING: u32 = 1024 * 1024;

/// Agrees on limits: zero means "no limit" from either side, else the lower one holds; for frames
/// ours is the ceiling then.
///
/// RabbitMQ refuses zero for what it has limited itself, without a word, so that the answer is
/// never zero where the proposal was not.
pub(super) fn negotiate(
    login: &Login,
    tune: &connection::Tune,
) -> Result<(Limits, connection::TuneOk), Violation> {
    let ours = match login.frame_max {
        0 => FRAME_MAX_CEILING,
        frame_max => frame_max.clamp(FRAME_MAX_FLOOR, FRAME_MAX_CEILING),
    };
    let frame_max = lower(ours, tune.frame_max);
    if frame_max < constants::FRAME_MIN_SIZE {
        return Err(Violation::Tuning { frame_max });
    }
    let heartbeat = login.heartbeat.agree(tune.heartbeat);
    let tune_ok = connection::TuneOk {
        channel_max: lower(login.channel_max, tune.channel_max),
        frame_max,
        heartbeat,
    };
    let limits = Limits {
        // No limit from either side leaves the range of the number.
        channel_max: match tune_ok.channel_max {
            0 => u16::MAX,
            channel_max => channel_max,
        },
        frame_max,
        heartbeat: Duration::from_secs(u64::from(heartbeat)),
    };
    Ok((limits, tune_ok))
}

fn lower<N: Copy + Default + Ord>(ours: N, theirs: N) -> N {
    if ours == N::default() {
        theirs
    } else if theirs == N::default() {
        ours
    } else {
        ours.min(theirs)
    }
}
