//! Exchanges and the bindings between them (AMQP 0-9-1 §1.6, and RabbitMQ's extensions).

use amqp_spec::exchange;

use super::Channel;
use super::request::PendingReply;
use crate::declare::{Binding, ExchangeDeclare, ExchangeDelete};
use crate::error::{About, ChannelError, Subject};

impl Channel {
    /// Declares an exchange (`exchange.declare`).
    ///
    /// # Errors
    ///
    /// 406 if one of that name exists with other attributes or the type is unknown (RabbitMQ 3.10
    /// closes the connection with 503 in the latter case), 403 without permission or if the name
    /// begins with `amq.`, 404 if it was to be passive and there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been declared or not.
    pub async fn exchange_declare(
        &self,
        declare: impl Into<ExchangeDeclare>,
    ) -> Result<(), ChannelError> {
        let declared = self.begin_exchange_declare(&declare.into())?;
        declared.await.map(drop)
    }

    fn begin_exchange_declare(
        &self,
        declare: &ExchangeDeclare,
    ) -> Result<PendingReply, ChannelError> {
        self.begin(&declare.as_method()?, declare.about())
    }

    /// Deletes an exchange (`exchange.delete`). Deleting one that does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 403 without permission or for those that are always there, 406 if it was to be unused and is
    /// not.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been deleted or not.
    pub async fn exchange_delete(
        &self,
        exchange: impl Into<ExchangeDelete>,
    ) -> Result<(), ChannelError> {
        let deleted = self.begin_exchange_delete(&exchange.into())?;
        deleted.await.map(drop)
    }

    fn begin_exchange_delete(&self, delete: &ExchangeDelete) -> Result<PendingReply, ChannelError> {
        self.begin(&delete.as_method()?, About::exchange(&delete.name))
    }

    /// Binds an exchange to another: what reaches `source` and matches goes to `destination` as
    /// well (`exchange.bind`, an extension). A binding that exists already is not made twice.
    ///
    /// # Errors
    ///
    /// 404 if there is no such exchange, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been bound or not.
    pub async fn exchange_bind(
        &self,
        destination: impl AsRef<str>,
        source: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        let bound =
            self.begin_exchange_bind(destination.as_ref(), source.as_ref(), &binding.into())?;
        bound.await.map(drop)
    }

    fn begin_exchange_bind(
        &self,
        destination: &str,
        source: &str,
        binding: &Binding,
    ) -> Result<PendingReply, ChannelError> {
        let bind = exchange_bind(destination, source, binding)?;
        self.begin(&bind, About::exchanges(destination, source))
    }

    /// Removes a binding between exchanges (`exchange.unbind`, an extension). Removing one that
    /// does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the binding may have been removed or not.
    pub async fn exchange_unbind(
        &self,
        destination: impl AsRef<str>,
        source: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        let unbound =
            self.begin_exchange_unbind(destination.as_ref(), source.as_ref(), &binding.into())?;
        unbound.await.map(drop)
    }

    fn begin_exchange_unbind(
        &self,
        destination: &str,
        source: &str,
        binding: &Binding,
    ) -> Result<PendingReply, ChannelError> {
        let unbind = exchange_unbind(destination, source, binding)?;
        self.begin(&unbind, About::exchanges(destination, source))
    }
}

/// The method that binds, expecting a reply.
pub(super) fn exchange_bind<'a>(
    destination: &'a str,
    source: &'a str,
    binding: &'a Binding,
) -> Result<exchange::Bind<'a>, ChannelError> {
    Ok(exchange::Bind {
        destination: Subject::Nothing.short("destination", destination)?,
        source: Subject::Exchange(destination).short("source", source)?,
        routing_key: Subject::Exchange(destination).short("routing_key", &binding.routing_key)?,
        no_wait: false,
        arguments: binding.arguments(Subject::Exchange(destination))?,
    })
}

/// The method that unbinds, expecting a reply.
pub(super) fn exchange_unbind<'a>(
    destination: &'a str,
    source: &'a str,
    binding: &'a Binding,
) -> Result<exchange::Unbind<'a>, ChannelError> {
    Ok(exchange::Unbind {
        destination: Subject::Nothing.short("destination", destination)?,
        source: Subject::Exchange(destination).short("source", source)?,
        routing_key: Subject::Exchange(destination).short("routing_key", &binding.routing_key)?,
        no_wait: false,
        arguments: binding.arguments(Subject::Exchange(destination))?,
    })
}
