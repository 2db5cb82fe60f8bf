//! Drivers of a test's own, which take a turn for a reason and for no other.

use std::future::Future;
use std::task::Poll;

use super::task::Task;

/// Something that drives a core in turns.
pub(crate) trait TakesTurns {
    /// Whether there is a reason to take a turn.
    fn is_due(&self) -> bool;

    fn turn(&mut self);

    /// Whether the connection is over.
    fn is_finished(&self) -> bool;

    /// Takes turns until there is no reason for another one, or the connection is over.
    fn run(&mut self) {
        for _ in 0..100_000 {
            if self.is_finished() || !self.is_due() {
                return;
            }
            self.turn();
        }
        panic!("a reason to take a turn does not go away");
    }

    /// Drives the future, which needs nothing else, to its end.
    #[track_caller]
    fn finish<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut task = Task::new(future);
        while task.is_due() {
            if let Poll::Ready(output) = task.poll() {
                return output;
            }
            self.run();
        }
        panic!("neither the task nor its driver has anything to do");
    }
}
