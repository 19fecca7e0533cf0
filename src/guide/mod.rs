//! Pages that explain decisions, for those who run a server with this crate.
//!
//! - [`choosing_a_store`]: where to keep keys, and how soon a revocation holds everywhere.

pub mod choosing_a_store;
