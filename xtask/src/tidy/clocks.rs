//! No test holds anything against the time of the machine: a busy one would fail it.
//!
//! What is looked for is a time that has been measured, `elapsed()` or `duration_since()`, in code
//! that is only there for tests. A test on tokio's paused clock measures no time of the machine.
//! Deadlines (`Instant::now() + LONG`) that only catch a hang are no measurements.

use super::file::{Fault, File};

/// How a time is measured.
const MEASURED: &[&str] = &[".elapsed()", "duration_since("];

/// Files that measure something else, and what.
const ALLOWED: &[(&str, &str)] = &[
    (
        "amqp-client/src/adapter/tests/network.rs",
        "tells its times from tokio's paused clock, on which all of its tests run",
    ),
    (
        "amqp-client/tests/recovery/workload.rs",
        "prints how long it was until all flowed again, and holds nothing against that",
    ),
    (
        "amqp-client/tests/recovery/soak.rs",
        "goes on for as long as it is told to, and prints where it is",
    ),
    (
        "amqp-client/tests/recovery/soak/faults.rs",
        "prints how long it was until all flowed on another node, and holds nothing against that",
    ),
];

pub(super) fn check(file: &File<'_>) -> Vec<Fault> {
    if ALLOWED.iter().any(|(path, _)| *path == file.path) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut is_test = file.path.contains("/tests/");
    let mut is_paused = false;
    for (number, line) in file.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let attribute = line.trim_start();
        is_test |= attribute.starts_with("#[cfg(test)]");
        if attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test") {
            is_paused = attribute.contains("start_paused = true");
        }
        if is_test && !is_paused && MEASURED.iter().any(|form| line.contains(form)) {
            faults.push(file.fault(number, "a test that depends on the time of the machine"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let faults = check(&File { path, text });
        faults.iter().map(|fault| fault.line).collect()
    }

    /// Put together here, so that this file does not contain it.
    fn measuring() -> String {
        ["assert!(start", ".elapsed", "() < LIMIT);\n"].concat()
    }

    #[test]
    fn measured_times_are_found_in_tests_only() {
        let measuring = measuring();
        assert_eq!(lines("a/src/b.rs", &measuring), [0; 0]);
        assert_eq!(lines("a/tests/b.rs", &measuring), [1]);
        let module = format!("{measuring}#[cfg(test)]\nmod tests {{\n    {measuring}}}\n");
        assert_eq!(lines("a/src/b.rs", &module), [4]);
        let talk = format!("// Not {measuring}");
        assert_eq!(lines("a/tests/b.rs", &talk), [0; 0]);
    }

    #[test]
    fn a_paused_clock_is_no_time_of_the_machine() {
        let measuring = measuring();
        let paused = "#[tokio::test(start_paused = true)]\n";
        let text = format!("{paused}{measuring}#[tokio::test]\n{measuring}#[test]\n{measuring}");
        assert_eq!(lines("a/tests/b.rs", &text), [4, 6]);
    }
}
