//! What a store must be able to do.

pub(crate) mod audit;
pub(crate) mod error;
pub(crate) mod feed;
pub(crate) mod key_store;
pub(crate) mod page;
pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod usage;
pub(crate) mod write;
