//! What must not be seen.

use sha2::{Digest, Sha256};
use tower_api_key::{IssuedKey, KeyManager, MemoryStore};

use crate::scenarios::kit::{manager, new_key};

/// A key, and everything that is made of it.
pub(crate) struct Marker {
    pub(crate) keys: KeyManager<MemoryStore>,
    pub(crate) fresh: IssuedKey,
}

impl Marker {
    pub(crate) async fn new() -> Self {
        let keys = manager();
        let fresh = keys.issue(new_key()).await.unwrap();
        Self { keys, fresh }
    }

    /// What must not be seen, in lower case.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let key = self.fresh.key.expose_secret();
        let digest = Sha256::digest(key.as_bytes());
        vec![
            // The shown 8 digits and the next.
            key[3..12].to_owned(),
            key[12..].to_owned(),
            hex::encode(digest),
            format!("{:?}", digest.as_slice()),
            format!("{:#?}", digest.as_slice()),
            PEPPER.to_owned(),
            format!("{:?}", PEPPER.as_bytes()),
            PASSWORD.to_owned(),
        ]
    }
}

/// Printed by no hasher, and by nothing that has one.
pub(crate) const PEPPER: &str = "a-pepper-that-is-32-octets-long!";

/// In the URL of a database, and printed by no store and no error.
pub(crate) const PASSWORD: &str = "s3cret";
