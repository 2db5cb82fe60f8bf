//! The opening of a connection, up to `connection.open-ok` (AMQP 0-9-1 §2.2.4).
//!
//! ```text
//! protocol header ▶   ◀ start   start-ok ▶   [◀ secure   secure-ok ▶]   ◀ tune
//!                                                    tune-ok, open ▶   ◀ open-ok
//! ```
//!
//! `connection.close` is not answered before `connection.open` (RabbitMQ), so that giving up means
//! closing the socket.

use std::time::Duration;

use amqp_spec::wire::{FieldTable, LongStr, ShortStr};
use amqp_spec::{connection, constants};

use super::link::Limits;
use crate::error::{ConnectCause, Violation};
use crate::secret::Secret;

/// Which answer is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Start,
    Tune,
    OpenOk,
}

/// What is asked for when a connection is opened.
#[derive(Clone)]
#[non_exhaustive]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The virtual host.
    pub virtual_host: String,
    /// What the broker shows of us: product, version, `connection_name`, capabilities.
    pub client_properties: FieldTable,
    /// The limits that we propose.
    pub limits: Limits,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("virtual_host", &self.virtual_host)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Chooses a mechanism among those the server offers, and makes its response.
pub(crate) fn respond(
    start: &connection::Start<'_>,
    login: &Login,
) -> Result<(ShortStr<'static>, Secret), ConnectCause> {
    let offered = start.mechanisms.as_bytes();
    if !offered
        .split(|&octet| octet == b' ')
        .any(|name| name == b"PLAIN")
    {
        let offered = String::from_utf8_lossy(offered).into_owned();
        return Err(ConnectCause::Mechanism(offered));
    }
    let (user, password) = (login.user.as_bytes(), login.password.expose());
    let response = Secret::concat(&[b"\0", user, b"\0", password]);
    Ok((amqp_spec::short_str!("PLAIN"), response))
}

/// The frame that answers `connection.start`.
pub(crate) fn start_ok<'a>(
    login: &'a Login,
    mechanism: ShortStr<'a>,
    response: &'a [u8],
) -> Result<connection::StartOk<'a>, amqp_spec::wire::TooLong> {
    Ok(connection::StartOk {
        client_properties: login.client_properties.as_ref(),
        mechanism,
        response: LongStr::new(response)?,
        locale: amqp_spec::short_str!("en_US"),
    })
}

/// Agrees on limits: zero means "no limit" from either side, else the lower one holds.
///
/// RabbitMQ refuses zero for what it has limited itself, without a word, so that the answer is
/// never zero where the proposal was not.
pub(crate) fn negotiate(
    ours: Limits,
    tune: &connection::Tune,
) -> Result<(Limits, connection::TuneOk), Violation> {
    let frame_max = lower(ours.frame_max, tune.frame_max);
    if frame_max != 0 && frame_max < constants::FRAME_MIN_SIZE {
        return Err(Violation::Tuning { frame_max });
    }
    // Part of a second is a second: zero would turn heartbeats off.
    let part = u64::from(ours.heartbeat.subsec_nanos() > 0);
    let seconds = ours.heartbeat.as_secs().saturating_add(part);
    let heartbeat = u16::try_from(seconds).unwrap_or(u16::MAX);
    let tune_ok = connection::TuneOk {
        channel_max: lower(ours.channel_max, tune.channel_max),
        frame_max,
        heartbeat,
    };
    let limits = Limits {
        // No limit from either side leaves the range of the number.
        channel_max: if tune_ok.channel_max == 0 {
            u16::MAX
        } else {
            tune_ok.channel_max
        },
        frame_max: if tune_ok.frame_max == 0 {
            1024 * 1024
        } else {
            tune_ok.frame_max
        },
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
