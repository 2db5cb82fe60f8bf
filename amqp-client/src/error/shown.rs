//! What `Debug` shows of an error: its text and what is behind it, for that is what `main` prints of
//! an error that it returns, and `unwrap` of one that it meets. `{:#?}` shows the parts.

use std::error::Error;
use std::fmt;

use crate::text::line;

/// Writes `Debug` of an error; the parts are named as in its definition.
macro_rules! debug_is_text {
    ($error:ident {
        $($variant:ident $(($item:ident))? $({ $($field:ident),+ })?),+ $(,)?
    }) => {
        /// The text and what is behind it, for `main` and `unwrap`; the parts with `{:#?}`.
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if !f.alternate() {
                    return $crate::error::text_and_sources(f, self);
                }
                match self {$(
                    Self::$variant $(($item))? $({ $($field),+ })? => {
                        $crate::error::debug_is_text!(
                            @parts f, $variant $(($item))? $({ $($field),+ })?
                        )
                    }
                )+}
            }
        }
    };
    (struct $error:ident { $($field:ident),+ $(,)? }) => {
        /// The text and what is behind it, for `main` and `unwrap`; the parts with `{:#?}`.
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if !f.alternate() {
                    return $crate::error::text_and_sources(f, self);
                }
                let Self { $($field),+ } = self;
                $crate::error::debug_is_text!(@parts f, $error { $($field),+ })
            }
        }
    };
    (@parts $f:ident, $variant:ident) => {
        $f.write_str(stringify!($variant))
    };
    (@parts $f:ident, $variant:ident ($item:ident)) => {
        $f.debug_tuple(stringify!($variant)).field($item).finish()
    };
    (@parts $f:ident, $variant:ident { $($field:ident),+ }) => {
        $f.debug_struct(stringify!($variant))
            $(.field(stringify!($field), $field))+
            .finish()
    };
}

pub(crate) use debug_is_text;

/// In one line, as `anyhow` and `eyre` show a chain with `{:#}`.
pub(crate) fn text_and_sources(
    f: &mut fmt::Formatter<'_>,
    error: &(dyn Error + 'static),
) -> fmt::Result {
    write!(f, "{error}")?;
    sources(f, error)
}

/// What is behind an error, each behind a colon. Errors of others end there somewhere; one that
/// does not is cut.
pub(super) fn sources(f: &mut fmt::Formatter<'_>, error: &(dyn Error + 'static)) -> fmt::Result {
    const MOST: usize = 4;
    std::iter::successors(error.source(), |&source| source.source())
        .take(MOST)
        .try_for_each(|source| write!(f, ": {}", line(&source.to_string())))
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::Arc;

    use amqp_spec::queue;
    use amqp_spec::wire::TypedMethod as _;

    use crate::error::{About, BrokerClose, Provoker, Stage, UriError};
    use crate::error::{ArgumentError, ConnectCause, EnvironmentError, NameTooLong, OptionError};
    use crate::publish::Unconfirmed;
    use crate::{ChannelError, ConnectError, ConnectionError, ConsumeError, PublishError, rpc};

    /// What `main` prints of it is its text, and its parts can be had.
    #[track_caller]
    fn check(error: impl Error + 'static, parts: &str) {
        assert_eq!(format!("{error:?}"), error.to_string());
        let shown = format!("{error:#?}");
        assert!(shown.starts_with(parts), "{shown}");
        assert_ne!(shown, error.to_string());
    }

    #[test]
    fn what_main_prints_of_an_error_is_its_text() {
        let (close, _) = BrokerClose::read(
            1,
            404,
            b"NOT_FOUND - no queue 'q' in vhost '/'",
            queue::Declare::ID,
            &Provoker::of(&About::queue("q")),
        );
        let gone = ChannelError::ClosedByBroker(Arc::new(close.clone()));
        assert_eq!(
            format!("{gone:?}"),
            "channel 1 closed by the broker: 404 NOT_FOUND - no queue 'q' in vhost '/' \
             (answering queue.declare of queue 'q')"
        );
        let unconfirmed = Unconfirmed {
            nacked: 1,
            returned: 0,
            refused: 0,
            not_sent: 0,
            uncertain: 1,
            failures: Vec::new(),
            cause: Some(gone.clone()),
        };
        check(
            ConnectionError::ClosedByBroker(Arc::new(close)),
            "ClosedByBroker(\n",
        );
        check(
            ConsumeError::Channel(gone.clone()),
            "Channel(\n    ClosedByBroker(\n",
        );
        check(
            PublishError::NotSent(gone.clone()),
            "NotSent(\n    ClosedByBroker(\n",
        );
        check(
            rpc::Error::Refused(gone.clone()),
            "Refused(\n    ClosedByBroker(\n",
        );
        check(ConnectionError::DriverGone, "DriverGone");
        check(gone, "ClosedByBroker(\n");
        check(unconfirmed, "Unconfirmed {\n    nacked: 1,\n");
        check(UriError::Port, "Port");
        check(
            OptionError::new("frame_max", "at least 4096"),
            "OptionError {\n",
        );
        check(
            NameTooLong::new("queue", &"q".repeat(256)),
            "NameTooLong {\n",
        );
        check(
            ArgumentError::missing("x", "y"),
            "Missing {\n    option: \"x\",\n",
        );
        let variable = EnvironmentError {
            variable: "AMQP_URL",
            cause: Some(UriError::Port),
        };
        check(variable, "EnvironmentError {\n");
    }

    #[test]
    fn what_is_behind_a_cause_of_others_is_shown_behind_the_text() {
        let refused = std::io::Error::other("connection refused");
        let asked: Arc<dyn Error + Send + Sync> = Arc::new(std::io::Error::other(Asking(refused)));
        let cause = ConnectCause::Credentials(asked);
        let error = ConnectError::new(Stage::Options, "localhost", cause);
        let shown = "cannot connect: no credentials: the token server: connection refused";
        assert_eq!(format!("{error:?}"), shown);
        assert_eq!(format!("{:?}", crate::Error::from(error)), shown);
    }

    /// Says what it did, and leaves the rest to its source.
    #[derive(Debug)]
    struct Asking(std::io::Error);

    impl std::fmt::Display for Asking {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the token server")
        }
    }

    impl Error for Asking {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
}
