//! All sides of a store in one.

use super::audit::AuditLog;
use super::registry::KeyRegistry;
use super::usage::UsageStore;

/// A store that implements every trait, such as all stores of this crate: for an `Arc<dyn Store>` that
/// is chosen when the program runs.
///
/// ```
/// use std::sync::Arc;
/// use tower_api_key::store::Store;
/// use tower_api_key::{KeyManager, MemoryStore};
///
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// let keys = KeyManager::new(store);
/// ```
pub trait Store: KeyRegistry + AuditLog + UsageStore {}

impl<S: KeyRegistry + AuditLog + UsageStore + ?Sized> Store for S {}
