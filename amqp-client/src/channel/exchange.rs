//! Exchanges: `exchange.declare` and `exchange.delete` (AMQP 0-9-1 §1.6).

use amqp_spec::exchange;
use amqp_spec::wire::ShortStr;

use super::Channel;
use crate::declare::ExchangeDeclare;
use crate::error::ChannelError;

impl Channel {
    /// Declares an exchange (`exchange.declare`).
    ///
    /// # Errors
    ///
    /// 406 if one of that name exists with other attributes or the type is unknown (RabbitMQ 3.10
    /// closes the connection with 503 in the latter case), 403 without permission, 404 if it was to
    /// be passive and there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been declared or not.
    pub async fn exchange_declare(&self, declare: ExchangeDeclare) -> Result<(), ChannelError> {
        self.call(&declare.as_method()?).await.map(drop)
    }

    /// Deletes an exchange (`exchange.delete`). Deleting one that does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been deleted or not.
    pub async fn exchange_delete(&self, exchange: &str) -> Result<(), ChannelError> {
        let exchange = ShortStr::new(exchange.as_bytes())?;
        self.call(&exchange::Delete {
            exchange,
            ..Default::default()
        })
        .await
        .map(drop)
    }
}
