//! A server's connections, from the first to the end of the last.

use std::error::Error;
use std::io::{self, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::Service;

/// More connections than these wait until one of them ends.
const MOST_CONNECTIONS: usize = 10_000;
/// How long requests that have begun may take when the server stops.
const LONGEST_END: Duration = Duration::from_secs(5);

/// Serves every connection until `stop` ends, then lets requests that have begun end: for a while, or until
/// `give_up` ends, which is not asked before.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    server: auto::Builder<TokioExecutor>,
    service: S,
    stop: impl Future<Output = ()>,
    give_up: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut stop = pin!(stop);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(service.clone());
                let connection = server.serve_connection(TokioIo::new(stream), service);
                let connection = connections.watch(connection.into_owned());
                // How a client ends its connection is its own affair.
                tokio::spawn(async move {
                    drop(connection.await);
                    drop(place);
                });
            }
            Err(error) => {
                report(&format!("cannot accept a connection: {error}"));
                // Where files have run out, to try again at once would only burn processor time.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Heard from here on, though clients learn a moment later that it stops.
    let mut give_up = pin!(give_up);
    let _ = futures::poll!(&mut give_up);
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => return,
        () = tokio::time::sleep(LONGEST_END) => {}
        () = give_up => {}
    }
    report("requests that had not ended were cut off");
}

/// Where nobody can be told, the server goes on all the same.
fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
