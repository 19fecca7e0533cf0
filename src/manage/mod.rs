//! The life of a key: issue or import, list, update, rotate, disable, revoke, delete, delegate; and
//! advice on it.
//!
//! A [`KeyManager`] works on any [`KeyRegistry`](crate::store::KeyRegistry). Owners come from the
//! caller's code: take them from a session or an [`Identity`](crate::identity::Identity), never
//! from a request's body.
//!
//! Every change leaves an entry in the store's audit trail. [`acting_as`](KeyManager::acting_as) and
//! [`because`](KeyManager::because) say who makes it and why.
//!
//! ```
//! use std::time::Duration;
//! use tower_api_key::{KeyManager, MemoryStore, NewKey, Scope};
//!
//! # futures::executor::block_on(async {
//! let keys = KeyManager::new(MemoryStore::new());
//! let fresh = keys
//!     .issue(
//!         NewKey::new("acct_42", "Production server")
//!             .with_scopes([Scope::READ, Scope::WRITE])
//!             .expires_in(Duration::from_secs(90 * 86_400)),
//!     )
//!     .await?;
//! println!("{}", fresh.key.expose_secret()); // shown once, here
//!
//! // Both secrets work for an hour, then only the new one.
//! let rotated = keys.rotate(&fresh.record.id(), Duration::from_secs(3_600)).await?;
//! assert_eq!(rotated.record.id(), fresh.record.id());
//!
//! keys.revoke(&fresh.record.id(), "leaked in a log").await?;
//! # Ok::<(), tower_api_key::manage::ManageError>(()) }).unwrap();
//! ```

mod acting;
pub(crate) mod advice;
mod change;
mod delegation;
#[cfg(feature = "management")]
mod erased;
pub(crate) mod error;
pub(crate) mod import;
pub(crate) mod import_key;
pub(crate) mod import_report;
mod issue;
pub(crate) mod issued;
pub(crate) mod lifetime;
pub(crate) mod limits;
pub(crate) mod manager;
pub(crate) mod new_key;
pub(crate) mod policy;
mod read;
mod session;

pub use advice::{Advice, AdvicePolicy, HourlyExcess, advise};
pub use error::{ManageError, ManageErrorKind};
pub use import_key::LegacyKey;
pub use import_report::{ImportRefusal, ImportRefusalKind, ImportReport};
pub use issued::IssuedKey;
pub use lifetime::DEFAULT_GRACE_PERIOD;
pub use manager::KeyManager;
pub use new_key::NewKey;
pub use policy::IssuePolicy;
