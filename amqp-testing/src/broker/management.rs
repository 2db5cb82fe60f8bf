//! A small client for RabbitMQ's management API, over a plain socket.
//!
//! It exists for speed: making a virtual host takes ten milliseconds this way, and three hundred
//! through `rabbitmqctl`, which starts an Erlang machine for each call. It speaks HTTP/1.0, where
//! the end of the connection ends the answer, so that there is next to nothing to get wrong.

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use super::BrokerError;

/// What the names of tests' virtual hosts begin with.
pub(super) const VHOST_PREFIX: &str = "amqp-testing-";

/// How long one request may take; listing a large broker is slow, everything else is instant.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A broker's management API.
#[derive(Clone, Eq, PartialEq)]
pub struct Management {
    /// Host and port.
    authority: String,
    user: String,
    password: String,
}

impl Management {
    /// Takes the address from a URL such as `http://guest:guest@127.0.0.1:15672`.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Invalid`] if it is not of this form. Percent-encoding is not understood.
    pub fn at(url: &str) -> Result<Self, BrokerError> {
        let invalid = || BrokerError::Invalid {
            expected: "a management URL of the form http://USER:PASSWORD@HOST:PORT",
            // The rest of the URL may hold a password.
            found: url.split("://").next().unwrap_or_default().to_owned(),
        };
        let rest = url.strip_prefix("http://").ok_or_else(invalid)?;
        let (credentials, authority) = rest.rsplit_once('@').ok_or_else(invalid)?;
        let (user, password) = credentials.split_once(':').ok_or_else(invalid)?;
        let authority = authority.trim_end_matches('/').to_owned();
        Ok(Self {
            authority,
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    pub(crate) fn local(port: u16) -> Self {
        let guest = || "guest".to_owned();
        Self {
            authority: format!("127.0.0.1:{port}"),
            user: guest(),
            password: guest(),
        }
    }

    /// The URL, credentials included.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}@{}", self.user, self.password, self.authority)
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the JSON under a path such as `/api/queues/%2f`.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Io`] if the broker cannot be reached, [`BrokerError::Management`] if it
    /// refuses.
    pub fn get(&self, path: &str) -> Result<String, BrokerError> {
        self.request("GET", path, "")
    }

    /// Sends JSON to a path, to make or change what it names.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn put(&self, path: &str, json: &str) -> Result<String, BrokerError> {
        self.request("PUT", path, json)
    }

    /// Sends JSON to a path, to have something done there.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn post(&self, path: &str, json: &str) -> Result<String, BrokerError> {
        self.request("POST", path, json)
    }

    /// Deletes what the path names: a queue, a virtual host, a connection.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn delete(&self, path: &str) -> Result<String, BrokerError> {
        self.request("DELETE", path, "")
    }

    /// The version of RabbitMQ, as in "3.10.8".
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn version(&self) -> Result<String, BrokerError> {
        let overview = self.get("/api/overview")?;
        let version = string_member(&overview, "rabbitmq_version");
        version
            .map(str::to_owned)
            .ok_or_else(|| BrokerError::Management {
                request: "GET /api/overview".to_owned(),
                status: 200,
                body: "there is no rabbitmq_version in it".to_owned(),
            })
    }

    /// Deletes the virtual hosts that [`VirtualHost`]s have left behind, because their program was
    /// killed; returns their number. Those of tests that still run are deleted too.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// [`VirtualHost`]: super::VirtualHost
    pub fn delete_test_vhosts(&self) -> Result<usize, BrokerError> {
        let list = self.get("/api/vhosts?columns=name")?;
        let names = list
            .split('{')
            .filter_map(|entry| string_member(entry, "name"));
        let mut n_deleted = 0;
        for name in names.filter(|name| name.starts_with(VHOST_PREFIX)) {
            self.delete(&format!("/api/vhosts/{name}"))?;
            n_deleted += 1;
        }
        Ok(n_deleted)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<String, BrokerError> {
        let request = format!("{method} {path}");
        let doing = || BrokerError::io(format!("{request} at {}", self.authority));
        let mut socket = TcpStream::connect(&self.authority).map_err(doing())?;
        socket.set_read_timeout(Some(TIMEOUT)).map_err(doing())?;
        socket.set_write_timeout(Some(TIMEOUT)).map_err(doing())?;
        let credentials = base64(format!("{}:{}", self.user, self.password).as_bytes());
        let message = format!(
            "{request} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {credentials}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.authority,
            body.len(),
        );
        socket.write_all(message.as_bytes()).map_err(doing())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).map_err(doing())?;
        let answer = String::from_utf8_lossy(&answer);
        match parse_answer(&answer) {
            Some((200..=299, body)) => Ok(body.to_owned()),
            Some((status, body)) => Err(BrokerError::Management {
                request,
                status,
                body: body.to_owned(),
            }),
            None => Err(BrokerError::Management {
                request,
                status: 0,
                body: answer.into_owned(),
            }),
        }
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs, even though it is mostly "guest".
        write!(f, "Management({}@{})", self.user, self.authority)
    }
}

/// The status and the body of an answer in HTTP/1.
fn parse_answer(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some((status.parse().ok()?, body))
}

/// The first member with this name whose value is a plain string.
///
/// The few answers that this crate reads itself hold versions and names of ours, which need no
/// unescaping; reading more of them is the work of a JSON parser.
pub(crate) fn string_member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(LETTERS.get(bits as usize & 63).copied().unwrap_or(b'='));
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let octet = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        text.push(letter(bits >> 18));
        text.push(letter(bits >> 12));
        text.push(if chunk.len() > 1 {
            letter(bits >> 6)
        } else {
            '='
        });
        text.push(if chunk.len() > 2 { letter(bits) } else { '=' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_to_four_letters() {
        // RFC 4648 §10.
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(b"guest:guest"), "Z3Vlc3Q6Z3Vlc3Q=");
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn url_survives_the_round_trip() {
        let url = "http://user:p@ss:word@localhost:15672";
        assert_eq!(Management::at(url).unwrap().url(), url);
    }

    #[test]
    fn password_is_in_neither_debug_nor_errors() {
        let management = Management::at("http://user:secret@localhost:1").unwrap();
        assert!(!format!("{management:?}").contains("secret"));
        let error = Management::at("https://user:secret@localhost:1").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn answers_are_told_from_noise() {
        assert_eq!(
            parse_answer("HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"),
            Some((204, ""))
        );
        assert_eq!(parse_answer("HTTP/1.0 200 OK\r\n\r\n{}"), Some((200, "{}")));
        assert_eq!(parse_answer("AMQP\0\0\u{9}\u{1}"), None);
    }

    #[test]
    fn string_members_are_found() {
        let json = r#"{"a":1,"rabbitmq_version":"4.0.5","node":"x@localhost"}"#;
        assert_eq!(string_member(json, "rabbitmq_version"), Some("4.0.5"));
        assert_eq!(string_member(json, "a"), None);
    }
}
