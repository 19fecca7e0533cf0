//! Reading the key from the headers.

use http::header::{self, HeaderMap, HeaderName};

use super::source::Sources;
use crate::denial::DenialKind;

/// What a request's headers hold for the layer.
pub(super) struct Sent<'a> {
    /// The key as it was sent, not yet parsed; `None` when none was sent.
    pub(super) key: Result<Option<&'a [u8]>, DenialKind>,
    /// The header lines that carry what was sent.
    pub(super) lines: Lines,
}

/// Which of the sources have lines of ours, a bit for each.
#[derive(Clone, Copy, Default)]
pub(super) struct Lines {
    pub(super) ours: u8,
    /// Those with more than one line, of which some may be someone else's.
    pub(super) repeated: u8,
}

/// Reads the one key that these headers may hold.
///
/// - `Authorization` with another scheme than Bearer is someone else's.
/// - An empty value of another header is no key.
/// - More than one line of a header is ambiguous, whatever the lines hold: what reads the first and
///   what reads the last would disagree.
/// - Two headers may hold the same key, but not different ones.
pub(super) fn read<'a>(headers: &'a HeaderMap, sources: &Sources) -> Sent<'a> {
    let mut sent = Sent {
        key: Ok(None),
        lines: Lines::default(),
    };
    let find = sources.finder();
    let mut seen = 0;
    // One pass over the lines: quicker than to hash each source's name, up to some thirty headers.
    for (name, value) in headers {
        if let Some(index) = find(name) {
            sent.add_line(&mut seen, 1 << index, name, value.as_bytes());
        }
    }
    sent
}

impl<'a> Sent<'a> {
    /// Out of line, so that the pass over the other headers keeps its state in registers.
    #[inline(never)]
    fn add_line(&mut self, seen: &mut u8, bit: u8, name: &HeaderName, value: &'a [u8]) {
        if *seen & bit != 0 {
            self.lines.ours |= bit;
            self.lines.repeated |= bit;
            self.key = Err(DenialKind::Ambiguous);
            return;
        }
        *seen |= bit;
        if let Some(token) = token(name, value) {
            self.lines.ours |= bit;
            if !token.is_empty() || *name == header::AUTHORIZATION {
                self.add_token(token);
            }
        }
    }

    fn add_token(&mut self, token: &'a [u8]) {
        match self.key {
            Ok(None) => self.key = Ok(Some(token)),
            Ok(Some(other)) if other != token => self.key = Err(DenialKind::Conflicting),
            Ok(Some(_)) | Err(_) => {}
        }
    }
}

/// The token in one header value: what follows `Bearer`, or the whole value of another header;
/// `None` when the value is not ours.
pub(super) fn token<'a>(name: &HeaderName, value: &'a [u8]) -> Option<&'a [u8]> {
    let value = trim(value);
    if *name != header::AUTHORIZATION {
        return Some(value);
    }
    let (scheme, rest) = value.split_first_chunk()?;
    // The bit that tells the cases of a letter apart; set, no other octet becomes a letter.
    if scheme.map(|octet| octet | 0x20) != *BEARER {
        return None;
    }
    match rest {
        // 1*SP (RFC 6750, section 2.1).
        [b' ', token @ ..] => Some(trim_start_spaces(token)),
        // A tab ends the scheme, but may not stand before the token.
        [b'\t', ..] | [] => Some(rest),
        _ => None,
    }
}

/// Whether a malformed token may be several, which an intermediary joined (RFC 9110, section 5.3).
pub(super) fn is_folded(token: &[u8]) -> bool {
    token.contains(&b',')
}

const BEARER: &[u8; 6] = b"bearer";

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
