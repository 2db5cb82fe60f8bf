//! AMQP URIs: `amqp://user:password@host:port/vhost?heartbeat=10`.
//!
//! As RabbitMQ's URI specification has it: every part is optional and percent-decoded; a missing
//! virtual host is `/`, an empty one is empty. What is not understood is an error, never a guess.
//! Several hosts stand side by side, `amqp://a,b:5673,[::1]`. `parameters` has the table of the
//! parameters.

mod environment;
#[cfg(test)]
mod parameter_tests;
mod parameters;
mod read;
#[cfg(test)]
mod tests;
mod values;
mod write;
