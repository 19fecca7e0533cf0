//! Makes connections.

use std::future::poll_fn;
use std::task::ready;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{AsyncMessage, Client, Config, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::error::no_connection;
use super::options::PostgresOptions;
use super::tls;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// How long one try to connect may take, over all hosts and addresses.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes connections to one database.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    address: Address,
}

impl Connector {
    pub(super) fn new(mut config: Config, options: &PostgresOptions) -> Result<Self, StoreError> {
        let address = Address::of(&config)?;
        let tls = tls::connector(&config, options.root_certificates.as_deref())?;
        set_defaults(&mut config);
        Ok(Self {
            config,
            tls,
            address,
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Makes a connection. Notifications go to `hear`, which must not block.
    pub(super) async fn open(
        &self,
        mut hear: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<(Client, Driver), StoreError> {
        let attempt = timeout(PATIENCE, self.config.connect(self.tls.clone())).await;
        let (client, mut connection) = attempt
            .map_err(|_| self.late())?
            .map_err(|error| no_connection(&self.address, error))?;
        let driver = tokio::spawn(poll_fn(move |context| {
            loop {
                match ready!(connection.poll_message(context)) {
                    Some(Ok(AsyncMessage::Notification(notification))) => hear(&notification),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return std::task::Poll::Ready(()),
                }
            }
        }));
        Ok((client, Driver(driver)))
    }

    pub(super) fn late(&self) -> StoreError {
        let message = format!(
            "{}: the connection timed out after {PATIENCE:?}",
            self.address
        );
        StoreError::new(StoreErrorKind::Unavailable, message)
    }
}

/// The task that moves a connection's bytes; dropping this closes the connection.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    /// Waits for the end of the connection.
    pub(super) async fn ended(&mut self) {
        // Whether it ended or panicked, it is over.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What suits a store better than tokio-postgres's defaults.
fn set_defaults(config: &mut Config) {
    const DEFAULT_IDLE: Duration = Duration::from_secs(2 * 60 * 60);
    // A lookup on a standby would miss what was revoked since.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("tower-api-key");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(3));
    }
    if config.get_keepalives_idle() == DEFAULT_IDLE {
        config.keepalives_idle(Duration::from_secs(30));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(5));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(3);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(10));
    }
}
