//! Keys in Redis.
//!
//! [`RedisStore`] says what it needs of the server, and what its settings mean for keys.

pub(crate) mod audit;
pub(crate) mod backoff;
pub(crate) mod error;
pub(crate) mod feed;
pub(crate) mod link;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod registry;
pub(crate) mod role;
pub(crate) mod rows;
pub(crate) mod script;
pub(crate) mod store;
pub(crate) mod target;
pub(crate) mod task;
pub(crate) mod usage;

pub use options::RedisOptions;
pub use store::RedisStore;
