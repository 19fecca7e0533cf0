//! What an API needs of a manager.

use std::sync::Arc;

use super::manager::KeyManager;
use crate::clock::Clock;
use crate::key::format::KeyFormat;
use crate::store::registry::KeyRegistry;

impl<S> KeyManager<S> {
    pub(crate) fn format(&self) -> &KeyFormat {
        &self.format
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl<S: KeyRegistry + Clone> KeyManager<S> {
    /// The same manager of a store whose type is not told.
    pub(crate) fn erased(&self) -> KeyManager<Arc<dyn KeyRegistry>> {
        KeyManager {
            store: Arc::new(self.store.clone()),
            format: self.format,
            hasher: self.hasher.clone(),
            clock: self.clock.clone(),
            acting: self.acting.clone(),
            advice_policy: self.advice_policy.clone(),
            policy: self.policy.clone(),
        }
    }
}
