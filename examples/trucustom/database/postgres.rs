//! PostgreSQL, by a connection beside those of the keys.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Outcome;

/// One connection, shared by all requests: the server answers them in turn.
#[derive(Clone)]
pub(crate) struct Postgres {
    config: Config,
    tls: MakeRustlsConnect,
    client: Arc<Mutex<Arc<Client>>>,
}

impl Postgres {
    /// Connects as the URL says; where that asks for TLS, the certificate must be one that the operating
    /// system trusts, or those in the file that the variable `SSL_CERT_FILE` names.
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        // What is used of TLS is always verified, as PostgreSQL calls it by these names.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let url = url.replace("sslmode=verify-ca", "sslmode=require");
        let (config, tls) = (url.parse()?, tls()?);
        let client = Arc::new(Mutex::new(Arc::new(connect(&config, &tls).await?)));
        Ok(Self {
            config,
            tls,
            client,
        })
    }

    /// Makes what is not there yet; one process at a time, since PostgreSQL refuses the second otherwise.
    pub(crate) async fn make(&self, schema: &str) -> Outcome<()> {
        // All of it is one transaction, and the lock ends with it.
        let statements = format!("SELECT pg_advisory_xact_lock(5279417034851162); {schema}");
        let client = self.client().await?;
        Ok(client.batch_execute(&statements).await?)
    }

    /// The connection, or a new one where it was lost.
    pub(crate) async fn client(&self) -> Outcome<Arc<Client>> {
        let mut client = self.client.lock().await;
        if client.is_closed() {
            *client = Arc::new(connect(&self.config, &self.tls).await?);
        }
        Ok(client.clone())
    }
}

async fn connect(config: &Config, tls: &MakeRustlsConnect) -> Outcome<Client> {
    let (client, connection) = config.connect(tls.clone()).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("error: the connection for products and sessions was lost: {error}");
        }
    });
    Ok(client)
}

fn tls() -> Outcome<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}
