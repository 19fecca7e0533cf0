//! Changes in the name of a key that was verified before.

use super::delegation::Delegate;
use super::manager::KeyManager;
use crate::record::id::KeyId;

impl<S: Clone> KeyManager<S> {
    /// As [`on_behalf_of`](Self::on_behalf_of), for a key that was verified before: a session of
    /// people keeps the id and the number of the secret, and no plaintext.
    ///
    /// It proves nothing: keep what a [`Verifier`](crate::Verifier) told, where nobody can change it.
    #[must_use]
    pub fn on_behalf_of_key(&self, id: &KeyId, secret_version: u32) -> Self {
        let mut manager = self.acting_as(&format!("key:{id}"));
        manager.acting.delegate = Some(Delegate::of(*id, secret_version));
        manager
    }
}
