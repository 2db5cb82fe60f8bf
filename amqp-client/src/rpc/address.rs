//! Where a reply goes: the address that a request names, and what of it may be published to.
//!
//! The address of a direct reply is `amq.rabbitmq.reply-to.` + base64 of an Erlang process id + `.` +
//! base64 of a key. RabbitMQ 3.10 and 4.0 decode it without a guard: something that is no process id
//! ends the whole connection of the server that replies (541), and the request comes back to the
//! next one. So whatever begins like such an address is decoded here first, strictly: what brokers
//! hand out passes, nothing else does.
//!
//! What cannot be known here is whether the node that the process id names is one of the broker's.
//! RabbitMQ 3.10 ends the connection over one that is not, 4.0 does not.

use amqp_spec::wire::{ShortString, Value};

use crate::connection::Connection;
use crate::message::ReceivedMessage;

/// The pseudo-queue of direct replies. As an address it means the consumer of the channel that
/// publishes; the broker puts a name of its own in its place.
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The pseudo-queue of direct replies by its name at LavinMQ.
const LAVINMQ: &str = "amq.direct.reply-to";

/// Where a reply goes, and what it refers to.
pub(super) struct ReplyAddress {
    pub(super) reply_to: String,
    pub(super) correlation_id: Option<ShortString>,
}

impl ReplyAddress {
    /// None, if the request names none that can be published to.
    pub(super) fn of(request: &ReceivedMessage, form: Form) -> Option<Self> {
        let properties = request.properties();
        let reply_to = properties.reply_to()?;
        let reply_to = reply_to.as_str().ok()?;
        form.allows(reply_to).then(|| Self {
            reply_to: reply_to.to_owned(),
            correlation_id: properties.correlation_id().map(ShortString::from),
        })
    }
}

/// Which node a direct address may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// A number that stands for one, as from RabbitMQ 3.10 on; a name costs the connection there.
    Number,
    /// Its name, too.
    Name,
}

impl Form {
    /// What the broker of this connection hands out.
    pub(super) fn of(connection: &Connection) -> Self {
        let properties = connection.server_properties();
        let text = |name| properties.get(name).ok().flatten();
        let text = |name| text(name).and_then(|value: Value<'_>| value.as_str());
        let is_rabbitmq = text("product").is_some_and(|product| product == "RabbitMQ");
        match text("version").and_then(major_and_minor) {
            Some(version) if is_rabbitmq && version < (3, 10) => Self::Name,
            _ => Self::Number,
        }
    }

    /// Whether a reply may be published to this queue name.
    fn allows(self, reply_to: &str) -> bool {
        // The broker has not put a real name in the place of its pseudo-queue: it would mean our
        // own channel.
        if reply_to.is_empty() || reply_to == REPLY_TO || reply_to == LAVINMQ {
            return false;
        }
        let direct = reply_to.strip_prefix(REPLY_TO);
        match direct.and_then(|direct| direct.strip_prefix('.')) {
            Some(direct) => self.is_direct(direct).is_some(),
            None => true,
        }
    }

    /// `Some` if this is a process id, a point, and a key.
    fn is_direct(self, encoded: &str) -> Option<()> {
        let (process, key) = encoded.split_once('.')?;
        let process = base64(process)?;
        let node = node_of(&process)?;
        if base64(key)?.is_empty() {
            return None;
        }
        let (_, host) = node.split_once('@')?;
        match self {
            Self::Number => is_hash(host).then_some(()),
            Self::Name => (!host.is_empty()).then_some(()),
        }
    }
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    Some((major, minor))
}

/// Whether it is written as Erlang writes a `phash2`: below 2^27, without a sign or a leading zero.
fn is_hash(number: &str) -> bool {
    let is_plain = number.bytes().all(|digit| digit.is_ascii_digit());
    let is_short = number == "0" || !number.starts_with('0');
    let below = number.parse::<u32>().is_ok_and(|hash| hash < 1 << 27);
    is_plain && is_short && below
}

/// The node of a process id in Erlang's external term format.
fn node_of(term: &[u8]) -> Option<&str> {
    const VERSION: u8 = 131;
    const NEW_PID: u8 = 88;
    const PID: u8 = 103;
    const ATOM_UTF8: u8 = 118;
    const SMALL_ATOM_UTF8: u8 = 119;
    let [VERSION, kind, atom, rest @ ..] = term else {
        return None;
    };
    let (length, rest) = match (*atom, rest) {
        (ATOM_UTF8, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]), rest),
        (SMALL_ATOM_UTF8, [length, rest @ ..]) => (u16::from(*length), rest),
        _ => return None,
    };
    let (node, rest) = rest.split_at_checked(usize::from(length))?;
    // Id, serial, creation.
    let is_whole = match *kind {
        NEW_PID => rest.len() == 4 + 4 + 4,
        PID => rest.len() == 4 + 4 + 1,
        _ => false,
    };
    std::str::from_utf8(node).ok().filter(|_| is_whole)
}

/// Decodes base64 with padding, and nothing but that.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let padding = text
        .iter()
        .rev()
        .take_while(|&&octet| octet == b'=')
        .count();
    if text.len() % 4 != 0 || padding > 2 {
        return None;
    }
    let digits = text.get(..text.len() - padding)?;
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0_u32, 0);
    for &digit in digits {
        bits = bits << 6 | sextet(digit)?;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            octets.push(u8::try_from(bits >> n_bits).ok()?);
            bits &= (1 << n_bits) - 1;
        }
    }
    // What is left of the last digit means nothing.
    (bits == 0).then_some(octets)
}

fn sextet(digit: u8) -> Option<u32> {
    let sextet = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(sextet))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RabbitMQ 3.10.8, 4.0.5 and 4.3.6 hand them out.
    const REAL: [&str; 3] = [
        "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMDE2OTUwMTIAAAMyAAAAAGsMro0=.byl8MkVXh6ZB0535rnfGLw==",
        "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA5MzY2NzUwOAAAAvUAAAAAawyvFQ==.Oo2SA5jmAwAlfBLX37/6yw==",
        "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA3NTg2NDU5NgAAA+YAAAAAawyxXA==.G8KscNVoZ8TYfz+aOChEbg==",
    ];

    fn encoded(octets: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in octets.chunks(3) {
            let mut group = [0; 4];
            group[1..=chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes(group);
            for at in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
                text.push(if at <= chunk.len() { digit.into() } else { '=' });
            }
        }
        text
    }

    fn process(kind: u8, atom: &[u8], node: &str, rest: &[u8]) -> Vec<u8> {
        [&[131, kind], atom, node.as_bytes(), rest].concat()
    }

    #[track_caller]
    fn check(form: Form, process: &[u8], allowed: bool) {
        let address = format!("amq.rabbitmq.reply-to.{}.AAAA", encoded(process));
        assert_eq!(form.allows(&address), allowed, "{process:?} in {address}");
    }

    #[test]
    fn addresses_of_real_brokers_are_published_to() {
        for address in REAL {
            assert!(Form::Number.allows(address), "{address}");
            assert!(Form::Name.allows(address), "{address}");
        }
        for queue in [
            "replies",
            "amq.gen-x",
            "amq.direct.reply-to.any-tag",
            "amq.rabbitmq.reply-tox",
        ] {
            assert!(Form::Number.allows(queue), "{queue}");
        }
    }

    #[test]
    fn pseudo_queues_mean_our_own_channel() {
        for queue in ["", "amq.rabbitmq.reply-to", "amq.direct.reply-to"] {
            assert!(!Form::Number.allows(queue), "{queue}");
        }
    }

    #[test]
    fn process_ids_are_told_from_everything_else() {
        let new = [0; 12];
        check(
            Form::Number,
            &process(88, &[118, 0, 7], "reply@1", &new),
            true,
        );
        check(Form::Number, &process(88, &[119, 7], "reply@1", &new), true);
        check(
            Form::Number,
            &process(103, &[119, 7], "reply@1", &[0; 9]),
            true,
        );
        for (kind, length) in [(88, 11), (88, 13), (88, 9), (103, 12), (104, 12), (97, 12)] {
            let process = process(kind, &[119, 7], "reply@1", &vec![0; length]);
            check(Form::Number, &process, false);
        }
        check(
            Form::Number,
            &process(88, &[119, 250], "reply@1", &new),
            false,
        );
        check(
            Form::Number,
            &process(88, &[100, 0, 7], "reply@1", &new),
            false,
        );
        check(Form::Number, &[130, 88, 119, 7], false);
        check(Form::Number, &[131, 97, 1], false);
        check(Form::Number, &[], false);
        let mut latin = process(88, &[119, 7], "reply@1", &new);
        latin[4] = 0xff;
        check(Form::Number, &latin, false);
    }

    #[test]
    fn nodes_are_numbers_from_3_10_on() {
        for (node, number, name) in [
            ("reply@0", true, true),
            ("reply@134217727", true, true),
            ("reply@134217728", false, true),
            ("reply@99999999999999999999", false, true),
            ("reply@01", false, true),
            ("reply@+1", false, true),
            ("reply@-1", false, true),
            ("rabbit@host", false, true),
            ("reply@", false, false),
            ("1", false, false),
        ] {
            let length = u8::try_from(node.len()).unwrap();
            let process = process(88, &[119, length], node, &[0; 12]);
            check(Form::Number, &process, number);
            check(Form::Name, &process, name);
        }
    }

    #[test]
    fn no_damaged_address_passes() {
        let real = REAL[0];
        let rest = real.strip_prefix("amq.rabbitmq.reply-to.").unwrap();
        let (process, key) = rest.split_once('.').unwrap();
        let bare = process.trim_end_matches('=');
        for damaged in [
            String::new(),
            "junk".to_owned(),
            "gm0AAAAB.k".to_owned(),
            process.to_owned(),
            format!("{process}."),
            format!("{process}..{key}"),
            format!(".{process}.{key}"),
            format!("{process}.{key}.x"),
            format!("{bare}.{key}"),
            format!("{bare}==.{key}"),
            format!("{} {}.{key}", &process[..8], &process[8..]),
            format!("{process}.!!!!"),
            format!("{process}.é"),
        ] {
            let address = format!("amq.rabbitmq.reply-to.{damaged}");
            assert!(!Form::Number.allows(&address), "{address}");
        }
        // Each octet in turn cut off.
        for end in 1..rest.len() - key.len() {
            let address = format!("amq.rabbitmq.reply-to.{}", &rest[..end]);
            assert!(!Form::Number.allows(&address), "{address}");
        }
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        for octets in [&b""[..], b"\0", b"\xff\xee", b"abc", b"abcd"] {
            assert_eq!(base64(&encoded(octets)).as_deref(), Some(octets));
        }
        for foreign in [
            "A", "AA", "AAA", "AAAAA", "A===", "====", "AB==", "AAB=", "AA=A", "A\nAA", "AA-_",
        ] {
            assert_eq!(base64(foreign), None, "{foreign}");
        }
    }
}
