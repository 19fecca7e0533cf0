//! How many keys an account may have.

use http::StatusCode;
use serde_json::json;
use tower_api_key::store::SqliteStore;
use tower_api_key::{KeyManager, NewKey, Scope};

use crate::client::Client;
use crate::examples::{Example, command};
use crate::file::DatabaseFile;

/// What the product's README says.
const MAX_KEYS: usize = 100;
const OWNER: &str = "acct_trucustom";

#[tokio::test]
async fn one_more_than_an_account_may_have_is_refused_wherever_it_is_asked_for() {
    const TEXT: &str = include_str!("../../examples/trucustom/README.md");
    assert!(TEXT.contains(&format!("at most {MAX_KEYS} keys")));
    let file = DatabaseFile::with_tables("trucustom_max_keys");
    let keys = KeyManager::new(SqliteStore::connect(file.path()).await.unwrap());
    let scopes = [Scope::READ, Scope::from_static("keys:manage")];
    let manager = NewKey::new(OWNER, "Management").with_scopes(scopes);
    let manager = keys.issue(manager).await.unwrap().key;
    for _ in 2..MAX_KEYS {
        let new = NewKey::new(OWNER, "One").with_scopes([Scope::READ]);
        keys.issue(new).await.unwrap();
    }
    // Another account's do not count.
    keys.issue(NewKey::new("acct_7", "Other")).await.unwrap();
    let create = || {
        let mut create = command("trucustom");
        create.args(["keys", "create", "CI", "--scope", "read"]);
        create.env("STORE", file.path()).output().unwrap()
    };
    let last = create();
    assert!(last.status.success(), "{last:?}");

    let output = create();
    assert_eq!(output.status.code(), Some(1));
    let refused = "the owner already has 100 keys, the most allowed";
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!("error: {refused}\n")
    );

    let server = Example::start("trucustom", &[("STORE", file.path())]);
    let client = Client::new(&server.base);
    let manager = manager.expose_secret();
    let new = json!({"name": "CI", "scopes": ["read"]});
    let sent = client.send("POST", "/api/v1/keys", manager, &new).await;
    let (status, body) = sent.unwrap();
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &"too_many_keys".into())
    );

    let cookie = client.sign_in(manager).await.unwrap();
    let (status, page) = client.create_key(&cookie).await.unwrap();
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("The owner already has 100 keys, the most allowed."),
        "{page}"
    );
    server.stop();
}
