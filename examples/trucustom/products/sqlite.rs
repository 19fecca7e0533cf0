//! Products in SQLite: the file of the keys, or memory.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::product::{NewProduct, Page, Product, ProductChange};
use super::shelf::Shelf;
use crate::database::{Outcome, Sqlite};

pub(super) struct SqliteShelf(Sqlite);

impl SqliteShelf {
    pub(super) async fn open(database: Sqlite) -> Outcome<Self> {
        let schema = "CREATE TABLE IF NOT EXISTS trucustom_products (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 owner TEXT NOT NULL,
                 name TEXT NOT NULL,
                 price_cents INTEGER NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS trucustom_products_of_owner ON trucustom_products (owner, id);";
        let made = database.write(|connection| connection.execute_batch(schema));
        made.await?;
        Ok(Self(database))
    }
}

#[async_trait]
impl Shelf for SqliteShelf {
    async fn list(&self, owner: &str, after: i64) -> Outcome<Vec<Product>> {
        let owner = owner.to_owned();
        self.0
            .read(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT id, name, price_cents FROM trucustom_products
                 WHERE owner = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                )?;
                let rows = statement.query_map(params![owner, after, Page::LIMIT], product)?;
                rows.collect()
            })
            .await
    }

    async fn get(&self, owner: &str, id: i64) -> Outcome<Option<Product>> {
        let owner = owner.to_owned();
        self.0
            .read(move |connection| {
                let sql = "SELECT id, name, price_cents FROM trucustom_products WHERE owner = ?1 AND id = ?2";
                let row = connection.query_row(sql, params![owner, id], product);
                row.optional()
            })
            .await
    }

    async fn create(&self, owner: &str, new: NewProduct) -> Outcome<Product> {
        let owner = owner.to_owned();
        self.0
            .write(move |connection| {
                let sql =
                    "INSERT INTO trucustom_products (owner, name, price_cents) VALUES (?1, ?2, ?3)
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
        self.0
            .write(move |connection| {
                let sql = "UPDATE trucustom_products SET name = coalesce(?3, name),
                           price_cents = coalesce(?4, price_cents)
                       WHERE owner = ?1 AND id = ?2 RETURNING id, name, price_cents";
                let values = params![owner, id, change.name, change.price_cents];
                connection.query_row(sql, values, product).optional()
            })
            .await
    }

    async fn delete(&self, owner: &str, id: i64) -> Outcome<bool> {
        let owner = owner.to_owned();
        self.0
            .write(move |connection| {
                let sql = "DELETE FROM trucustom_products WHERE owner = ?1 AND id = ?2";
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
