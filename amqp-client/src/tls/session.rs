//! TLS without input and output: ciphertext in and plaintext out, and the other way round.
//!
//! ```text
//! stream ── ciphertext ─▶ read_space, read_done ─▶ rustls ─▶ decrypt_into ── plaintext ─▶ core
//! stream ◀─ ciphertext ── transmit, transmitted ◀─ rustls ◀─ encrypt_from ◀─ plaintext ── core
//! ```
//!
//! No socket, no clock, no runtime. What comes in one read may be many records, or a part of one:
//! the plaintext of all of them is given on before more is asked for. What goes out is gathered
//! until the stream takes it, and limited, so that a stream that takes nothing holds up the outbox
//! and not this.

use std::fmt;
use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::sync::Arc;
use std::time::Instant;

use amqp_spec::frame;
use bytes::BufMut;
use rustls::ClientConnection;

use super::failure::{of_io, translate};
use super::heard::Heard;
use super::settings::Settings;
use crate::error::TlsError;
use crate::options::TlsOptions;
use crate::proto::{Core, Interest, ReadBuffer};

/// Plaintext that is taken at most before the stream has taken its ciphertext. What a connection
/// writes in one turn is one write of the stream's then, and no more than this is uncertain when
/// the stream fails.
const GATHERED: usize = 64 * 1024;
/// Ciphertext that is read at most in one go. It is copied once more, which costs least while it is
/// in the processor's cache.
const READ: usize = 64 * 1024;
/// Plaintext is taken as soon as there is room for this much: a stream that takes little at a time
/// is seen to take something, and no record is tiny because of it.
const WORTHWHILE: usize = 4 * 1024;
/// Pieces of one batch that are encrypted together.
const SLICES: usize = 64;

/// TLS of one connection, without input and output: it stands between a stream and the
/// [core](Core), and a driver moves the bytes.
///
/// | call | when | effect |
/// |---|---|---|
/// | [`read_space`](Self::read_space), [`read_done`](Self::read_done) | while [`interest`](Self::interest) has `read`, and the stream has something | takes ciphertext |
/// | [`decrypt_into`](Self::decrypt_into) | behind [`Core::turn`], and behind each `read_done` | gives the core plaintext: all that has come, as long as the core reads |
/// | [`encrypt_from`](Self::encrypt_from) | before each `transmit` | takes plaintext from the core, until 64 KiB wait for the stream |
/// | [`transmit`](Self::transmit), [`transmitted`](Self::transmitted) | while the former shows something and the stream takes some of it | gives ciphertext, of the handshake too |
/// | [`interest`](Self::interest) | any time | none: what to wait for, in place of [`Core::interest`] |
/// | [`close`](Self::close) | when the core is finished | ends TLS in good order (`close_notify`), which `transmit` shows |
///
/// All other calls are made to the core, as the page of [`proto`](crate::proto) says. The handshake
/// needs none: it happens while these are made, and what the core writes before it is over leaves
/// behind it.
///
/// What was taken from the core counts as written. When the stream fails, some of it may have been
/// sent: messages among it are uncertain, and those that were not taken are not sent.
/// [`Core::may_have_written`] is not needed.
///
/// When TLS fails the core is told, as by [`Core::lost`] with
/// [`ConnectionError::Tls`](crate::ConnectionError::Tls): a certificate is not accepted, the server
/// says so of ours, or what comes is no TLS. What `transmit` shows then tells the server. An end of
/// the stream is one whether or not the server has said so before (`close_notify`; few brokers do).
///
/// Memory that was needed while much came or left is given back when the core says a heartbeat, as
/// the core does.
///
/// Dropping it sends nothing.
///
/// # A complete loop
///
/// `examples/event_loop_over_tls.rs`, with nothing but this crate and its feature `rustls`:
///
#[doc = "```no_run"]
#[doc = include_str!("../../examples/event_loop_over_tls.rs")]
#[doc = "```"]
pub struct Session {
    tls: ClientConnection,
    /// Ciphertext that has come and was not decrypted.
    input: ReadBuffer,
    /// Ciphertext for the stream, which has taken the first `sent` bytes of it.
    output: Vec<u8>,
    /// 0 ≤ sent ≤ output.len()
    sent: usize,
    heard: Heard,
    /// What has come may hold more than was read.
    unread: bool,
    /// The stream has ended.
    ended: bool,
    /// Why nothing more can be read, behind what could.
    failed: Option<TlsError>,
}

impl Session {
    /// TLS with a server at this host, by these options. Reads the files that they name, which
    /// may take a while: a renewed certificate counts from the next session on.
    ///
    /// `host` is the name or the address that the server's certificate has to be for, without a
    /// port or brackets, as [`addresses`](crate::ConnectionOptions::addresses) has it, unless the
    /// options have a [`server_name`](TlsOptions::server_name).
    ///
    /// # Errors
    ///
    /// What is wrong with the options, the files or the name.
    pub fn new(options: &TlsOptions, host: impl AsRef<str>) -> Result<Self, TlsError> {
        let host = host.as_ref();
        let settings = Settings::new(options, [host]).map_err(|fault| fault.error)?;
        Self::with(&settings, host)
    }

    /// TLS with one of the hosts that the settings are for.
    pub(crate) fn with(settings: &Settings, host: &str) -> Result<Self, TlsError> {
        let (config, server_name) = settings.for_host(host)?;
        let tls = ClientConnection::new(config, server_name).map_err(|e| translate(&e))?;
        Ok(Self {
            tls,
            input: ReadBuffer::up_to(READ),
            output: Vec::new(),
            sent: 0,
            heard: Heard::default(),
            unread: false,
            ended: false,
            failed: None,
        })
    }

    /// Whether the two sides are still agreeing on TLS. What is wrong with a certificate of ours
    /// may come later: with TLS 1.3 the client is done before the server has looked at it.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the server has sent anything of TLS. If it has, whatever goes wrong is no reason to
    /// do without.
    pub(crate) fn has_heard_tls(&self) -> bool {
        self.heard.has_heard_tls()
    }

    /// Where the next ciphertext is read into; never empty. Grows up to 64 KiB while reads fill it.
    pub fn read_space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// `n` bytes of ciphertext have been read into [`read_space`](Self::read_space). Zero is the
    /// end of the stream.
    pub fn read_done(&mut self, n: usize) {
        self.unread = true;
        if n == 0 {
            self.ended = true;
            return;
        }
        if self.heard.is_undecided() {
            let come = self.input.space().get(..n).unwrap_or_default();
            self.heard.look(come);
        }
        self.input.filled(n);
    }

    /// Gives the core what has come, as long as it reads. What is left then stays here, and is
    /// announced by [`interest`](Self::interest).
    pub fn decrypt_into(&mut self, core: &mut Core, now: Instant) {
        while core.interest().read {
            let outcome = if let Some(mut space) = core.body_space() {
                let outcome = self.read(&mut space);
                outcome.map(|n| n.map(|n| core.body_read(n, now)))
            } else {
                let outcome = self.read(&mut core.read_space());
                outcome.map(|n| n.map(|n| core.read_done(n, now)))
            };
            match outcome {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => core.lost(error.into()),
            }
        }
    }

    /// Fills `space` with plaintext and returns how much of it. `None`: more ciphertext is needed.
    /// Zero, unless `space` is full: the stream has ended.
    ///
    /// # Errors
    ///
    /// Why the two sides do not agree, or what came cannot be read; the same at each later call.
    pub(crate) fn read(&mut self, space: &mut impl BufMut) -> Result<Option<usize>, TlsError> {
        let before = space.remaining_mut();
        while space.has_remaining_mut() {
            match self.plaintext() {
                Ok(Some(piece @ [_, ..])) => {
                    let fits = piece.get(..space.remaining_mut()).unwrap_or(piece);
                    let n = fits.len();
                    space.put_slice(fits);
                    self.tls.reader().consume(n);
                }
                // What there was comes first; the rest is told by the next call.
                _ if space.remaining_mut() < before => break,
                Ok(end) => return Ok(end.map(<[u8]>::len)),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(before - space.remaining_mut()))
    }

    /// The next piece of plaintext, which rustls keeps until it is consumed. Empty at the end of
    /// the stream; `None` if more ciphertext is needed.
    pub(crate) fn plaintext(&mut self) -> Result<Option<&[u8]>, TlsError> {
        loop {
            match self.tls.reader().fill_buf() {
                Ok([_, ..]) => break,
                // The server has sent close_notify, behind which nothing counts (RFC 8446 §6.1).
                Ok([]) => self.ended = true,
                Err(_) if !self.input.is_empty() => {
                    self.decrypt();
                    continue;
                }
                Err(_) => {}
            }
            self.unread = false;
            return match &self.failed {
                Some(error) => Err(error.clone()),
                None => Ok(self.ended.then_some(&[])),
            };
        }
        Ok(self.tls.reader().into_first_chunk().ok())
    }

    /// Has rustls take what has come, as much of it as it will, while it holds no plaintext.
    fn decrypt(&mut self) {
        let (memory, range) = self.input.take();
        let mut rest = memory.get(range).unwrap_or_default();
        let n = rest.len();
        let taken = self.tls.read_tls(&mut rest);
        let used = n - rest.len();
        let processed = match taken {
            Ok(_) => self.tls.process_new_packets().map_err(|e| translate(&e)),
            Err(error) => Err(of_rustls_io(error)),
        };
        match processed {
            Ok(_) => self.input.put_back(memory, used),
            Err(error) => {
                self.input.put_back(memory, n);
                self.failed = Some(match error {
                    TlsError::Damaged(_) if !self.has_heard_tls() => TlsError::NotTls,
                    error => error,
                });
            }
        }
    }

    /// Takes what the core has to write, until 64 KiB wait for the stream, so that a server that
    /// takes nothing holds up those who publish. More is taken when a few KiB of them have left,
    /// which is how the core sees that the server takes something.
    pub fn encrypt_from(&mut self, core: &mut Core, now: Instant) {
        while let Some(transmit) = core.transmit() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let n = transmit.slices(&mut slices);
            match self.write(slices.get(..n).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => core.transmitted(n, now),
                Err(error) => core.lost(error.into()),
            }
        }
    }

    /// Takes plaintext and returns how much of it, from the front. Zero: some of
    /// what was taken before has to leave first.
    ///
    /// # Errors
    ///
    /// TLS has failed before; nothing is taken.
    pub(crate) fn write(&mut self, plaintext: &[IoSlice<'_>]) -> Result<usize, TlsError> {
        let unsent = self.output.len() - self.sent;
        let room = GATHERED.saturating_sub(unsent);
        if room < WORTHWHILE {
            return Ok(0);
        }
        if unsent == 0 && matches!(plaintext, [one] if **one == frame::HEARTBEAT) {
            self.rest();
        }
        self.tls.set_buffer_limit(Some(room));
        let taken = self.tls.writer().write_vectored(plaintext);
        taken.map_err(of_rustls_io)
    }

    /// A heartbeat is written when nothing else was for a while: memory that was needed before is
    /// given back, as the core does with its own. All of the output has been sent.
    fn rest(&mut self) {
        self.input.rest();
        self.output = Vec::new();
        self.sent = 0;
    }

    /// Ciphertext for the stream; empty if there is none. Shows the same until
    /// [`transmitted`](Self::transmitted) is called.
    pub fn transmit(&mut self) -> &[u8] {
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
            // In portions of 64 records; memory takes all of them.
            while self.tls.wants_write() && self.tls.write_tls(&mut self.output).is_ok() {}
        }
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// The stream has taken the first `n` bytes of what [`transmit`](Self::transmit) showed.
    pub fn transmitted(&mut self, n: usize) {
        self.sent = self.output.len().min(self.sent + n);
    }

    /// What the core and the session wait for at present, in place of [`Core::interest`]: the next
    /// turn is due at once if not all has been read that has come, and `write` is true while there
    /// is ciphertext for the stream. Changes nothing.
    #[must_use]
    pub fn interest(&self, core: &Core) -> Interest {
        self.beside(core.interest())
    }

    fn beside(&self, core: Interest) -> Interest {
        Interest {
            read: core.read && !self.unread,
            again: core.again || core.read && self.unread,
            write: core.write || self.sent < self.output.len() || self.tls.wants_write(),
        }
    }

    /// Ends TLS in good order (`close_notify`): [`transmit`](Self::transmit) shows that behind what
    /// was written before. Nothing may be written afterwards.
    pub fn close(&mut self) {
        self.tls.send_close_notify();
    }
}

fn of_rustls_io(error: io::Error) -> TlsError {
    of_io(&error).unwrap_or_else(|| TlsError::Handshake(Arc::new(error)))
}

/// What it holds may be secret.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_handshaking", &self.is_handshaking())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "rustls-ring"))]
mod tests;
