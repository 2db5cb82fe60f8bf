//! One entry of a file: its key and what stands there.

use std::fmt::Display;
use std::time::Duration;

use amqp_spec::wire::{FieldTable, FieldValue, Value};

use super::{Fault, time};
use crate::nearest::nearest;

/// What other clients and their files call things.
const ELSEWHERE: &[(&str, &str)] = &[
    ("vhost", "virtual_host"),
    ("username", "user"),
    ("user_name", "user"),
    ("login", "user"),
    ("pass", "password"),
    ("passwd", "password"),
    ("pwd", "password"),
    ("url", "uri"),
    ("ssl", "tls"),
    ("hostname", "host"),
    ("server", "host"),
    ("address", "host"),
    ("addresses", "hosts"),
    ("nodes", "hosts"),
    ("name", "connection_name"),
    ("timeout", "connect_timeout"),
    ("connection_timeout", "connect_timeout"),
    ("socket_timeout", "connect_timeout"),
    ("heartbeat_interval", "heartbeat"),
    ("mechanism", "auth_mechanisms"),
    ("mechanisms", "auth_mechanisms"),
    ("sasl", "auth_mechanisms"),
    ("cafile", "ca_files"),
    ("ca_file", "ca_files"),
    ("cacertfile", "ca_files"),
    ("ca", "ca_files"),
    ("certfile", "certificate_file"),
    ("cert_file", "certificate_file"),
    ("cert", "certificate_file"),
    ("keyfile", "key_file"),
    ("key", "key_file"),
    ("sni", "server_name"),
    ("server_name_indication", "server_name"),
    ("ttl", "message_ttl"),
    ("dlx", "dead_letter_exchange"),
    ("kind", "type"),
];

/// A key, with those around it, and its value.
pub(crate) struct Entry<'a> {
    path: String,
    name: String,
    value: Value<'a>,
}

impl<'a> Entry<'a> {
    /// What the file is, or the part of it that is read.
    pub(super) fn whole(value: Value<'a>) -> Self {
        Self {
            path: String::new(),
            name: String::new(),
            value,
        }
    }

    /// An entry by itself.
    pub(crate) fn of(name: &str, value: &'a FieldValue) -> Self {
        Self {
            path: name.to_owned(),
            name: name.to_owned(),
            value: value.as_ref(),
        }
    }

    /// The key, without those around it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What stands there.
    pub(crate) fn value(&self) -> Value<'a> {
        self.value
    }

    /// An error that says what is expected.
    pub(crate) fn must_be(&self, expected: impl Display) -> Fault {
        match self.path.as_str() {
            "" => self.fault(format!("what stands here must be {expected}")),
            _ => self.fault(format!("must be {expected}")),
        }
    }

    /// An error that says more.
    pub(crate) fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault::new(self.path.as_str(), problem)
    }

    /// The same result; what is wrong is wrong here.
    pub(crate) fn located(&self, result: Result<(), Fault>) -> Result<(), Fault> {
        result.map_err(|fault| fault.at(&self.path))
    }

    /// An error about a key that is unknown, or has no place here.
    pub(crate) fn unknown(&self, known: impl Iterator<Item = &'static str>) -> Fault {
        match nearest(&self.name, known, ELSEWHERE) {
            Some(nearest) => self.fault(format!("is an unknown key; is it {nearest}?")),
            None => self.fault("is an unknown key"),
        }
    }

    // What it can be

    /// The entries of a table.
    pub(crate) fn entries(&self) -> Result<Vec<Self>, Fault> {
        let table = self.value.as_table();
        let table = table.ok_or_else(|| self.must_be("a table"))?;
        let dot = if self.path.is_empty() { "" } else { "." };
        // What was read from a file can be read again.
        let entries = table.iter().flatten().map(|(name, value)| {
            let name = name.to_string();
            let path = format!("{}{dot}{name}", self.path);
            Self { path, name, value }
        });
        Ok(entries.collect())
    }

    /// The values of a list.
    pub(crate) fn list(&self) -> Result<Vec<Self>, Fault> {
        let array = self.value.as_array();
        let array = array.ok_or_else(|| self.must_be("a list"))?;
        let values = array.iter().flatten().enumerate().map(|(n, value)| Self {
            path: format!("{}[{n}]", self.path),
            name: String::new(),
            value,
        });
        Ok(values.collect())
    }

    pub(crate) fn table(&self) -> Result<FieldTable, Fault> {
        let table = self.value.as_table();
        let table = table.ok_or_else(|| self.must_be("a table"))?;
        Ok(table.to_owned())
    }

    pub(crate) fn text(&self) -> Result<&'a str, Fault> {
        match self.value {
            Value::LongString(text) => text.as_str().ok(),
            _ => None,
        }
        .ok_or_else(|| self.must_be("text"))
    }

    pub(crate) fn owned_text(&self) -> Result<String, Fault> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn boolean(&self) -> Result<bool, Fault> {
        let value = self.value.as_bool();
        value.ok_or_else(|| self.must_be("true or false"))
    }

    /// A whole number that the type can hold.
    pub(crate) fn number<N: Bounded>(&self) -> Result<N, Fault> {
        let number = self.value.as_i64();
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| self.must_be(format!("a whole number from 0 to {}", N::MOST)))
    }

    /// One of these words.
    pub(crate) fn word<T: Clone>(&self, words: &[(&str, T)]) -> Result<T, Fault> {
        let text = self.value.as_str();
        let found = words.iter().find(|(word, _)| Some(*word) == text);
        found.map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.must_be(words.join(" or "))
        })
    }

    pub(crate) fn time(&self) -> Result<Duration, Fault> {
        let time = self.value.as_str().and_then(time::read);
        time.ok_or_else(|| self.must_be(time::EXPECTED))
    }

    /// A time, or none.
    pub(crate) fn time_or_none(&self) -> Result<Option<Duration>, Fault> {
        match self.value.as_str() {
            Some("none") => Ok(None),
            text => {
                let time = text.and_then(time::read);
                let time =
                    time.ok_or_else(|| self.must_be(format!("\"none\", or {}", time::EXPECTED)))?;
                Ok(Some(time))
            }
        }
    }

    /// A time that loses nothing in milliseconds.
    pub(crate) fn whole_millis(&self) -> Result<Duration, Fault> {
        let time = self.time()?;
        let is_whole = time.subsec_nanos() % 1_000_000 == 0;
        is_whole
            .then_some(time)
            .ok_or_else(|| self.must_be("a whole number of milliseconds"))
    }

    /// A time that loses nothing in seconds.
    pub(crate) fn whole_seconds(&self) -> Result<Duration, Fault> {
        let time = self.time()?;
        let is_whole = time.subsec_nanos() == 0;
        is_whole
            .then_some(time)
            .ok_or_else(|| self.must_be("a whole number of seconds"))
    }
}

/// A number without a sign, whose range can be told.
pub(crate) trait Bounded: TryFrom<i64> {
    /// The largest, of those that a file can say.
    const MOST: u64;
}

macro_rules! bounded {
    ($($type:ty => $most:expr),*) => {$(
        impl Bounded for $type {
            const MOST: u64 = $most;
        }
    )*};
}

bounded! {
    u8 => 0xff, u16 => 0xffff, u32 => 0xffff_ffff, u64 => i64::MAX.unsigned_abs(),
    usize => if usize::BITS < 64 { usize::MAX as u64 } else { i64::MAX.unsigned_abs() }
}
