//! What a store keeps of a key; never its plaintext.
//!
//! A [`KeyRecord`] has a stable [`KeyId`], an owner, a name, scopes and an optional expiration
//! date. Under it live one or more [`SecretVersion`]s, each the digest of one plaintext: rotation
//! adds one and gives the others an end. A [`KeyChange`] is one narrow, atomic step in the life of
//! a key, with the same effect in every store. It is made in a [`ChangeContext`]: who makes it, when
//! and why; an [`AuditEntry`] keeps that, and what changed.
//!
//! Times are kept to the microsecond, which every store can, so that it gives back exactly what it
//! was given. A time between two microseconds becomes the earlier one: no key ends later than it
//! was told to.

pub(crate) mod action;
pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod context;
mod detail;
pub(crate) mod document;
pub(crate) mod id;
pub(crate) mod key;
pub(crate) mod metadata;
pub(crate) mod moment;
mod rare;
pub(crate) mod recipient;
pub(crate) mod revocation;
pub(crate) mod secret;
pub(crate) mod status;
pub(crate) mod transition;
pub(crate) mod update;
pub(crate) mod versions;

pub use action::{AuditAction, InvalidAuditAction};
pub use audit::AuditEntry;
pub use change::{ChangeRefused, KeyChange};
pub use context::ChangeContext;
pub use document::InvalidDocument;
pub use id::{InvalidKeyId, KeyId};
pub use key::KeyRecord;
pub use metadata::Metadata;
pub use recipient::Recipient;
pub use revocation::Revocation;
pub use secret::SecretVersion;
pub use status::KeyStatus;
pub use transition::Transition;
pub use update::KeyUpdate;
