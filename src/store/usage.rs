//! What a store is told of the use of keys.

use jiff::Timestamp;

use crate::record::id::KeyId;
use crate::record::moment::Moment;

/// The last use of one secret version of a key, for
/// [`KeyRegistry::record_usage`](super::registry::KeyRegistry::record_usage). The time is
/// kept to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    key: KeyId,
    secret_version: u32,
    last_used_at: Moment,
}

impl KeyUse {
    /// The use of that version of that key at that time.
    pub fn new(key: KeyId, secret_version: u32, last_used_at: Timestamp) -> Self {
        Self {
            key,
            secret_version,
            last_used_at: Moment::floor(last_used_at),
        }
    }

    /// The key.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The number of the secret version.
    pub fn secret_version(&self) -> u32 {
        self.secret_version
    }

    /// When it was used.
    pub fn last_used_at(&self) -> Timestamp {
        self.last_used_at.timestamp()
    }
}
