//! Products in PostgreSQL: the database of the keys.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::product::{NewProduct, Page, Product, ProductChange};
use super::shelf::Shelf;
use crate::database::{Outcome, Postgres};

pub(super) struct PostgresShelf(Postgres);

impl PostgresShelf {
    pub(super) async fn open(database: Postgres) -> Outcome<Self> {
        let schema = "CREATE TABLE IF NOT EXISTS products (
                 id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 owner text NOT NULL,
                 name text NOT NULL,
                 price_cents bigint NOT NULL
             );
             CREATE INDEX IF NOT EXISTS products_of_owner ON products (owner, id);";
        database.make(schema).await?;
        Ok(Self(database))
    }
}

#[async_trait]
impl Shelf for PostgresShelf {
    async fn list(&self, owner: &str, after: i64) -> Outcome<Vec<Product>> {
        let sql = "SELECT id, name, price_cents FROM products
                   WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self
            .0
            .client()
            .await?
            .query(sql, &[&owner, &after, &Page::LIMIT])
            .await?;
        rows.iter().map(product).collect()
    }

    async fn get(&self, owner: &str, id: i64) -> Outcome<Option<Product>> {
        let sql = "SELECT id, name, price_cents FROM products WHERE owner = $1 AND id = $2";
        let row = self
            .0
            .client()
            .await?
            .query_opt(sql, &[&owner, &id])
            .await?;
        row.as_ref().map(product).transpose()
    }

    async fn create(&self, owner: &str, new: NewProduct) -> Outcome<Product> {
        let sql = "INSERT INTO products (owner, name, price_cents) VALUES ($1, $2, $3)
                   RETURNING id, name, price_cents";
        let price = i64::from(new.price_cents);
        let row = self
            .0
            .client()
            .await?
            .query_one(sql, &[&owner, &new.name, &price])
            .await?;
        product(&row)
    }

    async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Outcome<Option<Product>> {
        let sql = "UPDATE products SET name = coalesce($3, name),
                       price_cents = coalesce($4, price_cents)
                   WHERE owner = $1 AND id = $2 RETURNING id, name, price_cents";
        let price = change.price_cents.map(i64::from);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&owner, &id, &change.name, &price];
        let row = self.0.client().await?.query_opt(sql, &values).await?;
        row.as_ref().map(product).transpose()
    }

    async fn delete(&self, owner: &str, id: i64) -> Outcome<bool> {
        let sql = "DELETE FROM products WHERE owner = $1 AND id = $2";
        Ok(self.0.client().await?.execute(sql, &[&owner, &id]).await? == 1)
    }
}

fn product(row: &Row) -> Outcome<Product> {
    Ok(Product {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        price_cents: u32::try_from(row.try_get::<_, i64>(2)?)?,
    })
}
