//! A TCP proxy that can cut a store's feed while everything else goes on.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections that carry a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// They pass, as all others do.
    Open,
    /// They stay open, and nothing passes any more.
    Silent,
    /// They are closed.
    Closed,
}

/// Stands before a server on the loopback interface, for as long as it exists.
pub(crate) struct Proxy {
    address: SocketAddr,
    feed: watch::Sender<Feed>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the server at that address.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (feed, told) = watch::channel(Feed::Open);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, told.clone()));
            }
        });
        Self {
            address,
            feed,
            accepting,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set_feed(&self, feed: Feed) {
        self.feed.send_replace(feed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(client: TcpStream, server: SocketAddr, told: watch::Receiver<Feed>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // What comes is passed on at once: a proxy that waits for more adds 40 ms now and then.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (carries_feed, noted) = watch::channel(false);
    let upstream = pass(
        from_client,
        to_server,
        told.clone(),
        noted.clone(),
        |octets| {
            if is_subscription(octets) {
                carries_feed.send_replace(true);
            }
        },
    );
    let downstream = pass(from_server, to_client, told, noted, |_| ());
    // Either end's closing ends both.
    tokio::select! {
        () = upstream => (),
        () = downstream => (),
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut told: watch::Receiver<Feed>,
    noted: watch::Receiver<bool>,
    seen: impl Fn(&[u8]),
) {
    let mut octets = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut octets) => read,
            changed = told.changed() => match changed {
                Ok(()) if *noted.borrow() && *told.borrow() == Feed::Closed => return,
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(count @ 1..) = read else { return };
        seen(&octets[..count]);
        if *noted.borrow() {
            // What was read while the feed is cut is passed when it is open again.
            let Ok(open) = told.wait_for(|feed| *feed != Feed::Silent).await else {
                return;
            };
            if *open == Feed::Closed {
                return;
            }
        }
        if to.write_all(&octets[..count]).await.is_err() {
            return;
        }
    }
}

/// Whether a client asks for a feed here: `LISTEN` of PostgreSQL, `SUBSCRIBE` of Redis.
fn is_subscription(octets: &[u8]) -> bool {
    let holds = |word: &[u8]| octets.windows(word.len()).any(|part| part == word);
    holds(b"LISTEN ") || holds(b"SUBSCRIBE")
}
