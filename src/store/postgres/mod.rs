//! Keys in PostgreSQL, shared by many machines; see [`PostgresStore`].

mod address;
mod audit;
mod change;
mod columns;
mod connector;
mod database;
mod fault;
mod feed;
mod forget;
mod hidden;
mod insert;
mod link;
mod migrate;
mod options;
mod payload;
mod pool;
mod reading;
mod rows;
mod sql;
mod stop;
mod store;
mod tables;
mod timestamptz;
mod tls;
mod usage;
mod writing;
mod written;

pub use options::PostgresOptions;
pub use store::PostgresStore;
