//! A service that its supervisor stops with SIGTERM: what it has not begun goes back at once, what
//! it works on comes to its end, and what was left undone is told.
//!
//! ```text
//! working on job 0
//! asked to stop
//! finished job 0
//! 1 done, left: 0 unsettled, 0 unconfirmed, 0 unsent
//! ```

use std::error::Error;
use std::future::Future;
use std::io;

use amqp_client::{Connection, ConnectionOptions, QueueDeclare, ReceivedMessage};
use tokio::time::{Duration, sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let asked_to_stop = termination()?;
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("jobs").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    publisher.publish("", "jobs", "job 0").await?;

    let jobs = channel.consume("jobs").prefetch(10).await?;
    let working = jobs.handle(work);
    let stopping = async {
        asked_to_stop.await;
        println!("asked to stop");
        // Less than the time after which the supervisor kills.
        connection.shutdown(Duration::from_secs(20)).await
    };
    let (handled, report) = tokio::join!(working, stopping);
    println!("{} done, left: {report}", handled.acked);
    Ok(())
}

async fn work(job: ReceivedMessage) {
    let name = job.text().unwrap_or("a job without a name").to_owned();
    println!("working on {name}");
    sleep(Duration::from_secs(1)).await;
    println!("finished {name}");
}

/// Ends when the program is asked to stop, which does not end it by itself from here on.
#[cfg(unix)]
fn termination() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = signal(SignalKind::terminate())?;
    Ok(async move { asked.recv().await.unwrap_or_default() })
}

#[cfg(not(unix))]
fn termination() -> io::Result<impl Future<Output = ()>> {
    Ok(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
}
