//! A key whose record cannot be read.

use http::StatusCode;
use serde_json::Value;
use tower_api_key::store::SqliteStore;
use tower_api_key::{KeyManager, NewKey, Scope};

use crate::client::Client;
use crate::examples::Example;
use crate::file::DatabaseFile;

#[tokio::test]
async fn the_server_starts_and_serves_all_other_keys() {
    let file = DatabaseFile::with_tables("trucustom_corrupt");
    let keys = KeyManager::new(SqliteStore::connect(file.path()).await.unwrap());
    let new = || NewKey::new("acct_trucustom", "CI").with_scopes([Scope::READ]);
    let whole = keys.issue(new()).await.unwrap();
    // The newest, so that it is the first of the list.
    let corrupt = keys.issue(new()).await.unwrap();
    drop(keys);
    let database = rusqlite::Connection::open(file.path()).unwrap();
    let change = "UPDATE tower_api_key_keys SET document = '{}' WHERE id = ?1";
    let id = corrupt.record.id();
    assert_eq!(database.execute(change, [&id.as_bytes()[..]]).unwrap(), 1);

    let server = Example::start("trucustom", &[("STORE", file.path())]);
    let client = Client::new(&server.base);
    for (key, expected) in [
        (&whole.key, StatusCode::OK),
        (&corrupt.key, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let key = key.expose_secret();
        let sent = client.send("GET", "/api/v1/products", key, &Value::Null);
        assert_eq!(sent.await.unwrap().0, expected);
    }
    server.stop();
}
