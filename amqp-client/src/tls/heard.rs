//! Whether the server has begun to speak TLS.
//!
//! A port without TLS is told from one with it by what comes first. Behind the first record of TLS,
//! whatever goes wrong is no reason to do without: an overloaded broker hangs up and falls silent
//! as well, and one changed octet in between makes any answer look like none.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a record begins with: its type, a version, its length (RFC 8446 §5.1).
const HEADER: usize = 5;

/// A stream below TLS, the first octets of which are looked at.
#[derive(Debug)]
pub(crate) struct Heard<S> {
    stream: S,
    header: [u8; HEADER],
    /// How many of them have come.
    n_header: usize,
    record: Record,
}

/// Whether a record has come. Can be asked while TLS has the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<AtomicBool>);

impl Record {
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Heard<S> {
    pub(crate) fn new(stream: S) -> (Self, Record) {
        let record = Record::default();
        let heard = Self {
            stream,
            header: [0; HEADER],
            n_header: 0,
            record: record.clone(),
        };
        (heard, record)
    }

    fn look(&mut self, octets: &[u8]) {
        for (place, octet) in self.header.iter_mut().skip(self.n_header).zip(octets) {
            *place = *octet;
            self.n_header += 1;
        }
        if self.n_header == HEADER && is_record(self.header) {
            self.record.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Types are 20 to 24, versions 3.0 to 3.4, and records hold at most 16 KiB and what encryption
/// adds.
fn is_record([kind, major, minor, high, low]: [u8; HEADER]) -> bool {
    let length = u16::from_be_bytes([high, low]);
    matches!(kind, 20..=24) && major == 3 && minor <= 4 && length <= 16 * 1024 + 2048
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buf);
        if self.n_header < HEADER {
            self.look(buf.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Whether these octets, which come in pieces of this size, begin with a record.
    async fn begins(octets: &[u8], piece: usize) -> bool {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut heard, record) = Heard::new(near);
        let mut all = Vec::new();
        for piece in octets.chunks(piece) {
            far.write_all(piece).await.unwrap();
            let mut came = vec![0; piece.len()];
            heard.read_exact(&mut came).await.unwrap();
            all.extend(came);
        }
        assert_eq!(all, octets);
        record.has_come()
    }

    #[tokio::test]
    async fn records_are_told_from_other_octets_however_they_are_split() {
        for piece in [1, 4, 5, 64] {
            for record in [
                b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76".as_slice(),
                b"\x15\x03\x01\x00\x02",
            ] {
                assert!(begins(record, piece).await, "{record:?}");
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
                assert!(!begins(other, piece).await, "{other:?}");
            }
        }
    }
}
