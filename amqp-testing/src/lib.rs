//! What tests of AMQP programs need: private RabbitMQ brokers that can be broken on purpose.
//!
//! * [`broker`] starts RabbitMQ nodes, alone or as a cluster, with or without TLS, on free ports and
//!   with their own data; gives each test a virtual host; kills, stops, pauses and restarts nodes.
//!
//! Everything here blocks and belongs into tests only.

pub mod broker;

pub use broker::{Broker, BrokerError, BrokerOptions, Endpoint, Management, Node, VirtualHost};
