//! Passwords and tokens on their way out: no copy of them stays where nothing overwrites it.

use std::io::IoSlice;

use crate::ConnectionOptions;
use crate::tests::handles::send_order::publish;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::Task;
use crate::tests::support::wire;

const SECRET: &str = "correct horse battery staple";

fn options() -> ConnectionOptions {
    quiet().login("user", SECRET)
}

/// What is to be written, piece by piece: the buffer's own, and those that stand between them.
fn pieces(pair: &mut Pair) -> Vec<Vec<u8>> {
    pair.core.turn(crate::tests::support::pair::now());
    let transmit = pair.core.transmit().expect("something to write");
    let mut slices = [IoSlice::new(&[]); 64];
    let n = transmit.slices(&mut slices);
    slices[..n].iter().map(|slice| slice.to_vec()).collect()
}

/// The secret is in one piece, with nothing else of other frames.
#[track_caller]
fn assert_apart(pieces: &[Vec<u8>]) {
    let holds = |piece: &&Vec<u8>| {
        let mut windows = piece.windows(SECRET.len());
        windows.any(|octets| octets == SECRET.as_bytes())
    };
    let holding: Vec<_> = pieces.iter().filter(holds).collect();
    assert_eq!(holding.len(), 1);
    // The frame's head stands in front of it, its end behind.
    assert!(!holding[0].starts_with(&[1, 0, 0]), "in the buffer");
}

#[test]
fn password_is_never_in_memory_that_is_not_overwritten() {
    let mut pair = Pair::new(&options());
    pair.write_limit = 0;
    pair.feed(&wire::start("PLAIN"));
    let pieces = pieces(&mut pair);
    assert_apart(&pieces);
    // The login fails, and with it goes the one copy.
    pair.eof();
    assert!(pair.core.transmit().is_none());
}

#[test]
fn renewed_token_is_never_in_memory_that_is_not_overwritten_however_busy_the_connection_is() {
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, "key", 1000);
    let connection = pair.connection.clone();
    let _updating =
        Task::start(async move { connection.update_secret(SECRET, "it has expired").await });
    // The buffer grows.
    for _ in 0..100 {
        publish(&channel, "key", 1000);
    }
    assert_apart(&pieces(&mut pair));
}
