//! Compares an answer with what a case expects. Everything that differs is told, not only the
//! first difference.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use regex::Regex;
use serde_json::Value;

use super::case::Case;
use super::fixture::Seen;
use super::template::{from_latin1, latin1};

/// An answer, however it came.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What is wrong with the answer.
pub(crate) fn of_answer(case: &Case, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    let body = from_latin1(&answer.body);
    if answer.status != case.status {
        wrong.push(format!(
            "expected status {}, found {}: {body}",
            case.status, answer.status
        ));
    }
    // RFC 9110, section 9.3.2; over HTTP/2 nothing behind the layer would cut it.
    if case.method == "HEAD" && !body.is_empty() {
        wrong.push(format!(
            "expected no content in an answer to HEAD, found {body:?}"
        ));
    }
    for (name, expected) in &case.expect_headers {
        wrong.extend(of_header(name, expected, answer));
    }
    for text in case
        .body_contains
        .iter()
        .filter(|text| !body.contains(*text))
    {
        wrong.push(format!("expected {text:?} in the body, found {body:?}"));
    }
    let whole = whole(answer);
    for text in &case.absent {
        if whole.contains(&text.to_lowercase()) {
            wrong.push(format!(
                "expected no {text:?} in the answer, found {whole:?}"
            ));
        }
    }
    wrong
}

/// What is wrong with what the inner service saw.
pub(crate) fn of_inner(case: &Case, seen: &[Seen]) -> Vec<String> {
    let calls = usize::from(case.is_allowed());
    if seen.len() != calls {
        return vec![format!(
            "expected {calls} calls of the inner service, found {}",
            seen.len()
        )];
    }
    let mut wrong = Vec::new();
    for (name, expected) in &case.inner {
        if let Some(seen) = seen.first() {
            wrong.extend(of_seen(name, expected, seen));
        }
    }
    wrong
}

fn of_header(name: &str, expected: &Value, answer: &Answer) -> Option<String> {
    match name {
        "@json" => of_json(expected, &answer.body),
        "@body-length" => {
            let length = answer.body.len().to_string();
            (!matches(expected, &length)).then(|| format!("expected {name} {expected}: {length}"))
        }
        _ => {
            let found = joined(&answer.headers, name);
            let holds = found
                .as_deref()
                .is_some_and(|found| matches(expected, found));
            (!holds).then(|| format!("expected {name} {expected}, found {found:?}"))
        }
    }
}

fn of_json(expected: &Value, body: &[u8]) -> Option<String> {
    let found: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let holds = expected
        .as_object()
        .expect("an object")
        .iter()
        .all(|(name, expected)| match (&found[name], expected) {
            (Value::String(found), Value::String(_)) => matches(expected, found),
            (found, expected) => found == expected,
        });
    (!holds).then(|| format!("expected JSON {expected}, found {found}"))
}

fn of_seen(name: &str, expected: &Value, seen: &Seen) -> Option<String> {
    let list = || {
        let names = expected.as_array().expect("a list of names").iter();
        names.map(|name| name.as_str().expect("a name"))
    };
    match name {
        // Compared before; and what another first choice would need.
        "called" | "if_alt_absent_headers" => None,
        "absent_headers" => list()
            .find(|name| seen.headers.contains_key(*name))
            .map(|name| format!("expected the inner service to see no {name}")),
        "sensitive_headers" => list()
            .find(|name| {
                seen.headers
                    .get(*name)
                    .is_none_or(|value| !value.is_sensitive())
            })
            .map(|name| format!("expected the inner service to see {name}, marked sensitive")),
        "principal" => (seen.identity.is_some() != (*expected == Value::Bool(true))).then(|| {
            format!(
                "expected an identity: {expected}, found {:?}",
                seen.identity
            )
        }),
        "body" => {
            let expected = latin1(expected.as_str().expect("a text"));
            (seen.body != expected).then(|| format!("expected another body than {:?}", seen.body))
        }
        _ => panic!("no such expectation of the inner service: {name}"),
    }
}

/// The lines of a header joined with commas.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.map(|line| from_latin1(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// Status line, headers and body in lower case.
fn whole(answer: &Answer) -> String {
    let headers = answer.headers.iter().map(|(name, value)| {
        let value = from_latin1(value.as_bytes());
        format!("{name}: {value}\n")
    });
    let (headers, body) = (headers.collect::<String>(), from_latin1(&answer.body));
    format!("{}\n{headers}\n{body}", answer.status).to_lowercase()
}

/// Whether a text is the expected one, or has a match of the expected expression.
fn matches(expected: &Value, found: &str) -> bool {
    let expected = expected.as_str().expect("a text");
    match expected.strip_prefix("re:") {
        Some(pattern) => has_match(pattern, found),
        None => expected == found,
    }
}

/// Searches with an expression. `regex` has no look-ahead, so those at its start are searched each
/// on its own, which is the same: none of them takes any text.
fn has_match(pattern: &str, text: &str) -> bool {
    let (flags, mut rest) = match pattern.strip_prefix("(?i)") {
        Some(rest) => ("(?i)", rest),
        None => ("", pattern),
    };
    let is_match = |part: &str| {
        Regex::new(&format!("{flags}{part}"))
            .unwrap()
            .is_match(text)
    };
    while let Some(ahead) = rest.strip_prefix("(?=") {
        let (part, following) = ahead.split_once(')').expect("a look-ahead without groups");
        if !is_match(part) {
            return false;
        }
        rest = following;
    }
    is_match(rest)
}
