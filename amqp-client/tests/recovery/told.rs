//! What the connection says of its life, written down.

use std::sync::Arc;

use amqp_client::Connection;

use crate::ledger::{Ledger, State};

/// Writes down what the connection tells. What it returns ends when the connection has ended.
pub(crate) fn write_down(
    connection: &Connection,
    ledger: &Arc<Ledger>,
) -> impl Future<Output = ()> + use<> {
    let (connection, ledger) = (connection.clone(), Arc::clone(ledger));
    ledger.state(State::Open);
    let waiting = tokio::spawn(async move {
        connection.closed().await;
        ledger.state(State::Closed);
    });
    async { waiting.await.unwrap() }
}
