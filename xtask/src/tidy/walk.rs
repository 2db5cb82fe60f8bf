//! Every public type of the client is in the walk that looks at what is shown: `Debug` and `Display` end in
//! logs, and what they show of secrets, bodies and a peer's words is found there alone.

use super::file::{Fault, File};

/// The walk.
const WALK: &str = "amqp-client/src/tests/handles/walk/";

/// What makes types public.
const EXPORTS: &[&str] = &["amqp-client/src/lib.rs", "amqp-client/src/proto/mod.rs"];

/// Traits, and types without a value.
const NOT_SHOWN: &[&str] = &[
    "AckMode",
    "Answer",
    "AutoAck",
    "ManualAck",
    "SaslExchange",
    "SaslMechanism",
    "IntoDisposition",
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
        if !EXPORTS.contains(&file.path) {
            return;
        }
        let mut is_export = false;
        for (number, line) in file.lines() {
            is_export |= line.starts_with("pub use self::");
            if !is_export {
                continue;
            }
            for name in words(line).filter(|name| is_type(name)) {
                let fault = file.fault(number, format!("`{name}` is not in {WALK}"));
                self.exported.push((name.to_owned(), fault));
            }
            is_export = !line.ends_with(';');
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let walk = self.walk;
        let is_missing = |name: &str| words(&walk).all(|word| word != name);
        let exported = self.exported.into_iter();
        let missing = exported.filter(|(name, _)| is_missing(name));
        missing.map(|(_, fault)| fault).collect()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
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
            (EXPORTS[0], exports),
            (
                "amqp-client/src/tests/handles/walk/a.rs",
                "debug::<Channel>(&ConnectionError);",
            ),
        ] {
            shown.look_at(&File { path, text });
        }
        let expected = format!("amqp-client/src/lib.rs:4: `Connection` is not in {WALK}");
        let faults: Vec<_> = shown.faults().iter().map(Fault::to_string).collect();
        assert_eq!(faults, [expected]);
    }
}
