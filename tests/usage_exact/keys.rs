//! The keys that clients use, and what they were answered with each.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tower_api_key::manage::ManageError;
use tower_api_key::record::KeyId;
use tower_api_key::store::PostgresStore;
use tower_api_key::{KeyManager, NewKey, Scope};

/// Requests let in, and refused for a scope, of each secret version of each key.
pub(crate) type Counts = BTreeMap<(KeyId, u32), (u64, u64)>;

/// One secret that clients send.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) text: Arc<str>,
    pub(crate) id: KeyId,
    pub(crate) version: u32,
    pub(crate) may_write: bool,
}

/// The keys of a test, in a store of their own or shared.
pub(crate) struct Keys {
    manager: KeyManager<PostgresStore>,
    secrets: RwLock<Vec<Secret>>,
}

impl Keys {
    /// Makes so many keys; every second may write.
    pub(crate) async fn make(url: &str, count: usize) -> Arc<Self> {
        let store = PostgresStore::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        let manager = KeyManager::new(store);
        let mut secrets = Vec::new();
        for index in 0..count {
            let may_write = index % 2 == 1;
            let mut scopes = vec![Scope::READ];
            scopes.extend(may_write.then_some(Scope::WRITE));
            let new = NewKey::new("acct_42", "counted").with_scopes(scopes);
            let fresh = manager.issue(new).await.unwrap();
            secrets.push(Secret {
                text: fresh.key.expose_secret().into(),
                id: fresh.record.id(),
                version: 1,
                may_write,
            });
        }
        Arc::new(Self {
            manager,
            secrets: RwLock::new(secrets),
        })
    }

    pub(crate) fn secret(&self, turn: usize) -> Secret {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets[turn % secrets.len()].clone()
    }

    /// Gives the first key a new secret, which clients send from now on.
    pub(crate) async fn rotate_first(&self) {
        let id = self.secret(0).id;
        let hour = Duration::from_secs(3_600);
        // One whose answer was lost may have been made, and left a version behind.
        let fresh = patiently(async || self.manager.rotate(&id, hour).await).await;
        let newest = fresh.record.secret_versions()[0].number();
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets[0].text = fresh.key.expose_secret().into();
        secrets[0].version = newest;
    }

    /// What the store has counted.
    pub(crate) async fn counted(&self) -> Counts {
        let mut counts = Counts::new();
        let ids: Vec<KeyId> = {
            let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
            secrets.iter().map(|secret| secret.id).collect()
        };
        for id in ids {
            let hours = || Timestamp::MIN..Timestamp::MAX;
            let told = patiently(async || self.manager.usage(&id, hours()).await).await;
            for hour in told {
                let sum = counts.entry((id, hour.secret_version())).or_default();
                sum.0 += hour.allowed();
                sum.1 += hour.refused();
            }
        }
        counts
    }

    /// When each key was last used, as the store was told.
    pub(crate) async fn last_used(&self, turn: usize) -> Option<Timestamp> {
        let id = self.secret(turn).id;
        let record = patiently(async || self.manager.get(&id).await).await;
        record.unwrap().last_used_at()
    }
}

/// The answer of a store that may be slow on a busy machine, or have come back a moment ago.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, ManageError>) -> T {
    for _ in 0..300 {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => eprintln!("asking again: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the store does not answer");
}
