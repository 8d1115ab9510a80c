//! What a TLS connection trusts.

use crate::connector::ConnectorError;
use crate::version::HttpVersion;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// How the peer's certificate is checked. By default: against the system's trusted authorities, which
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Accept any certificate for any name. The connection is encrypted, but to nobody in particular.
    pub insecure: bool,
    /// Authorities trusted in addition: one or more certificates in PEM.
    pub ca_certificate_pem: Option<Vec<u8>>,
}

impl TlsOptions {
    pub(crate) fn client_config(&self, http: HttpVersion) -> Result<Arc<ClientConfig>, ConnectorError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ConnectorError::Tls)?;
        let mut config = if self.insecure {
            let verifier = Arc::new(TrustAnything { provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        } else {
            builder.with_root_certificates(self.roots()?).with_no_client_auth()
        };
        config.alpn_protocols = http.alpn();
        Ok(Arc::new(config))
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
