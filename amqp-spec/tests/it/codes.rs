//! Constants and reply codes, where brokers and documents leave a choice.

use amqp_spec::wire::{ShortStr, TypedMethod as _};
use amqp_spec::{Method, ReplyCode, Severity, channel, connection, constants};

#[test]
fn frame_min_size_is_that_of_the_specification() {
    // RabbitMQ's own file says 8192, which only RabbitMQ from 4.1 on insists on.
    assert_eq!(constants::FRAME_MIN_SIZE, 4096);
}

#[test]
fn reply_codes_have_names_and_unknown_ones_survive() {
    assert_eq!(ReplyCode::NOT_FOUND, ReplyCode(404));
    assert_eq!(ReplyCode::NOT_FOUND, 404);
    assert_ne!(405, ReplyCode::NOT_FOUND);
    assert_eq!(u16::from(ReplyCode::from(404)), 404);
    assert_eq!(ReplyCode(404).name(), Some("not-found"));
    assert_eq!(format!("{:?}", ReplyCode(404)), "404 NOT_FOUND");
    assert_eq!(ReplyCode(404).to_string(), "404 NOT_FOUND");
    assert_eq!(ReplyCode(404).severity(), Some(Severity::Channel));
    assert_eq!(ReplyCode(320).severity(), Some(Severity::Connection));
    for harmless in [ReplyCode(200), ReplyCode::NO_ROUTE, ReplyCode::NO_CONSUMERS] {
        assert_eq!(harmless.severity(), Some(Severity::None), "{harmless}");
    }
    for unknown in [0, 1, 299, 65_535] {
        let code = ReplyCode(unknown);
        assert_eq!((code.name(), code.severity()), (None, None));
        assert_eq!(format!("{code:?} {code}"), format!("{unknown} {unknown}"));
    }
}

#[test]
fn close_carries_any_reply_code_at_either_level() {
    // LavinMQ closes channels with codes that the specification gives to connections.
    for reply_code in [0, 404, 505, 540, 999, u16::MAX] {
        let close = channel::Close {
            reply_code,
            reply_text: ShortStr::EMPTY,
            ..Default::default()
        };
        let mut buf = Vec::new();
        close.encode(&mut buf);
        assert_eq!(Method::decode(&buf), Ok(close.into()));

        let close = connection::Close {
            reply_code,
            ..Default::default()
        };
        buf.clear();
        close.encode(&mut buf);
        assert_eq!(Method::decode(&buf), Ok(close.into()));
    }
}
