//! What the connection says of its life, written down.

use std::sync::Arc;
use std::time::Duration;

use amqp_client::Connection;
use amqp_client::connection::State as Found;
use amqp_client::event::Event;
use tokio::task::JoinHandle;

use crate::ledger::{Ledger, Said, State};

/// How often the state is looked at.
const OFTEN: Duration = Duration::from_millis(2);

/// What writes it down.
pub(crate) struct Telling {
    tasks: [JoinHandle<()>; 2],
}

impl Telling {
    /// Waits until the connection has ended, and all that it said of that is written.
    pub(crate) async fn ended(self) {
        for task in self.tasks {
            task.await.unwrap();
        }
    }

    /// Writes nothing more.
    pub(crate) async fn stop(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

/// Writes down what the connection tells.
pub(crate) fn write_down(connection: &Connection, ledger: &Arc<Ledger>) -> Telling {
    let mut events = connection.events();
    let written = Arc::clone(ledger);
    let hearing = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Lost { .. } => written.say(Said::Lost),
                Event::Retrying { attempt, .. } => written.say(Said::Retrying(attempt)),
                Event::Recovered(report) => {
                    written.say(Said::Recovered);
                    for skipped in &report.skipped {
                        written.surprise(format!("skipped: {skipped}"));
                    }
                }
                _ => {}
            }
        }
    });
    let (connection, ledger) = (connection.clone(), Arc::clone(ledger));
    let looking = tokio::spawn(async move {
        loop {
            let state = match connection.state() {
                Found::Open { .. } => State::Open,
                Found::Recovering { .. } => State::Recovering,
                Found::Closing => State::Closing,
                Found::Closed(_) => State::Closed,
                _ => continue,
            };
            ledger.state(state);
            if state == State::Closed {
                return;
            }
            tokio::time::sleep(OFTEN).await;
        }
    });
    Telling {
        tasks: [hearing, looking],
    }
}
