//! Private RabbitMQ brokers for tests.
//!
//! A [`Broker`] is one node or a cluster, started on free ports, with its own data, its own Erlang
//! port mapper and its own cookie, as the current user and without the service manager. Everything
//! listens on the loopback interface only. It is gone, with its folder, when the value is dropped, and
//! also when the program that holds it is interrupted or killed. No other broker on the machine is
//! looked at or touched.
//!
//! One broker serves many tests: each takes a [`VirtualHost`] of its own, which costs ten
//! milliseconds, where a broker costs four seconds.

mod controls;
mod error;
mod installation;
mod launch;
mod management;
mod node;
mod options;
mod plugins;
mod ports;
mod process;
mod setup;
mod site;
mod state;
#[cfg(feature = "tls")]
mod tls;
mod vhost;
mod watchdog;

#[cfg(feature = "tls")]
pub use self::tls::{Authority, Certificates, Identity};
pub use self::{
    controls::{ListedConsumer, ListedQueue},
    error::BrokerError,
    installation::Installation,
    launch::Broker,
    management::Management,
    node::Node,
    options::BrokerOptions,
    ports::free_ports,
    vhost::{Endpoint, VirtualHost},
};
