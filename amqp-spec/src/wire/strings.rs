//! Short and long strings (AMQP 0-9-1 §4.2.5.3).
//!
//! A string is checked for its length when it is made and never again, so encoding cannot fail.
//! It is not checked for being UTF-8: the octets of other clients must pass through unchanged.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::{self, Utf8Error};

use super::TooLong;
use super::lossy::Lossy;

/// A string of at most 255 octets, borrowed: names, routing keys, consumer tags.
///
/// ```
/// use amqp_spec::{short_str, wire::ShortStr};
///
/// // A literal is checked when the program is compiled,
/// let literal = short_str!("orders");
/// // anything else when it is made.
/// let dynamic = ShortStr::try_from(format!("orders.{}", 7).as_str()).map(|name| name.len());
/// assert_eq!((literal.as_str(), dynamic), (Ok("orders"), Ok(8)));
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShortStr<'a>(&'a [u8]);

impl<'a> ShortStr<'a> {
    /// The empty string.
    pub const EMPTY: ShortStr<'static> = ShortStr(&[]);

    /// The largest number of octets.
    pub const MAX_LEN: usize = 255;

    /// Takes any octets.
    ///
    /// # Errors
    ///
    /// There are more than 255.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Result<Self, TooLong> {
        if bytes.len() > Self::MAX_LEN {
            return Err(TooLong::new(bytes.len(), Self::MAX_LEN));
        }
        Ok(Self(bytes))
    }

    /// Takes a literal, for use in constants; see also [`short_str!`](crate::short_str).
    ///
    /// # Panics
    ///
    /// There are more than 255 octets. In a constant this is an error of the compiler.
    pub const fn literal(text: &'static str) -> ShortStr<'static> {
        assert!(
            text.len() <= Self::MAX_LEN,
            "a short string holds at most 255 octets"
        );
        ShortStr(text.as_bytes())
    }

    /// Takes octets whose number came from one octet.
    #[inline]
    pub(super) const fn from_octets(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.len() <= Self::MAX_LEN, "counted by one octet");
        Self(bytes)
    }

    /// The octets.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, if the octets are UTF-8.
    ///
    /// # Errors
    ///
    /// They are not.
    pub const fn as_str(self) -> Result<&'a str, Utf8Error> {
        str::from_utf8(self.0)
    }

    /// The text, with U+FFFD for what is not UTF-8. Copies only if there is such.
    ///
    /// ```
    /// use amqp_spec::short_str;
    ///
    /// let key = short_str!("orders.paid.eu").to_string_lossy();
    /// assert_eq!(key.split('.').nth(1), Some("paid"));
    /// let is_order = match &*key {
    ///     "orders" => true,
    ///     key => key.starts_with("orders."),
    /// };
    /// assert!(is_order);
    /// ```
    pub fn to_string_lossy(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// Whether it begins with this text, or these octets.
    pub fn starts_with(self, prefix: impl AsRef<[u8]>) -> bool {
        self.0.starts_with(prefix.as_ref())
    }

    /// Whether it ends with this text, or these octets.
    pub fn ends_with(self, suffix: impl AsRef<[u8]>) -> bool {
        self.0.ends_with(suffix.as_ref())
    }

    /// The number of octets, without the one that holds the length.
    #[inline]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// The number of octets that [`encode`](Self::encode) appends.
    #[inline]
    pub const fn encoded_len(self) -> usize {
        1 + self.0.len()
    }

    /// Whether there are no octets.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Copies the octets.
    pub fn to_owned(self) -> ShortString {
        ShortString(self.0.into())
    }

    /// Appends the length and the octets.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 255, checked when it was made"
    )]
    pub fn encode(self, buf: &mut Vec<u8>) {
        buf.push(self.0.len() as u8);
        buf.extend_from_slice(self.0);
    }
}

/// A string of at most 2³² - 1 octets, borrowed: SASL data, values of field tables.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LongStr<'a>(&'a [u8]);

impl<'a> LongStr<'a> {
    /// The empty string.
    pub const EMPTY: LongStr<'static> = LongStr(&[]);

    /// Takes any octets.
    ///
    /// # Errors
    ///
    /// There are more than 2³² - 1.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TooLong> {
        match u32::try_from(bytes.len()) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(TooLong::new(bytes.len(), u32::MAX as usize)),
        }
    }

    /// Takes a literal, for use in constants.
    pub const fn literal(text: &'static str) -> LongStr<'static> {
        LongStr(text.as_bytes())
    }

    /// Takes octets without a look at their number; what is too long is refused with its frame.
    #[inline]
    pub(super) const fn from_octets(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The octets.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, if the octets are UTF-8.
    ///
    /// # Errors
    ///
    /// They are not.
    pub const fn as_str(self) -> Result<&'a str, Utf8Error> {
        str::from_utf8(self.0)
    }

    /// The text, with U+FFFD for what is not UTF-8. Copies only if there is such.
    pub fn to_string_lossy(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// The number of octets, without the four that hold the length.
    #[inline]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// The number of octets that [`encode`](Self::encode) appends.
    #[inline]
    pub const fn encoded_len(self) -> usize {
        4 + self.0.len()
    }

    /// Whether there are no octets.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Appends the length and the octets.
    #[inline]
    pub fn encode(self, buf: &mut Vec<u8>) {
        encode_counted(self.0, buf);
    }
}

/// Appends four octets of length and the octets.
///
/// A length over 2³² - 1 is written as 2³² - 1. Nothing wrong is sent by that, as no frame can hold
/// such a value and the encoder of the frame refuses it by its true length.
#[inline]
pub(super) fn encode_counted(bytes: &[u8], buf: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    buf.extend_from_slice(&len.to_be_bytes());
    buf.extend_from_slice(bytes);
}

/// A string of at most 255 octets, owned.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShortString(Box<[u8]>);

impl ShortString {
    /// Takes any octets.
    ///
    /// # Errors
    ///
    /// There are more than 255.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, TooLong> {
        let bytes = bytes.into();
        ShortStr::new(&bytes)?;
        Ok(Self(bytes))
    }

    /// Borrows it.
    #[inline]
    pub fn as_ref(&self) -> ShortStr<'_> {
        ShortStr(&self.0)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the octets are UTF-8.
    ///
    /// # Errors
    ///
    /// They are not.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(&self.0)
    }

    /// The text, with U+FFFD for what is not UTF-8. Copies only if there is such.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The number of octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no octets.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<ShortStr<'_>> for ShortString {
    fn from(value: ShortStr<'_>) -> Self {
        value.to_owned()
    }
}

impl<'a> From<&'a ShortString> for ShortStr<'a> {
    fn from(value: &'a ShortString) -> Self {
        value.as_ref()
    }
}

impl TryFrom<&str> for ShortString {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        ShortStr::try_from(text).map(ShortStr::to_owned)
    }
}

impl TryFrom<String> for ShortString {
    type Error = TooLong;

    fn try_from(text: String) -> Result<Self, TooLong> {
        Self::new(text.into_bytes())
    }
}

impl<'a> TryFrom<&'a str> for ShortStr<'a> {
    type Error = TooLong;

    fn try_from(text: &'a str) -> Result<Self, TooLong> {
        Self::new(text.as_bytes())
    }
}

impl<'a> TryFrom<&'a [u8]> for ShortStr<'a> {
    type Error = TooLong;

    fn try_from(bytes: &'a [u8]) -> Result<Self, TooLong> {
        Self::new(bytes)
    }
}

impl<'a> TryFrom<&'a str> for LongStr<'a> {
    type Error = TooLong;

    fn try_from(text: &'a str) -> Result<Self, TooLong> {
        Self::new(text.as_bytes())
    }
}

impl<'a> TryFrom<&'a [u8]> for LongStr<'a> {
    type Error = TooLong;

    fn try_from(bytes: &'a [u8]) -> Result<Self, TooLong> {
        Self::new(bytes)
    }
}

impl<'a> From<ShortStr<'a>> for LongStr<'a> {
    fn from(value: ShortStr<'a>) -> Self {
        Self(value.0)
    }
}

/// What the string types share: they show as text, and compare with text and octets.
macro_rules! string_traits {
    ($($type:ty),*) => {$(
        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<String> for $type {
            fn eq(&self, other: &String) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<$type> for str {
            fn eq(&self, other: &$type) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<$type> for &str {
            fn eq(&self, other: &$type) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<$type> for String {
            fn eq(&self, other: &$type) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<[u8]> for $type {
            fn eq(&self, other: &[u8]) -> bool {
                self.as_bytes() == other
            }
        }

        /// Quoted text; octets that are not UTF-8 as `\xNN`; cut after 256 octets.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&Lossy(self.as_bytes()), f)
            }
        }

        /// The text; octets that are not UTF-8 as U+FFFD. Width, fill and alignment hold.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&Lossy(self.as_bytes()), f)
            }
        }
    )*};
}

string_traits!(ShortStr<'_>, LongStr<'_>, ShortString);

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn short_string_holds_255_octets_and_no_more() {
        let bytes = [b'x'; 256];
        assert_eq!(ShortStr::new(&bytes[..255]).unwrap().len(), 255);
        let error = ShortStr::new(&bytes).unwrap_err();
        assert_eq!((error.len(), error.max()), (256, 255));
        // Octets count, not characters.
        assert!(ShortString::try_from("é".repeat(128)).is_err());
        assert!(ShortString::new(vec![0xff; 255]).is_ok());
    }

    #[test]
    fn strings_need_not_be_text() {
        let key = ShortStr::new(b"\xff\0key").unwrap();
        assert!(key.as_str().is_err());
        assert_eq!(key.to_owned().as_bytes(), b"\xff\0key");
        let mut buf = Vec::new();
        key.encode(&mut buf);
        LongStr::from(key).encode(&mut buf);
        assert_eq!(buf, b"\x05\xff\0key\0\0\0\x05\xff\0key");
    }

    #[test]
    fn routing_keys_are_looked_at_as_text() {
        let key = ShortStr::literal("orders.paid.eu");
        assert!(key.starts_with("orders.") && key.ends_with(".eu") && !key.starts_with("paid"));
        assert!(matches!(
            key.to_string_lossy(),
            Cow::Borrowed("orders.paid.eu")
        ));
        assert_eq!(key.to_string_lossy().split('.').count(), 3);
        assert!(key.to_owned().to_string_lossy() == LongStr::from(key).to_string_lossy());
        let odd = ShortStr::new(b"a\xff.b").unwrap();
        assert_eq!(odd.to_string_lossy(), "a\u{fffd}.b");
        assert!(odd.starts_with(b"a\xff"));
    }
}
