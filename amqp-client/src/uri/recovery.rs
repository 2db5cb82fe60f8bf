//! The parameters about what happens when the connection is lost. Functions of the program have
//! none.

use super::parameter::{ANY_SECONDS, BOOLEAN, NUMBER, Parameter, SECONDS, parameter};
use super::values::{Unit, boolean, in_seconds, maybe, one, positive};
use crate::options::{ConnectionOptions, Recovery, Restore};

pub(super) const PARAMETERS: &[Parameter] = &[
    parameter!(
        "recovery",
        "on or off",
        |options, value| match value {
            "on" => change(options, |recovery| recovery.turned(true)),
            "off" => change(options, |recovery| recovery.turned(false)),
            _ => None,
        },
        |options| one(if options.recovery.is_on() {
            "on"
        } else {
            "off"
        })
    ),
    parameter!(
        "recovery_min_delay",
        SECONDS,
        |options, value| {
            let shortest = Unit::Seconds.some(value)?;
            let longest = options.recovery.longest_delay();
            change(options, |recovery| recovery.delays(shortest..=longest))
        },
        |options| one(in_seconds(options.recovery.shortest_delay()))
    ),
    parameter!(
        "recovery_max_delay",
        SECONDS,
        |options, value| {
            let longest = Unit::Seconds.some(value)?;
            let shortest = options.recovery.shortest_delay();
            change(options, |recovery| recovery.delays(shortest..=longest))
        },
        |options| one(in_seconds(options.recovery.longest_delay()))
    ),
    parameter!(
        "recovery_attempts",
        NUMBER,
        |options, value| {
            let attempts: u32 = positive(value)?;
            change(options, |recovery| recovery.attempts(attempts))
        },
        |options| maybe(options.recovery.attempt_limit())
    ),
    parameter!(
        "recovery_give_up_after",
        SECONDS,
        |options, value| {
            let limit = Unit::Seconds.some(value)?;
            change(options, |recovery| recovery.give_up_after(limit))
        },
        |options| maybe(options.recovery.outage_limit().map(in_seconds))
    ),
    parameter!(
        "recovery_patience",
        SECONDS,
        |options, value| {
            let limit = Unit::Seconds.some(value)?;
            change(options, |recovery| recovery.patience(limit))
        },
        |options| one(in_seconds(options.recovery.patience_limit()))
    ),
    parameter!(
        "recovery_entity_patience",
        SECONDS,
        |options, value| {
            let limit = Unit::Seconds.some(value)?;
            change(options, |recovery| recovery.entity_patience(limit))
        },
        |options| maybe(options.recovery.entity_patience_limit().map(in_seconds))
    ),
    parameter!(
        "recovery_refused_for",
        ANY_SECONDS,
        |options, value| {
            let limit = Unit::Seconds.any(value)?;
            change(options, |recovery| recovery.refused_for(limit))
        },
        |options| one(in_seconds(options.recovery.refusal_limit()))
    ),
    parameter!(
        "recovery_exclusive_for",
        SECONDS,
        |options, value| {
            let limit = Unit::Seconds.some(value)?;
            change(options, |recovery| recovery.exclusive_for(limit))
        },
        |options| maybe(options.recovery.chosen_exclusive_limit().map(in_seconds))
    ),
    parameter!(
        "recovery_restore",
        "all, transient or consumers",
        |options, value| {
            let restore = match value {
                "all" => Restore::All,
                "transient" => Restore::Transient,
                "consumers" => Restore::ConsumersOnly,
                _ => return None,
            };
            change(options, |recovery| recovery.restore(restore))
        },
        |options| one(match options.recovery.restore_mode() {
            Restore::All => "all",
            Restore::Transient => "transient",
            Restore::ConsumersOnly => "consumers",
        })
    ),
    parameter!(
        "recovery_from_the_start",
        BOOLEAN,
        |options, value| {
            let is_wanted = boolean(value)?;
            change(options, |recovery| {
                recovery.turned_from_the_start(is_wanted)
            })
        },
        |options| one(options.recovery.wants_the_start())
    ),
];

/// Always succeeds, which `Some` says.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends the reading of a parameter"
)]
fn change(
    options: &mut ConnectionOptions,
    change: impl FnOnce(Recovery) -> Recovery,
) -> Option<()> {
    options.recovery = change(options.recovery.clone());
    Some(())
}
