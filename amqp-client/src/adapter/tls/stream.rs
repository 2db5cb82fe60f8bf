//! A stream of tokio's with TLS over it: moves the octets of a [`Session`].
//!
//! Records are gathered until the stream is flushed, which the connection's task does at the end
//! of each turn, or until the session takes no more.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Record;
use crate::adapter::tokio::yield_to_the_reactor;
use crate::error::{ConnectCause, TlsError};
use crate::tls::Session;

/// So often the stream is read at most for one read of plaintext: records may be empty, and a
/// server that sends nothing else keeps neither this connection from writing nor other tasks from
/// running.
const READS: usize = 4;

/// TLS over a stream.
///
/// A write that fails has taken nothing of what it was offered: what fails is the sending of what
/// earlier ones have left.
pub(in crate::adapter) struct TlsStream<S> {
    session: Session,
    stream: S,
}

/// Agrees on TLS. `record` tells meanwhile whether the server has sent any of it.
///
/// # Cancel safety
///
/// If the future is dropped, the stream is closed.
pub(in crate::adapter) async fn connect<S>(
    session: Session,
    stream: S,
    record: Record,
) -> Result<TlsStream<S>, ConnectCause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = TlsStream { session, stream };
    poll_fn(|context| stream.poll_handshake(context, &record)).await?;
    Ok(stream)
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    fn poll_handshake(
        &mut self,
        context: &mut Context<'_>,
        record: &Record,
    ) -> Poll<Result<(), ConnectCause>> {
        loop {
            let ended = self.session.plaintext();
            let ended = ended.map(|came| came.is_some_and(<[u8]>::is_empty));
            let sent = self.poll_flush_all(context);
            match ended {
                Err(error) => return Poll::Ready(Err(ConnectCause::Tls(error))),
                Ok(ended) if ended && self.session.is_handshaking() => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
                    return Poll::Ready(Err(error.into()));
                }
                Ok(_) => {}
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error.into()));
            }
            if !self.session.is_handshaking() {
                return sent.map_err(ConnectCause::from);
            }
            let filled = self.poll_fill(context);
            if self.session.has_heard_tls() {
                record.set();
            }
            ready!(filled)?;
        }
    }

    /// Reads ciphertext once.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = ReadBuf::new(self.session.read_space());
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut space))?;
        let n = space.filled().len();
        self.session.read_done(n);
        Poll::Ready(Ok(()))
    }

    /// Writes all ciphertext that there is.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let ciphertext = self.session.transmit();
            if ciphertext.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.stream).poll_write(context, ciphertext))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.session.transmitted(n),
            }
        }
    }

    fn poll_flush_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

fn io_error(error: TlsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut reads = 0..READS;
        loop {
            match self.session.read(buf) {
                Ok(Some(_)) => return Poll::Ready(Ok(())),
                Ok(None) if reads.next().is_some() => ready!(self.poll_fill(context))?,
                Ok(None) => {
                    yield_to_the_reactor(context);
                    return Poll::Pending;
                }
                Err(error) => {
                    // The server is told if that can be done at once.
                    let _ = self.poll_flush_all(context);
                    return Poll::Ready(Err(io_error(error)));
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = self.session.write(slices).map_err(io_error)?;
        if n > 0 {
            return Poll::Ready(Ok(n));
        }
        ready!(self.poll_send(context))?;
        Poll::Ready(self.session.write(slices).map_err(io_error))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_all(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.close();
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
