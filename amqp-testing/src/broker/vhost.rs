//! A broker that tests share, and virtual hosts that they do not share.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
};

use super::management::VHOST_PREFIX;
use super::{BrokerError, Management, ports};

/// Where a running broker is: its AMQP address and its management API.
///
/// A test binary that does not start a broker itself takes it [from the
/// environment](Self::from_env).
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Everything of the AMQP URL before the path, as in `amqp://guest:guest@127.0.0.1:5672`.
    base: String,
    management: Management,
}

impl Endpoint {
    /// Names the AMQP URL of the broker to test against.
    pub const URL_VARIABLE: &'static str = "AMQP_TEST_URL";
    /// Names the URL of that broker's management API.
    pub const MANAGEMENT_VARIABLE: &'static str = "AMQP_TEST_MANAGEMENT_URL";

    /// Puts an endpoint together from an AMQP URL, whose path is ignored, and a management API.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Invalid`] if the URL does not begin with `amqp://` or `amqps://`.
    pub fn new(url: &str, management: Management) -> Result<Self, BrokerError> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if !matches!(scheme, "amqp" | "amqps") {
            let found = scheme.to_owned();
            return Err(BrokerError::Invalid {
                expected: "a URL with scheme amqp or amqps",
                found,
            });
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        Ok(Self {
            base: format!("{scheme}://{authority}"),
            management,
        })
    }

    /// Takes the broker to test against from `AMQP_TEST_URL` and `AMQP_TEST_MANAGEMENT_URL`, as
    /// `cargo xtask test` sets them; `None` if neither is set.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Invalid`] if only one of them is set or one is malformed; and, with `CI` set,
    /// also if neither is set, so that no test is passed over in silence where it counts.
    pub fn from_env() -> Result<Option<Self>, BrokerError> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let url = variable(Self::URL_VARIABLE);
        let management = variable(Self::MANAGEMENT_VARIABLE);
        let in_ci = variable("CI").is_some();
        match (url, management) {
            (Some(url), Some(management)) => {
                Self::new(&url, Management::at(&management)?).map(Some)
            }
            (None, None) if !in_ci => Ok(None),
            (url, _) => Err(BrokerError::Invalid {
                expected: "AMQP_TEST_URL and AMQP_TEST_MANAGEMENT_URL in the environment",
                found: if url.is_some() {
                    "no management URL"
                } else {
                    "no AMQP URL"
                }
                .to_owned(),
            }),
        }
    }

    /// The AMQP URL of the virtual host `/`.
    #[must_use]
    pub fn url(&self) -> String {
        self.base.clone()
    }

    /// The management API.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// Makes a virtual host that no other test knows. It is deleted, with all that is in it, when
    /// the guard is dropped.
    ///
    /// # Errors
    ///
    /// What [`Management::put`] returns.
    pub fn vhost(&self) -> Result<VirtualHost, BrokerError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{VHOST_PREFIX}{number}-{:016x}", ports::random());
        // The user who makes a virtual host is given every permission in it.
        self.management.put(&format!("/api/vhosts/{name}"), "{}")?;
        Ok(VirtualHost {
            name,
            endpoint: self.clone(),
            is_deleted: false,
        })
    }
}

/// A virtual host of one test.
///
/// Dropping it deletes it at the broker, which closes the connections that still use it. This is
/// best effort; [`delete`](Self::delete) reports errors.
#[derive(Debug)]
#[must_use = "the virtual host is deleted when this is dropped"]
pub struct VirtualHost {
    name: String,
    endpoint: Endpoint,
    is_deleted: bool,
}

impl VirtualHost {
    /// The name. It needs no percent-encoding.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The AMQP URL of this virtual host.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.endpoint.base, self.name)
    }

    /// The management API of the broker.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.endpoint.management
    }

    /// Deletes the virtual host.
    ///
    /// # Errors
    ///
    /// What [`Management::delete`] returns.
    pub fn delete(mut self) -> Result<(), BrokerError> {
        self.delete_now()
    }

    fn delete_now(&mut self) -> Result<(), BrokerError> {
        // Trying again in the destructor would not help.
        self.is_deleted = true;
        self.endpoint
            .management
            .delete(&format!("/api/vhosts/{}", self.name))
            .map(drop)
    }
}

impl Drop for VirtualHost {
    fn drop(&mut self) {
        if !self.is_deleted {
            // The broker may be down on purpose; it then takes the virtual host with it.
            let _ = self.delete_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_parameters_of_the_url_are_left_out() {
        let management = || Management::local(1);
        for url in [
            "amqp://a:b@c:1",
            "amqp://a:b@c:1/",
            "amqp://a:b@c:1/x?heartbeat=3",
        ] {
            assert_eq!(
                Endpoint::new(url, management()).unwrap().url(),
                "amqp://a:b@c:1"
            );
        }
        assert!(Endpoint::new("http://a", management()).is_err());
        assert!(Endpoint::new("", management()).is_err());
    }
}
