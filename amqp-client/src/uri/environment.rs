//! Options from environment variables.

use std::env::{self, VarError};

use super::read::{ends_with_newline, parse};
use crate::error::{EnvironmentError, UriError};
use crate::options::ConnectionOptions;

impl ConnectionOptions {
    /// Options from environment variables, as deployments like to pass them. A variable that is not
    /// set changes nothing.
    ///
    /// | variable | what it says |
    /// |---|---|
    /// | `AMQP_URL` | a URI; the others take precedence over it |
    /// | `AMQP_USER` | the user's name |
    /// | `AMQP_PASSWORD` | the user's password, not percent-encoded |
    /// | `AMQP_CONNECTION_NAME` | the [connection's name](Self::connection_name) |
    /// | `AMQP_CACERTFILE` | a [file of authorities](crate::TlsOptions::ca_file), in place of the URI's; turns TLS on |
    /// | `AMQP_CERTFILE`, `AMQP_KEYFILE` | our [certificate and key](crate::TlsOptions::client_certificate); turn TLS on |
    /// | `AMQP_KEY_PASSWORD` | what the key's file [is encrypted with](crate::TlsOptions::key_password); turns TLS on |
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    ///
    /// let options = ConnectionOptions::from_env()?.heartbeat(std::time::Duration::from_secs(10));
    /// # Ok::<(), amqp_client::error::EnvironmentError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A variable is not UTF-8 or ends with a newline, as secrets that come from files do; or the
    /// URI is not valid.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        Self::default().with_env()
    }

    /// These options with what the environment variables of [`from_env`](Self::from_env) say in
    /// place of what they say themselves: for options that come from a file, and a password that
    /// does not. `AMQP_URL`, where it is set, takes the place of all of them; without any variable
    /// the options stay as they are.
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let options: ConnectionOptions = "amqp://app@broker.example/orders".parse()?;
    /// let options = options.with_env()?; // AMQP_PASSWORD, say
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn with_env(self) -> Result<Self, EnvironmentError> {
        from_variables(self, env::var)
    }
}

fn from_variables(
    given: ConnectionOptions,
    look_up: impl Fn(&'static str) -> Result<String, VarError>,
) -> Result<ConnectionOptions, EnvironmentError> {
    let read = |variable| match look_up(variable) {
        Ok(value) if ends_with_newline(&value) => Err(EnvironmentError {
            variable,
            cause: Some(UriError::TrailingNewline),
        }),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(EnvironmentError {
            variable,
            cause: None,
        }),
    };
    let mut options = match read("AMQP_URL")? {
        None => given,
        Some(uri) => parse(&uri).map_err(|cause| EnvironmentError {
            variable: "AMQP_URL",
            cause: Some(cause),
        })?,
    };
    if let Some(user) = read("AMQP_USER")? {
        options = options.user(user);
    }
    if let Some(password) = read("AMQP_PASSWORD")? {
        options = options.password(password);
    }
    if let Some(name) = read("AMQP_CONNECTION_NAME")? {
        options = options.connection_name(name);
    }
    let mut tls = options.tls.take();
    if let Some(file) = read("AMQP_CACERTFILE")? {
        tls.get_or_insert_default().ca_files = vec![file.into()];
    }
    if let Some(file) = read("AMQP_CERTFILE")? {
        let tls = tls.get_or_insert_default();
        tls.certificate_file = Some(file.into());
        tls.identity_pem = None;
    }
    if let Some(file) = read("AMQP_KEYFILE")? {
        let tls = tls.get_or_insert_default();
        tls.key_file = Some(file.into());
        tls.identity_pem = None;
    }
    if let Some(password) = read("AMQP_KEY_PASSWORD")? {
        tls.get_or_insert_default().key_password = Some(password.into());
    }
    options.tls = tls;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TlsOptions;

    fn from(variables: &[(&str, &str)]) -> Result<ConnectionOptions, EnvironmentError> {
        over(ConnectionOptions::default(), variables)
    }

    fn over(
        given: ConnectionOptions,
        variables: &[(&str, &str)],
    ) -> Result<ConnectionOptions, EnvironmentError> {
        from_variables(given, |wanted| {
            let mut set = variables.iter().filter(|(variable, _)| *variable == wanted);
            let value = set.next().map(|(_, value)| (*value).to_owned());
            value.ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn nothing_set_is_the_default() {
        assert_eq!(from(&[]), Ok(ConnectionOptions::default()));
    }

    #[test]
    fn other_variables_take_precedence_over_the_uri() {
        let options = from(&[
            ("AMQP_URL", "amqp://app:old@h/v?heartbeat=5"),
            ("AMQP_PASSWORD", "n%w p@ss"),
            ("AMQP_CONNECTION_NAME", "ledger"),
        ]);
        let expected: ConnectionOptions = "amqp://app@h/v?heartbeat=5".parse().unwrap();
        let expected = expected.login("app", "n%w p@ss").connection_name("ledger");
        assert_eq!(options, Ok(expected));
    }

    #[test]
    fn file_of_authorities_turns_tls_on() {
        let options = from(&[
            ("AMQP_URL", "amqp://h"),
            ("AMQP_CACERTFILE", "ca.pem"),
            ("AMQP_CERTFILE", "c.pem"),
            ("AMQP_KEYFILE", "k.pem"),
            ("AMQP_KEY_PASSWORD", "sw0rdfish"),
        ]);
        let tls = TlsOptions::default()
            .ca_file("ca.pem")
            .client_certificate("c.pem", "k.pem")
            .key_password("sw0rdfish");
        assert_eq!(options, Ok(ConnectionOptions::default().host("h").tls(tls)));
    }

    #[test]
    fn file_of_authorities_takes_the_place_of_the_uri_s() {
        let options = from(&[
            (
                "AMQP_URL",
                "amqps://h?cacertfile=old.pem&verify=verify_peer",
            ),
            ("AMQP_CACERTFILE", "new.pem"),
        ]);
        assert_eq!(options, Ok("amqps://h?cacertfile=new.pem".parse().unwrap()));
    }

    #[test]
    fn newline_at_the_end_of_any_variable_is_told() {
        for variable in [
            "AMQP_URL",
            "AMQP_USER",
            "AMQP_PASSWORD",
            "AMQP_CONNECTION_NAME",
            "AMQP_CACERTFILE",
            "AMQP_CERTFILE",
            "AMQP_KEYFILE",
            "AMQP_KEY_PASSWORD",
        ] {
            for end in ["\n", "\r\n"] {
                let value = format!("amqp://hunter2{end}");
                let error = from(&[(variable, &value)]).unwrap_err();
                assert_eq!(error.variable, variable);
                assert_eq!(error.cause, Some(UriError::TrailingNewline));
                let text = error.to_string();
                assert!(
                    text.contains(variable) && text.contains("newline"),
                    "{text}"
                );
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
    }

    #[test]
    fn variables_count_over_options_that_are_given() {
        let given: ConnectionOptions = "amqps://app:old@h/v?heartbeat=5".parse().unwrap();
        assert_eq!(over(given.clone(), &[]).unwrap(), given);
        let read = over(given.clone(), &[("AMQP_PASSWORD", "n%w")]).unwrap();
        assert_eq!(read, given.clone().password("n%w"));
        let read = over(given.clone(), &[("AMQP_USER", "other")]).unwrap();
        assert_eq!(read, given.clone().user("other"));
        let pem = TlsOptions::default().client_certificate_pem("c", "k");
        let files = [("AMQP_CERTFILE", "c.pem"), ("AMQP_KEYFILE", "k.pem")];
        let read = over(given.clone().tls(pem), &files).unwrap();
        let named = TlsOptions::default().client_certificate("c.pem", "k.pem");
        assert_eq!(read, given.clone().tls(named));
        let read = over(given, &[("AMQP_URL", "amqp://h"), ("AMQP_PASSWORD", "p")]).unwrap();
        let expected: ConnectionOptions = "amqp://guest:p@h".parse().unwrap();
        assert_eq!(read, expected);
    }

    #[test]
    fn error_names_the_variable_and_not_its_value() {
        let error = from(&[("AMQP_URL", "amqp://u:hunter2@h:x")]).unwrap_err();
        assert_eq!(error.variable, "AMQP_URL");
        assert_eq!(error.cause, Some(UriError::Port));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
