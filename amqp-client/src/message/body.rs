//! The body of a message to be published: borrowed, or handed over.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::shown::Length;

/// The body of a message: borrowed, or handed over.
///
/// A small one is copied into the connection's buffer either way. One of 16 KiB and more is sent
/// from where it is if it is `Bytes` or was handed over, and copied once if it was borrowed.
///
/// ```no_run
/// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
/// use amqp_client::Properties;
///
/// let properties = Properties::new();
/// channel.basic_publish_body("logs", "info", properties.as_ref(), "text").await?;
/// channel.basic_publish_body("logs", "info", properties.as_ref(), vec![0x1f, 0x8b]).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Body<'a>(BodyKind<'a>);

#[derive(Clone)]
enum BodyKind<'a> {
    Borrowed(&'a [u8]),
    Lent(&'a Bytes),
    Owned(Bytes),
}

/// The length.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = Length(self.as_slice().len());
        f.debug_tuple("Body").field(&length).finish()
    }
}

impl Body<'_> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            BodyKind::Borrowed(octets) => octets,
            BodyKind::Lent(octets) => octets,
            BodyKind::Owned(octets) => octets,
        }
    }

    /// The body to be sent without a copy, unless it was only borrowed.
    pub(crate) fn shared(&self) -> Option<Bytes> {
        match &self.0 {
            BodyKind::Borrowed(_) => None,
            BodyKind::Lent(octets) => Some(Bytes::clone(octets)),
            BodyKind::Owned(octets) => Some(octets.clone()),
        }
    }

    /// Copies the body, unless it is small or need not be copied.
    #[inline]
    pub(crate) fn detach(self, large: usize) -> Self {
        match self.0 {
            BodyKind::Borrowed(octets) if octets.len() >= large => {
                Self(BodyKind::Owned(Bytes::copy_from_slice(octets)))
            }
            kind => Self(kind),
        }
    }

    /// The body to be sent later.
    pub(crate) fn to_shared(&self) -> Bytes {
        self.shared()
            .unwrap_or_else(|| Bytes::copy_from_slice(self.as_slice()))
    }

    /// The body to be kept: copied if it was only borrowed.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.0 {
            BodyKind::Borrowed(octets) => Bytes::copy_from_slice(octets),
            BodyKind::Lent(octets) => Bytes::clone(octets),
            BodyKind::Owned(octets) => octets,
        }
    }
}

impl<'a> From<&'a [u8]> for Body<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self(BodyKind::Borrowed(octets))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Body<'a> {
    fn from(octets: &'a [u8; N]) -> Self {
        Self(BodyKind::Borrowed(octets))
    }
}

impl<'a> From<&'a Vec<u8>> for Body<'a> {
    fn from(octets: &'a Vec<u8>) -> Self {
        Self(BodyKind::Borrowed(octets))
    }
}

impl<'a> From<&'a str> for Body<'a> {
    fn from(text: &'a str) -> Self {
        Self(BodyKind::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Body<'a> {
    fn from(text: &'a String) -> Self {
        Self(BodyKind::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Body<'_> {
    fn from(octets: Vec<u8>) -> Self {
        Self(BodyKind::Owned(octets.into()))
    }
}

impl From<String> for Body<'_> {
    fn from(text: String) -> Self {
        Self(BodyKind::Owned(text.into()))
    }
}

impl From<Box<[u8]>> for Body<'_> {
    fn from(octets: Box<[u8]>) -> Self {
        Self(BodyKind::Owned(octets.into()))
    }
}

impl From<Box<str>> for Body<'_> {
    fn from(text: Box<str>) -> Self {
        Self::from(String::from(text))
    }
}

impl<'a> From<Cow<'a, [u8]>> for Body<'a> {
    fn from(octets: Cow<'a, [u8]>) -> Self {
        match octets {
            Cow::Borrowed(octets) => octets.into(),
            Cow::Owned(octets) => octets.into(),
        }
    }
}

impl<'a> From<Cow<'a, str>> for Body<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<Bytes> for Body<'_> {
    fn from(octets: Bytes) -> Self {
        Self(BodyKind::Owned(octets))
    }
}

impl<'a> From<&'a Bytes> for Body<'a> {
    #[inline]
    fn from(octets: &'a Bytes) -> Self {
        Self(BodyKind::Lent(octets))
    }
}
