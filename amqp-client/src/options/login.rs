//! Who we are, and what the broker is told of us.

use std::error::Error;
use std::future::Future;

use amqp_spec::field_table;
use amqp_spec::wire::{FieldTable, LongStr, NotRepresentable, ShortString, TableRef, Value};

use super::ConnectionOptions;
#[cfg(feature = "tokio")]
use crate::error::LoginClue;
use crate::error::{ConnectCause, ConnectError, Stage};
use crate::sasl::{AuthMechanism, CredentialSource, Credentials, Secret};

impl ConnectionOptions {
    /// User name and password. Default: `guest` and `guest`, which RabbitMQ accepts from localhost
    /// only.
    #[must_use]
    pub fn login(self, user: impl AsRef<str>, password: impl Into<Secret>) -> Self {
        self.credentials(Credentials::new(user, password))
    }

    /// The user's name alone; the password stays what it is. A
    /// [source of credentials](Self::credential_source) set before is dropped, as by
    /// [`login`](Self::login). [`user_name`](Self::user_name) tells it.
    #[must_use]
    pub fn user(self, user: impl AsRef<str>) -> Self {
        let password = self.credentials.password().clone();
        self.login(user, password)
    }

    /// The password alone, as it is: in a URI it is percent-encoded, here it is not. The user stays
    /// the same; a [source of credentials](Self::credential_source) set before is dropped.
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let options: ConnectionOptions = "amqp://app@broker.example/orders".parse()?;
    /// let options = options.password(std::env::var("ORDERS_PASSWORD")?);
    /// assert_eq!(options.user_name(), "app");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn password(self, password: impl Into<Secret>) -> Self {
        let user = self.credentials.user().to_owned();
        self.login(user, password)
    }

    /// The user that logs in, unless a [source of credentials](Self::credential_source) names
    /// another. Nothing gives the password back, but for
    /// [`to_uri_with_secrets`](Self::to_uri_with_secrets).
    #[must_use]
    pub fn user_name(&self) -> &str {
        self.credentials.user()
    }

    /// User name and password in one value, as with an expiring token
    /// ([`Credentials::valid_for`]).
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self.credential_source = None;
        self
    }

    /// A function that is asked for credentials at each attempt to connect, and again before they
    /// expire ([`Credentials::valid_for`]): then the broker is told the new password
    /// ([`update_secret`](crate::Connection::update_secret)). If renewing fails, or the function
    /// takes longer than the [`connect_timeout`](Self::connect_timeout), `tracing` is told and it
    /// is tried again until the broker puts an end to it. What the function says of a failure must
    /// not show a secret. Default: none, the credentials stay the same.
    ///
    /// The renewal runs beside connections that were opened with the feature `tokio`; others use
    /// [`renew_credentials`](crate::Connection::renew_credentials).
    ///
    /// ```
    /// use amqp_client::sasl::Credentials;
    /// use amqp_client::ConnectionOptions;
    /// use std::time::Duration;
    ///
    /// # async fn ask_for_a_token() -> Result<String, std::io::Error> { Ok("eyJhbGciOi…".into()) }
    /// let options = ConnectionOptions::default().credential_source(|| async {
    ///     let token = ask_for_a_token().await?;
    ///     Ok::<_, std::io::Error>(Credentials::new("", token).valid_for(Duration::from_secs(600)))
    /// });
    /// ```
    #[must_use]
    pub fn credential_source<S, F, E>(mut self, source: S) -> Self
    where
        S: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Credentials, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.credential_source = Some(CredentialSource::new(source));
        self
    }

    /// The same options with the credentials that their
    /// [source](Self::credential_source) gives now, which it is asked for; without a
    /// source, the same options. `Connection::open` and the like do this at each attempt.
    ///
    /// # Errors
    ///
    /// [`ConnectCause::Credentials`] if the source had none; the address is the
    /// [first host's](Self::address).
    ///
    /// # Cancel safety
    ///
    /// As the source's future; nothing else has happened.
    pub async fn with_current_credentials(&self) -> Result<Self, ConnectError> {
        let mut options = self.clone();
        if let Some(source) = &self.credential_source {
            let asked = source.ask().await;
            options.credentials = asked.map_err(|error| {
                let cause = ConnectCause::Credentials(error);
                ConnectError::new(Stage::Options, self.address(), cause)
            })?;
        }
        Ok(options)
    }

    /// The ways of logging in that may be used, in order of preference: the first that the broker
    /// offers is. Default: `PLAIN`, then `AMQPLAIN`, which are equally (un)safe.
    ///
    /// ```
    /// use amqp_client::sasl::AuthMechanism;
    /// use amqp_client::ConnectionOptions;
    ///
    /// let options = ConnectionOptions::default().auth_mechanisms([AuthMechanism::External]);
    /// ```
    #[must_use]
    pub fn auth_mechanisms(mut self, mechanisms: impl IntoIterator<Item = AuthMechanism>) -> Self {
        self.mechanisms = mechanisms.into_iter().collect();
        self
    }

    /// The virtual host, at most 255 octets. Default: `/`.
    #[must_use]
    pub fn virtual_host(mut self, virtual_host: impl AsRef<str>) -> Self {
        self.virtual_host = virtual_host.as_ref().to_owned();
        self
    }

    /// The language of reply texts, as `en_US`; RabbitMQ knows no other. Default: `en_US`.
    #[must_use]
    pub fn locale(mut self, locale: impl AsRef<str>) -> Self {
        self.locale = locale.as_ref().to_owned();
        self
    }

    /// What the broker's logs and management show for this connection. Default: the program's name
    /// and the number of its process, `orders (4711)`.
    #[must_use]
    pub fn connection_name(mut self, name: impl AsRef<str>) -> Self {
        self.set_connection_name(name.as_ref().to_owned());
        self
    }

    /// Takes the place of a name that is among the properties, too.
    pub(crate) fn set_connection_name(&mut self, name: String) {
        self.connection_name = Some(name);
        self.client_properties.remove(NAME);
    }

    /// More properties for the broker's management to show, or others in place of `product`,
    /// `version`, `platform`, `information` and `capabilities`. `connection_name` is what
    /// [`connection_name`](Self::connection_name) sets: of the two, the last one counts. May be
    /// called again for more; an entry takes the place of one of the same name, and those of
    /// `capabilities` each by itself. Takes a table, a borrowed one, a map, or an array of pairs.
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    /// use amqp_client::field_table;
    ///
    /// let options = ConnectionOptions::default()
    ///     .client_properties(field_table! { "product" => "orders", "team" => "ledger" });
    /// ```
    #[must_use]
    pub fn client_properties(mut self, properties: impl Into<FieldTable>) -> Self {
        self.add_client_properties(&properties.into());
        self
    }

    pub(crate) fn add_client_properties(&mut self, properties: &FieldTable) {
        self.client_properties = merge(self.client_properties.as_ref(), properties.as_ref());
        let (fitting, _) = apart(properties.as_ref());
        if let Ok(Some(name)) = fitting.get(NAME) {
            self.connection_name = None;
            // One that is no text stays what it is.
            if let Some(name) = name.as_str() {
                self.set_connection_name(name.to_owned());
            }
        }
    }

    /// Why the login may be refused, as far as it shows.
    #[cfg(feature = "tokio")]
    pub(crate) fn login_clue(&self) -> LoginClue {
        let password = self.credentials.password().expose();
        // As a file ends, which a password that a broker accepts hardly does.
        if password.ends_with(b"\n") || password.ends_with(b"\r") {
            LoginClue::NewlineInPassword
        } else if self.user_name() == "guest" {
            LoginClue::Guest
        } else {
            LoginClue::Nothing
        }
    }

    /// What RabbitMQ shows of a client, and what it must know that we can do.
    pub(super) fn all_client_properties(&self) -> FieldTable {
        let capabilities = field_table! {
            "authentication_failure_close" => true,
            "basic.nack" => true,
            "connection.blocked" => true,
            "consumer_cancel_notify" => true,
            "consumer_priorities" => true,
            "direct_reply_to" => true,
            "exchange_exchange_bindings" => true,
            "per_consumer_qos" => true,
            "publisher_confirms" => true,
        };
        let mut properties = field_table! {
            "product" => "amqp-client",
            "version" => env!("CARGO_PKG_VERSION"),
            "platform" => "Rust",
            "information" => "AMQP 0-9-1 client in Rust, MIT or Apache-2.0",
            "capabilities" => &capabilities,
        };
        let name = self.connection_name.clone().unwrap_or_else(program);
        // What is longer does not fit the login, and is refused there.
        if let Ok(name) = LongStr::new(name.as_bytes()) {
            properties.insert(amqp_spec::short_str!("connection_name"), name);
        }
        merge(properties.as_ref(), self.client_properties.as_ref())
    }
}

/// The property that is an option of its own.
const NAME: &[u8] = b"connection_name";

/// Which program this is: `orders (4711)`.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&path)
        .file_name()
        .map_or_else(|| "amqp-client".into(), |name| name.to_string_lossy());
    format!("{name} ({})", std::process::id())
}

/// The entries of both tables. Where both have one, the second one's counts; two tables are merged.
fn merge(base: TableRef<'_>, over: TableRef<'_>) -> FieldTable {
    let mut merged = base.to_owned();
    let ((base, _), (over, unfit)) = (apart(base), apart(over));
    for (name, value) in over.iter().flatten() {
        match (base.get(name).ok().flatten(), value) {
            (Some(Value::Table(base)), Value::Table(over)) => {
                merged.insert(name, merge(base, over));
            }
            _ => merged.insert(name, value),
        }
    }
    // What does not fit stays what it is, for the check of all options to find.
    for (name, why) in unfit {
        merged.insert(name, why);
    }
    merged
}

/// The entries that fit, and the names of those that do not: behind one of these none can be read.
fn apart(table: TableRef<'_>) -> (FieldTable, Vec<(ShortString, NotRepresentable)>) {
    let mut fitting = table.to_owned();
    let mut unfit = Vec::new();
    while let Some((name, why)) = fitting.as_ref().not_representable() {
        let name = name.to_owned();
        unfit.push((name.clone(), why));
        if !fitting.remove(name.as_bytes()) {
            // A name that is too long; nothing takes its place.
            break;
        }
    }
    (fitting, unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(options: &ConnectionOptions) -> FieldTable {
        options.all_client_properties()
    }

    #[track_caller]
    fn text(table: &FieldTable, name: &str) -> String {
        let value = table.get(name).unwrap().expect(name);
        value.as_str().expect("text").to_owned()
    }

    #[test]
    fn user_and_password_are_set_each_by_itself() {
        let both = ConnectionOptions::default().login("app", "secret");
        let plain = ConnectionOptions::default;
        assert_eq!(plain().user("app").password("secret"), both);
        assert_eq!(plain().password("secret").user("app"), both);
        assert_eq!(plain().user("app"), plain().login("app", "guest"));
        assert_eq!(plain().password("secret"), plain().login("guest", "secret"));
        assert_eq!((both.user_name(), plain().user_name()), ("app", "guest"));
        let source = || async { Err::<Credentials, _>("none") };
        assert_eq!(plain().credential_source(source).user("guest"), plain());
        assert_eq!(plain().credential_source(source).password("guest"), plain());
        assert!(!format!("{both:?}").contains("secret"));
    }

    #[test]
    fn broker_is_told_what_we_are_and_can_do() {
        let told = told(&ConnectionOptions::default());
        for name in ["product", "version", "platform", "information"] {
            assert!(!text(&told, name).is_empty());
        }
        let capabilities = told.get("capabilities").unwrap().unwrap();
        let capabilities = capabilities.as_table().unwrap();
        assert_eq!(capabilities.iter().count(), 9);
        for (name, value) in capabilities.iter().flatten() {
            assert_eq!(value.as_bool(), Some(true), "{name:?}");
        }
    }

    #[test]
    fn name_is_that_of_the_program_unless_there_is_another() {
        let options = ConnectionOptions::default();
        let name = text(&told(&options), "connection_name");
        assert!(
            name.ends_with(&format!("({})", std::process::id())),
            "{name}"
        );
        assert!(!name.contains('/'), "{name}");
        let named = options.connection_name("ledger");
        assert_eq!(text(&told(&named), "connection_name"), "ledger");
    }

    #[test]
    fn name_that_was_set_last_counts_wherever_it_was_set() {
        let name = |options: &ConnectionOptions| text(&told(options), "connection_name");
        let property = field_table! { "connection_name" => "property", "team" => "ledger" };
        let options = ConnectionOptions::default().client_properties(&property);
        assert_eq!(name(&options), "property");
        let options = options.connection_name("setter");
        assert_eq!(name(&options), "setter");
        assert_eq!(text(&told(&options), "team"), "ledger");
        let options = options.client_properties(&property);
        assert_eq!(name(&options), "property");
        let number = field_table! { "connection_name" => 7 };
        let options = options.client_properties(&number);
        let number = told(&options)
            .get("connection_name")
            .unwrap()
            .map(|n| n.as_i64());
        assert_eq!(number, Some(Some(7)));
        assert_eq!(name(&options.connection_name("setter")), "setter");
    }

    #[test]
    fn name_that_stands_last_in_a_uri_counts() {
        for (query, expected) in [
            ("connection_name=a&client_properties.connection_name=b", "b"),
            ("client_properties.connection_name=b&connection_name=a", "a"),
        ] {
            let options: ConnectionOptions = format!("amqp://h?{query}").parse().unwrap();
            assert_eq!(text(&told(&options), "connection_name"), expected);
            let written = options.to_string();
            assert_eq!(written, format!("amqp://h?connection_name={expected}"));
        }
    }

    #[test]
    fn properties_take_the_place_of_ours_and_are_added() {
        let options = ConnectionOptions::default()
            .client_properties(&field_table! {
                "product" => "orders",
                "team" => "ledger",
                "capabilities" => &field_table! { "basic.nack" => false, "more" => true },
            })
            .client_properties(&field_table! { "team" => "books" });
        let told = told(&options);
        assert_eq!(text(&told, "product"), "orders");
        assert_eq!(text(&told, "team"), "books");
        assert_eq!(text(&told, "platform"), "Rust");
        let capabilities = told.get("capabilities").unwrap().unwrap();
        let capabilities = capabilities.as_table().unwrap();
        assert_eq!(capabilities.get("basic.nack").unwrap(), Some(false.into()));
        assert_eq!(capabilities.get("more").unwrap(), Some(true.into()));
        assert_eq!(capabilities.iter().count(), 10);
        let names: Vec<_> = told.iter().map(|entry| entry.unwrap().0).collect();
        for name in &names {
            let n = names.iter().filter(|other| *other == name).count();
            assert_eq!(n, 1, "{name:?} stands there twice");
        }
    }

    #[test]
    fn what_stands_behind_a_value_that_does_not_fit_is_kept() {
        let unfit = field_table! {
            "id" => u64::MAX,
            "team" => "ledger",
            "since" => u64::MAX,
            "connection_name" => "n",
        };
        let options = ConnectionOptions::default().client_properties(unfit);
        let error = options.validate().unwrap_err();
        assert_eq!(error.option, "client_properties");
        let more = field_table! { "id" => 1, "capabilities" => field_table! { "own" => true } };
        let options = options.client_properties(more);
        assert!(options.validate().is_err());
        let options = options.client_properties(field_table! { "since" => 2 });
        options.validate().unwrap();
        let told = told(&options);
        assert_eq!(text(&told, "team"), "ledger");
        assert_eq!(text(&told, "connection_name"), "n");
        let long = FieldTable::from([("n".repeat(256), 1)]);
        assert!(options.client_properties(long).validate().is_err());
    }
}
