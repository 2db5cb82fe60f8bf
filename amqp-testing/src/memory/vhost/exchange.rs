//! An exchange: what it is, and where its bindings lead.

use std::sync::Arc;

use amqp_spec::wire::{FieldTable, TableRef};

use super::{headers, topic};
use crate::memory::like::Like;

/// The types that every node has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::memory) enum Kind {
    Direct,
    Fanout,
    Topic,
    Headers,
}

impl Kind {
    pub(in crate::memory) const fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"direct" => Some(Self::Direct),
            b"fanout" => Some(Self::Fanout),
            b"topic" => Some(Self::Topic),
            b"headers" => Some(Self::Headers),
            _ => None,
        }
    }

    pub(in crate::memory) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }
}

/// What an exchange is declared with.
#[derive(Clone, Debug)]
pub(in crate::memory) struct ExchangeSpec {
    pub(in crate::memory) name: Arc<str>,
    pub(in crate::memory) kind: Kind,
    pub(in crate::memory) durable: bool,
    pub(in crate::memory) auto_delete: bool,
    pub(in crate::memory) internal: bool,
    pub(in crate::memory) arguments: FieldTable,
}

/// Where a binding leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::memory) enum Target {
    Queue(Arc<str>),
    Exchange(Arc<str>),
}

impl Target {
    pub(in crate::memory) const fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Exchange(_) => "exchange",
        }
    }

    pub(in crate::memory) const fn name(&self) -> &Arc<str> {
        match self {
            Self::Queue(name) | Self::Exchange(name) => name,
        }
    }
}

/// A binding, whose source is the exchange that has it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::memory) struct Binding {
    pub(in crate::memory) target: Target,
    pub(in crate::memory) key: Box<str>,
    /// By name.
    pub(in crate::memory) arguments: FieldTable,
}

#[derive(Debug)]
pub(in crate::memory) struct Exchange {
    pub(in crate::memory) spec: ExchangeSpec,
    pub(super) bindings: Vec<Binding>,
}

impl Exchange {
    pub(super) const fn new(spec: ExchangeSpec) -> Self {
        Self {
            spec,
            bindings: Vec::new(),
        }
    }

    /// Where messages go that find no binding.
    pub(super) fn alternate(&self) -> Option<&str> {
        self.spec
            .arguments
            .value("alternate-exchange")
            .and_then(|name| name.as_str())
    }

    /// Where a message with these keys and headers goes.
    pub(super) fn targets<'a>(
        &'a self,
        keys: &'a [&'a [u8]],
        headers: TableRef<'a>,
        like: Like,
    ) -> impl Iterator<Item = &'a Target> {
        let kind = self.spec.kind;
        let fits = move |binding: &&Binding| match kind {
            Kind::Fanout => true,
            Kind::Direct => keys.contains(&binding.key.as_bytes()),
            Kind::Topic => keys
                .iter()
                .any(|key| topic::fits(binding.key.as_bytes(), key)),
            Kind::Headers => headers::fit(binding.arguments.as_ref(), headers, like),
        };
        self.bindings.iter().filter(fits).map(|it| &it.target)
    }
}
