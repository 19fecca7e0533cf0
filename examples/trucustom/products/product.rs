//! One product, and what a client may make of it.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::problem::Problem;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Product {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) price_cents: u32,
}

/// What a client sends to create or replace a product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProduct {
    pub(super) name: String,
    pub(super) price_cents: u32,
}

/// What a client sends to change a product; what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductChange {
    pub(super) name: Option<String>,
    pub(super) price_cents: Option<u32>,
}

/// One page of products, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) products: Vec<Product>,
    /// The `after` of the next page; null on the last.
    pub(super) next: Option<i64>,
}

impl Page {
    pub(super) const SIZE: usize = 100;
    /// One more tells whether another page follows.
    pub(super) const LIMIT: i64 = 101;

    /// The page of products of which there may be one more than it holds.
    pub(super) fn of(mut products: Vec<Product>) -> Self {
        let more = products.len() > Self::SIZE;
        products.truncate(Self::SIZE);
        let next = products.last().map(|product| product.id).filter(|_| more);
        Self { products, next }
    }
}

impl From<NewProduct> for ProductChange {
    fn from(new: NewProduct) -> Self {
        Self {
            name: Some(new.name),
            price_cents: Some(new.price_cents),
        }
    }
}

impl ProductChange {
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.name.as_deref().map_or(Ok(()), check_name)
    }
}

pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let is_fit = (1..=200).contains(&name.chars().count())
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control);
    if is_fit {
        return Ok(());
    }
    let message = "A name has 1 to 200 characters, and no control characters.";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message))
}
