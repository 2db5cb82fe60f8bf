//! What happens to the broker and to the network.

use std::fmt;
use std::time::{Duration, Instant};

use amqp_testing::Broker;
use fastrand::Rng;
use tokio::time::sleep;

use crate::faults::lock;
use crate::stage::Stage;

/// One kind of fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// All connections end in good order, as behind a load balancer that is restarted.
    Cut,
    /// All connections are reset.
    Reset,
    /// All connections are reset somewhere within what is sent.
    ResetWithin,
    /// Nothing can be connected to for a while.
    Unreachable,
    /// The network takes everything and passes nothing on.
    Stalled,
    /// All connections are closed by the operator.
    Closed,
    /// The broker takes nothing while it is short of memory.
    Alarm,
    /// The broker's processes stand still.
    Paused,
    Stopped,
    Killed,
    /// Another connection has the exclusive queue when ours comes back.
    Locked,
    /// The user may do nothing for a while.
    Forbidden,
}

/// A fault that has happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Injected {
    pub(super) fault: Fault,
    /// How long it took from the death of a node to flow on another.
    pub(super) flows_elsewhere: Option<Duration>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::ResetWithin => "reset within a frame",
            Self::Unreachable => "unreachable",
            Self::Stalled => "stalled",
            Self::Closed => "closed by the operator",
            Self::Alarm => "alarm",
            Self::Paused => "node paused",
            Self::Stopped => "node stopped",
            Self::Killed => "node killed",
            Self::Locked => "exclusive queue locked",
            Self::Forbidden => "permissions withdrawn",
        })
    }
}

impl Fault {
    pub(super) const ALL: [Self; 12] = [
        Self::Cut,
        Self::Reset,
        Self::ResetWithin,
        Self::Unreachable,
        Self::Stalled,
        Self::Closed,
        Self::Alarm,
        Self::Paused,
        Self::Stopped,
        Self::Killed,
        Self::Locked,
        Self::Forbidden,
    ];

    /// How many of [`ALL`](Self::ALL) happen to clusters: the others wait for nodes to agree, which
    /// may take longer than the faults.
    const OF_CLUSTERS: usize = 10;

    pub(super) fn choose(random: &mut Rng, n_nodes: usize) -> Self {
        let n = if n_nodes == 1 {
            Self::ALL.len()
        } else {
            Self::OF_CLUSTERS
        };
        Self::ALL[random.usize(..n)]
    }

    /// Lets it happen; it is over when this returns.
    pub(super) async fn inject(self, stage: &Stage<'_>, random: &mut Rng) -> Injected {
        let time = Duration::from_millis(random.u64(500..4000));
        let mut flows_elsewhere = None;
        match self {
            Self::Cut => stage.proxies().iter().for_each(amqp_testing::Proxy::cut),
            Self::Reset => stage.proxies().iter().for_each(amqp_testing::Proxy::reset),
            Self::ResetWithin => {
                for proxy in stage.proxies() {
                    let lanes = [proxy.to_broker(), proxy.to_client()];
                    lanes[random.usize(..2)].reset_after(random.u64(1..20_000));
                }
                sleep(Duration::from_secs(1)).await;
                stage.heal();
            }
            Self::Unreachable => {
                stage.disconnect();
                sleep(time).await;
                stage.heal();
            }
            Self::Stalled => {
                for proxy in stage.proxies() {
                    proxy.to_broker().stall();
                    proxy.to_client().stall();
                }
                sleep(time).await;
                stage.heal();
            }
            Self::Closed => {
                let vhost = stage.vhost().to_owned();
                let close = move |it: &Broker| it.first().close_connections(&vhost, "soak");
                stage.broker(close).await.unwrap();
            }
            Self::Alarm => {
                stage.broker(|it| it.first().raise_alarm().unwrap()).await;
                sleep(time).await;
                stage.broker(|it| it.first().clear_alarm().unwrap()).await;
            }
            Self::Locked => {
                stage.disconnect();
                let locking = lock(stage).await;
                stage.heal();
                sleep(time).await;
                locking.close().await.unwrap();
            }
            Self::Forbidden => forbid(stage, time).await,
            Self::Paused | Self::Stopped | Self::Killed => {
                flows_elsewhere = self.strike(stage, random, time).await;
            }
        }
        Injected {
            fault: self,
            flows_elsewhere,
        }
    }

    /// Takes one node away for a while.
    async fn strike(self, stage: &Stage<'_>, random: &mut Rng, time: Duration) -> Option<Duration> {
        let n_nodes = stage.proxies().len();
        let node = random.usize(..n_nodes);
        let begun = Instant::now();
        stage
            .broker(move |it| {
                let node = &it.nodes()[node];
                match self {
                    Self::Paused => node.pause(),
                    Self::Stopped => node.stop(),
                    _ => node.kill(),
                }
                .unwrap();
            })
            .await;
        let mut flows_elsewhere = None;
        if n_nodes > 1 && self == Self::Killed {
            stage.until_flowing().await;
            flows_elsewhere = Some(begun.elapsed());
        } else {
            sleep(time).await;
        }
        stage
            .broker(move |it| {
                let struck = &it.nodes()[node];
                match self {
                    Self::Paused => struck.resume(),
                    _ => struck.start(),
                }
                .unwrap();
                if n_nodes > 1 {
                    it.wait_until_joined().unwrap();
                }
            })
            .await;
        flows_elsewhere
    }
}

async fn forbid(stage: &Stage<'_>, time: Duration) {
    stage.disconnect();
    let (vhost, again) = (stage.vhost().to_owned(), stage.vhost().to_owned());
    stage
        .broker(move |it| it.first().clear_permissions("guest", &vhost).unwrap())
        .await;
    stage.heal();
    sleep(time).await;
    let all = [".*"; 3];
    stage
        .broker(move |it| it.first().set_permissions("guest", &again, all).unwrap())
        .await;
}
