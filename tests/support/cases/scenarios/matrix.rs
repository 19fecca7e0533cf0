//! What holds for every request case, and is checked here for all of them together.

use http::StatusCode;

use crate::support::case::{self, Case, Via};
use crate::support::fixture::Fixture;
use crate::support::store::Pace;
use crate::support::{keys, log, run};

/// The cases that can run, each with a runtime of its own.
fn cases() -> Vec<Case> {
    let cases: Vec<_> = case::load()
        .into_iter()
        .filter(|case| case.pending.is_none())
        .collect();
    assert!(
        cases.len() > 200,
        "expected the request cases, found {}",
        cases.len()
    );
    cases
}

/// The status and the number of calls of the inner service.
fn decide(case: &Case, via: Via, pace: Pace) -> (Result<StatusCode, String>, usize) {
    run::in_runtime(case, async {
        let fixture = Fixture::new(case, pace);
        let answer = run::send(case, via, &fixture).await;
        (
            answer.map(|answer| answer.status),
            fixture.inner.seen().len(),
        )
    })
}

#[test]
fn sc_tow_4_the_inner_service_is_called_once_on_success_and_never_on_refusal() {
    log::install_panic_hook();
    for case in cases() {
        for pace in [Pace::AtOnce, Pace::AfterYield] {
            let ((_, calls), _) = log::captured(|| decide(&case, case.via, pace));
            assert_eq!(
                calls,
                usize::from(case.is_allowed()),
                "{} {pace:?}",
                case.id
            );
        }
    }
}

#[test]
fn sc_tow_10_decisions_are_the_same_in_process_and_over_both_protocols() {
    log::install_panic_hook();
    let mut compared = 0;
    for case in cases().into_iter().filter(|case| case.via == Via::Tower) {
        for via in run::ways(&case) {
            let (decision, _) = log::captured(|| decide(&case, via, Pace::AtOnce));
            let calls = usize::from(case.is_allowed());
            let expected = (
                StatusCode::from_u16(case.status).map_err(|_| String::new()),
                calls,
            );
            assert_eq!(decision, expected, "{} {via:?}", case.id);
            compared += 1;
        }
    }
    assert!(
        compared > 500,
        "expected three ways for nearly every case, found {compared}"
    );
}

#[test]
fn sc_log_1_no_key_and_no_digest_is_logged_at_trace() {
    log::install_panic_hook();
    let secrets = keys::secrets();
    for case in cases() {
        let (_, traces) = log::captured(|| decide(&case, case.via, Pace::AfterYield));
        assert_eq!(traces.leaks(&secrets), Vec::<String>::new(), "{}", case.id);
    }
}

/// The search finds what is there to find: a key, its digits alone, and its digest in both forms.
#[test]
fn sc_log_1_the_search_would_find_a_leak() {
    let secrets = keys::secrets();
    let key = keys::key("read");
    let digest = keys::sha256_hex(&key);
    let octets = hex::decode(&digest).unwrap();
    let leaky: [&dyn Fn(); 5] = [
        &|| tracing::trace!("{key}"),
        &|| tracing::trace!("{}", &key[3..]),
        &|| tracing::trace!(digest = %digest.to_uppercase()),
        &|| tracing::trace!(?octets),
        &|| tracing::trace_span!("span", %key).in_scope(|| ()),
    ];
    for leak in leaky {
        let ((), traces) = log::captured(leak);
        assert_eq!(traces.leaks(&secrets).len(), 1, "{}", traces.log);
    }
}
