//! What the program wants when the connection is lost, but for its functions.

use std::time::Duration;

use amqp_spec::wire::{FieldTable, FieldValue};

use crate::options::{ConnectionOptions, Recovery, Restore};
use crate::settings::{Entry, Fault, time};

pub(super) const KEYS: [&str; 11] = [
    "off",
    "from_the_start",
    "min_delay",
    "max_delay",
    "attempts",
    "give_up_after",
    "patience",
    "entity_patience",
    "refused_for",
    "exclusive_for",
    "restore",
];

const RESTORE: [(&str, Restore); 3] = [
    ("all", Restore::All),
    ("transient", Restore::Transient),
    ("consumers", Restore::ConsumersOnly),
];

/// A word, or a table.
pub(super) fn read(options: &mut ConnectionOptions, file: &Entry<'_>) -> Result<(), Fault> {
    let mut recovery = options.recovery.clone();
    match file.text() {
        Ok("on") => recovery = recovery.turned(true),
        Ok("off") => recovery = recovery.turned(false),
        Ok(_) => return Err(file.must_be("\"on\" or \"off\", if it is text")),
        Err(_) => {
            for entry in file.entries()? {
                recovery = with(recovery, &entry)?;
            }
        }
    }
    options.recovery = recovery;
    Ok(())
}

/// What is said already, with what this entry says.
fn with(recovery: Recovery, entry: &Entry<'_>) -> Result<Recovery, Fault> {
    let (shortest, longest) = (recovery.shortest_delay(), recovery.longest_delay());
    Ok(match entry.name() {
        "off" => recovery.turned(!entry.boolean()?),
        "from_the_start" => recovery.turned_from_the_start(entry.boolean()?),
        "min_delay" => recovery.delays(entry.time()?..=longest),
        "max_delay" => recovery.delays(shortest..=entry.time()?),
        "attempts" if matches!(entry.text(), Ok("none")) => recovery.attempts(None),
        "attempts" => recovery.attempts(entry.number::<u32>()?),
        "give_up_after" => recovery.give_up_after(entry.time_or_none()?),
        "patience" => recovery.patience(entry.time()?),
        "entity_patience" => recovery.entity_patience(entry.time_or_none()?),
        "refused_for" => recovery.refused_for(entry.time()?),
        "exclusive_for" => recovery.exclusive_for(entry.time_or_none()?),
        "restore" => recovery.restore(entry.word(&RESTORE)?),
        _ => return Err(entry.unknown(KEYS.into_iter())),
    })
}

/// What differs from the defaults, without functions; `None` if nothing does.
pub(super) fn write(recovery: &Recovery) -> Option<FieldValue> {
    let usual = Recovery::new();
    let mut file = FieldTable::new();
    if recovery.wants_the_start() {
        file.insert("from_the_start", true);
    }
    if let Some(attempts) = recovery.attempt_limit() {
        file.insert("attempts", i64::from(attempts));
    }
    for (ours, usual) in times(recovery).into_iter().zip(times(&usual)) {
        let (key, Some(limit)) = ours else {
            continue;
        };
        if ours != usual {
            file.insert(key, time::write(limit));
        }
    }
    if recovery.restore_mode() != usual.restore_mode() {
        let mut words = RESTORE.iter();
        let word = words.find(|(_, mode)| *mode == recovery.restore_mode());
        if let Some((word, _)) = word {
            file.insert("restore", *word);
        }
    }
    match (recovery.is_on(), file.is_empty()) {
        (true, true) => return None,
        (true, false) => {}
        (false, true) => return Some("off".into()),
        (false, false) => file.insert("off", true),
    }
    Some(file.into())
}

/// By their keys; by default none, where there is none.
fn times(recovery: &Recovery) -> [(&'static str, Option<Duration>); 7] {
    [
        ("min_delay", Some(recovery.shortest_delay())),
        ("max_delay", Some(recovery.longest_delay())),
        ("give_up_after", recovery.outage_limit()),
        ("patience", Some(recovery.patience_limit())),
        ("entity_patience", recovery.entity_patience_limit()),
        ("refused_for", Some(recovery.refusal_limit())),
        ("exclusive_for", recovery.chosen_exclusive_limit()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OnFailure;

    #[track_caller]
    fn toml(text: &str) -> ConnectionOptions {
        toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn with(recovery: Recovery) -> ConnectionOptions {
        ConnectionOptions::default().recovery(recovery)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_key_says_what_its_setter_says_and_comes_back() {
        let (new, half) = (Recovery::new, SECOND / 2);
        for (text, recovery) in [
            ("'on'", new()),
            ("'off'", Recovery::off()),
            ("{}", new()),
            ("{ off = true }", Recovery::off()),
            ("{ off = false }", new()),
            ("{ from_the_start = true }", new().from_the_start()),
            ("{ min_delay = '1s' }", new().delays(SECOND..=5 * SECOND)),
            ("{ max_delay = '1m' }", new().delays(half..=60 * SECOND)),
            (
                "{ max_delay = '250us', min_delay = '1ns' }",
                new().delays(Duration::from_nanos(1)..=Duration::from_micros(250)),
            ),
            ("{ attempts = 20 }", new().attempts(20)),
            ("{ attempts = 'none' }", new()),
            (
                "{ give_up_after = '10m' }",
                new().give_up_after(600 * SECOND),
            ),
            ("{ give_up_after = 'none' }", new()),
            ("{ patience = '10s' }", new().patience(10 * SECOND)),
            (
                "{ entity_patience = '5m' }",
                new().entity_patience(300 * SECOND),
            ),
            ("{ entity_patience = 'none' }", new()),
            ("{ refused_for = '0s' }", new().refused_for(Duration::ZERO)),
            ("{ exclusive_for = '500ms' }", new().exclusive_for(half)),
            ("{ exclusive_for = 'none' }", new()),
            ("{ restore = 'all' }", new()),
            (
                "{ restore = 'transient' }",
                new().restore(Restore::Transient),
            ),
            (
                "{ restore = 'consumers' }",
                new().restore(Restore::ConsumersOnly),
            ),
            ("{ off = true, attempts = 3 }", Recovery::off().attempts(3)),
        ] {
            let expected = with(recovery);
            assert_eq!(toml(&format!("recovery = {text}")), expected, "{text}");
            let written = serde_json::to_string(&expected).unwrap();
            let read: ConnectionOptions = serde_json::from_str(&written).unwrap();
            assert_eq!(read, expected, "{written}");
        }
    }

    #[test]
    fn what_differs_from_the_defaults_is_written_and_functions_are_left_out() {
        for (recovery, written) in [
            (Recovery::new(), "{}"),
            (Recovery::off(), r#"{"recovery":"off"}"#),
            (
                Recovery::off().patience(SECOND),
                r#"{"recovery":{"patience":"1s","off":true}}"#,
            ),
            (
                Recovery::new()
                    .keep(|_| false)
                    .on_failure(|_| OnFailure::Abort),
                "{}",
            ),
        ] {
            assert_eq!(serde_json::to_string(&with(recovery)).unwrap(), written);
        }
    }

    #[test]
    fn table_takes_precedence_over_what_the_uri_says_key_by_key() {
        let read = toml(
            "recovery = { attempts = 'none', patience = '1s' }\n\
             uri = 'amqp://localhost?recovery_attempts=3&recovery_restore=transient'",
        );
        let expected = Recovery::new().patience(SECOND).restore(Restore::Transient);
        assert_eq!(read, with(expected));
        let read = toml("uri = 'amqp://localhost?recovery=off'\nrecovery = 'on'");
        assert_eq!(read, with(Recovery::new()));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key() {
        for (text, told) in [
            ("true", "recovery: must be a table"),
            (
                "'never'",
                "recovery: must be \"on\" or \"off\", if it is text",
            ),
            (
                "{ atempts = 1 }",
                "recovery.atempts: is an unknown key; is it attempts?",
            ),
            ("{ attempts = 0 }", "recovery.attempts: must be at least 1"),
            (
                "{ attempts = -1 }",
                "recovery.attempts: must be a whole number",
            ),
            (
                "{ patience = 5 }",
                "recovery.patience: must be a time with its unit",
            ),
            (
                "{ patience = '0s' }",
                "recovery.patience: must be longer than zero",
            ),
            (
                "{ min_delay = '31s' }",
                "recovery.delays: must be from a time",
            ),
            (
                "{ restore = 'none' }",
                "recovery.restore: must be \"all\" or",
            ),
            ("{ off = 'yes' }", "recovery.off: must be true or false"),
        ] {
            let read = toml::from_str::<ConnectionOptions>(&format!("recovery = {text}"));
            let error = read.expect_err(text);
            let message = error.message();
            assert!(message.starts_with(told), "{text}: {message}");
        }
    }
}
