//! The start and the end of an example's server.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

/// Listens on the address in the environment variable `LISTEN`, or on 127.0.0.1:3000.
///
/// Port 0 lets the operating system choose one; the example prints the address that it got.
pub(crate) async fn listen() -> Result<TcpListener, String> {
    let text = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let address: SocketAddr = text.parse().map_err(|_| {
        format!("expected an address such as 127.0.0.1:3000 in LISTEN, found {text:?}")
    })?;
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; LISTEN=127.0.0.1:0 takes any free port")
    })
}

/// Ends when Ctrl-C is pressed.
pub(crate) async fn stop_signal() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        let _ = writeln!(
            io::stderr(),
            "stopping, since Ctrl-C cannot be waited for: {error}"
        );
    }
}

/// Turns the outcome of an example into its exit code, and says what went wrong.
pub(crate) fn finish(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody can be told, the exit code tells.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
