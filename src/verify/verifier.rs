//! The verifier.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::check::judge;
use crate::clock::{Clock, SystemClock};
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::key::digest::KeyDigest;
use crate::key::format::KeyFormat;
use crate::key::formats::{InvalidKeyFormats, KeyFormats};
use crate::key::hasher::KeyHasher;
use crate::record::key::KeyRecord;
use crate::store::contain::{contain, contain_future};
use crate::store::contract::error::StoreError;
use crate::store::contract::key_store::KeyStore;

/// Verifies keys: parse, digest, look up, compare, and only then revoked, disabled, expired.
///
/// The layer has one inside. On its own it serves whatever is not HTTP: messages of a WebSocket,
/// a queue, a line protocol. Clones share one store and are cheap.
///
/// Expiration follows the clock and nothing else: when the clock steps back, a key that had expired
/// is valid again until the clock passes its expiration once more.
///
/// ```
/// use tower_api_key::{KeyManager, MemoryStore, NewKey};
/// use tower_api_key::denial::DenialKind;
///
/// # futures::executor::block_on(async {
/// let keys = KeyManager::new(MemoryStore::new());
/// let fresh = keys.issue(NewKey::new("acct_42", "CI")).await?;
///
/// let verifier = keys.verifier();
/// let identity = verifier.verify(fresh.key.expose_secret()).await?;
/// assert_eq!(identity.owner(), "acct_42");
///
/// let denial = verifier.verify("tc_wrong").await.unwrap_err();
/// assert_eq!(denial.kind(), DenialKind::Malformed);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Verifier(Arc<Parts>);

struct Parts {
    store: Arc<dyn KeyStore>,
    formats: KeyFormats,
    hasher: KeyHasher,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier with the default format, SHA-256 and the system's clock.
    pub fn new(store: impl KeyStore + 'static) -> Self {
        Self(Arc::new(Parts {
            store: Arc::new(store),
            formats: KeyFormats::one(KeyFormat::default()),
            hasher: KeyHasher::sha256(),
            clock: Arc::new(SystemClock::new()),
        }))
    }

    /// Accepts keys of these formats, such as an old prefix beside a new one. Default: `tc_` and
    /// 64 digits.
    ///
    /// ```
    /// use tower_api_key::key::KeyFormat;
    /// use tower_api_key::{MemoryStore, Verifier};
    ///
    /// let formats = [KeyFormat::default(), KeyFormat::new("acme_")?.with_checksum()];
    /// let verifier = Verifier::new(MemoryStore::new()).with_formats(formats)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKeyFormats`] when there is no format, or two have the same prefix.
    pub fn with_formats(
        self,
        formats: impl IntoIterator<Item = KeyFormat>,
    ) -> Result<Self, InvalidKeyFormats> {
        let formats = KeyFormats::new(formats)?;
        Ok(self.rebuilt(|parts| parts.formats = formats))
    }

    /// Accepts keys of these formats.
    pub(crate) fn accepting(self, formats: KeyFormats) -> Self {
        self.rebuilt(|parts| parts.formats = formats)
    }

    /// Digests keys with this hasher. Default: SHA-256.
    #[must_use]
    pub fn with_hasher(self, hasher: KeyHasher) -> Self {
        self.rebuilt(|parts| parts.hasher = hasher)
    }

    /// Judges the ends of keys by this clock. Default: the system's.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.rebuilt(|parts| parts.clock = Arc::new(clock))
    }

    /// Verifies a key.
    ///
    /// # Errors
    ///
    /// The [`Denial`] when the key
    /// - has not the format of a key; the store is not asked;
    /// - is unknown, revoked, disabled or expired, or its secret was superseded; tell the client
    ///   none of these from another;
    /// - cannot be judged, since the store or the clock fails.
    pub async fn verify(&self, key: &str) -> Result<Identity, Denial> {
        let digest = self.digest(key.as_bytes()).map_err(Denial::new)?;
        match self.look_up_now(&digest) {
            Some(result) => result,
            None => self.look_up(digest).await,
        }
    }

    /// The digest of what was sent, if it has the format of a key.
    #[inline]
    pub(crate) fn digest(&self, sent: &[u8]) -> Result<KeyDigest, DenialKind> {
        if self
            .0
            .formats
            .iter()
            .any(|format| format.check(sent).is_ok())
        {
            Ok(self.0.hasher.digest_octets(sent))
        } else {
            Err(DenialKind::Malformed)
        }
    }

    /// The answer to a digest, if the store has one without waiting.
    #[inline]
    pub(crate) fn look_up_now(&self, digest: &KeyDigest) -> Option<Result<Identity, Denial>> {
        match contain(|| self.0.store.try_find(digest)) {
            Ok(answer) => answer.map(|found| self.judge(found, digest)),
            Err(panicked) => Some(Err(panicked.into())),
        }
    }

    /// The answer to a digest, however long the store takes.
    pub(crate) async fn look_up(&self, digest: KeyDigest) -> Result<Identity, Denial> {
        let find = contain(|| self.0.store.find(&digest))?;
        let found = contain_future(find).await?;
        self.judge(found, &digest)
    }

    /// The texts of keys that stand anywhere among these octets.
    pub(crate) fn keys_in<'a>(&self, octets: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let formats = self.0.formats.iter();
        formats.flat_map(move |format| format.keys_in(octets))
    }

    /// The time by which ends are judged.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    #[inline]
    fn judge(
        &self,
        found: Result<Option<Arc<KeyRecord>>, StoreError>,
        digest: &KeyDigest,
    ) -> Result<Identity, Denial> {
        let record = found.map_err(Denial::store_failed)?;
        judge(record, digest, &*self.0.clock)
    }

    /// A verifier of its own with changed parts; clones of this one keep theirs.
    fn rebuilt(self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = Parts {
            store: self.0.store.clone(),
            formats: self.0.formats.clone(),
            hasher: self.0.hasher.clone(),
            clock: self.0.clock.clone(),
        };
        change(&mut parts);
        Self(Arc::new(parts))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("formats", &self.0.formats)
            .field("hasher", &self.0.hasher)
            .finish_non_exhaustive()
    }
}
