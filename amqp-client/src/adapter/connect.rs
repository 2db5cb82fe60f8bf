//! The way to the broker: hosts, addresses, TLS, and the handshake of AMQP at its end.
//!
//! ```text
//! for each round, for each host:   resolve ▶ race of the addresses ▶ [TLS] ▶ AMQP handshake
//! ```
//!
//! Names are resolved anew at each attempt, files read and credentials asked for anew until they
//! can be had: while they cannot, no host is tried. Every attempt that fails is kept for the error.
//! What was refused for good (a wrong password, say) is not tried again, nor elsewhere: the hosts
//! are taken for one cluster.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::budget::{Budget, after, within};
use super::handshake::{prepare, shake_hands};
use super::network::Network;
use super::race::race;
use super::tokio::Writes;
use crate::connection::Connection;
use crate::error::{
    Attempt, AttemptFailures, ConnectCause, ConnectError, ConnectionError, OptionError, OverTls,
    Stage, TlsError,
};
use crate::handle::Destination;
use crate::options::{Address, ConnectionOptions, HostOrder};
use crate::tls;

/// Opens a connection over this network.
pub(super) async fn open_on<N: Network>(
    network: &N,
    options: &ConnectionOptions,
) -> Result<Connection, ConnectError> {
    if let Err(error) = options.validate() {
        let cause = ConnectCause::Options(error);
        return Err(ConnectError::new(Stage::Options, options.address(), cause));
    }
    let budget = Budget::new(options)
        .map_err(|(stage, cause)| ConnectError::new(stage, options.address(), cause))?;
    let mut failures = AttemptFailures::default();
    for round in 0..options.connection_attempts.max(1) {
        if round > 0 {
            let again = after(Instant::now(), options.retry_delay);
            if budget.is_over_at(again) {
                break;
            }
            sleep_until(again).await;
        }
        let is_over =
            |attempt: &Attempt| !attempt.is_retryable() || budget.is_over_at(Instant::now());
        let tls = match prepare_tls(options, &budget).await {
            Ok(tls) => tls,
            Err(attempt) if is_over(&attempt) => return Err(failures.end_with(attempt)),
            Err(attempt) => {
                failures.push(attempt);
                continue;
            }
        };
        for (host, port) in in_order(options, network.random()) {
            let target = Target {
                host,
                port,
                options,
                tls: tls.as_ref(),
                budget: &budget,
            };
            match target.attempt(network, &mut failures).await {
                Ok(connection) => return Ok(connection),
                Err(attempt) if is_over(&attempt) => return Err(failures.end_with(attempt)),
                Err(attempt) => {
                    let is_local = attempt.is_local();
                    failures.push(attempt);
                    if is_local {
                        // Other hosts would not change it.
                        break;
                    }
                }
            }
        }
    }
    Err(failures.end().unwrap_or_else(|| {
        let error = OptionError::new("hosts", "at least one");
        ConnectError::new(Stage::Options, "no host", ConnectCause::Options(error))
    }))
}

/// The hosts in the order in which to try them.
fn in_order(options: &ConnectionOptions, seed: u64) -> Vec<(&str, u16)> {
    let mut hosts: Vec<_> = options.addresses().collect();
    match options.host_order {
        HostOrder::Given => {}
        HostOrder::Random => shuffle(&mut hosts, seed),
    }
    hosts
}

/// Fisher and Yates's shuffle; each step takes its number from a different stretch of the seed's
/// sequence (SplitMix64).
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        let n_left = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(last, usize::try_from(number % n_left).unwrap_or(last));
    }
}

/// One host to try.
struct Target<'a> {
    host: &'a str,
    port: u16,
    options: &'a ConnectionOptions,
    tls: Option<&'a tls::Settings>,
    budget: &'a Budget,
}

impl Target<'_> {
    /// Tries the host once. The last of its addresses that failed is returned, the others are added
    /// to the failures.
    async fn attempt<N: Network>(
        &self,
        network: &N,
        failures: &mut AttemptFailures,
    ) -> Result<Connection, Attempt> {
        let client = match self.tls.map(|tls| tls.client(self.host)).transpose() {
            Ok(client) => client,
            Err(error) => return Err(self.failed(Stage::Tls, ConnectCause::Tls(error))),
        };
        let options = prepare(self.options, self.budget)
            .await
            .map_err(|(stage, cause)| Attempt::new(stage, self.options.address(), cause))?;
        let (peer, stream) = self.reach(network, failures).await?;
        let opened = match client {
            None => {
                let place = self.place(peer);
                let opened = shake_hands(stream, Writes::Exact, &options, self.budget, place);
                opened
                    .await
                    .map_err(|(stage, cause)| self.failed(stage, cause))
            }
            Some(client) => {
                let place = self.place(peer);
                self.shake_hands_over_tls(client, stream, &options, place)
                    .await
            }
        };
        opened.map_err(|attempt| Attempt {
            peer: Some(peer),
            newline_in_password: options.has_newline_in_password(),
            ..attempt
        })
    }

    fn failed(&self, stage: Stage, cause: ConnectCause) -> Attempt {
        Attempt::new(stage, self.address(), cause)
    }

    fn address(&self) -> String {
        Address(self.host, self.port).to_string()
    }

    fn place(&self, peer: SocketAddr) -> Destination {
        Destination {
            address: self.address(),
            peer: Some(peer),
        }
    }

    /// Resolves the name and connects to one of its addresses.
    async fn reach<N: Network>(
        &self,
        network: &N,
        failures: &mut AttemptFailures,
    ) -> Result<(SocketAddr, N::Stream), Attempt> {
        let step = self.budget.step(self.options.connect_timeout);
        let resolving = network.resolve(self.host, self.port);
        let addresses = match within(step.deadline, resolving).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(self.failed(Stage::Resolve, error.into())),
            Err(_) => return Err(self.failed(Stage::Resolve, ConnectCause::Timeout(step.limit))),
        };
        let losers = match race(network, addresses, step.deadline, step.limit).await {
            Ok(winner) => return Ok(winner),
            Err(losers) => losers,
        };
        let mut losers = losers.into_iter().map(|(peer, cause)| Attempt {
            peer: Some(peer),
            ..self.failed(Stage::Tcp, cause)
        });
        let last = losers.next_back().unwrap_or_else(|| {
            let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            self.failed(Stage::Resolve, error.into())
        });
        losers.for_each(|loser| failures.push(loser));
        Err(last)
    }

    async fn shake_hands_over_tls<S>(
        &self,
        client: tls::TlsClient,
        stream: S,
        options: &ConnectionOptions,
        place: Destination,
    ) -> Result<Connection, Attempt>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let step = self.budget.step(self.options.handshake_timeout);
        let (stream, record) = tls::Heard::new(stream);
        let stream = match within(step.deadline, client.connect(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(cause)) => return Err(self.failed_at_tls(cause, &record)),
            Err(_) => return Err(self.failed_at_tls(ConnectCause::Timeout(step.limit), &record)),
        };
        let opened = shake_hands(stream, Writes::Layered, options, self.budget, place).await;
        opened.map_err(|failure| {
            let (stage, cause) = explain(failure);
            self.failed(stage, cause).over_tls(OverTls::Agreed)
        })
    }

    fn failed_at_tls(&self, cause: ConnectCause, record: &tls::Record) -> Attempt {
        match (record.has_come(), cause) {
            (true, cause) => self.failed(Stage::Tls, cause).over_tls(OverTls::Answered),
            (false, ConnectCause::Tls(TlsError::Damaged(_))) => {
                self.failed(Stage::Tls, ConnectCause::Tls(TlsError::NotTls))
            }
            (false, cause) => self.failed(Stage::Tls, cause),
        }
    }
}

/// With TLS 1.3 a client is done before the server has looked at its certificate: what the server
/// says of it looks like a failure of the first read.
fn explain(failure: (Stage, ConnectCause)) -> (Stage, ConnectCause) {
    match failure {
        (_, ConnectCause::Connection(ConnectionError::Tls(error))) => {
            (Stage::Tls, ConnectCause::Tls((*error).clone()))
        }
        other => other,
    }
}

/// Reads certificates and keys, which are the same for all hosts, before any broker's clock starts
/// to run.
async fn prepare_tls(
    options: &ConnectionOptions,
    budget: &Budget,
) -> Result<Option<tls::Settings>, Attempt> {
    let Some(tls) = &options.tls else {
        return Ok(None);
    };
    let failed = |stage, cause| Attempt::new(stage, options.address(), cause);
    let step = budget.step(options.connect_timeout);
    let hosts = options.addresses().map(|(host, _)| host);
    match within(step.deadline, tls::TlsClient::prepare(tls, hosts)).await {
        Ok(Ok(settings)) => Ok(Some(settings)),
        Ok(Err(fault)) => Err(Attempt {
            is_final: !fault.may_pass,
            ..failed(Stage::Tls, ConnectCause::Tls(fault.error))
        }),
        // No server has been asked for TLS yet.
        Err(_) => Err(failed(Stage::Options, ConnectCause::Timeout(step.limit))),
    }
}
