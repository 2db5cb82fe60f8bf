//! The connection's own requests while it comes back.

use crate::ChannelError;
use crate::tests::support::comeback::Comeback;
use crate::tests::support::task::done;

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
