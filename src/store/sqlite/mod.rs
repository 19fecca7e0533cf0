//! Keys in an SQLite file: the embedded default, for the servers of one machine.
//!
//! [`SqliteStore`] answers look-ups at once, from read connections of its own, and makes every
//! change on one thread. [`SqliteOptions`] says how.

pub(crate) mod audit;
pub(crate) mod audit_sql;
pub(crate) mod cells;
pub(crate) mod change;
pub(crate) mod failure;
pub(crate) mod feed;
pub(crate) mod files;
pub(crate) mod inline;
pub(crate) mod insert;
pub(crate) mod link;
pub(crate) mod location;
pub(crate) mod metadata;
pub(crate) mod options;
pub(crate) mod read;
pub(crate) mod registry;
pub(crate) mod row;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod store;
pub(crate) mod usage;
pub(crate) mod usage_sql;
pub(crate) mod worker;

pub use options::SqliteOptions;
pub use store::SqliteStore;
