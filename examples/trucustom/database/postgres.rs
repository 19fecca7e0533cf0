//! PostgreSQL, by connections beside those of the keys.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Outcome;

/// What the server gives up by itself.
const LIMITS: &str = "SET statement_timeout = '2s'; SET lock_timeout = '500ms'";
/// How long to wait for an answer before the connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(3);
const MOST_CONNECTIONS: usize = 4;

/// A few connections; a statement has one for itself, so that none waits for the locks of another.
///
/// What may wait for locks, and what never does, take one of these each.
#[derive(Clone)]
pub(crate) struct Postgres(Pool);

impl Postgres {
    /// Where the URL asks for TLS, the certificate must be one that the operating system trusts, or those
    /// in the file that the variable `SSL_CERT_FILE` names.
    pub(crate) fn new(url: &str) -> Outcome<Self> {
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Verified,
        };
        let manager = Manager::from_config(config(url)?, tls()?, recycling);
        let limit = Hook::async_fn(|client, _| {
            Box::pin(async move {
                let limited = client.batch_execute(LIMITS).await;
                limited.map_err(HookError::Backend)
            })
        });
        // All of these together, and a statement, end before a request does.
        let pool = Pool::builder(manager)
            .max_size(MOST_CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(Duration::from_secs(1)))
            .recycle_timeout(Some(Duration::from_millis(500)))
            .create_timeout(Some(Duration::from_millis(1_500)))
            .post_create(limit);
        Ok(Self(pool.build()?))
    }

    /// Makes a table, and what goes with it, where there is none.
    pub(crate) async fn make(&self, table: &str, schema: &str) -> Outcome<()> {
        let client = self.0.get().await?;
        let find = "SELECT to_regclass($1) IS NOT NULL";
        if client.query_one(find, &[&table]).await?.try_get(0)? {
            return Ok(());
        }
        // All of it is one transaction, and the lock ends with it: the second of two processes that do
        // this at once would be refused.
        let statements = format!("SELECT pg_advisory_xact_lock(5279417034851162); {schema}");
        Ok(client.batch_execute(&statements).await?)
    }

    pub(crate) async fn rows(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Vec<Row>> {
        let client = self.0.get().await?;
        if let Ok(answer) = timeout(PATIENCE, client.query(sql, values)).await {
            return answer.map_err(|error| match error.as_db_error() {
                // Its detail may repeat what was sent.
                Some(said) => said.message().into(),
                None => error.into(),
            });
        }
        // It goes back to no one.
        drop(Object::take(client));
        Err("expected an answer from PostgreSQL, found none".into())
    }
}

fn config(url: &str) -> Outcome<Config> {
    let mut config: Config = verified_as_required(url).parse()?;
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("trucustom");
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(10));
    }
    Ok(config)
}

/// What is used of TLS is always verified, so `verify-ca` and `verify-full` mean `require`.
fn verified_as_required(url: &str) -> String {
    let Some((start, options)) = url.rsplit_once('?') else {
        return url.to_owned();
    };
    let options = options.split('&').map(|option| match option {
        "sslmode=verify-ca" | "sslmode=verify-full" => "sslmode=require",
        other => other,
    });
    format!("{start}?{}", options.collect::<Vec<_>>().join("&"))
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
