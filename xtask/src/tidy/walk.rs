//! Every public type of the client is in the walk that looks at what is shown: `Debug` and
//! `Display` end in logs, and what they show of secrets, bodies and a peer's words is found there
//! alone.

use super::exports::{exported, is_module};
use super::file::{Fault, File};

/// The walk.
const WALK: &str = "amqp-client/src/tests/handles/walk/";

/// Where types are made public, besides the public modules.
const ROOT: &str = "amqp-client/src/lib.rs";

/// A module whose types have the names of others, so that the walk has to say which it means.
const RPC: &str = "amqp-client/src/rpc/mod.rs";

/// Traits, and types without a value.
const NOT_SHOWN: &[&str] = &[
    "AckMode",
    "AutoAck",
    "IntoDisposition",
    "IntoMessage",
    "IntoReply",
    "ManualAck",
    "SaslExchange",
    "SaslMechanism",
    "ToHost",
];

/// What has been seen of exports and of the walk.
#[derive(Default)]
pub(super) struct Shown {
    exported: Vec<(String, Fault)>,
    walk: String,
}

impl Shown {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if file.path.starts_with(WALK) {
            self.walk.push_str(file.text);
        }
        if file.path != ROOT && !is_module(file.path) {
            return;
        }
        for (number, _, name) in exported(file) {
            if !is_type(&name) {
                continue;
            }
            let name = match file.path {
                RPC => format!("rpc::{name}"),
                _ => name,
            };
            let fault = file.fault(number, format!("`{name}` is not in {WALK}"));
            self.exported.push((name, fault));
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let walk = self.walk;
        let is_missing = |name: &str| !is_named(name, &walk);
        let exported = self.exported.into_iter();
        let missing = exported.filter(|(name, _)| is_missing(name));
        missing.map(|(_, fault)| fault).collect()
    }
}

/// Whether a text has a name in it, not as a part of another one.
fn is_named(name: &str, text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(start, _)| {
        let before = text.get(..start).unwrap_or_default();
        let behind = text.get(start + name.len()..).unwrap_or_default();
        !before.ends_with(is_part) && !behind.starts_with(is_part)
    })
}

fn is_type(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
        && name.contains(char::is_lowercase)
        && !NOT_SHOWN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_that_the_walk_leaves_out_is_a_fault() {
        let exports = "pub use amqp_spec;\npub use self::a::{\n    Channel, IntoDisposition, LIMIT,\n    Connection,\n};\n\
            mod Other;\n";
        let mut shown = Shown::default();
        for (path, text) in [
            (ROOT, exports),
            (RPC, "pub use self::client::{Client, Error};\n"),
            (
                "amqp-client/src/tests/handles/walk/a.rs",
                "debug::<Channel>(&ConnectionError, &rpc::Client, &io::Error);",
            ),
        ] {
            shown.look_at(&File { path, text });
        }
        let expected = [
            format!("amqp-client/src/lib.rs:4: `Connection` is not in {WALK}"),
            format!("amqp-client/src/rpc/mod.rs:1: `rpc::Error` is not in {WALK}"),
        ];
        let faults: Vec<_> = shown.faults().iter().map(Fault::to_string).collect();
        assert_eq!(faults, expected);
    }
}
