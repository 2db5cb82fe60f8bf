//! AMQP URIs: `amqp://user:password@host:port/vhost?heartbeat=10`.
//!
//! As RabbitMQ's URI specification has it: every part is optional and percent-decoded; a missing
//! virtual host is `/`, an empty one is empty. What is not understood is an error, never a guess.
//! Several hosts stand side by side, `amqp://a,b:5673,[::1]`. `parameters` has the table of the
//! parameters, `recovery` that of those about recovery.

mod environment;
mod parameter;
#[cfg(test)]
mod parameter_tests;
mod parameters;
mod read;
mod recovery;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;
mod values;
mod write;
