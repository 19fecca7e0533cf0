//! A server process, whose layer counts uses.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::sync::mpsc;
use tower_api_key::ApiKeyLayer;
use tower_api_key::denial::DenialKind;
use tower_api_key::store::{CacheOptions, CachedStore, PostgresStore};
use tower_api_key::usage::{UsageEvent, UsageFlusher, UsageFlusherOptions, UsageMonitor};

/// The variable that tells a server process its store.
pub(crate) const STORE: &str = "USAGE_EXACT_STORE";
/// The variable that tells it how often to write, in milliseconds.
const INTERVAL: &str = "USAGE_EXACT_INTERVAL";

/// A running server process, which is killed with this value.
pub(crate) struct Node {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Node {
    pub(crate) fn start(store: &str, interval: Duration) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(STORE, store)
            .env(INTERVAL, interval.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = output.next().unwrap().unwrap().parse().unwrap();
        Self {
            process,
            output,
            address,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has everything written that was counted; returns when it is.
    pub(crate) fn flush(&mut self) {
        self.tell("flush");
        self.wait_for("flushed");
    }

    /// Leaves what it has said so far behind.
    pub(crate) fn mark(&mut self) {
        self.tell("mark");
        self.wait_for("marked");
    }

    /// Waits until it has said that a write failed, since it was marked.
    pub(crate) fn wait_for_failure(&mut self) {
        self.wait_for("write failed");
    }

    /// Shuts it down as an operator does; returns how many requests with unknown keys it refused.
    pub(crate) fn stop(mut self) -> u64 {
        self.tell("stop");
        let unknown = self.wait_for("unknown ");
        assert_eq!(self.wait_for("dropped "), "0");
        assert!(self.process.wait().unwrap().success());
        unknown.parse().unwrap()
    }

    /// Ends it as a loss of power does.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    /// What follows those words in the next line that starts with them.
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            let line = self
                .output
                .next()
                .expect("the server process ended")
                .unwrap();
            if let Some(rest) = line.strip_prefix(words) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is told to stop, or the first process is gone.
pub(crate) async fn serve(url: &str) {
    let interval = std::env::var(INTERVAL).unwrap().parse().unwrap();
    let store = PostgresStore::connect(url).await.unwrap();
    // Keys are known while the store is away, however slow the machine.
    let options = CacheOptions::new().with_fallback_time_to_live(Duration::from_secs(60));
    let store = CachedStore::watching(store, options).unwrap();
    let monitor = UsageMonitor::new();
    let options = UsageFlusherOptions::new()
        .with_interval(Duration::from_millis(interval))
        .with_write_deadline(Duration::from_millis(500))
        .with_shutdown_deadline(Duration::from_secs(60))
        .with_observer(|event: &UsageEvent| {
            if let UsageEvent::WriteFailed { .. } = event {
                println!("write failed");
            }
        });
    let flusher = UsageFlusher::spawn(monitor.clone(), store.clone(), options).unwrap();
    let app = Router::new()
        .route("/items", get(|| async { "ok" }).post(|| async { "ok" }))
        .layer(ApiKeyLayer::new(store).with_usage(monitor.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());

    let (stop, mut stopped) = mpsc::channel::<()>(1);
    let mut commands = commands();
    let obey = async {
        while let Some(command) = commands.recv().await {
            match &*command {
                "flush" => {
                    // On a busy machine, one write may take longer than its deadline.
                    while flusher.flush().await.is_err() {}
                    println!("flushed");
                }
                "mark" => println!("marked"),
                _ => break,
            }
        }
        drop(stop);
    };
    let end = async move { while stopped.recv().await.is_some() {} };
    let server = axum::serve(listener, app).with_graceful_shutdown(end);
    let (outcome, ()) = tokio::join!(async { server.await }, obey);
    outcome.unwrap();
    flusher.shutdown().await.unwrap();
    let stats = monitor.stats();
    println!("unknown {}", stats.refused(DenialKind::Unknown));
    println!("dropped {}", stats.dropped());
}

/// The lines of standard input; at its end, the process ends.
fn commands() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let line = line.unwrap();
            let is_last = line == "stop";
            let _ = sender.blocking_send(line);
            if is_last {
                return;
            }
        }
        std::process::exit(1);
    });
    receiver
}
