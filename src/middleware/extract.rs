//! Reading the key from the headers.

use http::header::{self, HeaderMap, HeaderName};

use crate::denial::DenialKind;

/// What a request's headers hold for the layer.
pub(super) struct Sent<'a> {
    /// The key as it was sent, not yet parsed; `None` when none was sent.
    pub(super) key: Result<Option<&'a [u8]>, DenialKind>,
    /// Which of the sources have lines of ours, a bit for each.
    pub(super) lines: u8,
}

/// Reads the one key that these headers may hold.
///
/// - `Authorization` with another scheme than Bearer is someone else's.
/// - An empty value of another header is no key.
/// - More than one line of a header is ambiguous, whatever the lines hold: what reads the first and
///   what reads the last would disagree.
/// - Two headers may hold the same key, but not different ones.
pub(super) fn read<'a>(headers: &'a HeaderMap, sources: &[HeaderName]) -> Sent<'a> {
    let mut sent = Sent {
        key: Ok(None),
        lines: 0,
    };
    for (index, name) in sources.iter().enumerate() {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            sent.lines |= 1 << index;
            sent.key = Err(DenialKind::Ambiguous);
            continue;
        }
        let Some(token) = token(name, value.as_bytes()) else {
            continue;
        };
        sent.lines |= 1 << index;
        if name != header::AUTHORIZATION && token.is_empty() {
            continue;
        }
        sent.key = match sent.key {
            Ok(None) => Ok(Some(token)),
            Ok(Some(other)) if other != token => Err(DenialKind::Conflicting),
            first => first,
        };
    }
    sent
}

/// The token in one header value: what follows `Bearer`, or the whole value of another header;
/// `None` when the value is not ours.
pub(super) fn token<'a>(name: &HeaderName, value: &'a [u8]) -> Option<&'a [u8]> {
    let value = trim(value);
    if *name != header::AUTHORIZATION {
        return Some(value);
    }
    let (scheme, rest) = value.split_at_checked(BEARER.len())?;
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    match rest.first() {
        // 1*SP (RFC 6750, section 2.1). A tab ends the scheme, but may not stand before the token.
        Some(b' ') => Some(trim_start_spaces(rest)),
        Some(b'\t') | None => Some(rest),
        Some(_) => None,
    }
}

/// Whether a malformed token may be several, which an intermediary joined (RFC 9110, section 5.3).
pub(super) fn is_folded(token: &[u8]) -> bool {
    token.contains(&b',')
}

const BEARER: &[u8] = b"Bearer";

/// Cuts optional white space (RFC 9110, section 5.6.3), octet by octet.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn trim_start_spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_ends_at_a_space_or_tab_and_has_no_case() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bEARER   abc", Some("abc")),
            (" \tBearer abc\t ", Some("abc")),
            ("Bearer", Some("")),
            ("Bearer ", Some("")),
            ("Bearer\tabc", Some("\tabc")),
            ("Bearer \tabc", Some("\tabc")),
            ("Bearer a b", Some("a b")),
            ("Bearerabc", None),
            ("Bearer:abc", None),
            ("Bearer=abc", None),
            ("Bea", None),
            ("", None),
            ("Basic abc", None),
            ("abc", None),
        ] {
            let read = token(&header::AUTHORIZATION, value.as_bytes());
            assert_eq!(read, expected.map(str::as_bytes), "{value:?}");
        }
    }

    #[test]
    fn another_header_is_its_whole_value() {
        let name = HeaderName::from_static("x-api-key");
        for (value, expected) in [(" abc\t", "abc"), ("Bearer abc", "Bearer abc"), (" ", "")] {
            assert_eq!(
                token(&name, value.as_bytes()),
                Some(expected.as_bytes()),
                "{value:?}"
            );
        }
    }
}
