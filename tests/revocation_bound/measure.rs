//! The first node revokes, and the figures are taken.

use std::time::{Duration, Instant};

use tower_api_key::{KeyManager, NewKey, Scope};

use super::clients::{Clients, Refusal};
use super::figures::Figures;
use super::heavy;
use super::node::{FALLBACK, Node};
use super::proxy::{Feed, Proxy};
use super::stores::{self, Manager, Server};

/// What we aim at while the feed works: the 99th percentile and the maximum. A busy machine may
/// miss it, so it is printed; what must hold on every machine is the fallback.
const AIM: [Duration; 2] = [Duration::from_millis(25), Duration::from_millis(250)];

/// How many clients keep the second node busy.
const LOAD: usize = 4;

/// A client that was still allowed for so long gives up; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn all() {
    let revocations = heavy::size(50, 1_000);
    for server in Server::each() {
        over(&server, revocations).await;
    }
}

async fn over(server: &Server, revocations: usize) {
    let proxy = Proxy::before(server.address()).await;
    let keys = KeyManager::new(stores::open(&server.url()).await);
    let node = Node::start(&server.url_by(proxy.address()));
    let clients = Clients::of(node.address());
    let load = start_load(&keys, &clients).await;

    let mut waits = Vec::with_capacity(revocations);
    for _ in 0..revocations {
        waits.push(one_revocation(&keys, &clients).await);
    }
    let figures = Figures::of(waits);
    let met = figures.p99 <= AIM[0] && figures.max <= AIM[1];
    println!(
        "{}, feed working: {figures}; aim of {AIM:?} {}",
        server.name(),
        if met { "met" } else { "missed" },
    );

    for feed in [Feed::Silent, Feed::Closed] {
        let waits = cut(&keys, &clients, &proxy, feed).await;
        let figures = Figures::of(waits);
        println!(
            "{}, feed {feed:?}, fallback {FALLBACK:?}: {figures}",
            server.name()
        );
        // With the feed back, revocations are told again.
        back_to_the_feed(&keys, &clients).await;
    }
    for task in load {
        task.abort();
    }
}

async fn start_load(keys: &Manager, clients: &Clients) -> Vec<tokio::task::JoinHandle<()>> {
    let mut load = Vec::new();
    for _ in 0..LOAD {
        let key = issue(keys).await.0;
        load.push(tokio::spawn(clients.clone().load(key)));
    }
    load
}

async fn issue(keys: &Manager) -> (String, tower_api_key::record::KeyId) {
    let new = NewKey::new("acct_42", "node test").with_scopes([Scope::READ]);
    let fresh = keys.issue(new).await.unwrap();
    (fresh.key.expose_secret().to_owned(), fresh.record.id())
}

/// The time from the return of `revoke` on this node to the first refusal of the other, for a key
/// that the other node has in its cache.
async fn one_revocation(keys: &Manager, clients: &Clients) -> Duration {
    let (key, id) = issue(keys).await;
    assert_eq!(clients.status(&key).await, 200);
    let asking = {
        let (clients, key) = (clients.clone(), key.clone());
        tokio::spawn(async move { clients.until_refused(&key, PATIENCE).await })
    };
    keys.revoke(&id, "measured").await.unwrap();
    let revoked = Instant::now();
    wait_of(&asking.await.unwrap(), revoked)
}

/// The time from the revocation to the first refusal; no request that was sent later than the
/// fallback was allowed, however busy the machine is.
fn wait_of(refusal: &Refusal, revoked: Instant) -> Duration {
    let late = refusal.last_allowed.map_or(Duration::ZERO, |sent| {
        sent.saturating_duration_since(revoked)
    });
    assert!(
        late <= FALLBACK,
        "a request sent {late:?} after the revocation was allowed"
    );
    refusal.refused_at.saturating_duration_since(revoked)
}

/// Revokes keys while the other node's feed is cut, and tells how long each was still allowed.
async fn cut(keys: &Manager, clients: &Clients, proxy: &Proxy, feed: Feed) -> Vec<Duration> {
    let mut made = Vec::new();
    for _ in 0..heavy::size(20, 100) {
        let (key, id) = issue(keys).await;
        assert_eq!(clients.status(&key).await, 200);
        made.push((key, id));
    }
    proxy.set_feed(feed);
    let mut asking = Vec::new();
    for (key, id) in made {
        keys.revoke(&id, "measured").await.unwrap();
        let revoked = Instant::now();
        let clients = clients.clone();
        asking.push(tokio::spawn(async move {
            wait_of(&clients.until_refused(&key, PATIENCE).await, revoked)
        }));
    }
    let mut waits = Vec::new();
    for task in asking {
        waits.push(task.await.unwrap());
    }
    proxy.set_feed(Feed::Open);
    waits
}

/// Waits until a revocation reaches the other node sooner than without a feed.
async fn back_to_the_feed(keys: &Manager, clients: &Clients) {
    let begun = Instant::now();
    loop {
        let (key, id) = issue(keys).await;
        assert_eq!(clients.status(&key).await, 200);
        keys.revoke(&id, "measured").await.unwrap();
        let revoked = Instant::now();
        let refusal = clients.until_refused(&key, PATIENCE).await;
        if refusal.refused_at.saturating_duration_since(revoked) < FALLBACK / 4 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the feed did not come back");
    }
}
