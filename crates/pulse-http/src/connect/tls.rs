//! How connections are encrypted: whom to trust, who the client is, which versions and protocols are offered.

use super::connector::ConnectorError;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, KeyLogFile, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::fmt;
use std::sync::Arc;

/// Sessions that are remembered where they may be resumed; of one service there are never many.
const SESSIONS: usize = 256;

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// The certificate by which the client shows who it is. `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The client's certificate, followed by those of its authorities: PEM.
    pub certificate_pem: Vec<u8>,
    /// The key of the certificate, not encrypted: PEM. `None` looks for it beside the certificate.
    pub key_pem: Option<Vec<u8>>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(***)")
    }
}

/// How connections are encrypted. By default the peer's certificate is checked against the system's trusted authorities,
/// which `SSL_CERT_FILE` and `SSL_CERT_DIR` replace.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// Accept any certificate for any name. The connection is encrypted, but to nobody in particular.
    pub insecure: bool,
    /// Authorities trusted in addition: one or more certificates in PEM.
    pub ca_certificate_pem: Option<Vec<u8>>,
    /// The lowest version that is offered; 1.2 by default.
    pub min_version: TlsVersion,
    /// The highest version that is offered; 1.3 by default.
    pub max_version: TlsVersion,
    /// Who the client is, if the service asks.
    pub identity: Option<ClientIdentity>,
    /// The name that is sent to the service (SNI) and that its certificate must hold; `None` is the URL's host.
    pub server_name: Option<String>,
    /// Whether a connection may continue the session of an earlier one to the same service, which spares both sides most
    /// of the handshake. Off by default: all users of a connector would share what only one of them has got.
    pub resumption: bool,
    /// Whether the secrets of every connection are appended to the file that `SSLKEYLOGFILE` names, for programs that
    /// decrypt recorded traffic.
    pub key_log: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            insecure: false,
            ca_certificate_pem: None,
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_3,
            identity: None,
            server_name: None,
            resumption: false,
            key_log: false,
        }
    }
}

impl TlsOptions {
    /// `alpn_protocols` are offered to the peer, the preferred one first.
    pub(crate) fn client_config(
        &self,
        alpn_protocols: Vec<Vec<u8>>,
    ) -> Result<Arc<ClientConfig>, ConnectorError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions())
            .map_err(ConnectorError::Tls)?;
        let builder = if self.insecure {
            let verifier = Arc::new(TrustAnything { provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key).map_err(ConnectorError::ClientCertificate)?
            }
        };
        config.alpn_protocols = alpn_protocols;
        config.resumption =
            if self.resumption { Resumption::in_memory_sessions(SESSIONS) } else { Resumption::disabled() };
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(Arc::new(config))
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        [(TlsVersion::V1_2, &TLS12), (TlsVersion::V1_3, &TLS13)]
            .into_iter()
            .filter(|(version, _)| (self.min_version..=self.max_version).contains(version))
            .map(|(_, version)| version)
            .collect()
    }

    fn roots(&self) -> Result<RootCertStore, ConnectorError> {
        let mut roots = RootCertStore::empty();
        // A system without a trust store (a minimal container) is fine as long as an authority is given.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = &self.ca_certificate_pem {
            let mut found = false;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| ConnectorError::Pem(error.to_string()))?;
                roots.add(certificate).map_err(ConnectorError::CaCertificate)?;
                found = true;
            }
            if !found {
                return Err(ConnectorError::Pem("it contains no certificate".to_owned()));
            }
        }
        if roots.is_empty() {
            return Err(ConnectorError::NoAuthorities);
        }
        Ok(roots)
    }
}

impl ClientIdentity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ConnectorError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| ConnectorError::ClientPem(error.to_string()))?;
        if chain.is_empty() {
            return Err(ConnectorError::ClientPem("it contains no certificate".to_owned()));
        }
        let key_pem = self.key_pem.as_ref().unwrap_or(&self.certificate_pem);
        match PrivateKeyDer::from_pem_slice(key_pem) {
            // The old form of encryption is marked by a header inside, which the reader would stumble over later.
            _ if is_encrypted(key_pem) => Err(ConnectorError::EncryptedKey),
            Ok(key) => Ok((chain, key)),
            Err(pem::Error::NoItemsFound) => Err(ConnectorError::ClientKey("there is none".to_owned())),
            Err(error) => Err(ConnectorError::ClientKey(error.to_string())),
        }
    }
}

fn is_encrypted(pem: &[u8]) -> bool {
    let holds = |text: &[u8]| memchr::memmem::find(pem, text).is_some();
    holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(b"Proc-Type: 4,ENCRYPTED")
}

/// Accepts every certificate. Signatures are still verified: the peer must at least own the key it shows, which
/// also keeps the cost of a handshake what it is with a real check.
#[derive(Debug)]
struct TrustAnything {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
