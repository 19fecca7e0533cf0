//! Both stores in one build.

pub use sqlx::SqlitePool;
pub use tower_api_key::store::SqliteStore;
