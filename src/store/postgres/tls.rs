//! TLS by rustls: whenever it is used, the server's certificate and name are verified.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Makes connections that trust these certificate authorities, or the operating system's.
pub(super) fn connector(
    config: &Config,
    pem: Option<&[u8]>,
) -> Result<MakeRustlsConnect, StoreError> {
    let roots = match pem {
        Some(pem) => given(pem)?,
        None if may_use_tls(config) => of_the_system(),
        None => RootCertStore::empty(),
    };
    // A provider by name: the process may have several, and then rustls panics without one.
    let provider = Arc::new(crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| misconfigured("expected TLS 1.2 or 1.3").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

fn may_use_tls(config: &Config) -> bool {
    let local = |host: &Host| !matches!(host, Host::Tcp(_));
    let only_local = !config.get_hosts().is_empty() && config.get_hosts().iter().all(local);
    config.get_ssl_mode() != SslMode::Disable && !only_local
}

fn given(pem: &[u8]) -> Result<RootCertStore, StoreError> {
    const EXPECTED: &str = "expected root certificates as PEM text";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| misconfigured(EXPECTED).with_source(error))?;
        roots
            .add(certificate)
            .map_err(|error| misconfigured(EXPECTED).with_source(error))?;
    }
    if roots.is_empty() {
        return Err(misconfigured(
            "expected root certificates as PEM text, found none",
        ));
    }
    Ok(roots)
}

/// None at all where the system has none; then every server that offers TLS is rejected.
fn of_the_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn misconfigured(message: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
