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
        from_variables(env::var)
    }
}

fn from_variables(
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
        None => ConnectionOptions::default(),
        Some(uri) => parse(&uri).map_err(|cause| EnvironmentError {
            variable: "AMQP_URL",
            cause: Some(cause),
        })?,
    };
    let (user, password) = (read("AMQP_USER")?, read("AMQP_PASSWORD")?);
    if user.is_some() || password.is_some() {
        let before = options.credentials.clone();
        let user = user.unwrap_or_else(|| before.user().to_owned());
        let password = password.map_or_else(|| before.password().clone(), Into::into);
        options = options.login(user, password);
    }
    if let Some(name) = read("AMQP_CONNECTION_NAME")? {
        options = options.connection_name(name);
    }
    let mut tls = options.tls.take();
    if let Some(file) = read("AMQP_CACERTFILE")? {
        tls.get_or_insert_default().ca_files = vec![file.into()];
    }
    if let Some(file) = read("AMQP_CERTFILE")? {
        tls.get_or_insert_default().certificate_file = Some(file.into());
    }
    if let Some(file) = read("AMQP_KEYFILE")? {
        tls.get_or_insert_default().key_file = Some(file.into());
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
        from_variables(|wanted| {
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
    fn error_names_the_variable_and_not_its_value() {
        let error = from(&[("AMQP_URL", "amqp://u:hunter2@h:x")]).unwrap_err();
        assert_eq!(error.variable, "AMQP_URL");
        assert_eq!(error.cause, Some(UriError::Port));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
