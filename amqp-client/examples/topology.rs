//! Topology: exchanges, queues and bindings from a file. (Takes the feature `serde`.)
//!
//! The file is `topology.toml` beside this one, or the one that is named on the command line.
//!
//! ```text
//! declared 6 exchanges, queues and bindings
//! invoices: order.eu.paid
//! lost: order.eu.cancelled
//! a file with a mistake in it: queues[0].mesage_ttl: is an unknown key; is it message_ttl?
//! ```

use std::error::Error;
use std::{env, fs};

use amqp_client::declare::Topology;
use amqp_client::{Connection, ConnectionOptions, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/topology.toml");
    let path = env::args().nth(1).unwrap_or_else(|| beside.to_owned());
    let text = fs::read_to_string(path)?;
    let topology: Topology = toml::from_str(&text)?;

    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    topology.declare(&channel).await?;
    let n_declared = topology.len();
    println!("declared {n_declared} exchanges, queues and bindings");

    let publisher = connection.open_publisher().await?;
    for (key, queue) in [
        ("order.eu.paid", "invoices"),
        ("order.eu.cancelled", "lost"),
    ] {
        publisher.publish("orders", key, Message::new("42")).await?;
        let got = channel.basic_get_no_ack(queue).await?;
        let message = got.ok_or("the queue is empty")?.delivery;
        println!("{queue}: {}", message.routing_key());
    }

    let mistaken = text.replace("message_ttl", "mesage_ttl");
    if let Err(error) = toml::from_str::<Topology>(&mistaken) {
        println!("a file with a mistake in it: {}", error.message());
    }
    connection.close().await?;
    Ok(())
}
