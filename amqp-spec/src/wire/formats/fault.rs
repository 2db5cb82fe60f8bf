//! What is said of a file that is wrong: names, never values.

use alloc::format;
use alloc::string::String;

use serde::de::Error;

/// An error that names what is wrong and shows nothing of the value.
#[cold]
pub(super) fn must_be<E: Error>(name: &str, what: &str, expected: &str) -> E {
    match name {
        "" => E::custom(format!("{what} must be {expected}")),
        name => E::custom(format!("{} must be {expected}", shown(name))),
    }
}

/// As much of a name as tells it from others, in one line.
pub(super) fn shown(name: &str) -> String {
    const SHOWN: usize = 64;
    let mut text: String = name.escape_debug().take(SHOWN).collect();
    if name.chars().count() > SHOWN {
        text.push('…');
    }
    text
}

/// What a visitor says of scalars that it does not want: serde's own words would show them.
macro_rules! refuses_scalars {
    ($expected:literal) => {
        refuses_scalars! { $expected: visit_bool(bool), visit_i64(i64), visit_u64(u64),
        visit_i128(i128), visit_u128(u128), visit_f64(f64), visit_str(&str) }
    };
    ($expected:literal: $($method:ident($type:ty)),*) => {$(
        fn $method<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(E::custom(concat!("a scalar where ", $expected, " must be")))
        }
    )*};
}
pub(super) use refuses_scalars;
