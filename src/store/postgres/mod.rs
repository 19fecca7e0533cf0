//! Keys in PostgreSQL, shared by many machines; see [`PostgresStore`].

mod address;
mod backoff;
mod change;
mod columns;
mod connector;
mod database;
mod fault;
mod feed;
mod hidden;
mod insert;
mod link;
mod migrate;
mod options;
mod payload;
mod pool;
mod rows;
mod sql;
mod stop;
mod store;
mod timestamptz;
mod tls;
mod usage;

pub use options::PostgresOptions;
pub use store::PostgresStore;
