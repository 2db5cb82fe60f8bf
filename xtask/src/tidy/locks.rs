//! What threads share is locked and touched where the tests of wake-ups see it.
//!
//! Those tests try every order in which threads can come to what they share, and they know of it
//! only by `proto::wait::sync::{lock, touch}`. A lock or an atomic that is used otherwise is passed
//! by: orders that differ there are taken for one. What needs no order stands in a table, with the
//! reason.

use super::file::{Fault, File};

/// The client, in which each order counts.
const CLIENT: &str = "amqp-client/src/";

/// Where locking and touching is done.
const SYNC: &str = "amqp-client/src/proto/wait/sync.rs";

/// What a runtime drives, which the tests of wake-ups take the place of; and tests.
const ELSEWHERE: &[&str] = &[
    "amqp-client/src/adapter/",
    "amqp-client/src/tests/",
    "amqp-client/src/tls/",
];

/// What else threads can share.
const OTHERS: &[&str] = &["Condvar", "LazyLock", "OnceLock", "RwLock", "mpsc"];

/// How atomics are used, each time.
const ORDERS: &[&str] = &[
    "Ordering::AcqRel",
    "Ordering::Acquire",
    "Ordering::Relaxed",
    "Ordering::Release",
    "Ordering::SeqCst",
];

const COUNT: &str = "a count, shown to the program alone";
const NEW: &str = "a number that has to be new, and no more than that";

/// What is used without being seen: the file, the name, and why no order of threads depends on it.
const UNSEEN: &[(&str, &str, &str)] = &[
    (
        "channel/tx.rs",
        "OnceLock",
        "set before the reply is, under whose lock it is looked for",
    ),
    ("connection/counters.rs", "consumers", COUNT),
    ("proto/observe/totals.rs", "0", COUNT),
    ("proto/observe/trace.rs", "NEXT", NEW),
    ("proto/receive/channel.rs", "consumers", COUNT),
    ("proto/receive/channel.rs", "n_consumers", COUNT),
    (
        "proto/send/request.rs",
        "OnceLock",
        "set before the reply is, under whose lock it is looked for",
    ),
    (
        "proto/shared/channel.rs",
        "OnceLock",
        "whichever thread sets it, the value is as good",
    ),
    (
        "proto/shared/channel.rs",
        "delivered",
        "written by the core alone, and shown",
    ),
    (
        "proto/shared/channel.rs",
        "limit_per_consumer",
        "has something told once, which nothing waits for",
    ),
    (
        "proto/shared/connection.rs",
        "n_streams",
        "written and read by the core alone",
    ),
    ("proto/shared/connection.rs", "next_consumer_tag", NEW),
    (
        "proto/shared/consumer.rs",
        "prefetch",
        "set before the broker is asked for deliveries",
    ),
    (
        "proto/shared/consumer.rs",
        "resume_offset",
        "read when the stream is gone: what is yielded later comes again",
    ),
    (
        "proto/shared/consumer.rs",
        "returned",
        "to settle before it is read is to have settled earlier",
    ),
    (
        "proto/shared/consumer.rs",
        "yielded",
        "who settles all that it has received has received it before",
    ),
    ("proto/shared/reading.rs", "automatic", COUNT),
    (
        "proto/shared/reading.rs",
        "demands",
        "decides nothing before it is touched and looked at again",
    ),
    ("proto/shared/reading.rs", "manual", COUNT),
    (
        "proto/shared/reading.rs",
        "octets(false)",
        "touched by the look that has reading stop",
    ),
    (
        "proto/shared/reading.rs",
        "octets(no_ack)",
        "the core alone adds, and looks behind it",
    ),
    (
        "proto/shared/reading.rs",
        "octets(true)",
        "touched by the look that has reading stop",
    ),
    (
        "proto/shared/reading.rs",
        "standstills",
        "the core sets it, and calls what waits behind it",
    ),
    (
        "proto/shared/reading.rs",
        "stands_still",
        "the core sets it, and calls what waits behind it",
    ),
    (
        "rpc/memory.rs",
        "OnceLock",
        "whichever thread sets it, the value is as good",
    ),
    (
        "proto/shutdown/asked.rs",
        "is_asked",
        "the driver is woken behind it, under the outbox's lock",
    ),
    ("rpc/memory.rs", "RUNS", NEW),
    ("rpc/replies.rs", "replied", COUNT),
    ("rpc/replies.rs", "unaddressed", COUNT),
    ("rpc/replies.rs", "unroutable", COUNT),
];

/// What of the table has been met.
#[derive(Default)]
pub(super) struct Locks {
    faults: Vec<Fault>,
    met: Vec<(&'static str, &'static str)>,
}

impl Locks {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        let concerns = file.path.starts_with(CLIENT) && file.path != SYNC;
        if !concerns || ELSEWHERE.iter().any(|other| file.path.starts_with(other)) {
            return;
        }
        // The tests of a file come last.
        let code = file.lines().take_while(|(_, line)| *line != "mod tests {");
        for (number, line) in code {
            let line = line.split("//").next().unwrap_or_default();
            if line.contains(".lock()") {
                let fault = file.fault(number, "a lock taken without `sync::lock`");
                self.faults.push(fault);
            }
            for name in unseen(line) {
                self.use_of(file, number, name);
            }
        }
    }

    fn use_of(&mut self, file: &File<'_>, number: usize, name: &str) {
        let within = file.path.strip_prefix(CLIENT).unwrap_or_default();
        let allowed = UNSEEN
            .iter()
            .find(|(of, what, _)| (*of, *what) == (within, name));
        match allowed {
            Some((of, what, _)) => self.met.push((of, what)),
            None => {
                let message = format!("`{name}` is used without `sync::touch`");
                self.faults.push(file.fault(number, message));
            }
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(mut self) -> Vec<Fault> {
        let left = UNSEEN
            .iter()
            .filter(|(of, what, _)| !self.met.contains(&(of, what)));
        self.faults.extend(left.map(|(of, what, _)| Fault {
            path: format!("{CLIENT}{of}"),
            line: 0,
            message: format!(
                "`{what}` needs no place in the table of {} any more",
                file!()
            ),
        }));
        self.faults
    }
}

/// What this line uses that threads share, and does not touch.
fn unseen(line: &str) -> Vec<&str> {
    let is_import = line.starts_with("use ") || line.starts_with("    use ");
    let other = OTHERS
        .iter()
        .filter(|other| !is_import && line.contains(**other));
    let mut names: Vec<&str> = other.copied().collect();
    // One after the other, each with what stands before it.
    let mut rest = line;
    while let Some(at) = ORDERS.iter().filter_map(|order| rest.find(order)).min() {
        let (before, behind) = rest.split_at(at);
        if !before.contains("touch(") {
            names.push(used(before));
        }
        rest = behind.strip_prefix("Ordering::").unwrap_or_default();
    }
    names
}

/// The atomic whose method is called here: `manual` of `self.manual.load(`.
fn used(before: &str) -> &str {
    let methods = [
        ".load(",
        ".store(",
        ".swap(",
        ".fetch_",
        ".compare_exchange",
    ];
    let call = methods
        .iter()
        .filter_map(|method| before.find(method))
        .min();
    let subject = call.map_or(before, |at| before.get(..at).unwrap_or_default());
    let begins = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '(' | ')'));
    subject.rsplit(begins).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let mut locks = Locks::default();
        locks.look_at(&File { path, text });
        // Without those for what was not met.
        let faults = locks.faults.iter();
        faults.map(|fault| fault.message.clone()).collect()
    }

    #[test]
    fn what_the_tests_of_wake_ups_do_not_see_is_a_fault() {
        let text = "self.state.lock();\nlet a = self.raised.swap(true, Ordering::SeqCst);\n\
            static A: OnceLock<u8> = OnceLock::new();\n\
            self.octets(x).load(Ordering::Relaxed) + self.more.load(Ordering::Relaxed);\n";
        let expected = [
            "a lock taken without `sync::lock`",
            "`raised` is used without `sync::touch`",
            "`OnceLock` is used without `sync::touch`",
            "`octets(x)` is used without `sync::touch`",
            "`more` is used without `sync::touch`",
        ];
        assert_eq!(faults("amqp-client/src/rpc/a.rs", text), expected);
        for elsewhere in [SYNC, "amqp-client/src/adapter/a.rs", "xtask/src/a.rs"] {
            assert_eq!(faults(elsewhere, text), [""; 0]);
        }
    }

    #[test]
    fn what_they_see_or_need_not_see_is_none() {
        let text = "lock(&self.state);\ntouch(&self.raised).swap(true, Ordering::SeqCst);\n\
            self.replied.fetch_add(1, Ordering::Relaxed);\nmatch a.cmp(&b) { Ordering::Less => 1 }\n\
            mod tests {\nself.state.lock();\n";
        assert_eq!(faults("amqp-client/src/rpc/replies.rs", text), [""; 0]);
    }

    #[test]
    fn what_is_not_met_has_no_place_in_the_table() {
        let faults = Locks::default().faults();
        assert_eq!(faults.len(), UNSEEN.len());
    }
}
