//! Whether the server has begun to speak TLS.
//!
//! A port without TLS is told from one with it by what comes first. Behind the first record of TLS,
//! whatever goes wrong is no reason to do without: an overloaded broker hangs up and falls silent
//! as well, and one changed octet in between makes any answer look like none.

/// What a record begins with: its type, a version, its length (RFC 8446 §5.1).
const HEADER: usize = 5;

/// The first octets that the server has sent.
#[derive(Debug, Default)]
pub(super) struct Heard {
    header: [u8; HEADER],
    /// How many of them have come.
    n_header: usize,
}

impl Heard {
    /// Whether the next octets are still looked at.
    pub(super) fn is_undecided(&self) -> bool {
        self.n_header < HEADER
    }

    /// Looks at what has come next.
    pub(super) fn look(&mut self, octets: &[u8]) {
        for (place, octet) in self.header.iter_mut().skip(self.n_header).zip(octets) {
            *place = *octet;
            self.n_header += 1;
        }
    }

    /// Whether a record of TLS has begun to come.
    pub(super) fn has_heard_tls(&self) -> bool {
        self.n_header == HEADER && is_record(self.header)
    }
}

/// Types are 20 to 24, versions 3.0 to 3.4, and records hold at most 16 KiB and what encryption
/// adds.
fn is_record([kind, major, minor, high, low]: [u8; HEADER]) -> bool {
    let length = u16::from_be_bytes([high, low]);
    matches!(kind, 20..=24) && major == 3 && minor <= 4 && length <= 16 * 1024 + 2048
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether these octets, which come in pieces of this size, begin with a record.
    fn begins(octets: &[u8], piece: usize) -> bool {
        let mut heard = Heard::default();
        for piece in octets.chunks(piece) {
            heard.look(piece);
        }
        heard.has_heard_tls()
    }

    #[test]
    fn records_are_told_from_other_octets_however_they_are_split() {
        for piece in [1, 4, 5, 64] {
            for record in [
                b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76".as_slice(),
                b"\x15\x03\x01\x00\x02",
            ] {
                assert!(begins(record, piece), "{record:?}");
            }
            for other in [
                b"AMQP\x00\x00\x09\x01".as_slice(),
                b"HTTP/1.1 400 Bad Request",
                b"\x16\x03\x03\x00",
                b"\x16\x03\x03\xff\xff\x00",
                b"\x16\x02\x03\x00\x02\x00",
                b"\x13\x03\x03\x00\x02\x00",
                b"..\x16\x03\x03\x00\x7a\x02",
                b"",
            ] {
                assert!(!begins(other, piece), "{other:?}");
            }
        }
    }
}
