//! Products in memory, each with the account that it belongs to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// The products of all accounts. Every call names the account, so none sees another's.
#[derive(Clone, Default)]
pub(crate) struct Products(Arc<Mutex<Stock>>);

#[derive(Default)]
struct Stock {
    last_id: u64,
    by_id: BTreeMap<u64, Entry>,
}

struct Entry {
    owner: String,
    product: Product,
}

#[derive(Clone, Serialize)]
pub(crate) struct Product {
    id: u64,
    name: String,
    price_cents: u32,
}

impl Product {
    /// Where the product is on its server.
    pub(crate) fn location(&self) -> String {
        format!("/api/v1/products/{}", self.id)
    }
}

/// What a client sends to create or replace a product.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    name: String,
    price_cents: u32,
}

/// What a client sends to change a product; what is left out stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductChange {
    name: Option<String>,
    price_cents: Option<u32>,
}

impl Products {
    /// Products 1, 2 and 3, which belong to that account.
    pub(crate) fn of(owner: &str) -> Self {
        let products = Self::default();
        for (name, price_cents) in [
            ("Walnut desk", 45_000),
            ("Desk lamp", 3_900),
            ("Coat hook", 900),
        ] {
            products.stock().add(owner, name.to_owned(), price_cents);
        }
        products
    }

    pub(crate) fn list(&self, owner: &str) -> Vec<Product> {
        self.stock()
            .by_id
            .values()
            .filter(|entry| entry.owner == owner)
            .map(|entry| entry.product.clone())
            .collect()
    }

    pub(crate) fn get(&self, owner: &str, id: &str) -> Result<Product, Problem> {
        self.stock().find(owner, id).cloned()
    }

    pub(crate) fn create(&self, owner: &str, new: NewProduct) -> Result<Product, Problem> {
        check_name(&new.name)?;
        Ok(self.stock().add(owner, new.name, new.price_cents))
    }

    pub(crate) fn change(
        &self,
        owner: &str,
        id: &str,
        change: ProductChange,
    ) -> Result<Product, Problem> {
        if let Some(name) = &change.name {
            check_name(name)?;
        }
        let mut stock = self.stock();
        let product = stock.find(owner, id)?;
        product.name = change.name.unwrap_or_else(|| product.name.clone());
        product.price_cents = change.price_cents.unwrap_or(product.price_cents);
        Ok(product.clone())
    }

    pub(crate) fn replace(
        &self,
        owner: &str,
        id: &str,
        new: NewProduct,
    ) -> Result<Product, Problem> {
        let change = ProductChange {
            name: Some(new.name),
            price_cents: Some(new.price_cents),
        };
        self.change(owner, id, change)
    }

    pub(crate) fn delete(&self, owner: &str, id: &str) -> Result<(), Problem> {
        let mut stock = self.stock();
        let id = stock.find(owner, id)?.id;
        stock.by_id.remove(&id);
        Ok(())
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        // OK because no call leaves the stock half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stock {
    fn add(&mut self, owner: &str, name: String, price_cents: u32) -> Product {
        self.last_id += 1;
        let product = Product {
            id: self.last_id,
            name,
            price_cents,
        };
        let entry = Entry {
            owner: owner.to_owned(),
            product: product.clone(),
        };
        self.by_id.insert(self.last_id, entry);
        product
    }

    /// Another account's product is not found, as one that does not exist.
    fn find(&mut self, owner: &str, id: &str) -> Result<&mut Product, Problem> {
        id.parse()
            .ok()
            .and_then(|id: u64| self.by_id.get_mut(&id))
            .filter(|entry| entry.owner == owner)
            .map(|entry| &mut entry.product)
            .ok_or_else(Problem::not_found)
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    if name.trim().is_empty() || name.len() > 100 {
        let message = "Expected a name of 1 to 100 octets.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    Ok(())
}
