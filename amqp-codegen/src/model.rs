//! What a specification means, once every reference is resolved and every name is final.
//!
//! Built by [`crate::parse`], read by [`crate::emit`]. The types are shaped so that an impossible
//! specification cannot be written down: a bit lives in a [`BitGroup`] of at most eight, a request
//! carries at least one reply, a method has a direction, a property list fits its flag words. An
//! emitter that holds a [`Specification`] has nothing left to check.

use std::fmt;

/// A whole protocol: everything the emitters need.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Specification {
    /// The protocol's version and port.
    pub protocol: Protocol,
    /// The files it was read from, in the order given, overlays last.
    pub sources: Vec<String>,
    /// Constants, in the order of the first source that names them.
    pub constants: Vec<Constant>,
    /// Named domains, in the order of the first source that names them.
    pub domains: Vec<Domain>,
    /// Classes, sorted by id.
    pub classes: Vec<Class>,
}

impl Specification {
    /// Finds the class and the method that a reference points at.
    #[must_use]
    pub fn method(&self, class_id: u16, method_id: u16) -> Option<(&Class, &Method)> {
        let class = self.classes.iter().find(|class| class.id == class_id)?;
        let method = class.methods.iter().find(|method| method.id == method_id)?;
        Some((class, method))
    }
}

/// The protocol's identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Protocol {
    /// Major version: 0 for AMQP 0-9-1.
    pub major: u8,
    /// Minor version: 9 for AMQP 0-9-1.
    pub minor: u8,
    /// Revision: 1 for AMQP 0-9-1, 0 where the file names none.
    pub revision: u8,
    /// The TCP port: 5672.
    pub port: u16,
}

/// One name in the spelling of the specification and in those of Rust.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Name {
    /// As in the specification, lower case with dashes: `no-wait`.
    pub spec: String,
    /// For fields, methods and modules: `no_wait`; keywords end in an underscore: `type_`.
    pub snake: String,
    /// For types: `NoWait`.
    pub camel: String,
    /// For constants: `NO_WAIT`.
    pub upper: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spec)
    }
}

/// Documentation, in the words of the overlay. Empty if the overlay has none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Docs {
    /// Paragraphs, each one line of text; the first is the summary.
    pub paragraphs: Vec<String>,
    /// What the broker answers when it refuses: reply code and the circumstances, by code.
    pub errors: Vec<(u16, String)>,
}

/// A named number of the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Constant {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: u32,
    /// Whether it is a reply code, and how grave.
    pub kind: ConstantKind,
    /// Its documentation.
    pub docs: Docs,
}

/// What a constant stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConstantKind {
    /// A frame type, the end octet, a size.
    Plain,
    /// A reply code that closes nothing: of success, or of a returned message. Fits 16 bits.
    ReplyCode,
    /// A reply code that closes a channel. Fits 16 bits.
    SoftError,
    /// A reply code that closes the connection. Fits 16 bits.
    HardError,
}

/// A named wire type.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Domain {
    /// Its name.
    pub name: Name,
    /// The wire type that it stands for in the end.
    pub wire: WireType,
    /// What the specification asserts of its values (documentation only: brokers do not check).
    pub asserts: Vec<String>,
    /// Its documentation.
    pub docs: Docs,
}

/// The elementary types of AMQP (0-9-1 §4.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum WireType {
    /// One bit, packed with its neighbours into octets, lowest bit first.
    Bit,
    /// 8 bits, unsigned.
    Octet,
    /// 16 bits, unsigned, big-endian.
    Short,
    /// 32 bits, unsigned, big-endian.
    Long,
    /// 64 bits, unsigned, big-endian.
    LongLong,
    /// Up to 255 octets behind an 8-bit length.
    ShortStr,
    /// Octets behind a 32-bit length.
    LongStr,
    /// Seconds since 1970, 64 bits.
    Timestamp,
    /// A field table behind a 32-bit length.
    Table,
}

impl WireType {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Bit,
        Self::Octet,
        Self::Short,
        Self::Long,
        Self::LongLong,
        Self::ShortStr,
        Self::LongStr,
        Self::Timestamp,
        Self::Table,
    ];

    /// The specification's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::Octet => "octet",
            Self::Short => "short",
            Self::Long => "long",
            Self::LongLong => "longlong",
            Self::ShortStr => "shortstr",
            Self::LongStr => "longstr",
            Self::Timestamp => "timestamp",
            Self::Table => "table",
        }
    }
}

/// A class: methods that belong together, and perhaps the properties of its content.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Class {
    /// Its name; `snake` is the Rust module.
    pub name: Name,
    /// Its id.
    pub id: u16,
    /// Its methods, sorted by id.
    pub methods: Vec<Method>,
    /// Its content properties in wire order; empty if no method of it carries content.
    pub properties: Vec<Property>,
    /// Its documentation.
    pub docs: Docs,
}

/// A method: one command or answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Method {
    /// Its name within the class; `camel` is the Rust struct.
    pub name: Name,
    /// Its id within the class.
    pub id: u16,
    /// Who sends it.
    pub direction: Direction,
    /// Whether an answer is expected, and which.
    pub role: Role,
    /// Whether a content header and body follow it.
    pub content: bool,
    /// Whether the specification calls it deprecated.
    pub deprecated: bool,
    /// Its arguments in wire order.
    pub arguments: Vec<Argument>,
    /// Its documentation.
    pub docs: Docs,
}

/// Who sends a method.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// The client.
    ClientToServer,
    /// The server.
    ServerToClient,
    /// Either peer.
    Both,
}

/// What a method is to the method that comes before or after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Role {
    /// Expects one of these replies.
    Request(Replies),
    /// Answers a request, which the ids name (method ids within the same class, sorted).
    Reply(Vec<u16>),
    /// Neither: expects nothing and answers nothing.
    OneWay,
}

/// The replies to one request: ids of methods of the same class, at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replies {
    first: u16,
    rest: Vec<u16>,
}

impl Replies {
    /// The usual reply and any others, in the specification's order.
    #[must_use]
    pub fn new(first: u16, rest: Vec<u16>) -> Self {
        Self { first, rest }
    }

    /// All of them, in the specification's order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// The one reply, if there is only one.
    #[must_use]
    pub fn single(&self) -> Option<u16> {
        self.rest.is_empty().then_some(self.first)
    }
}

/// One step of a method's wire layout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Argument {
    /// A field of its own octets.
    Field(Field),
    /// Up to eight consecutive bits in one octet.
    Bits(BitGroup),
}

/// A field that is not a bit.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// Its name; for a reserved field the old one where a source tells it (`ticket`).
    pub name: Name,
    /// Its wire type.
    pub wire: FieldType,
    /// The domain it was declared with, if it is not a plain wire type.
    pub domain: Option<String>,
    /// Reserved: not in Rust, written as zero or empty, skipped when read.
    pub reserved: bool,
    /// Its default, if a source tells one that is not zero or empty.
    pub default: Option<Default>,
    /// Whether its value is a credential, which nothing may show. Only strings are, and never
    /// reserved ones.
    pub secret: bool,
    /// What the specification asserts of its values (documentation only).
    pub asserts: Vec<String>,
    /// Its documentation.
    pub docs: Docs,
}

/// A wire type that is not a bit.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FieldType {
    /// 8 bits.
    Octet,
    /// 16 bits.
    Short,
    /// 32 bits.
    Long,
    /// 64 bits.
    LongLong,
    /// Up to 255 octets.
    ShortStr,
    /// Up to 2³²−1 octets.
    LongStr,
    /// Seconds since 1970.
    Timestamp,
    /// A field table.
    Table,
}

impl From<FieldType> for WireType {
    fn from(field: FieldType) -> Self {
        match field {
            FieldType::Octet => Self::Octet,
            FieldType::Short => Self::Short,
            FieldType::Long => Self::Long,
            FieldType::LongLong => Self::LongLong,
            FieldType::ShortStr => Self::ShortStr,
            FieldType::LongStr => Self::LongStr,
            FieldType::Timestamp => Self::Timestamp,
            FieldType::Table => Self::Table,
        }
    }
}

/// A default value that is not zero, false or empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Default {
    /// For the integer types; fits the field's type.
    Integer(u64),
    /// For the string types; fits the field's type.
    Text(String),
}

/// Consecutive bits that share an octet, lowest bit first. Never empty, never more than eight.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BitGroup {
    bits: Vec<Bit>,
}

impl BitGroup {
    /// A group that starts with this bit.
    #[must_use]
    pub fn new(first: Bit) -> Self {
        Self { bits: vec![first] }
    }

    /// Adds the next bit, or gives it back if the octet is full.
    #[must_use]
    pub fn push(&mut self, bit: Bit) -> Option<Bit> {
        if self.bits.len() == 8 {
            return Some(bit);
        }
        self.bits.push(bit);
        None
    }

    /// The bits, lowest first.
    #[must_use]
    pub fn bits(&self) -> &[Bit] {
        &self.bits
    }
}

/// One bit of a method.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Bit {
    /// Its name.
    pub name: Name,
    /// The domain it was declared with, if not plain `bit`.
    pub domain: Option<String>,
    /// Reserved: not in Rust, written as 0, ignored when read.
    pub reserved: bool,
    /// Its default.
    pub default: bool,
    /// What the specification asserts of its values (documentation only).
    pub asserts: Vec<String>,
    /// Its documentation.
    pub docs: Docs,
}

/// One content property. Its place in [`Class::properties`] decides its flag: property `n` (from 0)
/// is bit `15 - n % 15` of flag word `n / 15`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Property {
    /// Its name.
    pub name: Name,
    /// Its wire type; a bit property is its flag and nothing else.
    pub wire: WireType,
    /// The domain it was declared with, if not a plain wire type.
    pub domain: Option<String>,
    /// Reserved: no accessor in Rust, but kept when read.
    pub reserved: bool,
    /// Its documentation.
    pub docs: Docs,
}
