//! The command line.

use std::time::Duration;

use crate::Error;

/// What a program does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Publishes, then makes one synchronous round trip.
    Publish,
    /// Publishes with a window of unconfirmed messages.
    Confirm,
    /// Publishes and waits for each confirmation.
    Confirm1,
    /// Consumes without acknowledgements.
    ConsumeNoAck,
    /// Consumes and acknowledges each delivery by a call of its own.
    ConsumeAck,
    /// Declares a queue passively, again and again.
    Declare,
    /// Opens channels.
    Channels,
    /// Opens connections.
    Conns,
}

impl Mode {
    const ALL: [Self; 8] = [
        Self::Publish,
        Self::Confirm,
        Self::Confirm1,
        Self::ConsumeNoAck,
        Self::ConsumeAck,
        Self::Declare,
        Self::Channels,
        Self::Conns,
    ];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Confirm => "confirm",
            Self::Confirm1 => "confirm1",
            Self::ConsumeNoAck => "consume-noack",
            Self::ConsumeAck => "consume-ack",
            Self::Declare => "declare",
            Self::Channels => "channels",
            Self::Conns => "conns",
        }
    }
}

/// Which runtime an asynchronous client runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavour {
    /// All on the calling thread.
    Current,
    /// One worker per core.
    Multi,
}

/// The command line, taken apart.
#[derive(Clone, Debug)]
pub struct Args {
    /// What to do.
    pub mode: Mode,
    /// The broker, as `amqp://user:password@host:port/vhost`.
    pub url: String,
    /// How many messages, declares, channels or connections.
    pub messages: u64,
    /// Bytes per body.
    pub size: usize,
    /// The queue's name, and so the routing key.
    pub queue: String,
    /// `basic.qos` prefetch count; 0 sets none.
    pub prefetch: u16,
    /// How many confirmations may be outstanding.
    pub inflight: usize,
    /// Which runtime to use.
    pub runtime: Flavour,
    /// How long a consumer sleeps per message.
    pub slow: Option<Duration>,
    /// Which of several ways to use the client.
    pub variant: Option<String>,
}

const USAGE: &str = "<mode> --url amqp://… --messages N [--size BYTES] [--queue NAME] \
[--prefetch P] [--inflight K] [--runtime current|multi] [--slow-us U] [--variant NAME]";

impl Args {
    /// Reads the command line without the program's name.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mode = words.next().unwrap_or_default();
        let mode = Mode::ALL.into_iter().find(|known| known.name() == mode);
        let mut args = Self {
            mode: mode.ok_or(USAGE)?,
            url: String::from("amqp://guest:guest@127.0.0.1:5672/%2f"),
            messages: 0,
            size: 16,
            queue: String::from("bench-perf"),
            prefetch: 0,
            inflight: 1000,
            runtime: Flavour::Multi,
            slow: None,
            variant: None,
        };
        while let Some(name) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--url" => args.url = value,
                "--messages" => args.messages = value.parse()?,
                "--size" => args.size = value.parse()?,
                "--queue" => args.queue = value,
                "--prefetch" => args.prefetch = value.parse()?,
                "--inflight" => args.inflight = value.parse()?,
                "--runtime" => args.runtime = flavour(&value)?,
                "--slow-us" => args.slow = Some(Duration::from_micros(value.parse()?)),
                "--variant" => args.variant = Some(value),
                _ => return Err(format!("{name} is not an option\n{USAGE}").into()),
            }
        }
        Ok(args)
    }

    /// Host and port of the URL.
    pub fn address(&self) -> Result<(String, u16), Error> {
        let (host, port) = self
            .authority()
            .1
            .rsplit_once(':')
            .ok_or("the URL must name host and port")?;
        Ok((host.to_owned(), port.parse()?))
    }

    /// User and password of the URL.
    pub fn credentials(&self) -> Result<(String, String), Error> {
        let (user, password) = self
            .authority()
            .0
            .split_once(':')
            .ok_or("the URL must name user and password")?;
        Ok((user.to_owned(), password.to_owned()))
    }

    fn authority(&self) -> (&str, &str) {
        let rest = self.url.strip_prefix("amqp://").unwrap_or(&self.url);
        let authority = rest.split('/').next().unwrap_or(rest);
        authority
            .rsplit_once('@')
            .unwrap_or(("guest:guest", authority))
    }

    /// Whether the program was asked for this variant.
    #[must_use]
    pub fn is_variant(&self, name: &str) -> bool {
        self.variant.as_deref() == Some(name)
    }
}

fn flavour(word: &str) -> Result<Flavour, Error> {
    match word {
        "current" => Ok(Flavour::Current),
        "multi" => Ok(Flavour::Multi),
        _ => Err(format!("--runtime is current or multi, not {word:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, Error> {
        Args::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn url_is_taken_apart() {
        let args = parse("publish --url amqp://me:secret@127.0.0.1:5673/%2f --messages 3").unwrap();
        assert_eq!(args.address().unwrap(), ("127.0.0.1".to_owned(), 5673));
        assert_eq!(
            args.credentials().unwrap(),
            ("me".to_owned(), "secret".to_owned())
        );
    }

    #[test]
    fn unknown_mode_and_option_are_refused() {
        assert!(parse("dance").is_err());
        assert!(parse("publish --colour red").is_err());
        assert!(parse("publish --messages").is_err());
    }
}
