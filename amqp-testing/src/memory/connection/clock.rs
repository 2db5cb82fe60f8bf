//! The times of one connection: how long it may take to open, heartbeats, and when it ends.

use std::time::{Duration, Instant};

/// From the beginning of the stream to `connection.open`.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long RabbitMQ sleeps before it drops a connection that it does not answer.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// How long it waits for the other end of a connection that was closed.
const LAST_WAIT: Duration = Duration::from_secs(30);

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Nothing,
    /// A heartbeat is to be sent, unless something else was.
    Heartbeat,
    /// The client was looked at, and is well.
    Look,
    /// The connection ends without another word.
    End,
}

#[derive(Debug)]
pub(super) struct Clock {
    /// Until then it has to be open.
    open_until: Option<Instant>,
    ends_at: Option<Instant>,
    heartbeat: Option<Heartbeat>,
    has_heard: bool,
}

#[derive(Debug)]
struct Heartbeat {
    interval: Duration,
    sends_at: Instant,
    looks_at: Instant,
    /// The last look found nothing new.
    was_silent: bool,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            open_until: Some(now + HANDSHAKE),
            ends_at: None,
            heartbeat: None,
            has_heard: false,
        }
    }

    /// Any octet counts, also one of half a frame.
    pub(super) const fn heard(&mut self) {
        self.has_heard = true;
    }

    pub(super) fn start_heartbeat(&mut self, seconds: u16, now: Instant) {
        if seconds == 0 {
            return;
        }
        let interval = Duration::from_secs(seconds.into());
        self.heartbeat = Some(Heartbeat {
            interval,
            sends_at: now + interval / 2,
            looks_at: now + interval,
            was_silent: false,
        });
    }

    pub(super) const fn opened(&mut self) {
        self.open_until = None;
    }

    /// It will end after a silence.
    pub(super) fn fall_silent(&mut self, now: Instant) {
        self.stop(now + SILENCE);
    }

    /// It will end if the other end says nothing more: after 30 s, or its heartbeat if that is
    /// shorter.
    pub(super) fn closing(&mut self, now: Instant) {
        let interval = self.heartbeat.as_ref().map(|it| it.interval);
        let wait = interval.map_or(LAST_WAIT, |interval| interval.min(LAST_WAIT));
        self.stop(now + wait);
    }

    fn stop(&mut self, ends_at: Instant) {
        self.open_until = None;
        self.heartbeat = None;
        self.ends_at = Some(ends_at);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat.as_ref();
        let times = [
            self.open_until,
            self.ends_at,
            heartbeat.map(|it| it.sends_at),
            heartbeat.map(|it| it.looks_at),
        ];
        times.into_iter().flatten().min()
    }

    /// The next thing that is due by now. `is_deaf` is a connection that is not read, whose
    /// silence says nothing.
    pub(super) fn advance(&mut self, now: Instant, is_deaf: bool) -> Due {
        let has_come = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if has_come(self.open_until) || has_come(self.ends_at) {
            return Due::End;
        }
        let Some(heartbeat) = &mut self.heartbeat else {
            return Due::Nothing;
        };
        let Heartbeat {
            interval,
            sends_at,
            looks_at,
            was_silent,
        } = heartbeat;
        if *sends_at <= now && *sends_at <= *looks_at {
            *sends_at += *interval / 2;
            return Due::Heartbeat;
        }
        if *looks_at > now {
            return Due::Nothing;
        }
        *looks_at += *interval;
        let is_silent = !std::mem::replace(&mut self.has_heard, false);
        if is_deaf {
            // However long that has been, it is made up for with one heartbeat.
            *was_silent = false;
            *looks_at = (*looks_at).max(now);
            *sends_at = (*sends_at).max(now);
            return Due::Look;
        }
        if is_silent && std::mem::replace(was_silent, is_silent) {
            return Due::End;
        }
        *was_silent = is_silent;
        Due::Look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the start at which heartbeats are due, until the end.
    fn run(clock: &mut Clock, start: Instant, heard: &[f64]) -> (Vec<f64>, Option<f64>) {
        let (mut sent, mut heard) = (Vec::new(), heard.iter().peekable());
        for tenth in 0..300_u32 {
            let second = f64::from(tenth) / 10.0;
            while heard.next_if(|at| **at <= second).is_some() {
                clock.heard();
            }
            let now = start + Duration::from_millis(u64::from(tenth) * 100);
            loop {
                match clock.advance(now, false) {
                    Due::Nothing => break,
                    Due::Heartbeat => sent.push(second),
                    Due::Look => {}
                    Due::End => return (sent, Some(second)),
                }
            }
        }
        (sent, None)
    }

    #[test]
    fn a_silent_client_is_dropped_between_two_and_three_heartbeats() {
        let start = Instant::now();
        for (last, end) in [(0.0, 6.0), (1.9, 6.0), (2.1, 8.0)] {
            let mut clock = Clock::new(start);
            clock.opened();
            clock.start_heartbeat(2, start);
            assert_eq!(run(&mut clock, start, &[0.0, last]).1, Some(end), "{last}");
        }
    }

    #[test]
    fn a_handshake_takes_ten_seconds_at_most() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(run(&mut clock, start, &[0.0, 9.0]), (vec![], Some(10.0)));
    }

    #[test]
    fn a_long_leap_takes_few_steps() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.opened();
        clock.start_heartbeat(1, start);
        let now = start + Duration::from_secs(1 << 30);
        let steps = (0..100).take_while(|_| clock.advance(now, true) != Due::Nothing);
        assert!(steps.count() < 10);
    }
}
