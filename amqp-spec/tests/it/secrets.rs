//! Credentials stay out of `Debug`, wherever a method that carries them is shown.

use std::fmt::Debug;

use amqp_spec::metadata::CLASSES;
use amqp_spec::wire::{LongStr, MethodId, Reader, ShortStr, TypedMethod};
use amqp_spec::{Method, connection, frame};

const PASSWORD: &str = "correct horse battery staple";
const RESPONSE: LongStr<'static> = LongStr::literal("\0guest\0correct horse battery staple");

/// Shows a method alone, as one of all methods, and in both forms of `Debug`.
#[track_caller]
fn shown<'a, M>(method: M) -> Vec<String>
where
    M: Copy + Debug + Into<Method<'a>>,
{
    let any: Method<'a> = method.into();
    let shown = vec![
        format!("{method:?}"),
        format!("{method:#?}"),
        format!("{any:?}"),
        format!("{any:#?}"),
    ];
    for text in &shown {
        assert!(!text.contains(PASSWORD), "{text}");
        assert!(!text.contains("horse"), "{text}");
        assert!(text.contains("<secret>"), "{text}");
    }
    shown
}

#[test]
fn start_ok_hides_the_response_and_nothing_else() {
    let method = connection::StartOk {
        response: RESPONSE,
        ..connection::StartOk::default()
    };
    let shown = shown(method);
    assert_eq!(
        shown[0],
        r#"StartOk { client_properties: {}, mechanism: "PLAIN", response: <secret>, locale: "en_US" }"#
    );
    assert_eq!(shown[2], format!("ConnectionStartOk({})", shown[0]));
}

#[test]
fn secure_ok_hides_the_response() {
    let shown = shown(connection::SecureOk { response: RESPONSE });
    assert_eq!(shown[0], "SecureOk { response: <secret> }");
}

#[test]
fn update_secret_hides_the_new_secret_and_shows_the_reason() {
    let shown = shown(connection::UpdateSecret {
        new_secret: LongStr::literal(PASSWORD),
        reason: ShortStr::literal("expires"),
    });
    assert_eq!(
        shown[0],
        r#"UpdateSecret { new_secret: <secret>, reason: "expires" }"#
    );
}

#[test]
fn frame_and_reader_show_no_octets() {
    let method = connection::SecureOk { response: RESPONSE };
    let mut buf = Vec::new();
    frame::encode_method(&mut buf, 0, &method, 4096).unwrap();
    let (frame, _) = frame::decode(&buf, 4096).unwrap().unwrap();
    assert_eq!(
        format!("{frame:?}"),
        "Frame { kind: Method, channel: 0, payload: <43 octets> }"
    );
    let mut reader = Reader::new(frame.payload);
    reader.method_id().unwrap();
    assert_eq!(
        format!("{reader:?}"),
        "Reader { offset: 4, rest: <39 octets> }"
    );
}

#[test]
fn length_of_a_secret_is_not_shown() {
    let short = connection::SecureOk {
        response: LongStr::EMPTY,
    };
    let long = connection::SecureOk { response: RESPONSE };
    assert_eq!(format!("{short:?}"), format!("{long:?}"));
}

#[test]
fn metadata_names_every_secret() {
    let methods = CLASSES.iter().flat_map(|class| class.methods);
    let secrets = methods.flat_map(|method| {
        let fields = method.fields.iter().filter(|field| field.secret);
        fields.map(|field| (method.id, field.name))
    });
    let secrets: Vec<(MethodId, &str)> = secrets.collect();
    assert_eq!(
        secrets,
        [
            (connection::StartOk::ID, "response"),
            (connection::SecureOk::ID, "response"),
            (connection::UpdateSecret::ID, "new-secret"),
        ]
    );
}
