//! Every public type, printed with a key inside wherever one fits.
//!
//! A new type is one line: in a file of `printed`, or in a list of `declared` with the reason why
//! no key can get into it.

#[cfg(feature = "cache")]
pub(crate) mod cache;
pub(crate) mod changes;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(crate) mod databases;
pub(crate) mod decisions;
pub(crate) mod declared;
pub(crate) mod keys;
pub(crate) mod layers;
#[cfg(feature = "management")]
pub(crate) mod management;
pub(crate) mod marker;
pub(crate) mod print;
pub(crate) mod printed;
pub(crate) mod records;
pub(crate) mod stores;
pub(crate) mod usage;
