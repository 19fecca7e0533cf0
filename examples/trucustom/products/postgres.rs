//! Products in PostgreSQL, by a connection of their own.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls, Row};

use super::product::{NewProduct, Page, Product, ProductChange};
use super::shelf::{Outcome, Shelf};

#[derive(Clone)]
pub(super) struct PostgresShelf {
    url: Arc<str>,
    client: Arc<Mutex<Arc<Client>>>,
}

impl PostgresShelf {
    /// It speaks no TLS: a URL that asks for it is refused.
    pub(super) async fn connect(url: &str) -> Result<Self, tokio_postgres::Error> {
        let client = connect(url).await?;
        client
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS products (
                     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                     owner text NOT NULL,
                     name text NOT NULL,
                     price_cents bigint NOT NULL
                 );
                 CREATE INDEX IF NOT EXISTS products_of_owner ON products (owner, id);",
            )
            .await?;
        Ok(Self {
            url: url.into(),
            client: Arc::new(Mutex::new(Arc::new(client))),
        })
    }

    /// The connection, or a new one where it was lost.
    async fn client(&self) -> Outcome<Arc<Client>> {
        let mut client = self.client.lock().await;
        if client.is_closed() {
            *client = Arc::new(connect(&self.url).await?);
        }
        Ok(client.clone())
    }
}

#[async_trait]
impl Shelf for PostgresShelf {
    async fn list(&self, owner: &str, after: i64) -> Outcome<Vec<Product>> {
        let sql = "SELECT id, name, price_cents FROM products
                   WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self
            .client()
            .await?
            .query(sql, &[&owner, &after, &Page::LIMIT])
            .await?;
        rows.iter().map(product).collect()
    }

    async fn get(&self, owner: &str, id: i64) -> Outcome<Option<Product>> {
        let sql = "SELECT id, name, price_cents FROM products WHERE owner = $1 AND id = $2";
        let row = self.client().await?.query_opt(sql, &[&owner, &id]).await?;
        row.as_ref().map(product).transpose()
    }

    async fn create(&self, owner: &str, new: NewProduct) -> Outcome<Product> {
        let sql = "INSERT INTO products (owner, name, price_cents) VALUES ($1, $2, $3)
                   RETURNING id, name, price_cents";
        let price = i64::from(new.price_cents);
        let row = self
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
        let row = self.client().await?.query_opt(sql, &values).await?;
        row.as_ref().map(product).transpose()
    }

    async fn delete(&self, owner: &str, id: i64) -> Outcome<bool> {
        let sql = "DELETE FROM products WHERE owner = $1 AND id = $2";
        Ok(self.client().await?.execute(sql, &[&owner, &id]).await? == 1)
    }
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("error: the connection for products was lost: {error}");
        }
    });
    Ok(client)
}

fn product(row: &Row) -> Outcome<Product> {
    Ok(Product {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        price_cents: u32::try_from(row.try_get::<_, i64>(2)?)?,
    })
}
