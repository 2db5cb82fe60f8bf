//! Ctrl-C and its like: amid the two steps that differ most, and at each step if
//! `EVERY_INTERRUPTION` is set, as `cargo xtask ci-extra` does.

use std::{env, fs, thread};

use crate::support::{Place, signal, wait_until};

const SIGNALS: &[&str] = &["INT", "TERM", "HUP", "KILL"];

/// Something that has been done, and whether it can be seen from outside.
type Step = (&'static str, fn(&Place) -> bool);

/// Whether all of it is tried. Each start of a broker takes seconds of both processors.
fn is_every_one_tried() -> bool {
    env::var_os("EVERY_INTERRUPTION").is_some()
}

/// Those that are always tried: before anything runs, and when a node does.
const ALWAYS: &[&str] = &["a folder", "a node"];

/// When the signals come.
const STEPS: &[Step] = &[
    ("a folder", |place| !place.folders().is_empty()),
    ("certificates", |place| {
        is_there(place, |name| name == "tls")
    }),
    ("a port mapper", |place| {
        is_there(place, |name| name == "epmd.log")
    }),
    ("a node", |place| {
        is_there(place, |name| name.starts_with("node1-"))
    }),
    ("data", |place| {
        let folders = place.folders();
        let nodes = folders.iter().filter_map(|path| fs::read_dir(path).ok());
        let mut nodes = nodes.flatten().flatten().map(|entry| entry.path());
        nodes.any(|path| path.join("data").is_dir())
    }),
    ("a label", |place| {
        is_there(place, |name| name == "xtask.label")
    }),
];

fn is_there(place: &Place, is_it: fn(&str) -> bool) -> bool {
    let folders = place.folders();
    let entries = folders.iter().filter_map(|path| fs::read_dir(path).ok());
    let mut names = entries.flatten().flatten().map(|entry| entry.file_name());
    names.any(|name| is_it(name.to_str().unwrap()))
}

#[test]
fn a_start_that_is_interrupted_leaves_nothing() {
    if Place::with_rabbitmq("started").is_none() {
        return;
    }
    thread::scope(|scope| {
        for (n, (step, is_reached)) in STEPS.iter().enumerate() {
            if !is_every_one_tried() && !ALWAYS.contains(step) {
                continue;
            }
            let name = SIGNALS[n % SIGNALS.len()];
            scope.spawn(move || {
                let place = Place::new(&format!("start {n}"));
                let mut child = place.start("broker start --tls");
                wait_until(&mut child, step, || is_reached(&place));
                signal(name, &child);
                let status = child.wait().unwrap();
                if status.success() {
                    // It was faster than the signal, and so is not left half done.
                    place.run("broker stop").ok();
                }
                place.wait_until_nothing_is_left(&format!("{name} at {step}"));
                place
                    .run("broker status")
                    .fails_with(1, "no broker is running");
            });
        }
    });
}

#[test]
fn a_stop_that_is_interrupted_stops_all_the_same() {
    let Some(place) = Place::with_rabbitmq("stopped") else {
        return;
    };
    let names = match is_every_one_tried() {
        true => ["INT", "KILL"].as_slice(),
        false => &["INT"],
    };
    for name in names {
        place.run("broker start").ok();
        let nodes = place.processes().len();
        let mut child = place.start("broker stop");
        // Its watchdog, or the end of a node.
        while child.try_wait().unwrap().is_none() && place.processes().len() == nodes {}
        signal(name, &child);
        child.wait().unwrap();
        place.run("broker status").code.unwrap();
        // Begun, it is finished; not begun, it is done again.
        place.run("broker stop").ok();
        place.wait_until_nothing_is_left(name);
    }
}
