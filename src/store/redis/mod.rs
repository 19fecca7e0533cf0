//! Keys in Redis.
//!
//! [`RedisStore`] says what it needs of the server, and what its settings mean for keys.

pub(crate) mod backoff;
pub(crate) mod commands;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod feed;
pub(crate) mod link;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod registry;
pub(crate) mod reply;
pub(crate) mod role;
pub(crate) mod script;
pub(crate) mod store;
pub(crate) mod stored;
pub(crate) mod sums;
pub(crate) mod target;
pub(crate) mod task;

pub use options::RedisOptions;
pub use store::RedisStore;
