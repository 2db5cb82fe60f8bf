//! What programs set and send, with secrets in it.

use std::sync::Arc;

use amqp_spec::field_table;

use super::{BODY, SECRET, debug, display, peers};
use crate::channel::Flow;
use crate::consume::{
    Multiple, QosScope, Resubscribe, Settled, StreamOffset, WhenOversized, WhenSlow,
};
use crate::declare::{
    Binding, DeadLetterStrategy, DelayedRetryType, ExchangeDelete, LeaderLocator, Match, Overflow,
    QueueDelete, Topology,
};
use crate::error::{CertificateFault, Diagnosis, Initiator, Outcome, Stage};
use crate::message::{Body, DeliveryMode};
use crate::options::{
    Heartbeat, HostOrder, OnFailure, Recovery, Restore, TcpOptions, WhenBlocked, WhenDown,
};
use crate::proto::config::CoreOptions;
use crate::proto::time::clock::Clock;
use crate::sasl::{AuthMechanism, Credentials, SaslExchange, SaslMechanism, Secret};
use crate::tests::support::pair;
use crate::tests::support::pair::quiet;
use crate::{
    ConnectionOptions, Disposition, ExchangeDeclare, Message, QueueDeclare, Requeue, TlsOptions,
};

/// A mechanism with a name that is as bad as a peer's.
struct OfOnesOwn(String);

impl SaslMechanism for OfOnesOwn {
    fn name(&self) -> &str {
        &self.0
    }

    fn begin(&self, _: &Credentials) -> Box<dyn SaslExchange> {
        unreachable!("it is not offered")
    }
}

pub(crate) fn options() -> ConnectionOptions {
    let mechanism = AuthMechanism::Custom(Arc::new(OfOnesOwn(peers())));
    let tls = TlsOptions::default()
        .client_certificate_pem(SECRET, SECRET)
        .key_password(SECRET)
        .ca_pem(SECRET);
    quiet()
        .login("app", SECRET)
        .client_properties(&field_table! { "product" => "orders" })
        .connection_name(peers())
        .auth_mechanisms([mechanism, AuthMechanism::Plain])
        .tls(tls)
}

/// A message with secrets in all that may be one.
pub(crate) fn message() -> Message {
    let inner = field_table! { "password" => SECRET };
    Message::new(BODY)
        .header("token", SECRET)
        .header("octets", SECRET.as_bytes())
        .header("account", &inner)
        .correlation_id("7")
}

pub(crate) fn settings() {
    let options = options();
    display(&options);
    debug::<CoreOptions>(&options.to_core(Clock::new(pair::now)));
    debug::<TlsOptions>(&TlsOptions::default().key_password(SECRET));
    #[cfg(feature = "rustls-ring")]
    debug::<crate::tls::Session>(&session());
    debug(&TcpOptions::default());
    debug::<Credentials>(&Credentials::new("app", SECRET));
    debug::<Secret>(&SECRET.into());
    debug(&[HostOrder::Random]);
    let rule = Heartbeat::negotiate(|proposed| proposed);
    debug(&rule);
    if let Heartbeat::Negotiate(rule) = rule {
        debug::<crate::options::HeartbeatRule>(&rule);
    }
    debug(&[WhenBlocked::Wait, WhenBlocked::Fail]);
    debug(&[WhenDown::Wait, WhenDown::Fail]);
    debug::<Recovery>(&Recovery::new().keep(|_| true));
    debug(&[Restore::All]);
    debug(&[OnFailure::Skip]);
    debug(&[WhenSlow::Wait]);
    debug(&[WhenOversized::Reject]);
    debug::<Resubscribe>(&Resubscribe::new());
    debug(&[StreamOffset::Offset(1)]);
    debug(&[Requeue::Yes]);
    debug(&[Multiple::Yes]);
    debug(&[Settled::Queued]);
    debug(&[QosScope::Channel]);
    debug(&[Flow::Stopped]);
    debug(&[Disposition::Ack]);
    debug(&[DeliveryMode::Persistent]);
    debug(&[Outcome::Unknown]);
    debug(&[Initiator::Broker]);
    debug(&[CertificateFault::Other]);
    debug(&[DeadLetterStrategy::AtLeastOnce]);
    debug(&[LeaderLocator::Balanced]);
    debug(&[DelayedRetryType::Failed]);
    debug(&[Overflow::RejectPublish]);
    debug::<QueueDeclare>(&QueueDeclare::new(peers().as_str()));
    debug::<QueueDelete>(&QueueDelete::new(peers().as_str()));
    debug::<ExchangeDeclare>(&ExchangeDeclare::topic(peers().as_str()));
    debug::<ExchangeDelete>(&ExchangeDelete::new(peers().as_str()));
    debug::<Binding>(&Binding::headers(Match::All));
    let declared = Topology::default().queue(QueueDeclare::new(peers().as_str()));
    debug::<Topology>(&declared.queue_binding(peers(), peers(), peers()));
    debug::<Message>(&message());
    debug::<Body<'_>>(&BODY.into());
    display(&Diagnosis::WrongCredentials);
    for stage in [Stage::Options, Stage::Open] {
        display(&stage);
    }
}

/// One that holds what is to be encrypted.
#[cfg(feature = "rustls-ring")]
fn session() -> crate::tls::Session {
    let tls = TlsOptions::default().danger_accept_any_certificate();
    let mut session = crate::tls::Session::new(&tls, "broker.example").unwrap();
    let login = std::io::IoSlice::new(SECRET.as_bytes());
    assert_eq!(session.write(&[login]).unwrap(), SECRET.len());
    session
}
