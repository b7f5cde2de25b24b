//! TLS for the frontend: the certificates of `tls.py`, which reads the files and pushes what belongs together.
//!
//! Law: connections that stand keep the certificate they began with, and the next gets the newest; there is no moment
//! without one.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// PEM: a chain beginning with the server's own certificate, its key, and where clients must show a certificate, the
/// authorities that may have signed it.
pub struct Pem<'a> {
    pub chain: &'a [u8],
    pub private_key: &'a [u8],
    pub client_authorities: Option<&'a [u8]>,
}

/// What lets callers in by TLS 1.2 or 1.3. The error says in words what cannot be used.
pub fn acceptor(pem: &Pem<'_>) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(pem.chain)?;
    let key = PrivateKeyDer::from_pem_slice(pem.private_key)
        .map_err(|error| format!("the private key cannot be read: {error}"))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match pem.client_authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities)? {
                roots.add(authority).map_err(|error| format!("an authority for clients cannot be used: {error}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| format!("the authorities for clients cannot be used: {error}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("the certificate and its key cannot be used: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("a certificate cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_refused_in_words() {
        let refused = acceptor(&Pem { chain: b"", private_key: b"nonsense", client_authorities: None }).err().unwrap();
        assert!(refused.contains("private key"), "{refused}");
    }
}
