//! Where products are kept: beside the keys where those are in SQL, and else in memory.

use std::error::Error;
use std::path::Path;

use http::StatusCode;

use super::postgres::PostgresShelf;
use super::problem::Problem;
use super::product::{NewProduct, Page, Product, ProductChange, check_name};
use super::sqlite::SqliteShelf;

#[derive(Clone)]
pub(crate) enum Products {
    Sqlite(SqliteShelf),
    Postgres(PostgresShelf),
}

impl Products {
    pub(crate) fn memory() -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self::Sqlite(SqliteShelf::memory()?))
    }

    pub(crate) fn sqlite(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self::Sqlite(SqliteShelf::open(path)?))
    }

    pub(crate) async fn postgres(url: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self::Postgres(PostgresShelf::connect(url).await?))
    }

    pub(super) async fn list(&self, owner: &str, after: i64) -> Result<Page, Problem> {
        let products = match self {
            Self::Sqlite(shelf) => shelf.list(owner, after).await.map_err(unavailable)?,
            Self::Postgres(shelf) => shelf.list(owner, after).await.map_err(unavailable)?,
        };
        Ok(Page::of(products))
    }

    pub(super) async fn get(&self, owner: &str, id: i64) -> Result<Product, Problem> {
        let product = match self {
            Self::Sqlite(shelf) => shelf.get(owner, id).await.map_err(unavailable)?,
            Self::Postgres(shelf) => shelf.get(owner, id).await.map_err(unavailable)?,
        };
        product.ok_or_else(Problem::not_found)
    }

    pub(super) async fn create(&self, owner: &str, new: NewProduct) -> Result<Product, Problem> {
        check_name(&new.name)?;
        match self {
            Self::Sqlite(shelf) => shelf.create(owner, new).await.map_err(unavailable),
            Self::Postgres(shelf) => shelf.create(owner, new).await.map_err(unavailable),
        }
    }

    pub(super) async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Result<Product, Problem> {
        change.check()?;
        let product = match self {
            Self::Sqlite(shelf) => shelf.change(owner, id, change).await.map_err(unavailable)?,
            Self::Postgres(shelf) => shelf.change(owner, id, change).await.map_err(unavailable)?,
        };
        product.ok_or_else(Problem::not_found)
    }

    pub(super) async fn delete(&self, owner: &str, id: i64) -> Result<(), Problem> {
        let was_there = match self {
            Self::Sqlite(shelf) => shelf.delete(owner, id).await.map_err(unavailable)?,
            Self::Postgres(shelf) => shelf.delete(owner, id).await.map_err(unavailable)?,
        };
        was_there.then_some(()).ok_or_else(Problem::not_found)
    }
}

/// The cause is for the operator, not for the client.
fn unavailable(error: Box<dyn Error + Send + Sync>) -> Problem {
    eprintln!("error: the products cannot be reached: {error}");
    let message = "Products cannot be reached at the moment. Try again later.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
}
