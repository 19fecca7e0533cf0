//! Says what the layer must decide, in another way than the layer does: with regular expressions,
//! from the rules as they are written.

use std::sync::LazyLock;

use http::{Method, StatusCode};
use regex::bytes::Regex;

static BEARER: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^[ \t]*(?i:bearer)(?: +(.*?)|(\t.*?)|())[ \t]*$"));
static PLAIN: LazyLock<Regex> = LazyLock::new(|| regex(r"^[ \t]*([^ \t].*?)[ \t]*$"));
static OTHER_SCHEME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+ .*[^ \t]"));
static QUOTED: LazyLock<Regex> = LazyLock::new(|| regex("\"[^\"]*(?:\"|$)"));
static FOLDED: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i:,[ \t]*bearer)(?:[ \t,]|$)"));
static ANY_KEY: LazyLock<Regex> = LazyLock::new(|| regex(r"tc_[0-9a-f]{64}"));
static KEY: LazyLock<Regex> = LazyLock::new(|| regex(r"^tc_[0-9a-f]{64}$"));

static GRPC: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?i:application/grpc)(?:$|[+;])"));

/// An expression on octets, any of which may be text.
fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("(?s-u){pattern}")).unwrap()
}

/// A header line.
pub(crate) type Line = (&'static str, Vec<u8>);

/// What the credentials of a request are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// None, or none that is ours.
    Nothing,
    /// None, but a header that was meant to hold one.
    Misspelt,
    /// More than one.
    Ambiguous,
    /// One that has not the form of a key.
    Malformed,
    /// One key.
    Key(String),
}

/// Reads the credentials: the reference for the layer's own reader.
pub(crate) fn sent(lines: &[Line]) -> Sent {
    let values = |wanted: &str| -> Vec<&[u8]> {
        let lines = lines.iter().filter(|(name, _)| *name == wanted);
        lines.map(|(_, value)| value.as_slice()).collect()
    };
    let (authorization, x_api_key) = (values("authorization"), values("x-api-key"));
    if authorization.len() > 1 || x_api_key.len() > 1 {
        return Sent::Ambiguous;
    }
    let bearer = captured(&BEARER, &authorization);
    let plain = captured(&PLAIN, &x_api_key);
    let is_folded = |value: &&[u8]| FOLDED.is_match(&QUOTED.replace_all(value, &b"\""[..]));
    if bearer.is_none() && authorization.iter().any(is_folded) {
        return Sent::Ambiguous;
    }
    let token = match (bearer, plain) {
        (None, None) => {
            let is_other = |value| OTHER_SCHEME.is_match(value) && !ANY_KEY.is_match(value);
            let is_nothing = x_api_key.is_empty() && authorization.into_iter().all(is_other);
            return if is_nothing {
                Sent::Nothing
            } else {
                Sent::Misspelt
            };
        }
        (Some(one), Some(two)) if one != two => return Sent::Ambiguous,
        // A server that reads it there would take another key.
        (None, Some(token)) if other_key(&authorization, token) => return Sent::Ambiguous,
        (one, two) => one.or(two).unwrap_or_default(),
    };
    if KEY.is_match(token) {
        return Sent::Key(String::from_utf8_lossy(token).into_owned());
    }
    if token.contains(&b',') {
        Sent::Ambiguous
    } else {
        Sent::Malformed
    }
}

/// Whether a key stands in one of these values that is not this one.
fn other_key(values: &[&[u8]], token: &[u8]) -> bool {
    let mut keys = values.iter().flat_map(|value| ANY_KEY.find_iter(value));
    keys.any(|key| key.as_bytes() != token)
}

/// The one group of an expression that took part in a match.
fn captured<'a>(expression: &Regex, values: &[&'a [u8]]) -> Option<&'a [u8]> {
    let found = expression.captures(values.first()?)?;
    found
        .iter()
        .skip(1)
        .flatten()
        .next()
        .map(|group| group.as_bytes())
}

/// The scopes that a method needs; `None` when no key is enough.
pub(crate) fn needed(method: &str) -> Option<&'static str> {
    match method {
        "GET" | "HEAD" | "OPTIONS" => Some("read"),
        "POST" | "PUT" | "PATCH" => Some("write"),
        "DELETE" => Some("delete"),
        _ => None,
    }
}

/// Whether these scopes permit a request, with every method that it names.
pub(crate) fn permits(scopes: &[&str], method: &Method, lines: &[Line]) -> bool {
    let overrides = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    let named = lines.iter().filter(|(name, _)| overrides.contains(name));
    let named = named.map(|(_, value)| String::from_utf8_lossy(value).trim().to_ascii_uppercase());
    [method.as_str().to_owned()]
        .into_iter()
        .chain(named)
        .all(|method| needed(&method).is_some_and(|scope| scopes.contains(&scope)))
}

/// Whether a request is a gRPC request, if it comes over HTTP/2.
pub(crate) fn is_grpc(method: &Method, lines: &[Line]) -> bool {
    let content_type = lines.iter().find(|(name, _)| *name == "content-type");
    method == Method::POST && content_type.is_some_and(|(_, value)| GRPC.is_match(value))
}

/// The status of a gRPC answer, as HTTP would have said it.
pub(crate) fn of_grpc(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "7",
        503 => "14",
        _ => "16",
    }
}
