//! Products in SQLite: the file of the keys, or memory.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::product::{NewProduct, Page, Product, ProductChange};
use super::shelf::{Outcome, Shelf};

#[derive(Clone)]
pub(super) struct SqliteShelf(Arc<Mutex<Connection>>);

impl SqliteShelf {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        Self::of(Connection::open(path)?)
    }

    pub(super) fn memory() -> rusqlite::Result<Self> {
        Self::of(Connection::open_in_memory()?)
    }

    fn of(connection: Connection) -> rusqlite::Result<Self> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS products (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 owner TEXT NOT NULL,
                 name TEXT NOT NULL,
                 price_cents INTEGER NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS products_of_owner ON products (owner, id);",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Works off the threads that serve requests.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<T> {
        let shared = self.0.clone();
        // OK after a panic: every statement is whole.
        let work = move || work(&shared.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(work).await??)
    }
}

#[async_trait]
impl Shelf for SqliteShelf {
    async fn list(&self, owner: &str, after: i64) -> Outcome<Vec<Product>> {
        let owner = owner.to_owned();
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, name, price_cents FROM products
                 WHERE owner = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            let rows = statement.query_map(params![owner, after, Page::LIMIT], product)?;
            rows.collect()
        })
        .await
    }

    async fn get(&self, owner: &str, id: i64) -> Outcome<Option<Product>> {
        let owner = owner.to_owned();
        self.run(move |connection| {
            let sql = "SELECT id, name, price_cents FROM products WHERE owner = ?1 AND id = ?2";
            let row = connection.query_row(sql, params![owner, id], product);
            row.optional()
        })
        .await
    }

    async fn create(&self, owner: &str, new: NewProduct) -> Outcome<Product> {
        let owner = owner.to_owned();
        self.run(move |connection| {
            let sql = "INSERT INTO products (owner, name, price_cents) VALUES (?1, ?2, ?3)
                       RETURNING id, name, price_cents";
            connection.query_row(sql, params![owner, new.name, new.price_cents], product)
        })
        .await
    }

    async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Outcome<Option<Product>> {
        let owner = owner.to_owned();
        self.run(move |connection| {
            let sql = "UPDATE products SET name = coalesce(?3, name),
                           price_cents = coalesce(?4, price_cents)
                       WHERE owner = ?1 AND id = ?2 RETURNING id, name, price_cents";
            let values = params![owner, id, change.name, change.price_cents];
            connection.query_row(sql, values, product).optional()
        })
        .await
    }

    async fn delete(&self, owner: &str, id: i64) -> Outcome<bool> {
        let owner = owner.to_owned();
        self.run(move |connection| {
            let sql = "DELETE FROM products WHERE owner = ?1 AND id = ?2";
            Ok(connection.execute(sql, params![owner, id])? == 1)
        })
        .await
    }
}

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        name: row.get(1)?,
        price_cents: row.get(2)?,
    })
}
