//! Reading the key from the headers.

use http::header::{self, HeaderMap, HeaderName};

use super::source::Sources;
use crate::denial::DenialKind;
use crate::verify::verifier::Verifier;

/// What a request's headers hold for the layer.
pub(super) struct Sent<'a> {
    /// The key as it was sent, not yet parsed; `None` when none was sent.
    pub(super) key: Result<Option<&'a [u8]>, DenialKind>,
    /// A value of `Authorization` that holds a key, but not after `Bearer`.
    misplaced: Option<&'a [u8]>,
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
/// - `Authorization` with another scheme than Bearer is someone else's, unless a key stands in it.
/// - An empty value is no key, and neither is one in `Authorization` without `Bearer`: on their own
///   they are refused, since they were meant to be one, and beside a key they change nothing,
/// - unless another key stands in that value: a server that reads it would disagree.
/// - More than one line of a header is ambiguous, whatever the lines hold: what reads the first and
///   what reads the last would disagree. So are lines that were joined by commas.
/// - Two headers may hold the same key, but not different ones.
pub(super) fn read<'a>(headers: &'a HeaderMap, sources: &Sources, verifier: &Verifier) -> Sent<'a> {
    let mut sent = Sent {
        key: Ok(None),
        misplaced: None,
        lines: Lines::default(),
    };
    let find = sources.finder();
    let mut seen = 0;
    // One pass over the lines: quicker than to hash each source's name, up to some thirty headers.
    for (name, value) in headers {
        if let Some(index) = find(name) {
            sent.add_line(&mut seen, 1 << index, name, value.as_bytes(), verifier);
        }
    }
    sent
}

impl<'a> Sent<'a> {
    /// Out of line, so that the pass over the other headers keeps its state in registers.
    #[inline(never)]
    fn add_line(
        &mut self,
        seen: &mut u8,
        bit: u8,
        name: &HeaderName,
        value: &'a [u8],
        verifier: &Verifier,
    ) {
        if *seen & bit != 0 {
            self.lines.ours |= bit;
            self.lines.repeated |= bit;
            self.key = Err(DenialKind::Ambiguous);
            return;
        }
        *seen |= bit;
        let held = held(name, value, verifier);
        if held != Held::OtherScheme {
            self.lines.ours |= bit;
            self.add(held, verifier);
        }
    }

    fn add(&mut self, held: Held<'a>, verifier: &Verifier) {
        let holds_other = |value, token| verifier.keys_in(value).any(|key| key != token);
        if let Held::Misplaced(value) = held {
            self.misplaced = Some(value);
        }
        self.key = match (self.key, held) {
            (_, Held::Folded) => Err(DenialKind::Ambiguous),
            (Ok(None) | Err(DenialKind::Missing | DenialKind::NotBearer), Held::Token(token)) => {
                match self.misplaced {
                    Some(value) if holds_other(value, token) => Err(DenialKind::Conflicting),
                    _ => Ok(Some(token)),
                }
            }
            (Ok(Some(other)), Held::Token(token)) if other != token => Err(DenialKind::Conflicting),
            (Ok(Some(token)), Held::Misplaced(value)) if holds_other(value, token) => {
                Err(DenialKind::Conflicting)
            }
            (Ok(None) | Err(DenialKind::Missing), Held::NotBearer | Held::Misplaced(_)) => {
                Err(DenialKind::NotBearer)
            }
            (Ok(None), Held::Nothing) => Err(DenialKind::Missing),
            (Ok(_) | Err(_), _) => return,
        };
    }
}

/// What one line of a source holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held<'a> {
    /// What follows `Bearer`, or the whole value of another header.
    Token(&'a [u8]),
    /// Nothing at all.
    Nothing,
    /// In `Authorization`, who knows what, but neither `Bearer <key>` nor the credentials of another
    /// scheme.
    NotBearer,
    /// In `Authorization`, a key, but not after `Bearer`; the whole value.
    Misplaced(&'a [u8]),
    /// In `Authorization`, a line of `Bearer` that was joined to another line.
    Folded,
    /// In `Authorization`, someone else's credentials.
    OtherScheme,
}

/// Whether a line of a source is for this layer, whatever it is worth.
pub(super) fn is_ours(name: &HeaderName, value: &[u8], verifier: &Verifier) -> bool {
    held(name, value, verifier) != Held::OtherScheme
}

fn held<'a>(name: &HeaderName, value: &'a [u8], verifier: &Verifier) -> Held<'a> {
    let value = trim(value);
    if *name == header::AUTHORIZATION {
        match bearer_token(value) {
            Some(token) => Held::Token(token),
            None => without_bearer(value, verifier),
        }
    } else if value.is_empty() {
        Held::Nothing
    } else {
        Held::Token(value)
    }
}

/// What follows `Bearer`.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
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

/// What `Authorization` holds where it does not say `Bearer`.
#[cold]
fn without_bearer<'a>(value: &'a [u8], verifier: &Verifier) -> Held<'a> {
    if value.is_empty() {
        Held::Nothing
    } else if has_folded_bearer(value) {
        Held::Folded
    } else if verifier.keys_in(value).next().is_some() {
        Held::Misplaced(value)
    } else if has_scheme(value) {
        Held::OtherScheme
    } else {
        Held::NotBearer
    }
}

/// Whether a value starts with the name of a scheme and a space (RFC 9110, section 11.4).
fn has_scheme(value: &[u8]) -> bool {
    let end = value.iter().position(|octet| *octet == b' ');
    end.is_some_and(|end| end > 0 && value[..end].iter().copied().all(is_token_octet))
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// Whether `Bearer` stands after a comma, as where an intermediary joined two lines (RFC 9110,
/// section 5.3). No parameter of another scheme looks like it, but a quoted string may.
fn has_folded_bearer(value: &[u8]) -> bool {
    let mut is_quoted = false;
    let elements = value.split(|byte| {
        is_quoted ^= *byte == b'"';
        *byte == b',' && !is_quoted
    });
    elements
        .skip(1)
        .any(|element| bearer_token(trim(element)).is_some())
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
    use crate::store::memory::store::MemoryStore;

    fn held_by<'a>(name: &'static str, value: &'a [u8]) -> Held<'a> {
        let verifier = Verifier::new(MemoryStore::new());
        held(&HeaderName::from_static(name), value, &verifier)
    }

    #[test]
    fn the_scheme_ends_at_a_space_or_tab_and_has_no_case() {
        for (value, token) in [
            ("Bearer abc", "abc"),
            ("bEARER   abc", "abc"),
            (" \tBearer abc\t ", "abc"),
            ("Bearer", ""),
            ("Bearer ", ""),
            ("Bearer\tabc", "\tabc"),
            ("Bearer \tabc", "\tabc"),
            ("Bearer a b", "a b"),
        ] {
            let expected = Held::Token(token.as_bytes());
            assert_eq!(
                held_by("authorization", value.as_bytes()),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn only_the_credentials_of_another_scheme_are_someone_elses() {
        let key = format!("tc_{}", "0f".repeat(32));
        for value in [
            "Basic YTpi",
            "Digest a=\"b\", c=d",
            "a!#$%&'*+-.^_`|~9 x",
            "tc_ 0",
        ] {
            let held = held_by("authorization", value.as_bytes());
            assert_eq!(held, Held::OtherScheme, "{value:?}");
            let with_key = format!("{value}, {key}");
            let held = held_by("authorization", with_key.as_bytes());
            assert_eq!(held, Held::Misplaced(with_key.as_bytes()), "{with_key:?}");
        }
        for value in [
            &b"Bea"[..],
            b"Bearerabc",
            b"Bearer:abc",
            b"Bearer: abc",
            b"Bearer=abc",
            b"Bearer,abc",
            b"Bearer\xa0abc",
            b"\"Bearer abc\"",
            b"Basic\tabc",
            b"\xe2\x84\xacearer abc",
        ] {
            assert_eq!(
                held_by("authorization", value),
                Held::NotBearer,
                "{value:?}"
            );
        }
        let alone = held_by("authorization", key.as_bytes());
        assert_eq!(alone, Held::Misplaced(key.as_bytes()));
        for value in ["", " \t"] {
            assert_eq!(held_by("authorization", value.as_bytes()), Held::Nothing);
        }
    }

    #[test]
    fn bearer_after_a_comma_is_a_joined_line() {
        for value in [
            "Basic YTpi, Bearer abc",
            "Basic YTpi,bEARER\tabc",
            "Digest a=\"b, c\", d=e , Bearer",
            ", Bearer abc",
            "tc_, Bearer, Basic YTpi",
        ] {
            let held = held_by("authorization", value.as_bytes());
            assert_eq!(held, Held::Folded, "{value:?}");
        }
        for value in [
            "Digest realm=\"a, Bearer b\"",
            "Basic YTpi, Bearers abc",
            "Basic Bearer abc",
        ] {
            let held = held_by("authorization", value.as_bytes());
            assert_eq!(held, Held::OtherScheme, "{value:?}");
        }
    }

    /// A server that reads the key in `Authorization` would take another one, whichever line it
    /// reads first.
    #[test]
    fn another_key_in_authorization_conflicts_in_both_orders() {
        let [mine, other] = ["0f", "e1"].map(|pair| format!("tc_{}", pair.repeat(32)));
        let verifier = Verifier::new(MemoryStore::new());
        let sources = Sources::default();
        let read_key = |lines: [(&'static str, &str); 2]| {
            let lines = lines.map(|(name, value)| {
                let value = header::HeaderValue::from_str(value).unwrap();
                (HeaderName::from_static(name), value)
            });
            let headers = HeaderMap::from_iter(lines);
            let key = read(&headers, &sources, &verifier).key;
            key.map(|key| key.map(<[u8]>::to_vec))
        };
        for scheme in ["Basic ", "Token ", ""] {
            let authorization = ("authorization", &*format!("{scheme}{other}"));
            let x_api_key = ("x-api-key", &*mine);
            for lines in [[authorization, x_api_key], [x_api_key, authorization]] {
                assert_eq!(read_key(lines), Err(DenialKind::Conflicting), "{lines:?}");
            }
            // The same key twice is one key.
            let authorization = ("authorization", &*format!("{scheme}{mine}"));
            for lines in [[authorization, x_api_key], [x_api_key, authorization]] {
                let key = Ok(Some(mine.clone().into_bytes()));
                assert_eq!(read_key(lines), key, "{lines:?}");
            }
        }
    }

    #[test]
    fn another_header_is_its_whole_value() {
        for (value, expected) in [(" abc\t", "abc"), ("Bearer abc", "Bearer abc")] {
            let expected = Held::Token(expected.as_bytes());
            assert_eq!(
                held_by("x-api-key", value.as_bytes()),
                expected,
                "{value:?}"
            );
        }
        assert_eq!(held_by("x-api-key", b" "), Held::Nothing);
    }
}
