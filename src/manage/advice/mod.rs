//! Advice on a key, from its record and its usage.
//!
//! [`KeyManager::advice`](super::manager::KeyManager::advice) reads both and advises;
//! [`advise`] does so from what the caller has read, without any store.

pub(crate) mod advise;
pub(crate) mod kind;
pub(crate) mod policy;
mod reading;
mod unusual;

pub use advise::advise;
pub use kind::{Advice, HourlyExcess};
pub use policy::AdvicePolicy;
