//! Options as a URI.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

use super::parameters;
use crate::options::{ConnectionOptions, Host, without_credentials};
use crate::sasl::Credentials;

impl ConnectionOptions {
    /// The options as a URI, **with the password** of the user and that of the key's file. Parsed,
    /// it gives the same options. `Display` writes the same without these two, for logs.
    ///
    /// A URI cannot say everything: functions and objects that the program brought along, those of
    /// its [`Recovery`](crate::options::Recovery) included,
    /// certificates that are not in files, properties that are not text, a password that is not
    /// UTF-8.
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    ///
    /// let uri = "amqp://app:s3cret@[::1]:5673/orders?heartbeat=10";
    /// let options: ConnectionOptions = uri.parse()?;
    /// assert_eq!(options.to_uri_with_secrets(), uri);
    /// assert_eq!(options.to_string(), "amqp://app@[::1]:5673/orders?heartbeat=10");
    /// # Ok::<(), amqp_client::error::UriError>(())
    /// ```
    #[must_use]
    pub fn to_uri_with_secrets(&self) -> String {
        let mut uri = String::new();
        // A string takes whatever is written to it.
        let _ = write(self, &mut uri, true);
        uri
    }
}

/// As a URI, without the passwords; see
/// [`to_uri_with_secrets`](ConnectionOptions::to_uri_with_secrets).
impl fmt::Display for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, f, false)
    }
}

fn write(
    options: &ConnectionOptions,
    uri: &mut impl fmt::Write,
    with_secrets: bool,
) -> fmt::Result {
    uri.write_str(if options.tls.is_some() {
        "amqps://"
    } else {
        "amqp://"
    })?;
    write_credentials(&options.credentials, uri, with_secrets)?;
    for (n, host) in options.hosts.iter().enumerate() {
        if n > 0 {
            uri.write_char(',')?;
        }
        write_host(host, uri, with_secrets)?;
    }
    if options.virtual_host != "/" {
        write!(uri, "/{}", Encoded(options.virtual_host.as_bytes()))?;
    }
    let pairs = parameters::write_all(options, with_secrets);
    for (n, (name, value)) in pairs.iter().enumerate() {
        uri.write_char(if n == 0 { '?' } else { '&' })?;
        write!(
            uri,
            "{}={}",
            Encoded(name.as_bytes()),
            Encoded(value.as_bytes())
        )?;
    }
    Ok(())
}

fn write_credentials(
    credentials: &Credentials,
    uri: &mut impl fmt::Write,
    with_secrets: bool,
) -> fmt::Result {
    let default = Credentials::default();
    let password = Some(credentials.password());
    let password = password.filter(|password| with_secrets && *password != default.password());
    if credentials.user() == default.user() && password.is_none() {
        return Ok(());
    }
    write!(uri, "{}", Encoded(credentials.user().as_bytes()))?;
    if let Some(password) = password {
        write!(uri, ":{}", Encoded(password.expose()))?;
    }
    uri.write_char('@')
}

fn write_host(host: &Host, uri: &mut impl fmt::Write, with_secrets: bool) -> fmt::Result {
    let name = match with_secrets {
        true => &host.name,
        false => without_credentials(&host.name),
    };
    let (address, zone) = name.split_once('%').unwrap_or((name, ""));
    if address.parse::<Ipv6Addr>().is_ok() {
        let mark = if zone.is_empty() { "" } else { "%25" };
        write!(uri, "[{address}{mark}{}]", Encoded(zone.as_bytes()))?;
    } else {
        write!(uri, "{}", Encoded(name.as_bytes()))?;
    }
    match host.port {
        Some(port) => write!(uri, ":{port}"),
        None => Ok(()),
    }
}

/// Percent-encoded, but for what means nothing anywhere in a URI.
struct Encoded<'a>(&'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    f.write_char(char::from(octet))?;
                }
                octet => write!(f, "%{octet:02X}")?,
            }
        }
        Ok(())
    }
}
