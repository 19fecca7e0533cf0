//! Runs one case in every way that it can be said, and checks everything that is to be checked.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::BoxError;

use super::case::{Case, Via};
use super::expect::{self, Answer};
use super::fixture::{self, CaseBody, Fixture};
use super::store::{Fault, Pace};
use super::template::latin1;
use super::{keys, log, wire};

/// Runs a case; what it says is everything that was wrong.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let mut wrong = Vec::new();
    for case in [case.clone()].into_iter().chain(case.ordinary()) {
        let told = format!("{} {:?}, gRPC {}", case.method, case.version, case.has_grpc);
        for via in ways(&case) {
            for pace in [Pace::AtOnce, Pace::AfterYield] {
                let found = run_once(&case, via, pace).into_iter();
                wrong.extend(found.map(|one| format!("[{told}, {via:?}, {pace:?}] {one}")));
            }
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// The ways in which a case is run: its own, and for one of the service every wire that can say it.
pub(crate) fn ways(case: &Case) -> Vec<Via> {
    let mut ways = vec![case.via];
    if case.via == Via::Tower {
        ways.extend(wire::obstacle_h1(case).is_none().then_some(Via::H1));
        ways.extend(wire::obstacle_h2(case).is_none().then_some(Via::H2));
    }
    ways
}

fn run_once(case: &Case, via: Via, pace: Pace) -> Vec<String> {
    let fault = Fault::parse(case.setup.store.as_deref());
    let (mut wrong, traces) =
        log::captured(|| in_runtime(case, async { send_and_check(case, via, pace).await }));
    wrong.extend(of_traces(via, fault, &traces));
    wrong
}

/// Runs on this thread, in a runtime that ends with the run, so that no connection outlives it.
///
/// # Panics
///
/// When the run does not end, so that a hang fails by name.
pub(crate) fn in_runtime<T>(case: &Case, run: impl Future<Output = T>) -> T {
    // A paused clock jumps to the next deadline as soon as everything waits: the store's in a case
    // about it, and the end of patience too.
    let is_paused = Fault::parse(case.setup.store.as_deref()) == Fault::Hangs;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime
        .enable_all()
        .start_paused(is_paused)
        .build()
        .unwrap();
    runtime.block_on(async {
        if is_paused {
            return run.await;
        }
        tokio::time::timeout(PATIENCE, run)
            .await
            .expect("an end of the run")
    })
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn send_and_check(case: &Case, via: Via, pace: Pace) -> Vec<String> {
    let fixture = Fixture::new(case, pace);
    let mut wrong = match send(case, via, &fixture).await {
        Ok(answer) => expect::of_answer(case, &answer),
        Err(failure) => vec![failure],
    };
    if via == Via::Tower {
        wrong.extend(of_decision(case, &fixture));
        wrong.extend(of_body(case, &fixture));
    }
    wrong.extend(expect::of_inner(case, &fixture.inner.seen()));
    wrong.extend(of_look_ups(case, fixture.store.look_ups()));
    wrong
}

/// Sends a case one way.
///
/// # Errors
///
/// What kept the answer from coming.
pub(crate) async fn send(case: &Case, via: Via, fixture: &Fixture) -> Result<Answer, String> {
    match via {
        Via::Tower => Ok(in_process(case, fixture).await),
        Via::H1 => wire::over_h1(wire::serve(fixture.app.clone()).await, case).await,
        Via::H2 => wire::over_h2(wire::serve(fixture.app.clone()).await, case).await,
    }
}

async fn in_process(case: &Case, fixture: &Fixture) -> Answer {
    let mut request = Request::new(body(case, fixture.body_polled.clone()));
    *request.method_mut() = Method::from_bytes(case.method.as_bytes()).unwrap();
    *request.uri_mut() = case.path.parse().unwrap();
    *request.version_mut() = case.version;
    for (name, value) in &case.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(&latin1(value)).unwrap());
    }
    if let Some(principal) = case.setup.preset_extension.clone() {
        request.extensions_mut().insert(principal);
        request
            .extensions_mut()
            .insert(fixture::preset_identity(case).await);
    }
    let (parts, body) = fixture::oneshot(fixture.app.clone(), request)
        .await
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// A body that tells when it is polled.
fn body(case: &Case, polled: Arc<AtomicBool>) -> CaseBody {
    let octets = case.body.as_deref().map(latin1).unwrap_or_default();
    let frames = stream::once(async move {
        polled.store(true, Ordering::SeqCst);
        future::ready(Ok::<_, BoxError>(Frame::data(Bytes::from(octets)))).await
    });
    fixture::boxed(StreamBody::new(frames))
}

/// The observer is told once, and of what was done.
fn of_decision(case: &Case, fixture: &Fixture) -> Option<String> {
    let decisions = fixture.decisions.lock().unwrap();
    let expected = [case.is_allowed()];
    (*decisions != expected)
        .then(|| format!("expected decisions {expected:?}, found {decisions:?}"))
}

/// The body of a refused request is left alone.
fn of_body(case: &Case, fixture: &Fixture) -> Option<String> {
    let is_wrong = !case.is_allowed() && fixture.body_polled.load(Ordering::SeqCst);
    is_wrong.then(|| "expected the body of a refused request to be left alone".to_owned())
}

/// One request is one look-up at most, and as many as the case says.
fn of_look_ups(case: &Case, found: u64) -> Option<String> {
    let setup = &case.setup;
    let most = setup.store_calls_max.unwrap_or(1);
    let holds = setup.store_calls.is_none_or(|expected| found == expected) && found <= most;
    let expected = setup.store_calls.unwrap_or(most);
    (!holds).then(|| format!("expected {expected} look-ups, found {found}"))
}

fn of_traces(via: Via, fault: Fault, traces: &log::Traces) -> Vec<String> {
    let mut wrong = Vec::new();
    // Proof that the capture works: `TraceLayer` writes this of every request.
    if via == Via::Tower && !traces.log.contains("started processing request") {
        wrong.push(format!(
            "expected a log of the request, found {:?}",
            traces.log
        ));
    }
    // And the observer's own event, whichever way it decided.
    let is_told = ["access=", "request refused"]
        .iter()
        .any(|event| traces.log.contains(event));
    if via == Via::Tower && cfg!(feature = "tracing") && !is_told {
        wrong.push(format!(
            "expected an event of the decision, found {:?}",
            traces.log
        ));
    }
    for leak in traces.leaks(&keys::secrets()) {
        wrong.push(format!(
            "expected no key or digest to be written down, found {leak}"
        ));
    }
    let expected = usize::from(fault.panics());
    if traces.panics.len() != expected {
        wrong.push(format!(
            "expected {expected} panics, found {:?}",
            traces.panics
        ));
    }
    wrong
}
