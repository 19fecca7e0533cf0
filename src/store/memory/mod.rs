//! A store in memory.

mod audit;
mod digests;
mod index;
pub(crate) mod store;
mod usage;

pub use store::MemoryStore;
