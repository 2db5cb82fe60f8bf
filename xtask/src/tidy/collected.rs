//! `amqp_client::Error` collects every public error of the client and of the codec: a program that
//! returns it needs no second type for what it calls here.

use super::file::{Fault, File};

/// Where errors are collected.
const COLLECTED: &str = "amqp-client/src/any_error.rs";

/// Where there are errors to collect.
const ERRORS: &[&str] = &["amqp-client/src/", "amqp-spec/src/"];

/// A folder whose error has the name of the one that collects.
const RPC: &str = "amqp-client/src/rpc/";

/// Told and never returned: it holds an error of the program's own.
const NOT_COLLECTED: &[&str] = &["HandlerFailure"];

/// What has been seen of errors.
#[derive(Default)]
pub(super) struct Collected {
    errors: Vec<(String, Fault)>,
    collected: String,
}

impl Collected {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if file.path == COLLECTED {
            file.text.clone_into(&mut self.collected);
        } else if ERRORS.iter().any(|folder| file.path.starts_with(folder)) {
            for (number, line) in file.lines() {
                let Some(name) = error(line).filter(|name| is_public(name, file)) else {
                    continue;
                };
                let name = match file.path.starts_with(RPC) {
                    true => format!("rpc::{name}"),
                    false => name.to_owned(),
                };
                let fault = file.fault(number, format!("`{name}` is not in {COLLECTED}"));
                self.errors.push((name, fault));
            }
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        // What it is made from, not what its documentation names.
        let code = self.collected.lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.filter(|line| !line.starts_with("use ")).collect();
        let is_missing = |name: &str| {
            !code.contains(&format!(" {name}: ")) && !code.contains(&format!("From<{name}>"))
        };
        let errors = self.errors.into_iter();
        let missing = errors.filter(|(name, _)| is_missing(name));
        missing.map(|(_, fault)| fault).collect()
    }
}

/// The type that is an error by this line.
fn error(line: &str) -> Option<&str> {
    let (what, name) = line.strip_prefix("impl ")?.split_once(" for ")?;
    let is_error = what == "Error" || what.ends_with("error::Error");
    let name = name.split([' ', '{', '<']).next()?;
    (is_error && !NOT_COLLECTED.contains(&name)).then_some(name)
}

/// Whether the file makes the type public.
fn is_public(name: &str, file: &File<'_>) -> bool {
    ["struct", "enum"].iter().any(|kind| {
        let begins = format!("pub {kind} {name}");
        file.lines().any(|(_, line)| {
            let behind = line.strip_prefix(&begins);
            behind.is_some_and(|behind| !behind.starts_with(char::is_alphanumeric))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_error_that_is_not_collected_is_a_fault() {
        let codec = "pub struct TooLong {\n}\nimpl Error for TooLong {}\n\
                     pub enum FrameError {\n}\nimpl core::error::Error for FrameError {}\n\
                     struct Decided;\nimpl Error for Decided {}\n";
        let call = "pub enum Error {\n}\nimpl std::error::Error for Error {\n";
        let collected = "use super::TooLong;\n//! TooLong: \nheld! {\n    FrameError: Frame;\n\
                         impl From<Other> for Error {\n";
        let mut errors = Collected::default();
        for (path, text) in [
            ("amqp-spec/src/wire/error.rs", codec),
            ("amqp-client/src/rpc/error.rs", call),
            (COLLECTED, collected),
        ] {
            errors.look_at(&File { path, text });
        }
        let expected = [
            format!("amqp-spec/src/wire/error.rs:3: `TooLong` is not in {COLLECTED}"),
            format!("amqp-client/src/rpc/error.rs:3: `rpc::Error` is not in {COLLECTED}"),
        ];
        let faults: Vec<_> = errors.faults().iter().map(Fault::to_string).collect();
        assert_eq!(faults, expected);
    }
}
