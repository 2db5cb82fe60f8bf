//! The stream of a connection: a socket, or TLS over it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, version};

/// A certificate for `localhost` that was made a moment ago. What clients are to trust is written
/// to `path`, in DER; the key stays in this process.
pub(crate) fn certify(path: &Path) -> Result<Arc<ServerConfig>, String> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .map_err(|error| error.to_string())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    fs::write(path, made.cert.der()).map_err(|error| format!("{}: {error}", path.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| {
            builder.with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        });
    config.map(Arc::new).map_err(|error| error.to_string())
}

/// What a session reads from and writes to.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// The handshake happens when something is first read.
    pub(crate) fn new(socket: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let Some(config) = tls else {
            return Ok(Self::Plain(socket));
        };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// Sends three bytes through TLS and returns what comes back.
    fn echo(roots: RootCertStore, server: Arc<ServerConfig>) -> io::Result<[u8; 3]> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let broker = thread::spawn(move || {
            let mut stream = Stream::new(listener.accept()?.0, Some(server))?;
            let mut bytes = [0; 3];
            stream.read_exact(&mut bytes)?;
            stream.write_all(&bytes)?;
            stream.flush()
        });
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(session, TcpStream::connect(address)?);
        let mut bytes = [0; 3];
        let outcome = stream
            .write_all(b"abc")
            .and_then(|()| stream.read_exact(&mut bytes));
        drop(stream);
        let served = broker.join().unwrap();
        outcome.and(served).map(|()| bytes)
    }

    #[test]
    fn certificate_in_the_file_is_the_one_that_is_shown() {
        let name = format!("null-broker-{}.der", std::process::id());
        let path = std::env::temp_dir().join(name);
        let server = certify(&path).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(fs::read(&path).unwrap()))
            .unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(echo(roots, Arc::clone(&server)).unwrap(), *b"abc");
        assert!(echo(RootCertStore::empty(), server).is_err());
    }
}
