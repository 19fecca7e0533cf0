//! The products of all accounts: beside the keys where those are in SQL, and else in memory.

use std::sync::Arc;

use http::StatusCode;

use super::postgres::PostgresShelf;
use super::problem::Problem;
use super::product::{NewProduct, Page, Product, ProductChange, check_name};
use super::shelf::Shelf;
use super::sqlite::SqliteShelf;
use crate::database::{Outcome, Sqlite, in_time, report};

#[derive(Clone)]
pub(crate) struct Products(Arc<dyn Shelf>);

impl Products {
    pub(crate) async fn sqlite(database: Sqlite) -> Outcome<Self> {
        Ok(Self(Arc::new(SqliteShelf::open(database).await?)))
    }

    pub(crate) async fn postgres(url: &str) -> Outcome<Self> {
        Ok(Self(Arc::new(PostgresShelf::open(url).await?)))
    }

    pub(super) async fn list(&self, owner: &str, after: i64) -> Result<Page, Problem> {
        answer(self.0.list(owner, after)).await.map(Page::of)
    }

    pub(super) async fn get(&self, owner: &str, id: i64) -> Result<Product, Problem> {
        let found = answer(self.0.get(owner, id)).await?;
        found.ok_or_else(Problem::not_found)
    }

    pub(super) async fn create(&self, owner: &str, new: NewProduct) -> Result<Product, Problem> {
        check_name(&new.name)?;
        answer(self.0.create(owner, new)).await
    }

    pub(super) async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Result<Product, Problem> {
        change.check()?;
        let changed = answer(self.0.change(owner, id, change)).await?;
        changed.ok_or_else(Problem::not_found)
    }

    pub(super) async fn delete(&self, owner: &str, id: i64) -> Result<(), Problem> {
        let was_there = answer(self.0.delete(owner, id)).await?;
        was_there.then_some(()).ok_or_else(Problem::not_found)
    }
}

/// What a shelf answers. Why it does not is for the operator, not for the client.
async fn answer<T>(work: impl Future<Output = Outcome<T>>) -> Result<T, Problem> {
    in_time(work).await.map_err(|error| {
        report(&format!("the products cannot be reached: {error}"));
        let message = "Products cannot be reached at the moment. A change may have been made all the \
                       same: look before you repeat it.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
    })
}
