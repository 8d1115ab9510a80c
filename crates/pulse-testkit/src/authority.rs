//! Throw-away certificates.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A certificate authority made for one test, and a server's certificate signed by it.
#[derive(Debug, Clone)]
pub struct TestAuthority {
    ca_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl TestAuthority {
    /// A server's certificate for the given names (DNS names or IP addresses), and nothing else.
    ///
    /// # Panics
    /// Where a name cannot stand in a certificate.
    pub fn for_names(names: &[&str]) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_key = KeyPair::generate().expect("ring makes keys");
        // A name of its own: with the same one, a client would find the wrong authority and blame the signature.
        let number = ca_key
            .public_key_raw()
            .iter()
            .fold(0u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(*byte)));
        authority.distinguished_name.push(DnType::CommonName, format!("Test authority {number:016x}"));
        let issuer = CertifiedIssuer::self_signed(authority, ca_key).expect("the authority signs itself");

        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("ring makes keys");
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &issuer))
            .expect("names that a certificate can hold");
        Self { ca_pem: issuer.pem(), certificate: certificate.der().clone(), key: key.serialize_der() }
    }

    /// The authority's certificate in PEM, for a client to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The settings of a server that shows the certificate and chooses the first of these protocols (ALPN) that the
    /// client offers.
    ///
    /// # Panics
    /// Where ring does not work.
    pub fn server_config(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .expect("key and certificate belong together");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// For 127.0.0.1, which is where the servers listen, and `localhost`.
impl Default for TestAuthority {
    fn default() -> Self {
        Self::for_names(&["127.0.0.1", "localhost"])
    }
}
