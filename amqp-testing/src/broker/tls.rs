//! Certificates made at run time: an authority that only the test trusts, and what it signs.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::BrokerError;

/// A private certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both as PEM.
#[derive(Clone)]
#[non_exhaustive]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, as PKCS #8.
    pub key: String,
}

impl Authority {
    /// Makes an authority with a fresh key.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Certificate`] if the key cannot be made.
    pub fn new(name: &str) -> Result<Self, BrokerError> {
        let mut params = params(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(BrokerError::Certificate)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(BrokerError::Certificate)?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate as PEM, for those who are to trust it.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a certificate for a server with these host names and IP addresses.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Certificate`] if a name is none, or the key cannot be made.
    pub fn server(&self, names: &[&str]) -> Result<Identity, BrokerError> {
        let mut params = params(names.first().copied().unwrap_or_default(), names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// Signs a certificate for a server that was valid in the year 2000 and no longer is.
    ///
    /// # Errors
    ///
    /// As for [`server`](Self::server).
    pub fn expired_server(&self, names: &[&str]) -> Result<Identity, BrokerError> {
        let mut params = params(names.first().copied().unwrap_or_default(), names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2000, 12, 31);
        self.sign(params)
    }

    /// Signs a certificate for a client; the name is its common name.
    ///
    /// # Errors
    ///
    /// As for [`server`](Self::server).
    pub fn client(&self, name: &str) -> Result<Identity, BrokerError> {
        let mut params = params(name, &[])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, BrokerError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(BrokerError::Certificate)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(BrokerError::Certificate)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is a secret, if only of a test.
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

fn params(name: &str, names: &[&str]) -> Result<CertificateParams, BrokerError> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(BrokerError::Certificate)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// The certificate files of a broker, as PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes an authority, a server certificate for `localhost` and 127.0.0.1, and a client
    /// certificate for `guest`.
    pub(crate) fn create_in(
        directory: &Path,
        server: Option<&(String, String)>,
    ) -> Result<Self, BrokerError> {
        let folder = directory.join("tls");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(BrokerError::io(format!("write {}", path.display())))
        };
        fs::create_dir_all(&folder)
            .map_err(BrokerError::io(format!("create {}", folder.display())))?;
        let authority = Authority::new("amqp-testing authority")?;
        let made = authority.server(&["localhost", "127.0.0.1"])?;
        let (certificate, key) = match server {
            Some((certificate, key)) => (certificate, key),
            None => (&made.certificate, &made.key),
        };
        let client = authority.client("guest")?;
        write("ca.pem", &authority.certificate())?;
        write("server.pem", certificate)?;
        write("server-key.pem", key)?;
        write("client.pem", &client.certificate)?;
        write("client-key.pem", &client.key)?;
        Ok(Self { folder })
    }

    /// Finds the files of a broker that was left running; `None` if it was started without TLS.
    pub(crate) fn open_in(directory: &Path) -> Option<Self> {
        let folder = directory.join("tls");
        folder.is_dir().then_some(Self { folder })
    }

    /// The authority's certificate, which a client has to trust.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The certificate that a client may show.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    /// The private key of [`client`](Self::client).
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.folder.join("client-key.pem")
    }
}
