//! The products of all accounts: beside the keys where those are in SQL, and else in memory.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use http::StatusCode;

use super::postgres::PostgresShelf;
use super::problem::Problem;
use super::product::{NewProduct, Page, Product, ProductChange, check_name};
use super::shelf::Shelf;
use super::sqlite::SqliteShelf;

#[derive(Clone)]
pub(crate) struct Products(Arc<dyn Shelf>);

impl Products {
    pub(crate) fn memory() -> Result<Self, Box<dyn Error>> {
        Ok(Self(Arc::new(SqliteShelf::memory()?)))
    }

    pub(crate) fn sqlite(path: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Arc::new(SqliteShelf::open(path)?)))
    }

    pub(crate) async fn postgres(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Arc::new(PostgresShelf::connect(url).await?)))
    }

    pub(super) async fn list(&self, owner: &str, after: i64) -> Result<Page, Problem> {
        let found = self.0.list(owner, after).await;
        found.map(Page::of).map_err(unavailable)
    }

    pub(super) async fn get(&self, owner: &str, id: i64) -> Result<Product, Problem> {
        let found = self.0.get(owner, id).await.map_err(unavailable)?;
        found.ok_or_else(Problem::not_found)
    }

    pub(super) async fn create(&self, owner: &str, new: NewProduct) -> Result<Product, Problem> {
        check_name(&new.name)?;
        self.0.create(owner, new).await.map_err(unavailable)
    }

    pub(super) async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Result<Product, Problem> {
        change.check()?;
        let changed = self.0.change(owner, id, change).await;
        changed.map_err(unavailable)?.ok_or_else(Problem::not_found)
    }

    pub(super) async fn delete(&self, owner: &str, id: i64) -> Result<(), Problem> {
        let was_there = self.0.delete(owner, id).await.map_err(unavailable)?;
        was_there.then_some(()).ok_or_else(Problem::not_found)
    }
}

/// The cause is for the operator, not for the client.
#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unavailable(error: Box<dyn Error + Send + Sync>) -> Problem {
    eprintln!("error: the products cannot be reached: {error}");
    let message = "Products cannot be reached at the moment. Try again later.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
}
