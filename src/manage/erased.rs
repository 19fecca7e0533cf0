//! What an API needs of a manager.

use std::sync::Arc;

use super::manager::KeyManager;
use crate::clock::Clock;
use crate::key::format::KeyFormat;
use crate::key::formats::KeyFormats;
use crate::store::contract::store::Store;

impl<S> KeyManager<S> {
    /// The format in which keys are made.
    pub(crate) fn format(&self) -> &KeyFormat {
        self.formats.first()
    }

    pub(crate) fn formats(&self) -> &KeyFormats {
        &self.formats
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl<S: Store + Clone + 'static> KeyManager<S> {
    /// The same manager, without the type of its store.
    pub(crate) fn erased(&self) -> KeyManager<Arc<dyn Store>> {
        KeyManager {
            store: Arc::new(self.store.clone()),
            formats: self.formats.clone(),
            hasher: self.hasher.clone(),
            clock: self.clock.clone(),
            acting: self.acting.clone(),
            advice_policy: self.advice_policy.clone(),
            policy: self.policy.clone(),
        }
    }
}
