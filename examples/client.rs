//! A client of the product API, and what it does with every answer.
//!
//! ```text
//! TRUCUSTOM_API_KEY=tc_… cargo run --example client
//! ```
//!
//! It lists the products. The key comes from the environment, never from the source or a command line,
//! where others can read it. `BASE_URL` sets another server than <http://127.0.0.1:3000>.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_api_key::ApiKey;

type Failure = Box<dyn Error + Send + Sync>;

/// How often a request is sent before the server counts as down.
const MAX_TRIES: u32 = 5;
/// How long it waits at most before it tries again; a server that asks for more is down.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long it waits for the head of an answer, and then for its body.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// The largest answer that it takes, in octets.
const MAX_ANSWER: usize = 1 << 20;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut cause = error.source();
            while let Some(deeper) = cause {
                text = format!("{text}: {deeper}");
                cause = deeper.source();
            }
            tell(&text);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    // The error names the variable, and never shows its value.
    let key = ApiKey::from_env("TRUCUSTOM_API_KEY")?;
    let base = env::var("BASE_URL").unwrap_or_else(|_| "http://127.0.0.1:3000".to_owned());
    if !base.starts_with("http://") {
        return Err("expected http:// in BASE_URL: for https, build the client with a connector that speaks it".into());
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = products(&client, base.trim_end_matches('/'), &key).await?;
    writeln!(io::stdout(), "{}", String::from_utf8_lossy(&answer))?;
    Ok(())
}

/// The products, asked for again where that may help.
async fn products(
    client: &Client<HttpConnector, Empty<Bytes>>,
    base: &str,
    key: &ApiKey,
) -> Result<Bytes, Failure> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))?;
    // So that no log of requests shows it.
    authorization.set_sensitive(true);
    let mut tries = 0;
    loop {
        tries += 1;
        let request = Request::get(format!("{base}/api/v1/products"))
            .header(AUTHORIZATION, &authorization)
            .body(Empty::new())?;
        let response = in_time(client.request(request)).await?;
        tell_of_an_end(response.headers());
        match response.status() {
            StatusCode::OK => return body(response).await,
            StatusCode::UNAUTHORIZED => {
                // It will not work later either: expired, revoked, superseded or mistyped.
                return Err("the key is not valid (any more): ask for another".into());
            }
            StatusCode::FORBIDDEN => {
                let answer = body(response).await?;
                let answer = String::from_utf8_lossy(&answer);
                return Err(format!("the key may not do this: {answer}").into());
            }
            // The key may be good: the server is busy, or cannot ask its store.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let wait = wait_before_next(response.headers(), tries);
                if tries == MAX_TRIES || wait > LONGEST_WAIT {
                    return Err(format!("{}: try again in {wait:?}", response.status()).into());
                }
                tell(&format!("{}; trying again in {wait:?}", response.status()));
                tokio::time::sleep(wait).await;
            }
            other => return Err(format!("expected the products, found {other}").into()),
        }
    }
}

/// What the server asks for, or else longer after each try.
fn wait_before_next(headers: &HeaderMap, tries: u32) -> Duration {
    let asked = headers
        .get(RETRY_AFTER)
        .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    asked.unwrap_or_else(|| Duration::from_millis(500) * 2u32.pow(tries))
}

/// Where nobody can be told, the work goes on all the same.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Warns whoever reads the log before the key stops working.
fn tell_of_an_end(headers: &HeaderMap) {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    if text("deprecation").is_some() {
        tell("warning: a rotation has replaced this key: take the new one");
    }
    if let Some(end) = text("sunset") {
        tell(&format!("warning: this key stops working at {end}"));
    }
}

async fn body<B>(response: Response<B>) -> Result<Bytes, Failure>
where
    B: http_body::Body<Data = Bytes, Error: Into<Failure>>,
{
    let body = Limited::new(response.into_body(), MAX_ANSWER);
    Ok(in_time(body.collect()).await?.to_bytes())
}

async fn in_time<T, E: Into<Failure>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(LONGEST_ANSWER, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(format!("expected an answer within {LONGEST_ANSWER:?}, found none").into()),
    }
}
