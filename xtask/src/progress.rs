//! One line for whatever takes longer than two seconds, so that nobody wonders.

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdout},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Prints lines, with or without the last one's end. A reader who has had enough of it, as `head` has, is no reason to stop
/// amid the work.
pub(crate) fn say(text: &str) {
    let mut output = stdout();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

/// How long work may take before a word is said about it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does the work, and says on standard error what is being done once it takes more than two
/// seconds. On a terminal the line counts the seconds and goes away in the end.
pub(crate) fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let started = Instant::now();
            if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            if !stderr().is_terminal() {
                eprintln!("  {what} …");
                return;
            }
            loop {
                eprint!("\r  {what} … {} s", started.elapsed().as_secs());
                let _ = stderr().flush();
                if is_done.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                    eprint!("\r\x1b[K");
                    return;
                }
            }
        });
        let result = work();
        drop(done);
        result
    })
}
