//! What there is to know of a parameter, and what values are like that several can have.

use crate::options::ConnectionOptions;

/// One parameter.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// What it can be, for errors.
    pub(super) expected: &'static str,
    /// May stand there several times.
    pub(super) repeatable: bool,
    pub(super) needs: Needs,
    /// Sets the option; `None` if the value is not one that it can have.
    pub(super) read: fn(&mut ConnectionOptions, &str) -> Option<()>,
    /// What the option is.
    pub(super) write: fn(&ConnectionOptions) -> Vec<String>,
}

/// What must be so for a parameter to mean anything.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Needs {
    Nothing,
    /// `amqps://`.
    Tls,
    /// The same; and it is not shown.
    TlsAndSecrecy,
}

pub(super) const BOOLEAN: &str = "true or false";
pub(super) const MILLISECONDS: &str =
    "a whole number of milliseconds, at least 1, or with its unit: 15s, 500ms";
pub(super) const SECONDS: &str =
    "a number of seconds, at least 0.001, or with its unit: 15s, 500ms";
pub(super) const ANY_SECONDS: &str = "a number of seconds, or with its unit: 15s, 500ms";
pub(super) const WHOLE_SECONDS: &str = "a whole number of seconds, at least 1";
pub(super) const NUMBER: &str = "a number, at least 1";
pub(super) const TEXT: &str = "text";
pub(super) const PATH: &str = "the path of a file";

/// A parameter with its name, what it can be, and how it is read and written.
macro_rules! parameter {
    ($name:literal, $expected:expr, $read:expr, $write:expr) => {
        Parameter {
            name: $name,
            expected: $expected,
            repeatable: false,
            needs: $crate::uri::parameter::Needs::Nothing,
            read: $read,
            write: $write,
        }
    };
    ($name:literal, $expected:expr, $read:expr, $write:expr, $($field:ident: $value:expr),+) => {
        Parameter { $($field: $value,)+ ..parameter!($name, $expected, $read, $write) }
    };
}

pub(super) use parameter;
