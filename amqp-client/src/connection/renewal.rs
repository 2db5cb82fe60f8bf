//! Credentials that do not last: telling the broker new ones in time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use amqp_spec::connection;
use amqp_spec::wire::LongStr;

use super::Connection;
use crate::error::{ChannelError, ConnectCause, NameTooLong, Subject};
use crate::handle::Handle;
use crate::options::ConnectionOptions;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::logins::Login;
use crate::proto::wait::Watch;
use crate::sasl::{CredentialSource, Credentials, Failure, Secret};

impl Connection {
    /// Tells the broker a new password or token for this connection (`connection.update-secret`),
    /// before the old one expires. For credentials that come from a
    /// [source](ConnectionOptions::credential_source) this is done by itself. `reason` appears in
    /// the broker's log.
    ///
    /// ```no_run
    /// # async fn example(connection: amqp_client::Connection, token: String) -> Result<(), amqp_client::ChannelError> {
    /// connection.update_secret(token, "the old one expires").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// RabbitMQ looks at it with OAuth 2 only and says yes to anything otherwise.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Connection`] if the broker refuses it: that ends the connection, with 530.
    /// [`ChannelError::FrameTooLarge`] or [`ChannelError::TooLong`] if the secret does not fit a
    /// frame, or the reason 255 octets; then nothing was sent. [`ChannelError::Recovering`] while the
    /// connection is lost: it logs in anew with the credentials of the options, or of their source.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the secret is sent.
    pub async fn update_secret(
        &self,
        secret: impl Into<Secret>,
        reason: impl AsRef<str>,
    ) -> Result<(), ChannelError> {
        let secret = secret.into();
        update(self.shared(), &secret, reason.as_ref()).await
    }

    /// Renews the credentials of this connection for as long as it lives: the options'
    /// [source](ConnectionOptions::credential_source) is asked when four fifths of the validity
    /// have passed, and the broker is told. A source that takes longer than the
    /// [`connect_timeout`](ConnectionOptions::connect_timeout) is taken for one that fails: it is
    /// asked anew after a twentieth of the validity (1 s to 60 s). `options` are those that the
    /// connection was opened with,
    /// [with their credentials](ConnectionOptions::with_current_credentials); `sleep` waits, as
    /// `tokio::time::sleep` does. For an event loop of one's own: `Connection::open` and the like
    /// see to it themselves.
    ///
    /// A connection that is lost and comes back has logged in anew: from then on what it has logged
    /// in with is renewed in its time, and nothing is asked while there is no stream.
    ///
    /// The future is to be polled beside everything else. It is ready when the connection has
    /// ended; or at once if there is no source, or the connection does not come back and its
    /// credentials do not expire. It does not keep the connection open.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the renewal.
    pub fn renew_credentials<S, F>(
        &self,
        options: &ConnectionOptions,
        sleep: S,
    ) -> impl Future<Output = ()> + use<S, F>
    where
        S: Fn(Duration) -> F,
        F: Future,
    {
        let connection = Arc::clone(self.shared());
        let alive = self.downgrade();
        let source = options.credential_source.clone();
        let validity = options.credentials.validity();
        let limit = options.connect_timeout;
        let comes_back = options.recovery.is_on();
        async move {
            if let (Some(source), true) = (source, comes_back || validity.is_some()) {
                let login = Login {
                    validity,
                    ..connection.logins.last()
                };
                let renewal = pin!(renew(&connection, alive, source, login, limit, sleep));
                or_end(&connection, renewal).await;
            }
        }
    }
}

/// Sends a new secret and waits for the answer.
async fn update(
    connection: &Arc<ConnectionShared>,
    secret: &Secret,
    reason: &str,
) -> Result<(), ChannelError> {
    let method = connection::UpdateSecret {
        new_secret: LongStr::new(secret.expose())
            .map_err(|error| NameTooLong::secret("new_secret", error.len()))?,
        reason: Subject::Nothing.short("reason", reason)?,
    };
    crate::channel::request::start_on_connection(connection, &method)?.await?;
    Ok(())
}

/// Asks, tells, and waits until it is time again; from the beginning after each login.
async fn renew<S, F>(
    connection: &Arc<ConnectionShared>,
    alive: Weak<Handle>,
    source: CredentialSource,
    mut login: Login,
    limit: Duration,
    sleep: S,
) where
    S: Fn(Duration) -> F,
    F: Future,
{
    loop {
        let Login { number, validity } = login;
        let next = pin!(Watch::new(
            |ticket, context| connection.logins.poll_next(number, ticket, context),
            |ticket| connection.logins.forget(ticket),
        ));
        let renewal = async {
            if let Some(validity) = validity {
                renew_login(connection, &alive, &source, validity, limit, &sleep).await;
            }
            std::future::pending::<()>().await;
        };
        login = unless(next, pin!(renewal)).await;
        if alive.strong_count() == 0 {
            return;
        }
    }
}

/// The same for one login: it is over when its credentials need no renewal any more, or cannot have
/// one.
async fn renew_login<S, F>(
    connection: &Arc<ConnectionShared>,
    alive: &Weak<Handle>,
    source: &CredentialSource,
    mut validity: Duration,
    limit: Duration,
    sleep: &S,
) where
    S: Fn(Duration) -> F,
    F: Future,
{
    let mut wait = before(validity);
    loop {
        sleep(wait).await;
        // The next stream logs in with what the source says then.
        if alive.strong_count() == 0 || connection.outbox().room().down().is_some() {
            return;
        }
        // If it fails, perhaps it works later. If it does not, the broker ends the connection.
        wait = (validity / 20).clamp(Duration::from_secs(1), Duration::from_secs(60));
        let credentials = match within(limit, source.ask(), sleep).await {
            Ok(credentials) => credentials,
            Err(cause) => {
                connection.trace.not_renewed(&cause);
                continue;
            }
        };
        if let Err(error) = update(connection, credentials.password(), "renewal").await {
            connection.trace.not_renewed(&error);
            continue;
        }
        let Some(next) = credentials.validity() else {
            return;
        };
        validity = next;
        wait = before(validity);
    }
}

/// Waits for this, and meanwhile does the other.
async fn unless<T>(
    mut this: Pin<&mut impl Future<Output = T>>,
    mut meanwhile: Pin<&mut impl Future>,
) -> T {
    poll_fn(|context| match this.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => {
            let _ = meanwhile.as_mut().poll(context);
            Poll::Pending
        }
    })
    .await
}

/// Waits for credentials, but not for ever: a source that hangs would end the renewal unnoticed.
async fn within<F: Future>(
    limit: Duration,
    asking: impl Future<Output = Result<Credentials, Failure>>,
    sleep: impl Fn(Duration) -> F,
) -> Result<Credentials, ConnectCause> {
    let mut asking = pin!(asking);
    let mut over = pin!(sleep(limit));
    poll_fn(|context| {
        // What is there counts, however late it is.
        if let Poll::Ready(asked) = asking.as_mut().poll(context) {
            return Poll::Ready(asked.map_err(ConnectCause::Credentials));
        }
        let over = over.as_mut().poll(context);
        over.map(|_| Err(ConnectCause::Timeout(limit)))
    })
    .await
}

/// When to renew what is valid for so long.
fn before(validity: Duration) -> Duration {
    (validity / 5 * 4).max(Duration::from_secs(1))
}

/// Waits for the future, or for the end of the connection.
async fn or_end(connection: &ConnectionShared, mut future: Pin<&mut impl Future<Output = ()>>) {
    let mut end = pin!(Watch::new(
        |place, context| connection.end.poll(place, context),
        |place| connection.end.forget(place),
    ));
    poll_fn(|context| match end.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => future.as_mut().poll(context),
    })
    .await;
}
