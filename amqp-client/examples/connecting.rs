//! Connecting with options, and what both sides agreed on.
//!
//! ```text
//! connected to RabbitMQ as "order-service"
//! a heartbeat every 20 s at the latest, up to 100 channels
//! the end: connection closed by the application
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = ConnectionOptions::from_env()?
        .connection_name("order-service")
        .heartbeat(Duration::from_secs(20))
        .channel_max(100)
        .connect_timeout(Duration::from_secs(3));
    let connection = Connection::open_with(&options).await?;

    let properties = connection.server_properties();
    let product = properties.get("product")?.and_then(|value| value.as_str());
    println!(
        "connected to {} as \"order-service\"",
        product.unwrap_or("something")
    );
    let limits = connection.limits();
    let (heartbeat, channels) = (limits.heartbeat.as_secs(), limits.channel_max);
    println!("a heartbeat every {heartbeat} s at the latest, up to {channels} channels");

    let end = tokio::spawn({
        let connection = connection.clone();
        async move { connection.closed().await }
    });
    connection.close().await?;
    println!("the end: {}", end.await?);
    Ok(())
}
