//! Keys in an SQLite file: the embedded default, for the servers of one machine.
//!
//! [`SqliteStore`] answers lookups at once, from read connections of its own, and makes every
//! change on one thread. [`SqliteOptions`] says how.

pub(crate) mod audit;
pub(crate) mod failure;
pub(crate) mod feed;
pub(crate) mod files;
pub(crate) mod inline;
pub(crate) mod link;
pub(crate) mod location;
pub(crate) mod options;
pub(crate) mod registry;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod store;
pub(crate) mod usage;
pub(crate) mod worker;

pub use options::SqliteOptions;
pub use store::SqliteStore;
