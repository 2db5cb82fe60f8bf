//! The protocol as data: classes, methods, fields.
//!
//! For tools that look at any method without knowing it at compile time: proxies, inspectors,
//! fuzzers, test generators. The table itself is generated: [`CLASSES`].

use crate::wire::{MethodId, PropertyKind};

pub use crate::generated::metadata::CLASSES;

/// A class of the specification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClassInfo {
    /// Its name: `queue`.
    pub name: &'static str,
    /// Its number on the wire.
    pub id: u16,
    /// Its methods, by id.
    pub methods: &'static [MethodInfo],
    /// The properties of its contents, in the order of their flags. Empty if it carries none.
    pub properties: &'static [FieldInfo],
}

/// A method of the specification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MethodInfo {
    /// Its name with that of its class: `queue.declare`.
    pub name: &'static str,
    /// Its two numbers on the wire.
    pub id: MethodId,
    /// Who sends it.
    pub direction: Direction,
    /// Whether replies to it are specified. One with its `no-wait` set is not answered all the
    /// same.
    pub synchronous: bool,
    /// The methods that can answer it.
    pub replies: &'static [MethodId],
    /// Whether a content header and a body follow it.
    pub content: bool,
    /// Whether it should no longer be used.
    pub deprecated: bool,
    /// Its arguments, in the order of the wire, reserved ones included.
    pub fields: &'static [FieldInfo],
}

/// An argument of a method, or a property of a content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FieldInfo {
    /// Its name: `routing-key`.
    pub name: &'static str,
    /// Its type on the wire.
    pub kind: PropertyKind,
    /// The domain of the specification that it was declared with, if that is not a plain type.
    pub domain: Option<&'static str>,
    /// Whether it has no meaning any more. As an argument it is sent as zero or empty and ignored
    /// when received; as a property it is not sent, and kept in a list that was received.
    pub reserved: bool,
    /// The value that the specification takes for the usual one, as text. `None` also for zero,
    /// `false` and the empty string.
    pub default: Option<&'static str>,
    /// Whether its value is a credential, which a tool should not show or log.
    pub secret: bool,
}

/// Who may send a method.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// Only clients.
    ClientToServer,
    /// Only servers.
    ServerToClient,
    /// Both.
    Both,
}
