//! Tokens (OAuth 2) instead of passwords: a function is asked for one at each attempt to connect,
//! and again before it expires; the broker is then told the new one on the same connection.
//!
//! ```text
//! asked for token 1
//! connected
//! asked for token 2
//! asked for token 3
//! published all the while
//! ```

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use amqp_client::sasl::Credentials;
use amqp_client::{Connection, ConnectionOptions, Message};
use tokio::time::{sleep, timeout};

static N_TOKENS: AtomicU32 = AtomicU32::new(0);

/// Would ask the authorization server. For OAuth 2 the name says nothing, and the token is the
/// password; a broker without OAuth 2 takes its own.
async fn token() -> Result<Credentials, io::Error> {
    let number = N_TOKENS.fetch_add(1, Ordering::Relaxed) + 1;
    println!("asked for token {number}");
    // A new one is asked for when four fifths of the time have passed.
    let valid_for = match number {
        1 => Duration::from_millis(2500),
        2 => Duration::from_millis(250),
        _ => Duration::from_secs(3600),
    };
    Ok(Credentials::new("guest", "guest").valid_for(valid_for))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = ConnectionOptions::from_env()?;
    let connection = Connection::open_with(&options.credential_source(token)).await?;
    println!("connected");
    let publisher = connection.open_publisher().await?;
    let publishing = async {
        while N_TOKENS.load(Ordering::Relaxed) < 3 {
            publisher
                .publish("amq.fanout", "", Message::new("tick"))
                .await?;
            sleep(Duration::from_millis(5)).await;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    timeout(Duration::from_secs(30), publishing).await??;
    println!("published all the while");
    connection.close().await?;
    Ok(())
}
