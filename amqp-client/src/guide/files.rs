//! Options and declarations from a file: TOML, JSON, or whatever else has a format for serde.
//!
//! With the feature `serde` these can be read, and written again:
//!
//! | type | in a file |
//! |---|---|
//! | [`ConnectionOptions`] | a URI, or a table with the setters as keys |
//! | [`Topology`] | lists of `exchanges`, `queues` and `bindings` |
//! | [`ExchangeDeclare`], [`QueueDeclare`], [`Binding`] | a table with the builder's methods as keys |
//! | [`FieldTable`], [`FieldArray`], [`FieldValue`] | a map, a list, a value; see [Arguments](#arguments) |
//! | [`ShortString`], [`Timestamp`], [`Decimal`] | text, a number of seconds, text such as `"9.95"` |
//!
//! They are parts of the program's own settings:
//!
//! ```no_run
//! use amqp_client::declare::Topology;
//! use amqp_client::{Connection, ConnectionOptions};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     connection: ConnectionOptions,
//!     topology: Topology,
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let text = std::fs::read_to_string("orders.toml")?;
//! let settings: Settings = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
//! let connection = Connection::open_with(&settings.connection).await?;
//! settings.topology.declare(&connection.open_channel().await?).await?;
//! # Ok(()) }
//! ```
//!
//! # A file
//!
//! ```
//! # #[derive(serde::Deserialize)]
//! # struct Settings { connection: ConnectionOptions, topology: Topology }
//! # use amqp_client::declare::Topology;
//! # use amqp_client::{ConnectionOptions, ExchangeDeclare, QueueDeclare};
//! # use std::time::Duration;
//! # let read: Settings = toml::from_str(
//! r#"
//! [connection]
//! uri = "amqps://app@broker.example/orders"
//! password = "s3cret"
//! heartbeat = "20s"
//! connection_name = "order-service"
//!
//! [connection.tls]
//! ca_files = ["/etc/orders/ca.pem"]
//!
//! [[topology.exchanges]]
//! name = "orders"
//! type = "topic"
//! durable = true
//!
//! [[topology.queues]]
//! name = "invoices"
//! type = "quorum"
//! message_ttl = "1h"
//! dead_letter_exchange = "failed"
//! arguments = { x-consumer-timeout = 60_000 }
//!
//! [[topology.bindings]]
//! queue = "invoices"
//! exchange = "orders"
//! routing_key = "order.*.paid"
//! "#
//! # ).unwrap();
//! # let options: ConnectionOptions = "amqps://app:s3cret@broker.example/orders".parse().unwrap();
//! # let options = options
//! #     .heartbeat(Duration::from_secs(20))
//! #     .connection_name("order-service")
//! #     .tls(amqp_client::TlsOptions::default().ca_file("/etc/orders/ca.pem"));
//! # assert_eq!(read.connection, options);
//! # let topology = Topology::default()
//! #     .exchange(ExchangeDeclare::topic("orders").durable())
//! #     .queue(
//! #         QueueDeclare::new("invoices")
//! #             .quorum()
//! #             .message_ttl(Duration::from_secs(3600))
//! #             .dead_letter_exchange("failed")
//! #             .argument("x-consumer-timeout", 60_000_i64),
//! #     )
//! #     .queue_binding("invoices", "orders", "order.*.paid");
//! # assert_eq!(read.topology, topology);
//! ```
//!
//! The topology in JSON:
//!
//! ```
//! # let read: amqp_client::declare::Topology = serde_json::from_str(
//! r#"{
//!     "exchanges": [{ "name": "orders", "type": "topic", "durable": true }],
//!     "queues": [{
//!         "name": "invoices",
//!         "type": "quorum",
//!         "message_ttl": "1h",
//!         "dead_letter_exchange": "failed",
//!         "arguments": { "x-consumer-timeout": 60000 }
//!     }],
//!     "bindings": [
//!         { "queue": "invoices", "exchange": "orders", "routing_key": "order.*.paid" },
//!         { "destination": "audit", "source": "orders", "match": "any", "arguments": { "urgent": true } }
//!     ]
//! }"#
//! # ).unwrap();
//! # assert_eq!(read.len(), 4);
//! ```
//!
//! # What stands behind a key
//!
//! Keys are named as the methods are, and the methods' pages say what they mean.
//!
//! | what | how it is written |
//! |---|---|
//! | a time | text, a whole number and its unit: `"250us"`, `"500ms"`, `"30s"`, `"15m"`, `"1h"`, `"7d"`. A bare number is an error: it is seconds in one program and milliseconds in another |
//! | no time, where there need not be one | `"none"`: `open_timeout`, `blocked_connection_timeout`, `write_timeout`; of `recovery` `give_up_after`, `entity_patience`, `exclusive_for`, and the number of `attempts` |
//! | a choice | the word of RabbitMQ (`overflow = "reject-publish"`), or ours in lower case (`when_blocked = "fail"`) |
//! | a queue's type | `type = "quorum"`, which makes it durable; any other type is sent as it is |
//! | a binding's arguments | `match = "any"` for `x-match`, the others below `arguments` |
//! | a queue's or an exchange's other arguments | below `arguments`, by their names on the wire |
//!
//! Of a connection:
//!
//! | key | what it can be |
//! |---|---|
//! | `uri` | a URI, as [`ConnectionOptions`] reads it; other keys take precedence over what it says |
//! | `host` and `port`, or `hosts` | `host = "rabbit-1:5673"`, `hosts = ["rabbit-1", "rabbit-2:5673", "[::1]:5673"]` |
//! | `user`, `password` | text |
//! | `tls` | `true`, or a table: `ca_files`, `ca_pem`, `system_roots`, `bundled_roots`, `certificate_file` and `key_file` or `certificate_pem` and `key_pem`, `key_password`, `server_name` or `without_server_name`, `danger_accept_any_certificate` |
//! | `tcp` | a table: `nodelay`, `keepalive_idle`, `keepalive_interval`, `keepalive_count`, `user_timeout` |
//! | `recovery` | `"on"`, `"off"`, or a table: `off`, `from_the_start`, `min_delay`, `max_delay`, `attempts`, `give_up_after`, `patience`, `entity_patience`, `refused_for`, `exclusive_for`, and `restore`, which is `"all"`, `"transient"` or `"consumers"` |
//! | `auth_mechanisms` | a list of names: `["external", "plain"]` |
//! | `heartbeat` | a time, `"server"`, `"off"`, or `{ at_most = "60s" }` |
//! | `client_properties` | a table |
//! | every other setter | a number, a time or text, as its argument is |
//!
//! Whatever is read is checked at once as it is before it is used: options as by
//! [`validate`](crate::ConnectionOptions::validate), declarations as before they are sent. An unknown key
//! is an error that suggests the nearest one, a time that would have to be rounded is refused, and
//! so is the same thing said by two keys. Errors name the key with those around it, from where the
//! options or the topology begin: `queues[0].message_ttl`, `tcp.keepalive_idle`. What the program
//! has around that they do not know: which of two connections in one file is meant is told by the
//! format (`error.span()` of `toml` is where that table begins), or by a crate such as
//! `serde_path_to_error`.
//!
//! # Secrets
//!
//! Passwords, the user's and that of a key, are read and **never written**: what is written has the
//! user and no password, which the program that reads it sets again; else it is `guest`. A URI is written as the keys that say the same. Authorities from
//! [`ca_pem`](crate::TlsOptions::ca_pem) are public, and are written, unless a private key is among
//! them; options with a certificate of the client and its key that are not in files
//! ([`client_certificate_pem`](crate::TlsOptions::client_certificate_pem)) are not written at all:
//! that is an error, for without them it would be another connection. No error of this crate shows a value, so that a
//! password that is out of its place stays where it is. A format may show more: `Display` of an
//! error of `toml` has the line in it that it is about, and `Debug`, which is what `main` and
//! `unwrap` print, the whole file. `error.message()` has neither: take that, as above, wherever
//! there is a secret in the file. What the file's reader makes of a password is not
//! overwritten in memory; where that matters, take it from elsewhere.
//!
//! # The password from the environment, the rest from a file
//!
//! [`with_env`](crate::ConnectionOptions::with_env) puts what environment variables say in place of
//! what the file says: `AMQP_PASSWORD`, `AMQP_USER` and the others of
//! [`from_env`](crate::ConnectionOptions::from_env). `AMQP_URL` takes the place of the whole file.
//!
//! ```
//! use amqp_client::ConnectionOptions;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options: ConnectionOptions = serde_json::from_str(r#"{ "host": "h", "user": "app" }"#)?;
//! let options = options.with_env()?;
//! # Ok(()) }
//! ```
//!
//! From a variable of another name, or from a mounted file, whose last newline is not part of it:
//! [`password`](crate::ConnectionOptions::password), which leaves the user as it is. A password
//! that does not last comes from a
//! [source of credentials](crate::ConnectionOptions::credential_source).
//!
//! ```
//! # fn example(options: amqp_client::ConnectionOptions) -> Result<(), Box<dyn std::error::Error>> {
//! let password = std::fs::read_to_string("/run/secrets/orders")?;
//! let options = options.password(password.trim_end());
//! # Ok(()) }
//! ```
//!
//! # What is not written
//!
//! Functions and objects are no settings: a source of credentials, a rule of heartbeats, a login
//! mechanism of one's own, parts of rustls. The program sets them on the options that it has read.
//! Writing options that have one fails and says which, since leaving it out would be another
//! connection. The functions of a [`Recovery`](crate::options::Recovery), `keep` and `on_failure`,
//! **are left out**: it is the same connection, but one that gets back what they would not.
//!
//! # Arguments
//!
//! In a table of arguments or properties booleans, strings, lists and tables are what they look
//! like, an integer has 64 bits, and so has a number with a point. Every other type is spelled as
//! `{ "$i32" = 5 }`: `$i8` to `$u32`, `$f32`, `$decimal`, `$timestamp`, `$hex`, `$void`. The page
//! of [`amqp_spec`](crate::amqp_spec#tables-in-files) has them all, and what it promises for a
//! table that is written and read back. RabbitMQ takes integers of any width for its own arguments.
//!
//! [`Binding`]: crate::declare::Binding
//! [`ConnectionOptions`]: crate::ConnectionOptions
//! [`Decimal`]: crate::amqp_spec::wire::Decimal
//! [`ExchangeDeclare`]: crate::ExchangeDeclare
//! [`FieldArray`]: crate::amqp_spec::wire::FieldArray
//! [`FieldTable`]: crate::FieldTable
//! [`FieldValue`]: crate::amqp_spec::wire::FieldValue
//! [`QueueDeclare`]: crate::QueueDeclare
//! [`ShortString`]: crate::amqp_spec::wire::ShortString
//! [`Timestamp`]: crate::amqp_spec::wire::Timestamp
//! [`Topology`]: crate::declare::Topology
