//! What tests of AMQP programs need: private RabbitMQ brokers that can be broken on purpose.
//!
//! * [`broker`] starts RabbitMQ nodes, alone or as a cluster, with or without TLS, on free ports and
//!   with their own data; gives each test a virtual host; kills, stops, pauses and restarts nodes.
//! * [`proxy`] stands between a client and a broker and lets the network fail on demand.
//! * [`peer`] plays a broker that follows a script.
//! * [`frames`] puts frames together, right ones and wrong ones.
//!
//! Everything here blocks and belongs into tests only.

pub mod broker;
pub mod frames;
pub mod peer;
pub mod proxy;

pub use broker::{Broker, BrokerError, BrokerOptions, Endpoint, Management, Node, VirtualHost};
pub use peer::Peer;
pub use proxy::Proxy;
