//! What an API needs of a manager.

use std::sync::Arc;

use super::manager::KeyManager;
use crate::clock::Clock;
use crate::key::format::KeyFormat;
use crate::key::formats::KeyFormats;
use crate::store::registry::KeyRegistry;

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

impl<S: KeyRegistry + Clone> KeyManager<S> {
    /// The same manager of a store whose type is not told.
    pub(crate) fn erased(&self) -> KeyManager<Arc<dyn KeyRegistry>> {
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
