//! Sessions against rustls's server, in memory.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::io::{IoSlice, Read as _, Write as _};

use amqp_testing::broker::Authority;
use rustls::{ServerConnection, SupportedProtocolVersion, version};

use super::*;
use crate::error::CertificateFault;
use crate::tests::support::tls::server;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// What a core waits for that reads and has nothing to write.
const READS: Interest = Interest {
    read: true,
    write: false,
    again: false,
};

/// A session, the server that it talks to, and what is under way to the session.
struct Pair {
    session: Session,
    server: ServerConnection,
    inbound: Vec<u8>,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let authority = Authority::new("test authority").unwrap();
        let identity = authority.server(&["broker.example"]).unwrap();
        let tls = TlsOptions::default().ca_pem(authority.certificate());
        Self {
            session: Session::new(&tls, "broker.example").unwrap(),
            server: server(&identity, None, version),
            inbound: Vec::new(),
        }
    }

    /// Both have agreed.
    fn open() -> Self {
        let mut pair = Self::new(&version::TLS13);
        pair.exchange(usize::MAX);
        assert!(!pair.session.is_handshaking());
        pair
    }

    /// Moves ciphertext both ways, in pieces, until there is none. Nothing is read meanwhile but
    /// what belongs to TLS.
    fn exchange(&mut self, piece: usize) {
        loop {
            let mut moved = self.give(piece) > 0;
            self.server.write_tls(&mut self.inbound).unwrap();
            moved |= !self.inbound.is_empty();
            while !self.inbound.is_empty() {
                self.take(piece);
                assert_eq!(self.session.read(&mut &mut [0; 8][..]).unwrap(), None);
            }
            if !moved {
                return;
            }
        }
    }

    /// Moves a piece of ciphertext to the server, and returns how much.
    fn give(&mut self, piece: usize) -> usize {
        let ciphertext = self.session.transmit();
        let mut rest = &ciphertext[..ciphertext.len().min(piece)];
        let n = self.server.read_tls(&mut rest).unwrap();
        // What is wrong is told by an alert.
        let _ = self.server.process_new_packets();
        self.session.transmitted(n);
        n
    }

    /// Moves a piece of ciphertext to the session.
    fn take(&mut self, piece: usize) {
        let space = self.session.read_space();
        let n = space.len().min(self.inbound.len()).min(piece);
        assert!(n > 0);
        space[..n].copy_from_slice(&self.inbound[..n]);
        self.inbound.drain(..n);
        self.session.read_done(n);
    }

    /// Each of them is a record of its own.
    fn say(&mut self, texts: &[&[u8]]) {
        for text in texts {
            self.server.writer().write_all(text).unwrap();
        }
        self.send();
    }

    fn send(&mut self) {
        while self.server.wants_write() {
            self.server.write_tls(&mut self.inbound).unwrap();
        }
    }

    /// What the session reads until it needs more, as a driver does, in spaces of this size; and
    /// whether the stream has ended.
    #[track_caller]
    fn read_all(&mut self, space: usize) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let mut space = vec![0; space];
        loop {
            match self.session.read(&mut &mut space[..]).unwrap() {
                Some(0) => return (all, true),
                Some(n) => all.extend_from_slice(&space[..n]),
                None if self.inbound.is_empty() => return (all, false),
                None => self.take(usize::MAX),
            }
        }
    }

    /// The plaintext that the server has.
    fn at_server(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while self.give(4096) > 0 {
            let mut space = [0; 8192];
            while let Ok(n @ 1..) = self.server.reader().read(&mut space) {
                all.extend_from_slice(&space[..n]);
            }
        }
        all
    }

    fn write(&mut self, plaintext: &[u8]) -> usize {
        self.session.write(&[IoSlice::new(plaintext)]).unwrap()
    }
}

#[test]
fn agreed_on_however_the_octets_come() {
    for version in VERSIONS {
        for piece in [1, 7, 100, usize::MAX] {
            let mut pair = Pair::new(version);
            assert!(pair.session.is_handshaking());
            assert!(pair.session.beside(READS).write);
            pair.exchange(piece);
            assert!(!pair.session.is_handshaking() && !pair.server.is_handshaking());
            assert_eq!(pair.session.beside(READS), READS);
            assert!(pair.session.has_heard_tls());

            assert_eq!(pair.write(b"hello"), 5);
            assert_eq!(pair.at_server(), b"hello");
            pair.say(&[b"good day"]);
            let mut all = Vec::new();
            while !pair.inbound.is_empty() {
                pair.take(piece);
                let mut space = [0; 3];
                while let Some(n) = pair.session.read(&mut &mut space[..]).unwrap() {
                    all.extend_from_slice(&space[..n]);
                }
            }
            assert_eq!(all, b"good day");
        }
    }
}

#[test]
fn everything_that_one_read_has_brought_is_given_or_announced() {
    for space in [1, 7, 16, 4096] {
        let mut pair = Pair::open();
        let texts: Vec<_> = (0..20_u8)
            .map(|n| vec![n; usize::from(n) * 10 + 1])
            .collect();
        let texts: Vec<_> = texts.iter().map(Vec::as_slice).collect();
        pair.say(&texts);
        pair.take(usize::MAX);
        assert!(pair.inbound.is_empty());
        let mut all = Vec::new();
        while pair.session.beside(READS).again {
            // Nothing is waited for meanwhile.
            assert!(!pair.session.beside(READS).read);
            let mut space = vec![0; space];
            let n = pair.session.read(&mut &mut space[..]).unwrap();
            all.extend_from_slice(&space[..n.unwrap_or_default()]);
        }
        assert_eq!(pair.session.beside(READS), READS);
        assert_eq!(all, texts.concat());
    }
}

#[test]
fn what_is_held_waits_for_a_core_that_does_not_read() {
    let mut pair = Pair::open();
    pair.say(&[b"held"]);
    pair.take(usize::MAX);
    let full = Interest {
        read: false,
        ..READS
    };
    assert_eq!(pair.session.beside(full), full);
    assert!(pair.session.beside(READS).again);
}

#[test]
fn a_mebibyte_in_one_go_arrives() {
    let mut pair = Pair::open();
    let text: Vec<_> = (0..1024 * 1024_u32).map(|n| n.to_be_bytes()[3]).collect();
    pair.say(&[&text]);
    for space in [64 * 1024, 1000] {
        let mut other = Pair::open();
        other.say(&[&text]);
        let (all, ended) = other.read_all(space);
        assert!(all == text && !ended);
    }
    let (all, _) = pair.read_all(2 * 1024 * 1024);
    assert!(all == text);
}

#[test]
fn no_more_is_taken_than_the_stream_takes() {
    let mut pair = Pair::open();
    let plaintext = vec![b'.'; 1000];
    let mut taken = 0;
    loop {
        match pair.write(&plaintext) {
            0 => break,
            n => taken += n,
        }
    }
    assert!((32 * 1024..=GATHERED).contains(&taken), "{taken}");
    // A part of it leaves: the rest comes first.
    let len = pair.session.transmit().len();
    assert!(len <= GATHERED + 70 * 22, "{len}");
    let mut given = pair.give(1000);
    assert_eq!(pair.write(&plaintext), 0);
    while given < 8 * 1024 {
        given += pair.give(1000);
    }
    let mut more = 0;
    loop {
        match pair.write(&plaintext) {
            0 => break,
            n => more += n,
        }
    }
    assert!((4 * 1024..=given).contains(&more), "{more}");
    taken += more;
    assert!(pair.session.beside(READS).write);
    assert_eq!(pair.session.transmit().len(), len - given);
    assert_eq!(pair.at_server().len(), taken);
    assert_eq!(pair.write(&plaintext), 1000);
}

#[test]
fn many_slices_are_one_text_and_few_records() {
    let mut pair = Pair::open();
    let pieces: Vec<_> = (0..100_u8).map(|n| vec![n; 100]).collect();
    let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    assert_eq!(pair.session.write(&slices).unwrap(), 10_000);
    // One record.
    assert!(pair.session.transmit().len() < 10_000 + 30);
    assert_eq!(pair.at_server(), pieces.concat());
    // A turn of the driver's is as many full records as it has 16 KiB.
    assert_eq!(pair.write(&vec![0; 100_000]), GATHERED);
    assert_eq!(pair.session.transmit().len(), 4 * (16 * 1024 + 22));
}

#[test]
fn what_is_written_before_both_have_agreed_leaves_behind_it() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        assert_eq!(pair.write(b"early"), 5);
        let mut early = Vec::new();
        for _ in 0..4 {
            early.extend(pair.at_server());
            pair.send();
            while !pair.inbound.is_empty() {
                pair.take(usize::MAX);
                assert_eq!(pair.session.read(&mut &mut [0; 8][..]).unwrap(), None);
            }
        }
        assert_eq!(early, b"early");
    }
    let mut pair = Pair::new(&version::TLS13);
    assert_eq!(pair.write(&vec![0; 100_000]), GATHERED);
    assert_eq!(pair.write(b"more"), 0);
}

#[test]
fn farewell_of_the_server_ends_the_stream_behind_what_it_said() {
    let mut pair = Pair::open();
    pair.say(&[b"last"]);
    pair.server.send_close_notify();
    pair.send();
    // Nothing behind it counts.
    pair.inbound.extend_from_slice(b"garbage");
    let (all, ended) = pair.read_all(100);
    assert!(ended);
    assert_eq!(all, b"last");
    pair.inbound = b"more garbage".to_vec();
    pair.take(usize::MAX);
    assert_eq!(pair.read_all(100), (Vec::new(), true));
    // The other direction is still there.
    assert_eq!(pair.write(b"answer"), 6);
    assert_eq!(pair.at_server(), b"answer");
}

#[test]
fn our_farewell_is_behind_what_was_written() {
    let mut pair = Pair::open();
    assert_eq!(pair.write(b"last"), 4);
    pair.session.close();
    pair.session.close();
    assert_eq!(pair.at_server(), b"last");
    // An end without it would be an error.
    assert_eq!(pair.server.reader().read(&mut [0; 8]).unwrap(), 0);
    assert!(!pair.session.beside(READS).write);
}

#[test]
fn stream_that_ends_without_a_farewell_has_ended() {
    let mut pair = Pair::open();
    pair.say(&[b"whole", b"cut short"]);
    pair.inbound.pop();
    pair.take(usize::MAX);
    pair.session.read_done(0);
    assert_eq!(pair.read_all(100), (b"whole".to_vec(), true));
    assert_eq!(pair.read_all(100), (Vec::new(), true));

    // Amid the handshake, wherever that is.
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        pair.give(usize::MAX);
        pair.send();
        let inbound = pair.inbound.clone();
        for come in (0..inbound.len()).step_by(37) {
            let mut session = Pair::new(version).session;
            if come > 0 {
                // The records of another session: at most the first can be read.
                session.read_space()[..come.min(5)].copy_from_slice(&inbound[..come.min(5)]);
                session.read_done(come.min(5));
            }
            session.read_done(0);
            assert_eq!(session.read(&mut &mut [0; 8][..]).unwrap(), Some(0));
            assert_eq!(session.has_heard_tls(), come >= 5);
        }
    }
}

#[test]
fn server_that_does_not_accept_our_certificate_says_so() {
    let authority = Authority::new("test authority").unwrap();
    let identity = authority.server(&["broker.example"]).unwrap();
    let stranger = Authority::new("stranger").unwrap().client("app").unwrap();
    let tls = TlsOptions::default().ca_pem(authority.certificate());
    let shown = tls
        .clone()
        .client_certificate_pem(stranger.certificate, stranger.key);
    for version in VERSIONS {
        for tls in [&tls, &shown] {
            let mut pair = Pair {
                session: Session::new(tls, "broker.example").unwrap(),
                server: server(&identity, Some(&authority), version),
                inbound: Vec::new(),
            };
            let error = loop {
                pair.give(usize::MAX);
                pair.send();
                while !pair.inbound.is_empty() {
                    pair.take(usize::MAX);
                }
                match pair.session.read(&mut &mut [0; 8][..]) {
                    Ok(come) => assert_eq!(come, None),
                    Err(error) => break error,
                }
            };
            let is_refused = matches!(error, TlsError::ClientCertificateRefused(_));
            // rustls says of one that is signed by a stranger what it says of the signature.
            assert!(is_refused || matches!(error, TlsError::Alert(_)), "{error}");
            assert!(pair.session.write(&[IoSlice::new(b"x")]).is_err());
        }
    }
}

#[test]
fn certificate_that_is_not_accepted_is_told_to_both_sides() {
    let authority = Authority::new("test authority").unwrap();
    let identity = authority.server(&["elsewhere.example"]).unwrap();
    let stranger = Authority::new("stranger").unwrap();
    for (trusted, expected) in [
        (&authority, CertificateFault::WrongName),
        (&stranger, CertificateFault::UnknownAuthority),
    ] {
        let tls = TlsOptions::default().ca_pem(trusted.certificate());
        let mut pair = Pair {
            session: Session::new(&tls, "broker.example").unwrap(),
            server: server(&identity, None, &version::TLS13),
            inbound: Vec::new(),
        };
        pair.give(usize::MAX);
        pair.send();
        pair.take(usize::MAX);
        for _ in 0..2 {
            match pair.session.read(&mut &mut [0; 8][..]) {
                Err(TlsError::Certificate { fault, .. }) => assert_eq!(fault, expected),
                other => panic!("{other:?}"),
            }
        }
        assert!(pair.session.beside(READS).write);
        let alert = pair.session.transmit().to_vec();
        pair.server.read_tls(&mut alert.as_slice()).unwrap();
        let told = pair.server.process_new_packets();
        assert!(
            matches!(told, Err(rustls::Error::AlertReceived(_))),
            "{told:?}"
        );
    }
}

#[test]
fn what_is_no_tls_is_told_from_what_is_damaged() {
    let answers: [&[u8]; 3] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"AMQP\x00\x00\x09\x01",
        b"\x01\x00\x00\x00\x00\x00\x08\x00\x0a\x00\x0a",
    ];
    for answer in answers {
        for piece in [1, 3, 100] {
            let mut pair = Pair::new(&version::TLS13);
            pair.inbound = answer.to_vec();
            let error = loop {
                pair.take(piece);
                match pair.session.read(&mut &mut [0; 8][..]) {
                    Ok(come) => assert_eq!(come, None),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, TlsError::NotTls), "{error}");
            assert!(!pair.session.has_heard_tls());
        }
    }
    let mut pair = Pair::new(&version::TLS13);
    pair.inbound = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00HTTP/1.1".to_vec();
    pair.take(usize::MAX);
    let error = pair.session.read(&mut &mut [0; 8][..]).unwrap_err();
    assert!(matches!(error, TlsError::Damaged(_)), "{error}");
    assert!(pair.session.has_heard_tls());
}

#[test]
fn what_came_before_a_record_that_is_damaged_is_read() {
    let mut pair = Pair::open();
    pair.say(&[b"whole", b"damaged"]);
    *pair.inbound.last_mut().unwrap() ^= 1;
    pair.take(usize::MAX);
    let mut space = [0; 100];
    assert_eq!(pair.session.read(&mut &mut space[..]).unwrap(), Some(5));
    for _ in 0..2 {
        let error = pair.session.read(&mut &mut space[..]).unwrap_err();
        assert!(matches!(error, TlsError::Damaged(_)), "{error}");
        // What comes behind is not looked at.
        pair.session.read_done(4);
    }
    assert!(!pair.session.transmit().is_empty());
}

#[test]
fn session_that_was_busy_gives_memory_back_with_a_heartbeat() {
    let mut pair = Pair::open();
    let large = vec![b'.'; 1024 * 1024];
    pair.say(&[&large]);
    pair.read_all(64 * 1024);
    assert!(pair.write(&large) > GATHERED / 2);
    pair.at_server();
    assert!(pair.session.output.capacity() >= GATHERED);
    assert!(pair.session.read_space().len() >= READ / 2);
    // What has come and was not read is kept.
    pair.say(&[b"unread"]);
    pair.take(usize::MAX);
    for unread in [true, false] {
        pair.write(&frame::HEARTBEAT);
        assert_eq!(pair.at_server(), frame::HEARTBEAT);
        assert!(pair.session.output.capacity() < 1024);
        assert_eq!(pair.session.read_space().len() >= READ / 2, unread);
        let expected: &[u8] = if unread { b"unread" } else { b"" };
        assert_eq!(pair.read_all(100), (expected.to_vec(), false));
    }
}

#[test]
fn keys_change_amid_a_stream() {
    let mut pair = Pair::open();
    pair.say(&[b"before"]);
    pair.server.refresh_traffic_keys().unwrap();
    pair.say(&[b"behind"]);
    assert_eq!(pair.read_all(100), (b"beforebehind".to_vec(), false));
    assert_eq!(pair.write(b"ours"), 4);
    assert_eq!(pair.at_server(), b"ours");
}

#[test]
fn session_that_is_dropped_says_nothing() {
    let n_octets = {
        let mut pair = Pair::new(&version::TLS13);
        let mut n = 0;
        while pair.session.is_handshaking() {
            pair.give(usize::MAX);
            pair.send();
            while !pair.inbound.is_empty() {
                pair.take(1);
                n += 1;
                assert_eq!(pair.session.read(&mut &mut [0; 8][..]).unwrap(), None);
            }
        }
        n
    };
    for step in (0..n_octets).step_by(97) {
        let mut pair = Pair::new(&version::TLS13);
        pair.give(usize::MAX);
        pair.send();
        for _ in 0..step.min(pair.inbound.len()) {
            pair.take(1);
        }
        let _ = pair.session.read(&mut &mut [0; 8][..]);
        drop(pair.session);
        pair.server.read_tls(&mut [].as_slice()).unwrap();
        assert!(pair.server.process_new_packets().is_ok());
    }
    let mut pair = Pair::open();
    pair.say(&[b"held"]);
    pair.take(usize::MAX);
    pair.write(b"not sent");
    drop(pair.session);
    assert!(pair.server.reader().read(&mut [0; 8]).is_err());
}

#[test]
fn made_of_options_and_a_host() {
    let named = |host: &str| Session::new(&TlsOptions::default().ca_pem(authority()), host);
    assert!(matches!(named(""), Err(TlsError::ServerName(_))));
    assert!(matches!(named("a b"), Err(TlsError::ServerName(_))));
    for host in ["broker.example", "127.0.0.1", "::1"] {
        let session = named(host).unwrap();
        assert_eq!(
            format!("{session:?}"),
            "Session { is_handshaking: true, .. }"
        );
    }
    let missing = TlsOptions::default().ca_file("/missing/ca.pem");
    let error = Session::new(&missing, "broker.example").unwrap_err();
    assert!(matches!(error, TlsError::File { .. }), "{error}");
}

fn authority() -> String {
    Authority::new("test authority").unwrap().certificate()
}
