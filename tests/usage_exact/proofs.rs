//! What must hold of the counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::heavy;
use super::keys::Keys;
use super::load::{Answered, Requests};
use super::node::Node;
use super::postgres_server::PostgresServer;

const NODES: usize = 4;
const CLIENTS: usize = 64;
/// So long that nothing is written but when it is asked for.
const NEVER: Duration = Duration::from_secs(3_600);

pub(crate) async fn all(server: &PostgresServer) {
    four_processes_count_every_request(server, heavy::size(10_000, 200_000)).await;
    a_killed_process_loses_what_was_not_written(server).await;
    a_store_that_is_away_loses_nothing(server).await;
}

async fn four_processes_count_every_request(server: &PostgresServer, requests: usize) {
    let keys = Keys::make(&server.url(), 8).await;
    let interval = Duration::from_millis(500);
    let nodes: Vec<_> = (0..NODES)
        .map(|_| Node::start(&server.url(), interval))
        .collect();
    let begun = Instant::now();
    let each = requests / CLIENTS;
    let mut answered = half(&nodes, &keys, 0, each / 2).await;
    let second = Timestamp::now();
    // While both secrets are sent.
    let rest = half(&nodes, &keys, each / 2, each - each / 2);
    let (rest, ()) = tokio::join!(rest, keys.rotate_first());
    answered.add(rest);
    let took = begun.elapsed();

    let unknown: u64 = nodes.into_iter().map(Node::stop).sum();
    assert_eq!(answered.requests(), u64::try_from(each * CLIENTS).unwrap());
    assert_eq!(keys.counted().await, answered.counts);
    assert_eq!(unknown, answered.unknown);
    // A use is dated when it is collected, within a second.
    let slack = SignedDuration::from_secs(1);
    for turn in 0..8 {
        let last_used = keys.last_used(turn).await.unwrap();
        assert!(last_used + slack >= second && last_used <= Timestamp::now());
    }
    println!(
        "{} requests by {CLIENTS} clients to {NODES} processes in {took:.1?}: all counted once, {} \
         secrets, {unknown} of unknown keys",
        answered.requests(),
        answered.counts.len(),
    );
}

/// Every client sends so many requests, all of them at once.
async fn half(nodes: &[Node], keys: &Arc<Keys>, first_turn: usize, count: usize) -> Answered {
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let requests = Requests::to(nodes[client % NODES].address(), keys.clone());
        let turn = client * 7 + first_turn;
        clients.push(tokio::spawn(
            async move { requests.send(turn, count).await },
        ));
    }
    let mut answered = Answered::default();
    for client in clients {
        answered.add(client.await.unwrap());
    }
    answered
}

async fn a_killed_process_loses_what_was_not_written(server: &PostgresServer) {
    let keys = Keys::make(&server.url(), 2).await;
    let mut written = Answered::default();
    let rounds = heavy::size(1, 5);
    for round in 0..rounds {
        let mut node = Node::start(&server.url(), NEVER);
        let requests = Requests::to(node.address(), keys.clone());
        written.add(requests.send(round, 200).await);
        node.flush();
        // These are of the interval that is lost.
        requests.send(round, 100).await;
        node.kill();
        assert_eq!(keys.counted().await, written.counts, "round {round}");
    }
    println!(
        "{rounds} processes killed: what had been written is there, once, and the rest is not"
    );

    // Killed at any time while it writes all the time, nothing counts twice.
    let mut sent = written;
    for round in 0..rounds {
        let node = Node::start(&server.url(), Duration::from_millis(5));
        let requests = Requests::to(node.address(), keys.clone());
        sent.add(requests.send(round, 300).await);
        node.kill();
        for (of, counted) in keys.counted().await {
            let most = sent.counts[&of];
            assert!(counted.0 <= most.0 && counted.1 <= most.1, "round {round}");
        }
    }
    println!("{rounds} processes killed while they write: nothing is counted twice");
}

async fn a_store_that_is_away_loses_nothing(server: &PostgresServer) {
    let keys = Keys::make(&server.url(), 4).await;
    let mut node = Node::start(&server.url(), Duration::from_millis(100));
    let requests = Requests::to(node.address(), keys.clone());
    let mut answered = requests.send(0, 400).await;
    server.pause();
    node.mark();
    // A write that fails ends no sooner than its deadline, which is five intervals.
    for failure in 0..2 {
        answered.add(requests.send(failure, 40).await);
        node.wait_for_failure();
    }
    server.resume();
    answered.add(requests.send(9, 400).await);
    server.kill();
    node.mark();
    for failure in 0..3 {
        answered.add(requests.send(failure, 40).await);
        node.wait_for_failure();
    }
    server.restart();
    answered.add(requests.send(1, 400).await);
    let unknown = node.stop();
    assert_eq!(keys.counted().await, answered.counts);
    assert_eq!(unknown, answered.unknown);
    println!(
        "the store stopped, and killed and started again: {} requests, all counted once",
        answered.requests()
    );
}
