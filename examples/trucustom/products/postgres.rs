//! Products in PostgreSQL: the database of the keys.

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::product::{NewProduct, Page, Product, ProductChange};
use super::shelf::Shelf;
use crate::database::{Outcome, Postgres};

/// However many changes wait for a row, readers go on.
pub(super) struct PostgresShelf {
    reader: Postgres,
    writer: Postgres,
}

impl PostgresShelf {
    pub(super) async fn open(url: &str) -> Outcome<Self> {
        let schema = "CREATE TABLE IF NOT EXISTS trucustom_products (
                 id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 owner text NOT NULL,
                 name text NOT NULL,
                 price_cents bigint NOT NULL
             );
             CREATE INDEX IF NOT EXISTS trucustom_products_of_owner
                 ON trucustom_products (owner, id);";
        let (reader, writer) = (Postgres::new(url)?, Postgres::new(url)?);
        writer.make("trucustom_products", schema).await?;
        Ok(Self { reader, writer })
    }
}

async fn one(
    database: &Postgres,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Outcome<Option<Product>> {
    let rows = database.rows(sql, values).await?;
    rows.first().map(product).transpose()
}

#[async_trait]
impl Shelf for PostgresShelf {
    async fn list(&self, owner: &str, after: i64) -> Outcome<Vec<Product>> {
        let sql = "SELECT id, name, price_cents FROM trucustom_products
                   WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self
            .reader
            .rows(sql, &[&owner, &after, &Page::LIMIT])
            .await?;
        rows.iter().map(product).collect()
    }

    async fn get(&self, owner: &str, id: i64) -> Outcome<Option<Product>> {
        let sql = "SELECT id, name, price_cents FROM trucustom_products
                   WHERE owner = $1 AND id = $2";
        one(&self.reader, sql, &[&owner, &id]).await
    }

    async fn create(&self, owner: &str, new: NewProduct) -> Outcome<Product> {
        let sql = "INSERT INTO trucustom_products (owner, name, price_cents) VALUES ($1, $2, $3)
                   RETURNING id, name, price_cents";
        let price = i64::from(new.price_cents);
        let made = one(&self.writer, sql, &[&owner, &new.name, &price]).await?;
        made.ok_or_else(|| "expected the product that was made, found none".into())
    }

    async fn change(
        &self,
        owner: &str,
        id: i64,
        change: ProductChange,
    ) -> Outcome<Option<Product>> {
        let sql = "UPDATE trucustom_products SET name = coalesce($3, name),
                       price_cents = coalesce($4, price_cents)
                   WHERE owner = $1 AND id = $2 RETURNING id, name, price_cents";
        let price = change.price_cents.map(i64::from);
        one(&self.writer, sql, &[&owner, &id, &change.name, &price]).await
    }

    async fn delete(&self, owner: &str, id: i64) -> Outcome<bool> {
        let sql = "DELETE FROM trucustom_products WHERE owner = $1 AND id = $2
                   RETURNING id, name, price_cents";
        Ok(one(&self.writer, sql, &[&owner, &id]).await?.is_some())
    }
}

fn product(row: &Row) -> Outcome<Product> {
    Ok(Product {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        price_cents: u32::try_from(row.try_get::<_, i64>(2)?)?,
    })
}
