//! PostgreSQL, by connections beside those of the keys.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Outcome;

/// What the server is to give up by itself, so that what is answered by an error is not done later.
const LIMITS: &str = "SET statement_timeout = '3s'; SET lock_timeout = '1s'";
/// How long to wait for a connection, or for an answer, before the connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(4);

/// One connection, shared by all requests, and replaced when it breaks or falls silent.
#[derive(Clone)]
pub(crate) struct Postgres {
    config: Config,
    tls: MakeRustlsConnect,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Postgres {
    /// Connects as the URL says, and makes what is not there yet.
    ///
    /// Where the URL asks for TLS, the certificate must be one that the operating system trusts, or those
    /// in the file that the variable `SSL_CERT_FILE` names.
    pub(crate) async fn connect(url: &str, schema: &str) -> Outcome<Self> {
        let database = Self {
            config: config(url)?,
            tls: tls()?,
            client: Arc::default(),
        };
        // All of it is one transaction, and the lock ends with it: the second of two processes that do
        // this at once would be refused.
        let statements = format!("SELECT pg_advisory_xact_lock(5279417034851162); {schema}");
        let client = database.client().await?;
        client.batch_execute(&statements).await?;
        Ok(database)
    }

    pub(crate) async fn rows(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Vec<Row>> {
        let client = self.client().await?;
        if let Ok(answer) = timeout(PATIENCE, client.query(sql, values)).await {
            return Ok(answer?);
        }
        let mut current = self.client.lock().await;
        if current
            .as_ref()
            .is_some_and(|one| Arc::ptr_eq(one, &client))
        {
            *current = None;
        }
        Err("expected an answer from PostgreSQL, found none".into())
    }

    /// The connection, or a new one where it was lost.
    async fn client(&self) -> Outcome<Arc<Client>> {
        let mut current = self.client.lock().await;
        if let Some(client) = current.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = timeout(PATIENCE, connect(&self.config, &self.tls)).await??;
        Ok(current.insert(Arc::new(client)).clone())
    }
}

async fn connect(config: &Config, tls: &MakeRustlsConnect) -> Outcome<Client> {
    let (client, connection) = config.connect(tls.clone()).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("error: a connection for products or sessions was lost: {error}");
        }
    });
    client.batch_execute(LIMITS).await?;
    Ok(client)
}

fn config(url: &str) -> Outcome<Config> {
    // What is used of TLS is always verified, as PostgreSQL calls it by these names.
    let url = match url.rsplit_once('?') {
        Some((start, options)) => {
            let options = options.replace("sslmode=verify-full", "sslmode=require");
            let options = options.replace("sslmode=verify-ca", "sslmode=require");
            format!("{start}?{options}")
        }
        None => url.to_owned(),
    };
    let mut config: Config = url.parse()?;
    config
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .application_name("trucustom")
        .connect_timeout(Duration::from_secs(3))
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(Duration::from_secs(10));
    Ok(config)
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
