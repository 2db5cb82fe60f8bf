//! The connection's own requests while it comes back.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amqp_spec::Method;

use crate::ChannelError;
use crate::sasl::Credentials;
use crate::tests::handles::credential_renewal::Sleeps;
use crate::tests::support::comeback::{Comeback, Play};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::{Task, done};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn new_secret_does_not_get_in_front_of_the_handshake() {
    let mut world = Comeback::new();
    world.lose();
    for connected in [false, true] {
        if connected {
            world.connect();
        }
        let connection = world.pair.connection.clone();
        let error = done(connection.update_secret("new", "rotated")).unwrap_err();
        assert!(
            matches!(error, ChannelError::Recovering { .. }),
            "{error:?}"
        );
        assert!(error.is_retryable());
    }
    assert!(world.run());
    world.assert_open();
}

#[test]
fn renewal_is_that_of_the_present_stream() {
    let secrets = Rc::new(Cell::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let options = quiet().credential_source(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let token = Credentials::new("guest", "guest").valid_for(100 * MINUTE);
        std::future::ready(Ok::<_, std::convert::Infallible>(token))
    });
    let with = |validity| {
        let token = Credentials::new("guest", "guest");
        let mut options = options.clone();
        options.credentials = match validity {
            Some(validity) => token.valid_for(validity),
            None => token,
        };
        options
    };
    let mut world = Comeback::with(with(Some(10 * MINUTE)));
    let counts = Rc::clone(&secrets);
    world.script = Box::new(move |_, method| {
        if matches!(method, Method::ConnectionUpdateSecret(_)) {
            counts.set(counts.get() + 1);
        }
        Play::Usual
    });
    let sleeps = Sleeps::default();
    let renewal = world
        .pair
        .connection
        .renew_credentials(&world.options, sleeps.sleep());
    let mut renewal = Task::start(renewal);
    assert_eq!(sleeps.last(), 8 * MINUTE);

    // Nothing is asked for while there is no stream, and the next has its own time.
    world.lose();
    sleeps.wake();
    renewal.pending();
    world.options = with(Some(5 * MINUTE));
    world.come_back();
    renewal.pending();
    assert_eq!((asked.load(Ordering::Relaxed), secrets.get()), (0, 0));
    assert_eq!(sleeps.last(), 4 * MINUTE);
    sleeps.wake();
    renewal.pending();
    assert!(world.run());
    assert_eq!((asked.load(Ordering::Relaxed), secrets.get()), (1, 1));
    renewal.pending();
    assert_eq!(sleeps.last(), 80 * MINUTE);

    // One that lasts needs none, and the one behind it has one again.
    world.lose();
    world.options = with(None);
    world.come_back();
    renewal.pending();
    sleeps.wake();
    renewal.pending();
    assert!(world.run());
    assert_eq!((asked.load(Ordering::Relaxed), secrets.get()), (1, 1));
    world.lose();
    world.options = with(Some(20 * MINUTE));
    world.come_back();
    renewal.pending();
    assert_eq!(sleeps.last(), 16 * MINUTE);

    // A new secret that was under way is gone with its stream.
    sleeps.wake();
    renewal.pending();
    world.lose();
    renewal.pending();
    world.come_back();
    renewal.pending();
    assert_eq!(sleeps.last(), 16 * MINUTE);
    let logins = &world.pair.core.shared().logins;
    assert_eq!(logins.n_waiting(), 1);
    let connection = world.pair.connection.clone();
    world.done(async move { connection.close().await }).unwrap();
    renewal.ready();
    drop(renewal);
    assert_eq!(world.pair.core.shared().logins.n_waiting(), 0);
}
