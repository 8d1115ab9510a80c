//! Throw-away certificates.

use crate::tls_rules::TlsRules;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;

/// A certificate authority made for one test, and certificates of a server and of a client signed by it.
#[derive(Debug, Clone)]
pub struct TestAuthority {
    ca_pem: String,
    ca: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    client_pem: String,
    client_key_pem: String,
    certificate_pem: String,
    key_pem: String,
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
        let client_key = KeyPair::generate().expect("ring makes keys");
        let client = CertificateParams::new(vec!["client.example".to_owned()])
            .and_then(|params| params.signed_by(&client_key, &issuer))
            .expect("a name that a certificate can hold");
        Self {
            ca_pem: issuer.pem(),
            ca: issuer.der().clone(),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
            client_pem: client.pem(),
            client_key_pem: client_key.serialize_pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// The authority's certificate in PEM, for a client to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A client's certificate in PEM.
    pub fn client_pem(&self) -> &str {
        &self.client_pem
    }

    /// The key of the client's certificate in PEM.
    pub fn client_key_pem(&self) -> &str {
        &self.client_key_pem
    }

    /// The server's certificate in PEM, for a server in a process of its own.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key in PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The settings of a server that shows the certificate and chooses the first of these protocols (ALPN) that the
    /// client offers.
    ///
    /// # Panics
    /// Where ring does not work.
    pub fn server_config(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        self.strict_server_config(protocols, TlsRules::default())
    }

    /// The same with rules for its clients.
    pub(crate) fn strict_server_config(&self, protocols: &[&str], rules: TlsRules) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&rules.versions())
            .expect("ring supports the versions");
        let builder = if rules.wants_client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca.clone()).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("there is an authority"))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(vec![self.certificate.clone()], key)
            .expect("key and certificate belong together");
        if rules.forgets_sessions {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
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
