//! A store that fails: 503, and no word of what failed.

use serde_json::json;
use tower_api_key::store::{PageRequest, StoreErrorKind};
use tower_api_key::testing::{Fault, FaultyStore};
use tower_api_key::{KeyManager, MemoryStore};

use crate::kit::{server, server_of};

#[tokio::test]
async fn a_store_that_fails_is_503_with_a_time_to_try_again() {
    let healthy = server();
    let maker = healthy.manager_of("acct_42", &[]).await;
    let store = healthy.keys.store().clone();
    let stored = healthy.stored("acct_42").await;
    for fault in [
        Fault::Error(StoreErrorKind::Unavailable),
        Fault::Error(StoreErrorKind::TimedOut),
        Fault::Error(StoreErrorKind::Corrupt),
        Fault::Panic,
    ] {
        let faulty = FaultyStore::new(store.clone(), 7).with_change_fault(fault, 100);
        let server = server_of(std::sync::Arc::new(faulty), |keys| keys);
        let one = format!("/keys/{}", maker.record.id());
        for (method, target, body) in [
            ("POST", "/keys", json!({"name": "a"})),
            ("PATCH", &one, json!({"name": "b"})),
            ("POST", &format!("{one}/rotate"), json!({})),
            ("POST", &format!("{one}/revoke"), json!({})),
        ] {
            let answer = server.ask(&maker, method, target, Some(body)).await;
            assert_eq!(
                answer.expect_problem(503, "unavailable"),
                [""; 0],
                "{fault:?} {method}"
            );
            assert_eq!(answer.header("retry-after"), "1");
            let expected = json!({
                "type": "about:blank", "title": "Service Unavailable", "status": 503,
                "code": "unavailable", "detail": "keys cannot be managed at the moment; a change \
                    may have been made all the same",
            });
            assert_eq!(answer.json(), expected);
        }
    }
    let keys: KeyManager<MemoryStore> = healthy.keys.clone();
    assert_eq!(
        keys.list("acct_42", &PageRequest::default())
            .await
            .unwrap()
            .keys()
            .len(),
        1
    );
    assert_eq!(healthy.stored("acct_42").await, stored);
}
