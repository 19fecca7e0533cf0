//! The products of all accounts: beside the keys where those are in SQL, and else in memory.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;

use super::postgres::PostgresShelf;
use super::problem::Problem;
use super::product::{NewProduct, Page, Product, ProductChange, check_name};
use super::shelf::{Outcome, Shelf};
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
        bounded(self.0.list(owner, after)).await.map(Page::of)
    }

    pub(super) async fn get(&self, owner: &str, id: i64) -> Result<Product, Problem> {
        let found = bounded(self.0.get(owner, id)).await?;
        found.ok_or_else(Problem::not_found)
    }

    pub(super) async fn create(&self, owner: &str, new: NewProduct) -> Result<Product, Problem> {
        check_name(&new.name)?;
        bounded(self.0.create(owner, new)).await
    }

    pub(super) async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Result<Product, Problem> {
        change.check()?;
        let changed = bounded(self.0.change(owner, id, change)).await?;
        changed.ok_or_else(Problem::not_found)
    }

    pub(super) async fn delete(&self, owner: &str, id: i64) -> Result<(), Problem> {
        let was_there = bounded(self.0.delete(owner, id)).await?;
        was_there.then_some(()).ok_or_else(Problem::not_found)
    }
}

/// How long a request waits for its products.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a shelf answers in time. Why it does not is for the operator, not for the client.
async fn bounded<T>(work: impl Future<Output = Outcome<T>>) -> Result<T, Problem> {
    let why = match timeout(DEADLINE, work).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    eprintln!("error: the products cannot be reached: {why}");
    let message = "Products cannot be reached at the moment. Try again later.";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message))
}
