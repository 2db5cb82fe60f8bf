//! Rules about Rust files.

use super::file::{Fault, File};

/// Above this a file has two topics.
const MAX_LINES: usize = 800;

/// The sans-IO core.
const CORE: &str = "amqp-client/src/proto/";

/// Its tests, and those of the handles above it, on the same virtual clock.
const CORE_TESTS: &str = "amqp-client/src/tests/";

/// Dialling, which decides for an adapter.
const DIALLING: &str = "amqp-client/src/adapter/dial/";

/// What moves octets for every adapter: runtimes and clocks are theirs.
const PUMP: &str = "amqp-client/src/adapter/pump/";

/// What the core, dialling and the pump must not know: bytes and the time come in from outside.
const FORBIDDEN: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "rand::",
    "socket2",
    "std::fs",
    "std::net",
    "std::thread",
    "tokio",
];

/// Where wakers are called and kept.
const WAIT: &str = "amqp-client/src/proto/wait/";

/// What is done with wakers there alone: elsewhere it would be under a lock sooner or later.
const ONLY_IN_WAIT: &[&str] = &[
    "Waker::wake",
    "waker.wake(",
    "clone_from(context.waker",
    "Some(context.waker().clone",
];

/// How unsafe code begins. In two parts, so that this file does not contain it.
const UNSAFE_FORMS: &[&str] = &[
    concat!("unsafe", " {"),
    concat!("unsafe", " extern"),
    concat!("unsafe", " fn"),
    concat!("unsafe", " impl"),
    concat!("unsafe", " trait"),
    concat!("#[", "unsafe("),
];

pub(super) fn check(file: &File<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !file.text.starts_with("//! ") {
        faults.push(file.fault(1, "should begin with `//!` and what the file is for"));
    }
    let n_lines = file.text.lines().count();
    if n_lines > MAX_LINES && !is_generated(file) {
        faults.push(file.fault(
            0,
            format!("has {n_lines} lines; at {MAX_LINES} it has two topics"),
        ));
    }
    faults.extend(promises(file));
    let has_unsafe_code = |line: &str| UNSAFE_FORMS.iter().any(|form| line.contains(form));
    faults.extend(
        code_lines(file)
            .filter(|(_, line)| has_unsafe_code(line))
            .map(|(number, _)| file.fault(number, "unsafe code")),
    );
    faults.extend(
        code_lines(file)
            .filter(|(_, line)| is_let_chain(line))
            .map(|(number, _)| file.fault(number, "a let chain, which needs Rust 1.88")),
    );
    faults.extend(
        code_lines(file)
            .filter(|(_, line)| is_far_import(line))
            .map(|(number, _)| file.fault(number, "an import from far up: begin it with `crate`")),
    );
    let places = [
        (CORE, "the sans-IO core"),
        (CORE_TESTS, "the sans-IO core"),
        (DIALLING, "dialling"),
        (PUMP, "the pump"),
    ];
    for (path, place) in places {
        if file.path.starts_with(path) {
            faults.extend(of_the_world(file, place));
        }
    }
    faults.extend(wakers(file));
    faults
}

/// What is of the same folder is imported from `super`, all else from `crate`.
fn is_far_import(line: &str) -> bool {
    line.trim_start().starts_with("use super::super")
}

/// Clippy guards the oldest Rust promised as far as the library is concerned, not the language.
fn is_let_chain(line: &str) -> bool {
    let line = line.trim_start();
    let conditional = line.starts_with("if let ") || line.starts_with("while let ");
    // In two parts, so that this file does not contain it.
    line.contains(concat!("&& ", "let ")) || (conditional && line.contains(" && "))
}

fn is_generated(file: &File<'_>) -> bool {
    amqp_codegen::emit::is_generated(file.text.as_bytes())
}

/// Notes to do something later.
fn promises(file: &File<'_>) -> Vec<Fault> {
    // Put together here, so that this file does not contain them.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let is_found = |line: &str| marks.iter().any(|mark| has_word(line, mark));
    file.lines()
        .filter(|(_, line)| is_found(line))
        .map(|(number, _)| file.fault(number, "a note to do something later"))
        .collect()
}

/// What is done there that only adapters do.
fn of_the_world(file: &File<'_>, place: &str) -> Vec<Fault> {
    // A virtual clock has to begin somewhere.
    let is_test = file.path.starts_with(CORE_TESTS) || file.path.contains("/dial/tests/");
    // Every order in which threads can come takes threads.
    let is_schedule = file.path == "amqp-client/src/tests/support/schedule.rs";
    let is_allowed = |path: &str| match path {
        "Instant::now" => is_test,
        "std::thread" => is_schedule,
        _ => false,
    };
    let is_dialling = file.path.starts_with(DIALLING);
    let mut faults = Vec::new();
    for (number, line) in code_lines(file) {
        // An address is a value, and no socket.
        let line = match is_dialling {
            true => line.replace("std::net::SocketAddr", ""),
            false => line.to_owned(),
        };
        for path in FORBIDDEN.iter().filter(|path| !is_allowed(path)) {
            if line.contains(path) {
                faults.push(file.fault(number, format!("`{path}` in {place}")));
            }
        }
    }
    faults
}

/// Wakers that are handled by hand.
fn wakers(file: &File<'_>) -> Vec<Fault> {
    let concerns = file.path.starts_with("amqp-client/src/") && !file.path.starts_with(WAIT);
    if !concerns || file.path.contains("/tests/") {
        return Vec::new();
    }
    // The tests of a file come last.
    code_lines(file)
        .take_while(|(_, line)| *line != "mod tests {")
        .filter(|(_, line)| ONLY_IN_WAIT.iter().any(|what| line.contains(what)))
        .map(|(number, _)| file.fault(number, format!("a waker handled outside of `{WAIT}`")))
        .collect()
}

/// The lines without what follows `//`. That may cut a string short, which no rule here minds.
fn code_lines<'a>(file: &'a File<'_>) -> impl Iterator<Item = (usize, &'a str)> {
    file.lines()
        .map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

/// Tells whether the word stands by itself in the line, and not in a string.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = line.split_at(at);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&File { path, text })
            .iter()
            .map(Fault::to_string)
            .collect()
    }

    #[test]
    fn a_file_begins_with_what_it_is_for() {
        assert_eq!(faults("a.rs", "//! This.\nfn a() {}\n"), [""; 0]);
        assert_eq!(faults("a.rs", "fn a() {}\n").len(), 1);
    }

    #[test]
    fn imports_lead_up_by_one_module() {
        let text = "//! This.\nuse super::super::b::C;\n";
        assert_eq!(faults("a/b.rs", text).len(), 1);
        assert_eq!(faults("a/b.rs", "//! This.\nuse super::b::C;\n"), [""; 0]);
    }

    #[test]
    fn wakers_are_handled_in_one_place() {
        let text = "//! This.\nfn a(waker: Waker) { waker.wake(); }\n";
        assert_eq!(faults("amqp-client/src/proto/core.rs", text).len(), 1);
        assert_eq!(faults("amqp-client/src/proto/wait/wake.rs", text), [""; 0]);
        assert_eq!(faults("amqp-client/src/tests/task.rs", text), [""; 0]);
        let tests = "//! This.\nmod tests {\nfn a(waker: Waker) { waker.wake(); }\n}\n";
        assert_eq!(faults("amqp-client/src/events.rs", tests), [""; 0]);
    }

    #[test]
    fn long_files_are_found_unless_generated() {
        let lines = "\n".repeat(800);
        assert_eq!(faults("a.rs", &format!("//! This.{lines}")), [""; 0]);
        assert_eq!(faults("a.rs", &format!("//! This.\n{lines}")).len(), 1);
        assert_eq!(
            faults(
                "a.rs",
                &format!("//! Generated by amqp-codegen (`x`) from y; do not edit.\n{lines}")
            ),
            [""; 0]
        );
    }

    #[test]
    fn unsafe_code_is_found_and_talk_of_it_is_not() {
        assert_eq!(
            faults("a.rs", "//! This.\nunsafe { x() }\n"),
            ["a.rs:2: unsafe code"]
        );
        assert_eq!(
            faults("a.rs", "//! No unsafe.\n#![forbid(unsafe_code)]\n"),
            [""; 0]
        );
    }

    #[test]
    fn let_chains_are_found() {
        for line in [
            ["if let Some(a) = b ", "&& a > 1 {"],
            ["    && ", "let Some(c) = d"],
            ["while let Some(a) = b ", "&& a {"],
        ] {
            let text = format!("//! This.\n{}\n", line.concat());
            assert_eq!(faults("a.rs", &text).len(), 1, "{text}");
        }
        let harmless = "//! This.\nif a && b {}\nif let Some(a) = b {}\n";
        assert_eq!(faults("a.rs", harmless), [""; 0]);
    }

    #[test]
    fn notes_for_later_are_found() {
        let note = ["// TO", "DO: more\n"].concat();
        assert_eq!(faults("a.rs", &format!("//! This.\n{note}")).len(), 1);
    }

    #[test]
    fn the_core_knows_no_world() {
        let text = "//! Never calls tokio.\nuse std::net::TcpStream;\nlet a = Instant::now();\n";
        assert_eq!(faults("amqp-client/src/proto/a.rs", text).len(), 2);
        assert_eq!(faults("amqp-client/src/tests/a.rs", text).len(), 1);
        assert_eq!(faults("amqp-client/src/adapter/a.rs", text), [""; 0]);
    }

    #[test]
    fn dialling_knows_addresses_and_no_sockets() {
        let text = "//! This.\nuse std::net::SocketAddr;\nuse super::super::tokio::now;\n\
            use std::net::{SocketAddr, UdpSocket};\nlet a = Instant::now();\n";
        let found = faults("amqp-client/src/adapter/dial/a.rs", text);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().all(|fault| !fault.contains("a.rs:2:")));
        let clock = "//! This.\nlet a = Instant::now();\n";
        assert_eq!(
            faults("amqp-client/src/adapter/dial/tests/a.rs", clock),
            [""; 0]
        );
    }

    #[test]
    fn the_pump_names_no_runtime_and_no_clock() {
        let text =
            "//! Not tokio.\nuse tokio::time::Sleep;\nlet a = Instant::now();\nlet b = now;\n";
        let path = "amqp-client/src/adapter/pump/a.rs";
        let expected = ["`tokio` in the pump", "`Instant::now` in the pump"];
        let faults = faults(path, text);
        assert_eq!(faults.len(), 2, "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
