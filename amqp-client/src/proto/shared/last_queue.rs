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
    /// The queue of the last one, if it has been answered.
    name: Option<String>,
}

impl LastQueue {
    /// A queue is about to be declared; returns the number of this declaration.
    pub(crate) fn declaring(&self) -> u64 {
        let mut state = lock(&self.state);
        state.begun += 1;
        state.name = None;
        state.begun
    }

    /// This declaration has succeeded: the queue is the last one unless another has begun since.
    pub(crate) fn declared(&self, number: u64, name: &str) {
        let mut state = lock(&self.state);
        if state.begun == number {
            state.name = Some(name.to_owned());
        }
    }

    /// Its name, if it is known.
    pub(crate) fn name(&self) -> Option<String> {
        lock(&self.state).name.clone()
    }
}
