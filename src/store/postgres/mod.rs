//! Keys in PostgreSQL, shared by many machines; see [`PostgresStore`].

mod address;
mod audit;
mod connector;
mod database;
mod error;
mod feed;
mod hidden;
mod link;
mod migrate;
mod options;
mod payload;
mod pool;
mod registry;
mod rows;
mod schema;
mod stop;
mod store;
mod tls;
mod usage;

pub use options::PostgresOptions;
pub use store::PostgresStore;
