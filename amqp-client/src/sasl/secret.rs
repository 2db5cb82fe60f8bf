//! Text that is not to be seen: passwords, tokens.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A password, a token or an answer made of them.
///
/// It is overwritten when it is dropped, and so is each copy. `Debug` shows dots, there is no
/// `Display`, and [`expose`](Self::expose) is the one way to what is in it. Two secrets are
/// compared in a time that does not depend on where they differ.
///
/// ```
/// use amqp_client::sasl::Secret;
///
/// let secret = Secret::from("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), b"hunter2");
/// ```
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// What is in it. Do not print it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The number of octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts, one after the other, in one allocation: growing would leave copies behind.
    pub(crate) fn concat(parts: &[&[u8]]) -> Self {
        Self(Zeroizing::new(parts.concat()))
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        octets.to_vec().into()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&String> for Secret {
    fn from(text: &String) -> Self {
        text.as_bytes().into()
    }
}

impl From<Cow<'_, str>> for Secret {
    fn from(text: Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
}

impl From<Box<str>> for Secret {
    fn from(text: Box<str>) -> Self {
        String::from(text).into()
    }
}

impl From<Arc<str>> for Secret {
    fn from(text: Arc<str>) -> Self {
        text.as_bytes().into()
    }
}

impl From<&Vec<u8>> for Secret {
    fn from(octets: &Vec<u8>) -> Self {
        octets.as_slice().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Secret {
    fn from(octets: &[u8; N]) -> Self {
        octets.as_slice().into()
    }
}

impl From<&Self> for Secret {
    fn from(secret: &Self) -> Self {
        secret.clone()
    }
}

impl Eq for Secret {}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(other.0.iter());
        let differences = pairs.fold(0, |differences, (a, b)| differences | (a ^ b));
        self.len() == other.len() && differences == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_whole_and_shown_never() {
        assert_eq!(Secret::from("abc"), Secret::from(b"abc".to_vec()));
        assert_ne!(Secret::from("abc"), Secret::from("abd"));
        assert_ne!(Secret::from("abc"), Secret::from("ab"));
        assert_ne!(Secret::from(""), Secret::from("a"));
        let shown = format!("{:?} {:#?}", Secret::from("abc"), Secret::from("abc"));
        assert!(!shown.contains("abc"), "{shown}");
    }
}
