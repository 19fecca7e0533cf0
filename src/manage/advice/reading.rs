//! Advice from a store.

use jiff::Timestamp;

use super::advise::advise;
use super::kind::Advice;
use super::policy::AdvicePolicy;
use super::unusual::last_whole_hour;
use crate::manage::error::ManageError;
use crate::manage::lifetime::earlier;
use crate::manage::manager::KeyManager;
use crate::record::id::KeyId;
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::usage::UsageStore;

impl<S: KeyRegistry + UsageStore> KeyManager<S> {
    /// What the holder of a key should look at, by its record and its usage; see [`Advice`].
    ///
    /// It reads the store twice. What is worth advice is the
    /// [policy's](Self::with_advice_policy) part. Compare the key's owner with the caller's before
    /// you show it.
    ///
    /// ```
    /// use tower_api_key::manage::Advice;
    /// use tower_api_key::{KeyManager, MemoryStore, NewKey};
    ///
    /// # futures::executor::block_on(async {
    /// let keys = KeyManager::new(MemoryStore::new());
    /// let id = keys.issue(NewKey::new("acct_42", "CI")).await?.record.id();
    /// assert_eq!(keys.advice(&id).await?, [Advice::NoExpiration]);
    /// # Ok::<(), tower_api_key::manage::ManageError>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ManageError`] when
    /// - the key does not exist ([`NotFound`](crate::manage::ManageErrorKind::NotFound));
    /// - the store fails.
    pub async fn advice(&self, id: &KeyId) -> Result<Vec<Advice>, ManageError> {
        let record = self.store.get(id).await?;
        let record = record.ok_or_else(ManageError::not_found)?;
        let now = self.clock.now();
        let hour = last_whole_hour(now).unwrap_or(Timestamp::MIN);
        let known = self.advice_policy.unused_scopes_after.saturating_mul(2);
        let history = AdvicePolicy::HISTORY.max(known);
        let begin = earlier(hour, history).unwrap_or(Timestamp::MIN);
        // To the end of the calendar: the clock of who wrote them may be ahead.
        let usage = self.store.usage(id, begin..Timestamp::MAX).await?;
        Ok(advise(&record, &usage, now, &self.advice_policy))
    }
}

impl<S> KeyManager<S> {
    /// Advises by this policy. Default: [`AdvicePolicy::new`].
    #[must_use]
    pub fn with_advice_policy(self, advice_policy: AdvicePolicy) -> Self {
        Self {
            advice_policy,
            ..self
        }
    }
}
