//! What tries every order of threads tries every order that differs, and each of them once; a wake-up
//! that is lost in one of them is found.
//!
//! The orders of made-up actors, told by who was first at each lock, are compared with what comes
//! of playing every interleaving on paper.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use crate::tests::support::random::Random;
use crate::tests::support::schedule::{Model, explore, lock, wait_for};

/// One thing an actor does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Writes its name into the log behind this lock.
    Sign(usize),
    /// Holds the first lock while it signs behind the second one as well.
    SignBoth(usize, usize),
}

/// Who signed where, one log for each lock.
type Logs = Vec<Vec<usize>>;

/// What comes of every order in which the explorer runs these actors, and how many orders it took
/// to their end.
fn explored(actors: &[Vec<Step>], n_locks: usize) -> (BTreeSet<Logs>, usize) {
    let found = Rc::new(RefCell::new((BTreeSet::new(), 0)));
    explore(|| {
        let logs: Vec<_> = (0..n_locks).map(|_| Mutex::new(Vec::new())).collect();
        let logs = Arc::new(logs);
        let mut model = Model::new();
        for (id, steps) in actors.iter().cloned().enumerate() {
            let logs = Arc::clone(&logs);
            model = model.actor("one", move || {
                for step in steps {
                    match step {
                        Step::Sign(at) => lock(&logs[at]).push(id),
                        Step::SignBoth(first, second) => {
                            let mut held = lock(&logs[first]);
                            held.push(id);
                            lock(&logs[second]).push(id);
                        }
                    }
                }
            });
        }
        let found = Rc::clone(&found);
        model.check(move || {
            let outcome = logs.iter().map(|log| lock(log).clone()).collect();
            let mut found = found.borrow_mut();
            found.0.insert(outcome);
            found.1 += 1;
        })
    });
    found.take()
}

/// The same on paper, where an actor is told by what is left for it to do.
fn played(actors: &[Vec<Step>], n_locks: usize) -> BTreeSet<Logs> {
    fn go_on(left: &[&[Step]], held: &[Option<usize>], logs: &Logs, found: &mut BTreeSet<Logs>) {
        if left.iter().all(|steps| steps.is_empty()) {
            found.insert(logs.clone());
        }
        for (id, steps) in left.iter().enumerate() {
            let Some(step) = steps.first() else {
                continue;
            };
            let holds = held[id].is_some();
            let at = match *step {
                Step::SignBoth(_, second) if holds => second,
                Step::Sign(at) | Step::SignBoth(at, _) => at,
            };
            if held.contains(&Some(at)) {
                continue;
            }
            let (mut left, mut held, mut logs) = (left.to_vec(), held.to_vec(), logs.clone());
            logs[at].push(id);
            if matches!(step, Step::SignBoth(..)) && !holds {
                held[id] = Some(at);
            } else {
                held[id] = None;
                left[id] = &steps[1..];
            }
            go_on(&left, &held, &logs, found);
        }
    }
    let left: Vec<_> = actors.iter().map(Vec::as_slice).collect();
    let mut found = BTreeSet::new();
    let (held, logs) = (vec![None; actors.len()], vec![Vec::new(); n_locks]);
    go_on(&left, &held, &logs, &mut found);
    found
}

#[test]
fn every_order_at_the_locks_is_tried_once() {
    let mut random = Random::new(1);
    let mut n_orders = 0;
    for _ in 0..100 {
        let n_locks = 1 + random.index(3);
        let n_actors = 2 + random.index(2);
        let steps = |random: &mut Random| {
            let n = 1 + random.index(3);
            (0..n).map(|_| Step::Sign(random.index(n_locks))).collect()
        };
        let actors: Vec<_> = (0..n_actors).map(|_| steps(&mut random)).collect();
        let (found, n_runs) = explored(&actors, n_locks);
        assert_eq!(found, played(&actors, n_locks), "{actors:?}");
        assert_eq!(found.len(), n_runs, "{actors:?}");
        n_orders += n_runs;
    }
    assert!(n_orders > 1000, "{n_orders}");
}

#[test]
fn every_order_is_tried_where_locks_are_held_meanwhile() {
    let mut random = Random::new(2);
    for _ in 0..50 {
        let steps = |random: &mut Random| {
            let n = 1 + random.index(2);
            let step = |_| match random.index(5) {
                3 => Step::SignBoth(0, 1),
                4 => Step::SignBoth(1, 2),
                at => Step::Sign(at),
            };
            (0..n).map(step).collect()
        };
        let actors: Vec<_> = (0..3).map(|_| steps(&mut random)).collect();
        let (found, n_runs) = explored(&actors, 3);
        assert_eq!(found, played(&actors, 3), "{actors:?}");
        assert_eq!(found.len(), n_runs, "{actors:?}");
    }
}

/// Hands something over; the one that waits looks again behind its waker, or does not.
fn hand_over(looks_again: bool) {
    explore(|| {
        let (given, waiting) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(None)));
        let (gives, wakes) = (Arc::clone(&given), Arc::clone(&waiting));
        Model::new()
            .actor("giver", move || {
                *lock(&gives) = true;
                let waiting = lock(&wakes).take();
                waiting.into_iter().for_each(Waker::wake);
            })
            .actor("taker", move || {
                wait_for(poll_fn(|context| {
                    let is_given = *lock(&given);
                    *lock(&waiting) = Some(context.waker().clone());
                    if is_given || looks_again && *lock(&given) {
                        return Poll::Ready(());
                    }
                    Poll::Pending
                }));
            })
    });
}

#[test]
fn handing_over_is_found_to_be_safe() {
    hand_over(true);
}

#[test]
#[should_panic(expected = "a wake-up was lost in this order: ")]
fn wake_up_that_can_be_lost_is_found() {
    hand_over(false);
}
