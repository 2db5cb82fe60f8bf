//! What a probe is, and how all of them are run on one side.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use crate::lab::Lab;
use crate::normal;
use crate::side::Side;

/// A short program that says something to a broker, and hears what comes.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) topic: &'static str,
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Lab),
}

/// What came, by the name of the probe.
pub(crate) type Transcripts = BTreeMap<&'static str, Vec<String>>;

/// Lists the probes of a topic, which are functions.
macro_rules! probes {
    ($topic:literal: $($name:ident),* $(,)?) => {
        pub(super) const PROBES: &[$crate::probe::Probe] = &[$(
            $crate::probe::Probe {
                topic: $topic,
                name: stringify!($name),
                run: $name,
            }
        ),*];
    };
}

/// Lists the probes of a topic that wait for longer than `cargo xtask test` can.
macro_rules! slow_probes {
    ($topic:literal: $($name:ident),* $(,)?) => {
        pub(super) const SLOW_PROBES: &[$crate::probe::Probe] = &[$(
            $crate::probe::Probe {
                topic: $topic,
                name: stringify!($name),
                run: $name,
            }
        ),*];
    };
}

/// Runs probes, as many at once as there may be threads. Most of them wait most of the time.
pub(crate) fn run_all(
    probes: &[Probe],
    n_threads: usize,
    side: impl Fn() -> Box<dyn Side> + Sync,
) -> Transcripts {
    let waiting = Mutex::new(probes.iter());
    let done = Mutex::new(Transcripts::new());
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                loop {
                    let Some(probe) = waiting.lock().unwrap().next() else {
                        return;
                    };
                    let transcript = run(probe, side());
                    done.lock().unwrap().insert(probe.name, transcript);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn run(probe: &Probe, side: Box<dyn Side>) -> Vec<String> {
    let lab = Lab::new(side, probe.name);
    (probe.run)(&lab);
    normal::names(&lab.finish())
}
