//! Changes at the same time, by one store and by two.

use futures::future::join_all;
use tower_api_key::record::{KeyChange, KeyUpdate, Revocation, SecretVersion, Transition};
use tower_api_key::store::{Commit, KeyUse, StoreErrorKind, UsageBatch, UsageStore};
use tower_api_key::{KeyRegistry, KeyStore, Scope};

use super::kit::{
    Directory, apply, at, context, digest, find, id, insert, record, rotation, version,
    without_uses,
};

#[tokio::test]
async fn one_store_sees_at_once_what_another_changed() {
    let directory = Directory::new();
    let (one, two) = (directory.store().await, directory.store().await);
    one.insert(insert(record(1))).await.unwrap();
    assert_eq!(*find(&two, 1).await.unwrap(), record(1));
    apply(&two, 1, &rotation(2)).await;
    assert_eq!(find(&one, 2).await, find(&two, 1).await);
    for round in 0..50 {
        let change = if round % 2 == 0 {
            KeyChange::Disable
        } else {
            KeyChange::Enable
        };
        let (writer, reader) = if round % 3 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let changed = apply(writer, 1, &change).await;
        assert_eq!(find(reader, 1).await.unwrap(), changed);
    }
    apply(&two, 1, &KeyChange::Delete).await;
    assert_eq!(find(&one, 1).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_once_all_take_effect() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    for round in 1..=10 {
        let number = 100 * round;
        stores[0].insert(insert(record(number))).await.unwrap();
        let update = |update| KeyChange::Update(update);
        let changes = [
            update(KeyUpdate::new().with_name("Reporting")),
            update(KeyUpdate::new().with_scopes(Scope::WRITE)),
            update(KeyUpdate::new().with_expires_at(Some(at(100)))),
            KeyChange::Disable,
            rotation(number + 1),
            rotation(number + 2),
            rotation(number + 3),
        ];
        let tasks = changes.into_iter().enumerate().map(|(task, change)| {
            let store = stores[task % 2].clone();
            tokio::spawn(async move {
                apply(&store, number, &change).await;
                let used = KeyUse::new(id(number), 1, at(1_000 + i64::try_from(task).unwrap()));
                let batch =
                    UsageBatch::new([u8::try_from(task).unwrap(); 16], round.into(), [used]);
                store.record_usage(&batch).await.unwrap();
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        let after = stores[1].get(&id(number)).await.unwrap().unwrap();
        assert_eq!(after.name(), "Reporting");
        assert_eq!(after.scopes(), &Scope::WRITE.into());
        assert_eq!(after.expires_at(), Some(at(100)));
        assert!(after.is_disabled());
        assert_eq!(after.last_used_at(), Some(at(1_006)));
        let numbers = after.secret_versions().iter().map(SecretVersion::number);
        assert!(numbers.eq([4, 3, 2, 1]));
        for added in 1..=3 {
            let found = find(&stores[0], number + added).await;
            assert_eq!(found.as_deref(), Some(&without_uses(&after)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_inserts_of_a_digest_wins() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    for round in 0..10 {
        let tasks = (0..8).map(|task| {
            let store = stores[task as usize % 2].clone();
            let new =
                record(1 + 10 * round + task).with_secret_versions([version(1, 1_000 + round)]);
            let id = new.id();
            tokio::spawn(async move { store.insert(insert(new)).await.map(|_| id) })
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(tasks)
            .await
            .into_iter()
            .map(Result::unwrap)
            .partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 7));
        let exists = |lost: &Result<_, tower_api_key::store::StoreError>| {
            lost.as_ref().unwrap_err().kind() == StoreErrorKind::AlreadyExists
        };
        assert!(lost.iter().all(exists));
        let found = stores[0].find(&digest(1_000 + round)).await.unwrap();
        let found = found.map(|record| record.id());
        assert_eq!(found, won.into_iter().next().unwrap().ok());
    }
}

/// Whichever comes first, the key ends up revoked, and never works again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_is_never_undone_by_what_runs_beside_it() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    for number in 1..=20 {
        stores[0].insert(insert(record(number))).await.unwrap();
        let (one, two) = (stores[0].clone(), stores[1].clone());
        let revoke = tokio::spawn(async move {
            let revocation = Revocation::new(at(1), "lost");
            apply(&one, number, &KeyChange::Revoke(revocation)).await
        });
        let others = tokio::spawn(async move {
            let changes = [
                KeyChange::Enable,
                rotation(1_000 + number),
                KeyChange::Disable,
            ];
            for (sequence, change) in (u64::from(3 * number)..).zip(changes) {
                // Decided on the key as it was before the revocation, or refused after it.
                let before = two.get(&id(number)).await.unwrap().unwrap();
                if let Ok(transition) = Transition::of(&change, &before, context())
                    && let Some(commit) = Commit::of(&before, transition)
                {
                    let _ = two.commit(commit).await;
                }
                let used = KeyUse::new(id(number), 1, at(9));
                two.record_usage(&UsageBatch::new([1; 16], sequence, [used]))
                    .await
                    .unwrap();
            }
        });
        revoke.await.unwrap();
        let seen = find(&stores[1], number).await.unwrap();
        assert_eq!(seen.revocation().unwrap().reason(), "lost");
        others.await.unwrap();
        let seen = find(&stores[0], number).await.unwrap();
        assert_eq!(seen.revocation().unwrap().reason(), "lost");
        let seen = stores[0].get(&id(number)).await.unwrap().unwrap();
        assert_eq!(seen.last_used_at(), Some(at(9)));
    }
}
