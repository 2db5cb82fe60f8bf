//! Properties of a message that is published: what RabbitMQ reads, refuses and changes in them.

use amqp_spec::basic::{Properties, PropertiesRef};
use amqp_spec::wire::{FieldTable, ShortStr, TableRef, Value};

use crate::memory::erlang;
use crate::memory::fields;
use crate::memory::fields::type_name;
use crate::memory::like::Like;
use crate::memory::refusal::Refusal;
use crate::memory::texts;
use crate::memory::vhost::check_expiry;

/// Flags of properties that exist.
const KNOWN_FLAGS: u16 = 0xFFFC;

/// The flag that says that more flags follow, which none do.
const CONTINUES: u16 = 1;

/// Reads a list of properties, with its headers to the bottom. Where it is not one, RabbitMQ fails.
pub(super) fn decode(octets: &[u8]) -> Result<PropertiesRef<'_>, Refusal> {
    if flags(octets) & CONTINUES != 0 {
        return Err(Refusal::internal_error());
    }
    let properties = PropertiesRef::decode(octets).map_err(|_| Refusal::internal_error())?;
    if let Some(headers) = properties.headers() {
        fields::check(headers).map_err(|_| Refusal::internal_error())?;
    }
    Ok(properties)
}

fn flags(octets: &[u8]) -> u16 {
    octets
        .first_chunk()
        .map_or(0, |flags| u16::from_be_bytes(*flags))
}

/// Refuses a time to live that is none.
pub(super) fn check_expiration(properties: PropertiesRef<'_>) -> Result<(), Refusal> {
    let Some(expiration) = properties.expiration() else {
        return Ok(());
    };
    let value = expiration.as_bytes();
    match parse_expiration(value) {
        Ok(()) => Ok(()),
        Err(error) => Err(texts::invalid_expiration(value, error)),
    }
}

/// As `string:to_integer/1` reads it, and what is wrong as Erlang prints it.
fn parse_expiration(value: &[u8]) -> Result<(), String> {
    let signed = usize::from(matches!(value.first(), Some(b'+' | b'-')));
    let digits = value
        .iter()
        .skip(signed)
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    if digits == 0 {
        return Err("no_integer".to_owned());
    }
    let (number, rest) = value.split_at(signed + digits);
    if !rest.is_empty() {
        return Err(format!("{{leftover_string,{}}}", erlang::quoted(rest)));
    }
    let text = String::from_utf8_lossy(number);
    match text.parse::<i128>() {
        Ok(time) => check_expiry(time),
        Err(_) if text.starts_with('-') => Err(format!("{{value_negative,{text}}}")),
        Err(_) => Err(format!(
            "{{value_too_large,{}}}",
            text.trim_start_matches(['+', '0'])
        )),
    }
}

/// Refuses what makes a message invalid besides.
pub(super) fn check_message(properties: PropertiesRef<'_>, like: Like) -> Result<(), Refusal> {
    if let (Like::RabbitMq3_10, Some(mode)) = (like, properties.delivery_mode()) {
        if !matches!(mode, 1 | 2) {
            return Err(texts::invalid_message(format!(
                "{{delivery_mode_unknown,{mode}}}"
            )));
        }
    }
    let headers = properties.headers().unwrap_or_default();
    for name in ["CC", "BCC"] {
        match fields::lookup(headers, name) {
            None | Some(Value::Array(_)) => {}
            Some(other) => {
                return Err(texts::invalid_message(format!(
                    "{{unacceptable_type_in_header,\"{name}\",{}}}",
                    type_name(&other)
                )));
            }
        }
    }
    Ok(())
}

/// The routing keys in CC and BCC.
pub(super) fn further_keys(headers: TableRef<'_>) -> Vec<&[u8]> {
    let mut keys = Vec::new();
    for name in ["CC", "BCC"] {
        let Some(Value::Array(array)) = fields::lookup(headers, name) else {
            continue;
        };
        for value in array.iter().filter_map(Result::ok) {
            if let Value::LongString(key) = value {
                keys.push(key.as_bytes());
            }
        }
    }
    keys
}

/// The properties as consumers get them. `reply_to` is the address of direct replies, if the
/// message asks for it.
pub(super) fn outgoing(
    properties: PropertiesRef<'_>,
    reply_to: Option<&str>,
    like: Like,
) -> Properties {
    let headers = properties.headers();
    let without_bcc = headers.filter(|headers| fields::lookup(*headers, "BCC").is_some());
    let is_kept = reply_to.is_none() && without_bcc.is_none();
    if is_kept && (like == Like::RabbitMq3_10 || is_plain(properties)) {
        return properties.to_owned();
    }
    let mut written = known(properties);
    if let Some(headers) = headers {
        let mut headers: FieldTable = fields::rewritten(headers, like);
        if without_bcc.is_some() {
            headers.remove("BCC");
        }
        written = written.headers(headers.as_ref());
    }
    match reply_to {
        Some(address) => {
            let address = ShortStr::new(address.as_bytes()).unwrap_or_default();
            written.reply_to(address)
        }
        None => written,
    }
}

/// Nothing in it is written differently.
fn is_plain(properties: PropertiesRef<'_>) -> bool {
    let unknown = flags(properties.as_bytes()) & !KNOWN_FLAGS;
    properties.headers().is_none() && unknown == 0
}

/// The properties without flags that stand for nothing.
fn known(properties: PropertiesRef<'_>) -> Properties {
    let octets = properties.as_bytes();
    let known = (flags(octets) & KNOWN_FLAGS).to_be_bytes();
    let rest = octets.get(2..).unwrap_or_default();
    let octets = [known.as_slice(), rest].concat();
    match PropertiesRef::decode(&octets) {
        Ok(properties) => properties.to_owned(),
        Err(_) => Properties::new(),
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;
    use amqp_spec::wire::FieldArray;

    use super::*;

    #[test]
    fn expirations_are_read_as_erlang_reads_integers() {
        let error = |value: &str| parse_expiration(value.as_bytes()).unwrap_err();
        assert_eq!(parse_expiration(b"60000"), Ok(()));
        assert_eq!(parse_expiration(b"+0"), Ok(()));
        assert_eq!(error(""), "no_integer");
        assert_eq!(error("abc"), "no_integer");
        assert_eq!(error("-1"), "{value_negative,-1}");
        assert_eq!(error("1.5"), "{leftover_string,\".5\"}");
        assert_eq!(error("315360000001"), "{value_too_large,315360000001}");
    }

    #[test]
    fn bcc_is_taken_out_and_cc_is_not() {
        let keys = FieldArray::from(vec!["k"]);
        let headers = field_table! { "BCC" => &keys, "CC" => &keys };
        let properties = Properties::new().headers(headers.as_ref());
        for like in [Like::RabbitMq3_10, Like::RabbitMq4_0] {
            let outgoing = outgoing(properties.as_ref(), None, like);
            let left = outgoing.as_ref().headers().unwrap();
            assert_eq!(left.as_bytes(), field_table! { "CC" => &keys }.as_bytes());
        }
        assert_eq!(further_keys(headers.as_ref()), [b"k", b"k"]);
    }

    #[test]
    fn flags_that_stand_for_nothing_are_kept_or_dropped() {
        let octets = [0x10, 0x02, 2];
        let properties = decode(&octets).unwrap();
        assert_eq!(
            outgoing(properties, None, Like::RabbitMq3_10).as_bytes(),
            octets
        );
        assert_eq!(
            outgoing(properties, None, Like::RabbitMq4_0).as_bytes(),
            [0x10, 0, 2]
        );
        assert!(decode(&[0x10, 0x01, 2, 0, 0]).is_err());
    }
}
