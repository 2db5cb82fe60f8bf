//! What tests of AMQP programs need: private RabbitMQ brokers that can be broken on purpose.
//!
//! * [`broker`] starts RabbitMQ nodes, alone or as a cluster, with or without TLS, on free ports
//!   and with their own data; gives each test a virtual host; kills, stops, pauses and restarts
//!   nodes.
//! * [`proxy`] stands between a client and a broker and lets the network fail on demand.
//! * [`peer`] plays a broker that follows a script.
//! * [`frames`] puts frames together, right ones and wrong ones.
//! * `memory`, behind the feature of that name, is a broker without I/O: RabbitMQ's behaviour in the
//!   test's own process, on a clock of the test's.
//!
//! | you want to know | take |
//! |---|---|
//! | what your program does when the broker refuses, returns, cancels, closes, or breaks the protocol | [`Peer`] |
//! | what it does when the network stalls, loses, delays, damages or resets | [`Proxy`], in front of a broker or of a [`Peer`] |
//! | whether it does its work | [`Broker`] and a [`VirtualHost`] for each test |
//! | whether your protocol code does, without a broker, a port or waiting | `memory::Kernel` |
//! | what it does when the broker dies, stops, hangs or comes back | [`Broker`] and its [`Node`]s |
//!
//! A network that fails in front of a broker that follows a script:
//!
//! ```
//! use std::io::{Read as _, Write as _};
//! use std::net::TcpStream;
//!
//! use amqp_testing::{Peer, Proxy};
//!
//! let broker = Peer::start(|listener| {
//!     let mut client = listener.accept();
//!     client.expect_protocol_header();
//!     client.send_start();
//!     client.expect_end();
//! })?;
//! let proxy = Proxy::to_url(&broker.url())?;
//! // The broker's first words are cut short.
//! proxy.to_client().cut_after(20);
//!
//! let mut client = TcpStream::connect(proxy.address())?; // your program would do this
//! client.write_all(&amqp_spec::frame::PROTOCOL_HEADER)?;
//! let mut heard = Vec::new();
//! client.read_to_end(&mut heard)?;
//! assert_eq!(heard.len(), 20);
//!
//! broker.join();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Everything here blocks its thread, but for [`Peer::finished`] and what `memory` has, and belongs
//! into tests only.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod broker;
pub mod frames;
#[cfg(feature = "memory")]
pub mod memory;
pub mod peer;
pub mod proxy;

pub use broker::{Broker, BrokerError, BrokerOptions, Endpoint, Management, Node, VirtualHost};
pub use peer::Peer;
pub use proxy::Proxy;
