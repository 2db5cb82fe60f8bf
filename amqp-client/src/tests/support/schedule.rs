//! Every order in which threads can get at the core's locks, one after the other.
//!
//! Each actor is a thread, and one of them runs at a time. Before each lock, each shared atomic and
//! each wake-up it stops, and the one to go on next is chosen; when all have ended, the next run
//! chooses differently, until there is no other choice left. Orders that differ only in who was
//! first at two things that have nothing to do with each other are tried once (sleep sets).
//! `races/schedules.rs` compares that with orders counted out by hand.
//!
//! An actor that waits for a future sleeps until its waker is called. If all that have not ended
//! sleep, a wake-up was lost: the test fails and tells the order.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::panic;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// More orders than this are not explored in a test's time.
const MAX_RUNS: usize = 400_000;

thread_local! {
    static ACTOR: RefCell<Option<Actor>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Actor {
    id: usize,
    run: Arc<Run>,
}

/// Whether this thread is an actor, and another one may be stopped amid of something.
pub(crate) fn is_controlled() -> bool {
    ACTOR.with_borrow(Option::is_some)
}

/// One run: the actors and who goes on.
struct Run {
    state: Mutex<State>,
    /// One for each actor, and the last for the thread that waits for the end.
    turns: Vec<Condvar>,
}

struct State {
    actors: Vec<Status>,
    /// The actor whose turn it is; none when the run is over.
    turn: Option<usize>,
    path: Path,
    /// Nothing is controlled any more.
    over: Option<Over>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Over {
    Complete,
    /// Every way to go on is covered by another order.
    Covered,
    /// An actor sleeps and none is left to wake it.
    Lost,
    Panicked,
}

enum Status {
    /// About to touch this. Before its first touch an actor is about to touch its own number: what
    /// it does until then concerns no other, and who begins first makes no order of its own.
    AboutTo(usize),
    Asleep(Arc<Bell>),
    Done,
}

/// The choices of one run, each with what else could have been chosen.
#[derive(Default)]
struct Path {
    nodes: Vec<Node>,
    /// How many of them this run has come to.
    depth: usize,
}

struct Node {
    /// Who could go on, and what each would touch.
    enabled: Vec<(usize, usize)>,
    /// Who could not, after all: it found locked what it was about to lock.
    stuck: Vec<usize>,
    /// Whose turn need not be tried here: another order covers it.
    asleep: Vec<usize>,
    chosen: usize,
    /// Who ran before.
    before: usize,
}

impl Node {
    fn object(&self, actor: usize) -> Option<usize> {
        let entry = self.enabled.iter().find(|&&(id, _)| id == actor);
        entry.map(|&(_, object)| object)
    }

    /// Those that are covered by another order, whatever happened first here.
    fn asleep_behind(&self) -> Vec<usize> {
        let touched = self.object(self.chosen);
        let asleep = self.asleep.iter().copied();
        asleep.filter(|&id| self.object(id) != touched).collect()
    }

    /// Rather the one that ran last: changing threads is what takes time here.
    fn choose(&mut self) -> Choice {
        let ids = self.enabled.iter().map(|&(id, _)| id);
        let mut free = ids.filter(|id| !self.stuck.contains(id)).peekable();
        if free.peek().is_none() {
            return Choice::Nobody;
        }
        let mut open = free.filter(|id| !self.asleep.contains(id));
        let Some(first) = open.next() else {
            return Choice::Covered;
        };
        self.chosen = open.find(|&id| id == self.before).unwrap_or(first);
        Choice::Turn(self.chosen)
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Turn(usize),
    /// Every way to go on is covered by another order.
    Covered,
    Nobody,
}

impl Path {
    fn choose(&mut self, enabled: Vec<(usize, usize)>) -> Choice {
        let depth = self.depth;
        self.depth += 1;
        if let Some(node) = self.nodes.get_mut(depth) {
            // Addresses differ between runs; who comes when must not.
            let ids = |of: &[(usize, usize)]| of.iter().map(|&(id, _)| id).collect::<Vec<_>>();
            assert_eq!(ids(&node.enabled), ids(&enabled), "not repeatable");
            node.enabled = enabled;
            return Choice::Turn(node.chosen);
        }
        let parent = self.nodes.last();
        let mut node = Node {
            enabled,
            stuck: Vec::new(),
            asleep: parent.map_or_else(Vec::new, Node::asleep_behind),
            chosen: 0,
            before: parent.map_or(0, |parent| parent.chosen),
        };
        let choice = node.choose();
        self.nodes.push(node);
        choice
    }

    /// Takes the latest choice back: that one is stuck, and has done nothing.
    fn choose_another(&mut self) -> Choice {
        assert_eq!(self.depth, self.nodes.len(), "not repeatable");
        let Some(node) = self.nodes.last_mut() else {
            return Choice::Nobody;
        };
        node.stuck.push(node.chosen);
        node.choose()
    }

    /// Turns to the next order. False if there is none.
    fn next(&mut self) -> bool {
        self.depth = 0;
        while let Some(node) = self.nodes.last_mut() {
            node.asleep.push(node.chosen);
            if matches!(node.choose(), Choice::Turn(_)) {
                return true;
            }
            self.nodes.pop();
        }
        false
    }
}

impl State {
    /// Lets an actor go on, or ends the run.
    fn decide(&mut self) {
        let mut enabled = Vec::new();
        for (id, status) in self.actors.iter().enumerate() {
            match status {
                Status::AboutTo(object) => enabled.push((id, *object)),
                Status::Asleep(bell) if bell.rung.load(Ordering::SeqCst) => {
                    enabled.push((id, bell.address()));
                }
                Status::Asleep(_) | Status::Done => {}
            }
        }
        if enabled.is_empty() {
            let all_done = self.actors.iter().all(|s| matches!(s, Status::Done));
            self.turn = None;
            self.over = Some(if all_done { Over::Complete } else { Over::Lost });
            return;
        }
        let choice = self.path.choose(enabled);
        self.carry_out(choice);
    }

    fn carry_out(&mut self, choice: Choice) {
        (self.turn, self.over) = match choice {
            Choice::Turn(id) => (Some(id), None),
            Choice::Covered => (None, Some(Over::Covered)),
            Choice::Nobody => (None, Some(Over::Lost)),
        };
    }
}

impl Run {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The actor stops with this status until it is its turn again. False when the run is over.
    fn stop(&self, id: usize, status: Status) -> bool {
        let mut state = self.state();
        if state.over.is_some() {
            return false;
        }
        state.actors[id] = status;
        state.decide();
        self.notify(&state);
        self.wait(state, id)
    }

    /// The actor found locked what it was about to lock: another one goes on in its place, as if
    /// this one had never been chosen.
    fn stuck(&self, id: usize) -> bool {
        let mut state = self.state();
        if state.over.is_some() {
            return false;
        }
        let choice = state.path.choose_another();
        state.carry_out(choice);
        self.notify(&state);
        self.wait(state, id)
    }

    fn notify(&self, state: &State) {
        match state.turn {
            Some(next) => self.turns[next].notify_one(),
            None => self.turns.iter().for_each(Condvar::notify_all),
        }
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, id: usize) -> bool {
        while state.over.is_none() && state.turn != Some(id) {
            let waited = self.turns[id].wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.over.is_none()
    }

    fn done(&self, id: usize, panicked: bool) {
        let mut state = self.state();
        state.actors[id] = Status::Done;
        if state.over.is_some() {
            return;
        }
        if panicked {
            state.turn = None;
            state.over = Some(Over::Panicked);
        } else {
            state.decide();
        }
        self.notify(&state);
    }
}

/// What an actor is thrown out with when its run is over before it is.
struct OutOfTurn;

fn stop(how: impl FnOnce(&Run, usize) -> bool) {
    let Some(actor) = ACTOR.with_borrow(Clone::clone) else {
        return;
    };
    if !how(&actor.run, actor.id) && !thread::panicking() {
        panic::resume_unwind(Box::new(OutOfTurn));
    }
}

fn address<T>(of: &T) -> usize {
    std::ptr::from_ref(of) as usize
}

/// The actor is about to touch this.
pub(crate) fn touch<T>(object: &T) {
    stop(|run, id| run.stop(id, Status::AboutTo(address(object))));
}

thread_local! {
    static INSISTS: Cell<bool> = const { Cell::new(false) };
}

/// Does something that must find every lock free; tells if it did not.
pub(crate) fn insisting<T>(then: impl FnOnce() -> T) -> thread::Result<T> {
    let before = INSISTS.replace(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(then));
    INSISTS.set(before);
    result
}

/// Locks when it is this actor's turn; for other threads, as ever.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if INSISTS.get() {
        // Here it is this thread that holds it, and would wait for itself.
        return match mutex.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => panic!("locked already"),
        };
    }
    touch(mutex);
    if ACTOR.with_borrow(Option::is_none) || thread::panicking() {
        return mutex.lock().unwrap_or_else(PoisonError::into_inner);
    }
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => stop(Run::stuck),
        }
    }
}

/// A waker that an actor sleeps on.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
}

impl Bell {
    fn address(&self) -> usize {
        address(self)
    }

    /// Sleeps until it rings, unless it has since the last time.
    pub(crate) fn wait(self: &Arc<Self>) {
        touch(&**self);
        while !self.rung.swap(false, Ordering::SeqCst) {
            stop(|run, id| run.stop(id, Status::Asleep(Arc::clone(self))));
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        touch(&*self);
        self.rung.store(true, Ordering::SeqCst);
    }
}

/// Waits for a future as a runtime would: polled when it was woken and not otherwise.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        bell.wait();
    }
}

/// Polls once and drops.
pub(crate) fn look_and_go<T>(future: impl Future<Output = T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Bell::default()));
    let future = pin!(future);
    match future.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What an actor opens for a future of another one.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let mut state = lock(&self.0);
        state.0 = true;
        let waiting = state.1.take();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn pass(self) {
        poll_fn(|context| {
            let mut state = lock(&self.0);
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// What an actor does; what it gives is kept until all have ended.
type Part = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// What the actors do, and what must be true when all have ended.
pub(crate) struct Model {
    actors: Vec<(&'static str, Part)>,
    check: Box<dyn FnOnce()>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            actors: Vec::new(),
            check: Box::new(|| ()),
        }
    }

    pub(crate) fn actor<T: Send + 'static>(
        mut self,
        name: &'static str,
        part: impl FnOnce() -> T + Send + 'static,
    ) -> Self {
        self.actors.push((name, Box::new(|| Box::new(part()))));
        self
    }

    pub(crate) fn check(mut self, check: impl FnOnce() + 'static) -> Self {
        self.check = Box::new(check);
        self
    }

    /// Runs the actors in the order that the path says.
    fn run(self, path: Path) -> (Path, Over, Vec<&'static str>) {
        let names: Vec<_> = self.actors.iter().map(|(name, _)| *name).collect();
        let n = names.len();
        let run = Arc::new(Run {
            state: Mutex::new(State {
                actors: (0..n).map(Status::AboutTo).collect(),
                turn: None,
                path,
                over: None,
            }),
            turns: (0..=n).map(|_| Condvar::new()).collect(),
        });
        run.state().decide();
        let clock = super::pair::now();
        let threads = self.actors.into_iter().enumerate().map(|(id, (_, part))| {
            let run = Arc::clone(&run);
            thread::spawn(move || {
                super::pair::set_clock(clock);
                ACTOR.set(Some(Actor {
                    id,
                    run: Arc::clone(&run),
                }));
                let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                    let run = run.wait(run.state(), id);
                    run.then(part)
                }));
                ACTOR.set(None);
                let failed = matches!(&result, Err(cause) if !cause.is::<OutOfTurn>());
                run.done(id, failed);
                result.map_err(|cause| Some(cause).filter(|_| failed))
            })
        });
        let threads: Vec<_> = threads.collect();
        let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let mut state = run.state();
        let path = std::mem::take(&mut state.path);
        let over = state.over.unwrap();
        drop(state);
        if let Some(cause) = results.into_iter().find_map(|r| r.err().flatten()) {
            eprintln!("in this order: {}", order(&path, &names));
            panic::resume_unwind(cause);
        }
        if over == Over::Complete {
            (self.check)();
        }
        (path, over, names)
    }
}

/// The order of a run in words.
fn order(path: &Path, names: &[&str]) -> String {
    let mut text = String::new();
    for node in &path.nodes {
        let _ = write!(text, "{} ", names[node.chosen]);
    }
    text
}

/// Tries every order; returns how many there are that differ.
#[track_caller]
pub(crate) fn explore(model: impl Fn() -> Model) -> usize {
    let mut path = Path::default();
    for n_runs in 1..=MAX_RUNS {
        let (after, over, names) = model().run(path);
        path = after;
        assert_ne!(
            over,
            Over::Lost,
            "a wake-up was lost in this order: {}",
            order(&path, &names)
        );
        if !path.next() {
            return n_runs;
        }
    }
    panic!("more than {MAX_RUNS} orders");
}
