//! Logging in: mechanisms, challenges, what fits, and what is left behind of it.

use std::sync::Arc;

use amqp_spec::wire::LongStr;
use amqp_spec::{connection, field_table};

use crate::ConnectionOptions;
use crate::error::{ChannelError, ConnectCause, ConnectionError, Stage};
use crate::sasl::{AuthMechanism, Credentials, Secret};
use crate::sasl::{SaslError, SaslExchange, SaslMechanism};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

type Opened = Result<(), (Stage, ConnectCause)>;

fn opening(pair: &Pair) -> Task<'static, Opened> {
    let connection = pair.connection.clone();
    Task::start(async move { connection.opened_or_stage().await })
}

fn app() -> ConnectionOptions {
    quiet().login("app", "s3cret")
}

fn challenge(octets: &[u8]) -> Vec<u8> {
    let challenge = LongStr::new(octets).unwrap();
    wire::method(0, &connection::Secure { challenge })
}

fn holds(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len()).any(|part| part == needle)
}

#[test]
fn first_of_our_mechanisms_that_is_offered_is_used() {
    use AuthMechanism::{AmqPlain, Anonymous, External, Plain};
    let cases = [
        (vec![Plain, AmqPlain], "AMQPLAIN PLAIN", "PLAIN"),
        (vec![Plain, AmqPlain], "ANONYMOUS AMQPLAIN", "AMQPLAIN"),
        (vec![External, Plain], "AMQPLAIN PLAIN", "PLAIN"),
        (vec![External, Plain], "PLAIN EXTERNAL", "EXTERNAL"),
        (vec![Anonymous], "AMQPLAIN ANONYMOUS PLAIN", "ANONYMOUS"),
    ];
    for (ours, offered, expected) in cases {
        let mut pair = Pair::new(&app().auth_mechanisms(ours));
        pair.sent_octets();
        pair.feed(&wire::start(offered));
        assert_eq!(pair.sent(), [format!("0 connection.start-ok {expected}")]);
    }
}

#[test]
fn challenge_is_answered_and_the_login_goes_on() {
    let mut pair = Pair::new(&app().auth_mechanisms([AuthMechanism::RabbitCrDemo]));
    let mut opened = opening(&pair);
    pair.feed(&wire::start("PLAIN RABBIT-CR-DEMO"));
    assert!(!holds(&pair.sent_octets(), b"s3cret"));
    pair.feed(&challenge(b"Please tell me your password"));
    assert!(holds(&pair.sent_octets(), b"My password is s3cret"));
    pair.feed(&wire::tune(2047, 131_072, 60));
    pair.feed(&wire::open_ok());
    opened.ready().unwrap();
}

#[test]
fn challenge_to_a_mechanism_without_any_ends_the_login_without_a_word() {
    let mut pair = Pair::new(&app());
    let mut opened = opening(&pair);
    pair.feed(&wire::start("PLAIN"));
    pair.sent_octets();
    pair.feed(&challenge(b"and now?"));
    let refused = opened.ready().unwrap_err();
    assert!(matches!(
        refused,
        (Stage::Login, ConnectCause::Sasl(SaslError::Challenge))
    ));
    assert_eq!(pair.sent(), [""; 0]);
    assert!(pair.core.is_finished());
}

#[test]
fn challenge_before_the_last_answer_was_written_is_out_of_turn() {
    let mut pair = Pair::new(&app().auth_mechanisms([AuthMechanism::RabbitCrDemo]));
    let mut opened = opening(&pair);
    pair.feed(&wire::start("RABBIT-CR-DEMO"));
    let asked = challenge(b"Please tell me your password");
    pair.feed(&asked.repeat(1000));
    let sent = pair.sent_octets();
    let answers = sent.windows(6).filter(|part| *part == b"s3cret");
    assert!(answers.count() <= 1);
    match opened.ready() {
        Err((Stage::Login, ConnectCause::Connection(ConnectionError::Protocol(violation)))) => {
            assert!(violation.to_string().contains("connection.secure"));
        }
        other => panic!("{other:?}"),
    }
}

/// Counts the challenges, and gives up at the third.
struct Counting;

struct Count(u8);

impl SaslMechanism for Counting {
    fn name(&self) -> &str {
        "COUNTING"
    }

    fn begin(&self, credentials: &Credentials) -> Box<dyn SaslExchange> {
        assert_eq!(credentials.user(), "app");
        Box::new(Count(0))
    }
}

impl SaslExchange for Count {
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Secret, SaslError> {
        assert_eq!(challenge.is_none(), self.0 == 0);
        self.0 += 1;
        if self.0 > 3 {
            return Err(SaslError::Other(Arc::from(Box::from("three is enough"))));
        }
        Ok(format!("answer {}", self.0).into())
    }
}

#[test]
fn mechanism_of_one_s_own_answers_any_number_of_challenges_or_gives_up() {
    let options = app().auth_mechanisms([AuthMechanism::Custom(Arc::new(Counting))]);
    let mut pair = Pair::new(&options);
    let mut opened = opening(&pair);
    pair.feed(&wire::start("PLAIN COUNTING"));
    assert!(holds(&pair.sent_octets(), b"answer 1"));
    pair.feed(&challenge(b"a"));
    assert!(holds(&pair.sent_octets(), b"answer 2"));
    pair.feed(&challenge(b"b"));
    assert!(holds(&pair.sent_octets(), b"answer 3"));
    pair.feed(&challenge(b"c"));
    match opened.ready() {
        Err((Stage::Login, ConnectCause::Sasl(error))) => {
            assert_eq!(error.to_string(), "three is enough");
        }
        other => panic!("{other:?}"),
    }
    // Each login is one of its own.
    let mut again = Pair::new(&options);
    again.feed(&wire::start("COUNTING"));
    assert!(holds(&again.sent_octets(), b"answer 1"));
}

#[test]
fn refusal_after_a_challenge_is_told_as_a_refused_login() {
    let mut pair = Pair::new(&app().auth_mechanisms([AuthMechanism::RabbitCrDemo]));
    let mut opened = opening(&pair);
    pair.feed(&wire::start("RABBIT-CR-DEMO"));
    pair.feed(&challenge(b"Please tell me your password"));
    pair.feed(&wire::connection_close());
    let refused = opened.ready().unwrap_err();
    assert!(matches!(refused, (Stage::Login, _)));
}

/// The size of start-ok with a token of so many octets, if it was sent, and how it ended if not.
fn sent_with_token(token: usize, server: &amqp_spec::wire::FieldTable) -> Result<usize, String> {
    let options = quiet().login("", "x".repeat(token));
    let mut pair = Pair::new(&options);
    let mut opened = opening(&pair);
    pair.sent_octets();
    pair.feed(&wire::start_with(server, "PLAIN", (0, 9)));
    let sent = pair.sent_octets();
    if !sent.is_empty() {
        opened.pending();
        // Of a frame, 8 octets are not payload.
        return Ok(sent.len() - 8);
    }
    match opened.ready() {
        Err((Stage::Login, cause @ ConnectCause::LoginTooLarge { .. })) => {
            Err(format!("{cause:?}"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn token_may_be_as_long_as_the_broker_takes_it() {
    let rabbitmq = |version| field_table! { "product" => "RabbitMQ", "version" => version };
    let cases = [
        (rabbitmq("3.10.8"), 4096),
        (rabbitmq("4.0.5"), 4096),
        (rabbitmq("4.1.0"), 8192),
        (rabbitmq("4.3.6+dev"), 8192),
        (rabbitmq("10.0.0"), 8192),
        (rabbitmq("what"), 4096),
        (field_table! { "product" => "RabbitMQ" }, 4096),
        // Nothing is known of others.
        (
            field_table! { "product" => "LavinMQ", "version" => "2.9.1" },
            131_072,
        ),
        (field_table! {}, 131_072),
    ];
    for (server, limit) in cases {
        let rest = sent_with_token(0, &server).unwrap();
        assert_eq!(sent_with_token(limit - rest, &server), Ok(limit));
        let expected = format!("LoginTooLarge {{ size: {}, limit: {limit} }}", limit + 1);
        assert_eq!(sent_with_token(limit - rest + 1, &server), Err(expected));
    }
}

#[test]
fn client_properties_that_do_not_fit_the_login_are_told_with_their_size() {
    let mut pair = Pair::new(&quiet().connection_name("x".repeat(4096)));
    let mut opened = opening(&pair);
    pair.feed(&wire::start("PLAIN"));
    match opened.ready() {
        Err((_, ConnectCause::LoginTooLarge { size, limit })) => {
            assert!(size > 4096);
            assert_eq!(limit, 4096);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_of_the_credentials_is_kept_when_the_connection_is_open() {
    let mut pair = Pair::open_with(&app());
    assert!(pair.core.has_forgotten_credentials());
    pair.assert_idle();
    assert_eq!(pair.sent(), [""; 0]);
}

// connection.update-secret

fn updating(pair: &Pair, secret: &str) -> Task<'static, Result<(), ChannelError>> {
    let connection = pair.connection.clone();
    let secret = Secret::from(secret);
    Task::start(async move { connection.update_secret(secret, "renewal").await })
}

#[test]
fn new_secret_is_sent_and_its_acceptance_awaited() {
    let mut pair = Pair::open();
    let mut first = updating(&pair, "t0ken");
    let mut second = updating(&pair, "t1ken");
    let sent = pair.sent_octets();
    assert!(holds(&sent, b"t0ken") && holds(&sent, b"renewal"));
    first.pending();
    pair.says(0, &connection::UpdateSecretOk {});
    first.ready().unwrap();
    second.pending();
    pair.says(0, &connection::UpdateSecretOk {});
    second.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn refused_secret_is_the_end_of_the_connection() {
    let mut pair = Pair::open();
    let mut updating = updating(&pair, "t0ken");
    let close = connection::Close {
        reply_code: 530,
        reply_text: wire::short("NOT_ALLOWED - New secret was refused by one of the backends"),
        class_id: 10,
        method_id: 70,
    };
    pair.says(0, &close);
    match updating.ready() {
        Err(ChannelError::Connection(ConnectionError::ClosedByBroker(close))) => {
            assert_eq!(close.reply_code.0, 530);
            assert!(close.to_string().contains("connection.update-secret"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(pair.end(), ConnectionError::ClosedByBroker(_)));
}

#[test]
fn secret_that_cannot_be_sent_harms_nobody() {
    let mut pair = Pair::open();
    let update = |secret: &str, reason: &str| {
        done(pair.connection.update_secret(secret, reason)).unwrap_err()
    };
    let too_large = update(&"x".repeat(131_072), "renewal");
    assert!(matches!(too_large, ChannelError::FrameTooLarge(_)));
    let too_long = update("x", &"r".repeat(256));
    assert!(matches!(too_long, ChannelError::TooLong(_)));
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn secret_after_the_end_is_told_why_it_cannot_be_sent() {
    let mut pair = Pair::open();
    pair.feed(&wire::connection_close());
    assert!(matches!(
        done(pair.connection.update_secret("t0ken", "renewal")),
        Err(ChannelError::Connection(ConnectionError::ClosedByBroker(_)))
    ));
}

#[test]
fn close_that_overtakes_the_answer_to_a_new_secret_is_a_close() {
    let mut pair = Pair::open();
    let mut updating = updating(&pair, "t0ken");
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    assert_eq!(pair.sent().len(), 2);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    assert!(matches!(
        updating.ready(),
        Err(ChannelError::Connection(ConnectionError::Closed))
    ));
}

#[test]
fn answer_to_a_new_secret_that_nobody_awaits_any_more_is_consumed() {
    let mut pair = Pair::open();
    drop(updating(&pair, "t0ken"));
    pair.says(0, &connection::UpdateSecretOk {});
    pair.assert_idle();
    let mut updating = updating(&pair, "t1ken");
    pair.says(0, &connection::UpdateSecretOk {});
    updating.ready().unwrap();
}
