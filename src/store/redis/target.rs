//! Where Redis is, and how a connection is made.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
};
use tokio::time::{Instant, timeout_at};

use super::error::Failure;
use super::role;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Where Redis is.
#[derive(Clone)]
pub(super) struct Target {
    client: Client,
    /// Host and port, or a path; without credentials.
    pub(super) address: String,
    deadline: Duration,
    buffer: usize,
}

impl Target {
    /// The server of a client; a connection to it may take as long as the deadline.
    pub(super) fn new(
        client: &Client,
        deadline: Duration,
        buffer: usize,
    ) -> Result<Self, StoreError> {
        let info = client.get_connection_info().clone();
        let address = info.addr().to_string();
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            choose_crypto();
        }
        // Changes and proofs are pushed, which needs RESP3; and no small packet may wait.
        let redis = info.redis_settings().clone();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info
            .set_redis_settings(redis.set_protocol(ProtocolVersion::RESP3))
            .set_tcp_settings(tcp);
        match Client::open(info) {
            Ok(client) => Ok(Self {
                client,
                address,
                deadline,
                buffer,
            }),
            Err(error) => Err(Failure::of_connecting(error, &address).into()),
        }
    }

    /// A new connection to a primary; `on_push` hears what the server tells without being asked, and of the end
    /// of the connection.
    pub(super) async fn connect(
        &self,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, Failure> {
        let heard = move |push| {
            on_push(push);
            Ok::<(), std::convert::Infallible>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(self.buffer)
            .set_push_sender(heard);
        let began = Instant::now();
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let failed = |error| Failure::of_connecting(error, &self.address);
        let mut connection = connecting.await.map_err(failed)?;
        let question = role::question();
        let asking = connection.send_packed_command(&question);
        let answer = match began.checked_add(self.deadline) {
            Some(end) => timeout_at(end, asking)
                .await
                .map_err(|_| Failure::late(self.deadline, &self.address))?,
            None => asking.await,
        };
        role::check(answer.map_err(failed)?, &self.address)?;
        Ok(connection)
    }
}

/// The client of a URL.
pub(super) fn client_of(url: &str) -> Result<Client, StoreError> {
    let info = url.into_connection_info();
    // The library's error is no source: its text may repeat parts of the URL.
    info.and_then(Client::open).map_err(|_| {
        let found = match url.split_once("://") {
            Some((scheme, _)) if SCHEMES.contains(&scheme) => "one that is not valid",
            Some(_) => "one of an unknown scheme",
            None => "something else",
        };
        let message = format!("expected a URL such as redis://host:6379/0, found {found}");
        StoreError::new(StoreErrorKind::Misconfigured, message)
    })
}

const SCHEMES: &[&str] = &[
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+unix",
    "valkey+unix",
];

/// Makes ring the process's choice of cryptography where none was made: where several are linked
/// in, rustls would panic.
fn choose_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
