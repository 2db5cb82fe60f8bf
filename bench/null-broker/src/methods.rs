//! The methods that get an answer.

use std::io;

use bench_wire::{Arguments, Frame, method};

use crate::deliver::Consumer;
use crate::session::{Channel, Session, violation};

impl Session {
    /// Opens the handshake.
    pub(crate) fn start(&mut self) {
        let capabilities = Arguments::new()
            .true_entry("publisher_confirms")
            .true_entry("exchange_exchange_bindings")
            .true_entry("basic.nack")
            .true_entry("consumer_cancel_notify")
            .true_entry("connection.blocked")
            .true_entry("consumer_priorities")
            .true_entry("authentication_failure_close")
            .true_entry("per_consumer_qos");
        let properties = Arguments::new()
            .text_entry("product", "null-broker")
            .text_entry("version", env!("CARGO_PKG_VERSION"))
            .table_entry("capabilities", &capabilities);
        let start = Arguments::new()
            .u8(0)
            .u8(9)
            .long(&properties.0)
            .long(b"PLAIN AMQPLAIN")
            .long(b"en_US");
        method(&mut self.out, 0, 10, 10, &start);
    }

    /// Handles one method other than `basic.publish`.
    pub(crate) fn method(&mut self, frame: Frame<'_>) -> io::Result<()> {
        let id = frame.channel;
        let name = frame
            .method()
            .ok_or_else(|| violation("a method frame is too short"))?;
        let mut fields = frame.arguments();
        let nothing = Arguments::new();
        match name {
            // connection.start-ok → tune
            (10, 11) => {
                let tune = Arguments::new().u16(2047).u32(131_072).u16(60);
                self.reply(id, (10, 30), &tune);
            }
            // connection.tune-ok
            (10, 31) => {
                fields.u16();
                if let Some(frame_max @ 1..) = fields.u32() {
                    self.frame_max = frame_max as usize;
                }
            }
            // connection.open → open-ok
            (10, 40) => self.reply(id, (10, 41), &Arguments::new().short(b"")),
            // connection.close → close-ok
            (10, 50) => {
                self.reply(id, (10, 51), &nothing);
                self.closed = true;
            }
            // channel.open → open-ok
            (20, 10) => {
                let index = usize::from(id);
                if self.channels.len() <= index {
                    self.channels.resize_with(index + 1, Channel::default);
                }
                self.channels[index] = Channel::open();
                self.reply(id, (20, 11), &Arguments::new().long(b""));
            }
            // channel.flow → flow-ok
            (20, 20) => {
                let active = fields.u8().unwrap_or(1);
                self.reply(id, (20, 21), &Arguments::new().u8(active));
            }
            // channel.close → close-ok
            (20, 40) => {
                let channel = self.channel(id)?;
                let consumed = !channel.consumers.is_empty();
                *channel = Channel::default();
                self.n_consuming -= usize::from(consumed);
                self.reply(id, (20, 41), &nothing);
            }
            (40, _) => self.exchange(id, name.1),
            (50, _) => self.queue(id, name.1, frame)?,
            (60, _) => self.basic(id, name.1, frame)?,
            // confirm.select → select-ok
            (85, 10) => {
                let channel = self.channel(id)?;
                channel.confirms = true;
                if fields.u8() != Some(1) {
                    self.reply(id, (85, 11), &nothing);
                }
            }
            // tx.select, tx.commit, tx.rollback
            (90, request) => self.reply(id, (90, request + 1), &nothing),
            _ => return Err(violation("this broker does not know the method")),
        }
        Ok(())
    }

    fn exchange(&mut self, id: u16, request: u16) {
        // exchange.unbind-ok is the only reply that is not the next number.
        let reply = if request == 40 { 51 } else { request + 1 };
        self.reply(id, (40, reply), &Arguments::new());
    }

    fn queue(&mut self, id: u16, request: u16, frame: Frame<'_>) -> io::Result<()> {
        match request {
            // queue.declare, passive or not → declare-ok. The message count is the number of
            // publishes that arrived, so that a client can check that none was lost.
            10 => {
                let mut fields = frame.arguments();
                fields.u16();
                let queue = fields.short().unwrap_or_default();
                let queue = if queue.is_empty() {
                    b"amq.gen-1"
                } else {
                    queue
                };
                let published = self.channel(id)?.published as u32;
                let declared = Arguments::new().short(queue).u32(published).u32(0);
                self.reply(id, (50, 11), &declared);
            }
            20 => self.reply(id, (50, 21), &Arguments::new()),
            // queue.purge and queue.delete answer with a message count.
            30 | 40 => self.reply(id, (50, request + 1), &Arguments::new().u32(0)),
            50 => self.reply(id, (50, 51), &Arguments::new()),
            _ => return Err(violation("this broker does not know the queue method")),
        }
        Ok(())
    }

    fn basic(&mut self, id: u16, request: u16, frame: Frame<'_>) -> io::Result<()> {
        let mut fields = frame.arguments();
        match request {
            // basic.qos → qos-ok
            10 => {
                fields.u32();
                let prefetch = fields.u16().unwrap_or(0);
                let channel = self.channel(id)?;
                channel
                    .unsettled
                    .set_prefetch(prefetch, channel.next_delivery);
                self.reply(id, (60, 11), &Arguments::new());
            }
            // basic.consume → consume-ok
            20 => self.consume(id, frame)?,
            // basic.cancel → cancel-ok
            30 => {
                let tag = fields.short().unwrap_or_default();
                let channel = self.channel(id)?;
                let had = !channel.consumers.is_empty();
                channel.consumers.retain(|consumer| consumer.tag != tag);
                let has = !channel.consumers.is_empty();
                self.n_consuming -= usize::from(had && !has);
                self.reply(id, (60, 31), &Arguments::new().short(tag));
            }
            // basic.get → get-empty
            70 => self.reply(id, (60, 72), &Arguments::new().short(b"")),
            // basic.ack and basic.nack say whether they mean several; basic.reject has its requeue
            // bit in the same place and always means one.
            80 | 90 | 120 => {
                let tag = fields.u64().unwrap_or(0);
                let bits = fields.u8().unwrap_or(0);
                self.channel(id)?
                    .unsettled
                    .settle(tag, request != 90 && bits & 1 == 1);
            }
            // basic.recover → recover-ok
            110 => self.reply(id, (60, 111), &Arguments::new()),
            _ => return Err(violation("this broker does not know the basic method")),
        }
        Ok(())
    }

    fn consume(&mut self, id: u16, frame: Frame<'_>) -> io::Result<()> {
        let mut fields = frame.arguments();
        fields.u16();
        let queue = fields.short().unwrap_or_default();
        let tag = match fields.short() {
            None | Some([]) => b"null-1",
            Some(tag) => tag,
        };
        let bits = fields.u8().unwrap_or(0);
        let (no_ack, no_wait) = (bits & 2 != 0, bits & 8 != 0);
        let (frame_max, delay) = (self.frame_max, self.deliver_delay);
        let consumer = Consumer::new(id, tag.to_vec(), queue, no_ack, frame_max, delay);
        let channel = self.channel(id)?;
        let first = channel.consumers.is_empty();
        channel.consumers.push(consumer);
        self.n_consuming += usize::from(first);
        if !no_wait {
            self.reply(id, (60, 21), &Arguments::new().short(tag));
        }
        Ok(())
    }

    fn reply(&mut self, channel: u16, (class, id): (u16, u16), arguments: &Arguments) {
        method(&mut self.out, channel, class, id, arguments);
    }
}
