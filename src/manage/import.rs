//! Taking over the keys of an older system.

use super::error::{ManageError, ManageErrorKind};
use super::import_key::LegacyKey;
use super::import_report::{ImportRefusal, ImportReport};
use super::manager::KeyManager;
use crate::record::context::ChangeContext;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::{Insert, Inserted};

impl<S: KeyRegistry> KeyManager<S> {
    /// Adds keys that clients have already, by the digests that an older system kept of them.
    ///
    /// For a client to notice nothing,
    /// - each digest must be the plain SHA-256 of the whole key as the client sends it, prefix and all:
    ///   neither salted nor of a part;
    /// - each key must have a format of the layer, a prefix and 64 lowercase hex characters: others are
    ///   denied before the store is asked. An import sees no key, so it checks what you say of it: the
    ///   [format](LegacyKey::with_format) or the [leading characters](LegacyKey::with_leading) must fit
    ///   a [format of this manager](Self::with_formats). Try one of the keys first.
    ///
    /// Each key is imported or rejected by itself. A key that has expired is imported, and stays
    /// expired. Keys are taken from the iterator and sent to the store 1,000 at a time. When the
    /// store fails for all of those, the import stops.
    ///
    /// An import can be run again, after it stopped or was dropped: a key that was imported is
    /// rejected as one that [exists](super::import_report::ImportRefusalKind::AlreadyExists).
    ///
    /// # Deleted keys come back
    ///
    /// A store remembers nothing of a [deleted](Self::delete) key. Importing the same row again creates
    /// it again, under another id, and the client's old key works. [Revoke](Self::revoke) an imported
    /// key instead: then the row is rejected as one that exists, and the key stays revoked.
    ///
    /// ```
    /// use tower_api_key::manage::LegacyKey;
    /// use tower_api_key::{KeyManager, MemoryStore, Scope};
    ///
    /// # futures::executor::block_on(async {
    /// let key = format!("tc_{}", "0123456789abcdef".repeat(4)); // a client has this, and a table its digest
    /// let digest = "33962456af802c8fb1e558ba3a0d5cee868315eb0c3e19ba9fc7446071d03434";
    ///
    /// let keys = KeyManager::new(MemoryStore::new());
    /// let rows = [LegacyKey::from_hex("acct_42", "CI", digest)
    ///     .with_format("tc_")
    ///     .with_scopes(Scope::READ)];
    /// let report = keys.import(rows).await?;
    /// assert!(report.is_complete(), "{:?}", report.refused());
    ///
    /// assert_eq!(keys.verifier().verify(&key).await?.owner(), "acct_42");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ManageError`], and nothing is imported, when the manager's hasher is not SHA-256: no
    /// imported digest would ever match
    /// ([`InvalidInput`](super::error::ManageErrorKind::InvalidInput)), or the
    /// [actor](Self::acting_as) or the [reason](Self::because) is out of its bounds or [looks like an
    /// API key](Self::looks_like_key); or the manager
    /// acts [on behalf of a key](Self::on_behalf_of)
    /// ([`Exceeds`](super::error::ManageErrorKind::Exceeds)).
    pub async fn import(
        &self,
        keys: impl IntoIterator<Item = LegacyKey>,
    ) -> Result<ImportReport, ManageError> {
        if !self.hasher.is_sha256() {
            let message = "expected a manager that digests with SHA-256 for an import, \
                           found one with HMAC-SHA-256, which would match no imported digest";
            return Err(ManageError::new(ManageErrorKind::InvalidInput, message));
        }
        if self.acting.delegate.is_some() {
            let message = "expected an import by the application, found one on behalf of a key, \
                           which could so get at a stronger one";
            return Err(ManageError::new(ManageErrorKind::Exceeds, message));
        }
        let context = self.acting.context(self.clock.now(), &self.formats)?;
        let mut report = ImportReport::default();
        let mut keys = keys.into_iter().enumerate().peekable();
        while keys.peek().is_some() {
            let chunk = keys.by_ref().take(CHUNK);
            let answered = self.import_chunk(chunk, &context, &mut report).await;
            if let (false, Some((next, _))) = (answered, keys.peek()) {
                report.stop_before(*next);
                break;
            }
        }
        Ok(report.in_order())
    }

    /// Returns whether the store works, as far as these keys tell.
    async fn import_chunk(
        &self,
        keys: impl Iterator<Item = (usize, LegacyKey)>,
        context: &ChangeContext,
        report: &mut ImportReport,
    ) -> bool {
        let now = self.clock.now();
        let (mut indices, mut inserts) = (Vec::new(), Vec::new());
        for (index, key) in keys {
            match key.into_record(now, &self.formats) {
                Ok(record) => {
                    indices.push(index);
                    inserts.push(Insert::new(record, context));
                }
                Err(error) => report.refuse(ImportRefusal::of_key(index, &error)),
            }
        }
        if inserts.is_empty() {
            return true;
        }
        let mut works = false;
        let answers = self.store.insert_many(inserts).await;
        // A store that answers too little has failed for the others.
        let answers = answers
            .into_iter()
            .chain(std::iter::repeat_with(unanswered));
        for (index, answer) in indices.into_iter().zip(answers) {
            match answer {
                Ok(_) => {
                    report.count_imported();
                    works = true;
                }
                Err(error) => {
                    works |= error.kind() == StoreErrorKind::AlreadyExists;
                    report.refuse(ImportRefusal::of_store(index, error));
                }
            }
        }
        works
    }
}

/// How many keys are sent to the store at once.
const CHUNK: usize = 1_000;

fn unanswered() -> Result<Inserted, StoreError> {
    let message = "expected an answer for each key, found fewer";
    Err(StoreError::new(StoreErrorKind::Unavailable, message))
}
