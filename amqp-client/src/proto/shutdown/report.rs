//! What a shutdown leaves.

use std::fmt;

use crate::error::ConnectionError;

/// What was left when a connection had been shut down; see
/// [`Connection::shutdown`](crate::Connection::shutdown).
#[derive(Clone, Debug, Default)]
#[must_use = "says whether anything was cut short"]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Deliveries and fetched messages that the program had, and had not settled: the broker has
    /// them back and delivers them again.
    pub unsettled: u64,
    /// Messages that were written and not confirmed, on channels with confirms: they may be in
    /// their queues, or not. Each publish that waited has been told.
    pub unconfirmed: u64,
    /// Messages that were accepted and not written whole: they are in no queue.
    pub unsent: u64,
    /// Why the connection ended, if not because it was closed here. What was settled last may not
    /// have reached the broker then.
    pub cause: Option<ConnectionError>,
}

impl ShutdownReport {
    /// Whether nothing was left, and the connection was closed in good order.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unsettled + self.unconfirmed + self.unsent == 0 && self.cause.is_none()
    }
}

/// One line for a log.
impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unsettled,
            unconfirmed,
            unsent,
            cause,
        } = self;
        write!(
            f,
            "{unsettled} unsettled, {unconfirmed} unconfirmed, {unsent} unsent"
        )?;
        match cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_is_clean_if_nothing_was_left_and_says_so_in_one_line() {
        let mut report = ShutdownReport::default();
        assert!(report.is_clean());
        report.unconfirmed = 2;
        assert!(!report.is_clean());
        report.cause = Some(ConnectionError::EndOfStream);
        let expected = format!(
            "0 unsettled, 2 unconfirmed, 0 unsent: {}",
            ConnectionError::EndOfStream
        );
        assert_eq!(report.to_string(), expected);
    }
}
