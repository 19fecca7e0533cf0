//! Where products are kept.

use async_trait::async_trait;

use super::product::{NewProduct, Product, ProductChange};
use crate::database::Outcome;

/// Keeps products; each belongs to an owner, and is not there for others.
#[async_trait]
pub(super) trait Shelf: Send + Sync {
    /// Up to [`Page::LIMIT`](super::product::Page::LIMIT) products with higher ids than that, by id.
    async fn list(&self, owner: &str, after: i64) -> Outcome<Vec<Product>>;

    async fn get(&self, owner: &str, id: i64) -> Outcome<Option<Product>>;

    async fn create(&self, owner: &str, new: NewProduct) -> Outcome<Product>;

    async fn change(&self, owner: &str, id: i64, change: ProductChange)
    -> Outcome<Option<Product>>;

    /// Whether the product was there.
    async fn delete(&self, owner: &str, id: i64) -> Outcome<bool>;
}
