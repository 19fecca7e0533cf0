//! Lists: in order, in pages, at a bounded cost.

use serde_json::{Value, json};
use tower_api_key::key::{ApiKey, KeyFormat, KeyHasher};
use tower_api_key::record::{ChangeContext, KeyId, KeyRecord, Revocation, SecretVersion};
use tower_api_key::store::Insert;
use tower_api_key::{IssuedKey, KeyRegistry, MemoryStore};

use crate::kit::{START, Server, server_of};

const KEYS: u32 = 20_000;

/// A server whose owner has many keys, of which every hundredth is revoked.
async fn crowded() -> (Server, IssuedKey) {
    let server = server_of(MemoryStore::new(), |keys| keys);
    let maker = server.manager_of("acct_42", &[]).await;
    let now = START.parse().unwrap();
    let token = ApiKey::generate(&KeyFormat::default()).unwrap();
    let records = (0..KEYS).map(|number| {
        // Ids of after the maker's.
        let mut id = [0xff; 16];
        id[12..].copy_from_slice(&number.to_be_bytes());
        let digest = KeyHasher::sha256().digest(&unique(number));
        let version = SecretVersion::new(1, digest, token.prefix(), now);
        let revocation = (number % 100 == 99).then(|| Revocation::new(now, "old"));
        KeyRecord::new(KeyId::from_bytes(id), "acct_42", number.to_string(), now)
            .with_secret_versions([version])
            .with_revocation(revocation)
    });
    let added = server
        .keys
        .store()
        .insert_many(
            records
                .map(|record| Insert::new(record, &ChangeContext::new(now)))
                .collect(),
        )
        .await;
    assert!(added.iter().all(Result::is_ok));
    (server, maker)
}

fn unique(number: u32) -> ApiKey {
    KeyFormat::default()
        .parse(&format!("tc_{number:064x}"))
        .unwrap()
}

#[tokio::test]
async fn pages_come_in_order_and_miss_nothing() {
    let (server, maker) = crowded().await;
    let (mut names, mut query) = (Vec::new(), "?limit=100".to_owned());
    loop {
        let page = server
            .get(&maker, &format!("/keys{query}"))
            .await
            .expect(200);
        let keys = page["keys"].as_array().unwrap();
        assert!(keys.len() <= 100);
        names.extend(
            keys.iter()
                .map(|key| key["name"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    let expected = (0..KEYS).rev().map(|number| number.to_string());
    let expected: Vec<_> = expected.chain(["manager".to_owned()]).collect();
    assert!(
        names == expected,
        "expected every key once, in order, found {}",
        names.len()
    );
    assert_eq!(
        server.get(&maker, "/keys").await.expect(200)["keys"]
            .as_array()
            .unwrap()
            .len(),
        50
    );
}

#[tokio::test]
async fn a_rare_status_is_found_a_bounded_number_of_keys_at_a_time() {
    let (server, maker) = crowded().await;
    let (mut found, mut requests, mut cursor) = (0, 0, None::<String>);
    loop {
        let after = cursor
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let page = server
            .get(&maker, &format!("/keys?status=revoked&limit=100{after}"))
            .await;
        let page = page.expect(200);
        let keys = page["keys"].as_array().unwrap();
        assert!(keys.iter().all(|key| key["status"] == "revoked"));
        // A thousand are looked at, of which every hundredth is revoked.
        assert!(keys.len() <= 10, "{}", keys.len());
        found += keys.len();
        requests += 1;
        cursor = page["next_cursor"].as_str().map(ToOwned::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found, requests), (200, 21));
    let none = server.get(&maker, "/keys?status=expired").await.expect(200);
    assert_eq!(none["keys"], json!([]));
    assert!(none["next_cursor"].is_string());
}

#[tokio::test]
async fn the_trail_comes_newest_first_and_misses_nothing() {
    let server = server_of(MemoryStore::new(), |keys| keys);
    let maker = server.manager_of("acct_42", &[]).await;
    let target = format!("/keys/{}", maker.record.id());
    for name in 0..7 {
        let name = name.to_string();
        server
            .ask(&maker, "PATCH", &target, Some(json!({"name": name})))
            .await
            .expect(200);
    }
    let (mut names, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = server
            .get(&maker, &format!("/audit{query}"))
            .await
            .expect(200);
        let entries = page["entries"].as_array().unwrap();
        names.extend(
            entries
                .iter()
                .map(|entry| entry["detail"]["name"]["to"].clone()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..7)
        .rev()
        .map(|n| json!(n.to_string()))
        .chain([Value::Null])
        .collect();
    assert_eq!(names, expected);
}
