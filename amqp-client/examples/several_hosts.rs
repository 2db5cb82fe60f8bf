//! Several hosts, of which some may be down: they are tried until one answers, several times over
//! if asked for. If none does, the error has every attempt.
//!
//! ```text
//! connected, though the first host was down
//! none answers, 4 attempts:
//!   127.0.0.1:1 while connecting: probably NothingListens
//!   127.0.0.1:2 while connecting: probably NothingListens
//!   127.0.0.1:1 while connecting: probably NothingListens
//!   127.0.0.1:2 while connecting: probably NothingListens
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::options::HostOrder;
use amqp_client::{Connection, ConnectionOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = ConnectionOptions::from_env()?;
    let address = options.address();
    let (host, port) = address.rsplit_once(':').ok_or("no port")?;
    // By default they are tried in random order, so that clients spread over the nodes.
    let options = options
        .hosts([("127.0.0.1", 1), (host, port.parse()?)])
        .host_order(HostOrder::Given)
        .connection_attempts(2)
        .retry_delay(Duration::from_millis(100));
    let connection = Connection::open_with(&options).await?;
    println!("connected, though the first host was down");
    connection.close().await?;

    let nowhere = options.hosts([("127.0.0.1", 1), ("127.0.0.1", 2)]);
    if let Err(error) = Connection::open_with(&nowhere).await {
        println!("none answers, {} attempts:", error.attempts().len());
        for attempt in error.attempts() {
            let diagnosis = attempt.diagnosis().ok_or("no idea")?;
            println!(
                "  {} while {}: probably {diagnosis:?}",
                attempt.address, attempt.stage
            );
        }
    }
    Ok(())
}
