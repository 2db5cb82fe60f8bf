//! The queue that was declared last on a channel: what an empty name stands for.
//!
//! The broker keeps account of it, too, and forgets it when the channel ends. So handles send the
//! name in its place where it is known. It is not while a declaration is under way: then the empty
//! name is sent, and the broker, which takes requests in order, knows better.

use std::sync::Mutex;

use crate::proto::wait::sync::lock;

/// What an empty name stands for on one channel.
#[derive(Debug, Default)]
pub(crate) struct LastQueue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many declarations have begun.
    begun: u64,
    /// The last one has been answered.
    is_known: bool,
    /// The queue of the last one that has; its memory is used again.
    name: String,
}

impl LastQueue {
    /// A queue is about to be declared; returns the number of this declaration.
    pub(crate) fn declaring(&self) -> u64 {
        let mut state = lock(&self.state);
        state.begun += 1;
        state.is_known = false;
        state.begun
    }

    /// This declaration has succeeded: the queue is the last one unless another has begun since.
    pub(crate) fn declared(&self, number: u64, name: &str) {
        let mut state = lock(&self.state);
        if state.begun == number {
            state.is_known = true;
            name.clone_into(&mut state.name);
        }
    }

    /// Its name, if it is known.
    pub(crate) fn name(&self) -> Option<String> {
        let state = lock(&self.state);
        state.is_known.then(|| state.name.clone())
    }
}
