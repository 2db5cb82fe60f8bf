//! Staying connected, and noticing when the broker takes no messages: one that is short of memory
//! or disk stops reading from those who publish. (Without an alarm, only the last line is printed.)
//!
//! ```text
//! the broker takes no messages: low on memory
//! the broker takes messages again
//! published
//! ```

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use amqp_client::event::Event;
use amqp_client::{Connection, ConnectionOptions, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = ConnectionOptions::from_env()?
        // A broker that has been silent for 20 s is given up.
        .heartbeat(Duration::from_secs(10))
        // One that takes no messages for five minutes, too.
        .blocked_connection_timeout(Duration::from_secs(300));
    let connection = Connection::open_with(&options).await?;
    let mut events = connection.events();
    let publisher = connection.open_publisher().await?;

    let mut publishing = pin!(publisher.publish("amq.fanout", "", Message::new("news")));
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => match event {
                Event::Blocked { reason } => println!("the broker takes no messages: {reason}"),
                Event::Unblocked => println!("the broker takes messages again"),
                _ => {}
            },
            published = &mut publishing => break published?,
        }
    }
    println!("published");
    connection.close().await?;
    Ok(())
}
