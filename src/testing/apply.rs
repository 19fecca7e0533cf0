//! Changes a key of a store, without a manager.

use std::sync::Arc;

use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::transition::Transition;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::Commit;

/// Applies a change to a key, and repeats it when the key has changed in between.
///
/// Returns the key after the change, or before its deletion. A change that leaves the key as it is
/// commits nothing.
///
/// # Errors
///
/// [`StoreError`] when
/// - the key does not exist ([`NotFound`](StoreErrorKind::NotFound));
/// - the store fails.
///
/// # Panics
///
/// When the change is refused, as by a revoked key.
pub async fn apply(
    store: &(impl KeyRegistry + ?Sized),
    id: &KeyId,
    change: &KeyChange,
    context: &ChangeContext,
) -> Result<Arc<KeyRecord>, StoreError> {
    loop {
        let before = store.get(id).await?.ok_or_else(StoreError::not_found)?;
        let transition = match Transition::of(change, &before, context) {
            Ok(transition) => transition,
            Err(refused) => panic!("{refused}"),
        };
        let Some(commit) = Commit::of(&before, transition) else {
            return Ok(before);
        };
        let after = commit.next.clone().unwrap_or(before);
        match store.commit(commit).await {
            Err(error) if error.kind() == StoreErrorKind::Conflict => {}
            answer => return answer.map(|()| after),
        }
    }
}
