//! Terms as Erlang prints them, for the texts of errors that quote what was received.

use std::fmt::Write as _;

/// Octets as `~w` prints them: `<<1,2,3>>`.
pub(super) fn binary(octets: &[u8]) -> String {
    let mut text = String::from("<<");
    for (index, octet) in octets.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{octet}");
    }
    text.push_str(">>");
    text
}

/// Octets as `~p` prints them: as text if all of them can be printed.
pub(super) fn pretty_binary(octets: &[u8]) -> String {
    if octets.is_empty() || !octets.iter().all(|octet| is_printable(*octet)) {
        return binary(octets);
    }
    format!("<<{}>>", quoted(octets))
}

/// A text as `~p` prints it, as a list of characters.
pub(super) fn quoted(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        match octet {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x0B => text.push_str("\\v"),
            0x08 => text.push_str("\\b"),
            0x0C => text.push_str("\\f"),
            0x1B => text.push_str("\\e"),
            other => text.push(char::from(*other)),
        }
    }
    text.push('"');
    text
}

const fn is_printable(octet: u8) -> bool {
    matches!(octet, 0x20..=0x7E | 0xA0..=0xFF | 0x08..=0x0D | 0x1B)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_numbers_unless_all_of_them_can_be_printed() {
        assert_eq!(pretty_binary(&[0, 20, 0]), "<<0,20,0>>");
        assert_eq!(pretty_binary(b"a\"b\n"), r#"<<"a\"b\n">>"#);
        assert_eq!(pretty_binary(b""), "<<>>");
        assert_eq!(binary(b"ab"), "<<97,98>>");
    }
}
