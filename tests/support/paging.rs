//! Lists of keys in pages.

use std::collections::BTreeSet;
use std::time::Duration;

use tower_api_key::NewKey;
use tower_api_key::record::KeyId;
use tower_api_key::store::PageRequest;

use super::support::{Keys, timed_keys};

/// Every id of an owner, page by page; `between` is called after each page.
async fn walk(
    keys: &Keys,
    owner: &str,
    limit: usize,
    mut between: impl AsyncFnMut(usize),
) -> Vec<KeyId> {
    let (mut ids, mut request) = (Vec::new(), PageRequest::first(limit));
    for turn in 0.. {
        let page = keys.list(owner, &request).await.unwrap();
        assert!(page.keys().iter().all(|record| record.owner() == owner));
        ids.extend(page.keys().iter().map(|record| record.id()));
        let Some(cursor) = page.next() else { break };
        assert_eq!(page.keys().len(), limit.min(PageRequest::MAX_LIMIT));
        assert_eq!(page.keys().last().unwrap().id(), cursor);
        request = request.after(cursor);
        between(turn).await;
    }
    ids
}

#[tokio::test]
async fn pages_hold_every_key_once_in_a_stable_order() {
    let (keys, clock) = timed_keys();
    let mut issued = Vec::new();
    for number in 0..1_200 {
        let owner = if number % 6 == 5 { "acct_7" } else { "acct_42" };
        let key = keys
            .issue(NewKey::new(owner, number.to_string()))
            .await
            .unwrap();
        issued.push((owner, key.record.id()));
        clock.advance(Duration::from_millis(1));
    }
    for owner in ["acct_42", "acct_7"] {
        // One millisecond apart, ids are in the order of creation; the newest comes first.
        let expected: Vec<_> = issued
            .iter()
            .rev()
            .filter(|(whose, _)| *whose == owner)
            .map(|(_, id)| *id)
            .collect();
        for limit in [1, 7, 100, 1_000, 5_000] {
            assert_eq!(
                walk(&keys, owner, limit, async |_| ()).await,
                expected,
                "{limit}"
            );
        }
    }
    for nobody in ["acct_4", "acct_422", "", "ACCT_42"] {
        let page = keys.list(nobody, &PageRequest::first(10)).await.unwrap();
        assert_eq!((page.keys().len(), page.next()), (0, None));
    }

    // The cursor goes, a key ahead goes, and keys come; all others are still seen once.
    let mine: Vec<_> = issued
        .iter()
        .rev()
        .filter(|(whose, _)| *whose == "acct_42")
        .map(|(_, id)| *id)
        .collect();
    let seen = walk(&keys, "acct_42", 100, async |turn| {
        keys.delete(&mine[turn * 100 + 99]).await.unwrap();
        keys.delete(&mine[turn * 100 + 150]).await.unwrap();
        keys.issue(NewKey::new("acct_7", "late")).await.unwrap();
    })
    .await;
    let unique: BTreeSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "a key was seen twice");
    let missed: Vec<_> = mine
        .iter()
        .enumerate()
        .filter(|(_, id)| !unique.contains(id))
        .map(|(at, _)| at % 100)
        .collect();
    assert!(
        !missed.is_empty() && missed.iter().all(|at| *at == 50),
        "{missed:?}"
    );
}
