//! What a program is told.

use std::io::BufRead as _;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What standard input has said so far.
///
/// `drain` stops the publishers; the end of the input ends the program, whatever hangs in it.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    is_draining: Arc<AtomicBool>,
}

impl Orders {
    /// Listens to standard input from now on.
    #[must_use]
    pub fn listen() -> Self {
        let orders = Self::default();
        let heard = orders.clone();
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if line.is_ok_and(|line| line.trim() == "drain") {
                    heard.is_draining.store(true, Ordering::SeqCst);
                }
            }
            exit(0);
        });
        orders
    }

    /// Whether nothing more is to be published.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }
}
