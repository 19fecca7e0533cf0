//! `{KEY:state|modifier|modifier:argument}` in the texts of a case.

use regex::{Captures, Regex};

use super::keys;

/// Fills every key into a text.
///
/// # Panics
///
/// When the text names a state or a modifier that the cases do not have.
pub(crate) fn fill(text: &str) -> String {
    let keys = Regex::new(r"\{KEY:([^{}|]+)((?:\|[^{}|]+)*)\}").unwrap();
    let filled = keys.replace_all(text, |found: &Captures<'_>| {
        let key = keys::key(&found[1]);
        found[2]
            .split('|')
            .skip(1)
            .fold(key, |key, modifier| modified(&key, modifier))
    });
    assert!(
        !filled.contains("{KEY:"),
        "a template is not understood: {filled}"
    );
    filled.into_owned()
}

/// The octets of a latin-1 text.
///
/// # Panics
///
/// When a character is none of latin-1.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("a latin-1 character"))
        .collect()
}

/// The text whose latin-1 octets these are.
pub(crate) fn from_latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let group = (0..3).fold(0_u32, |group, at| {
            group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            let index = (group >> (18 - 6 * digit) & 0x3f) as usize;
            text.push(if digit <= chunk.len() {
                char::from(ALPHABET[index])
            } else {
                '='
            });
        }
    }
    text
}

fn modified(key: &str, modifier: &str) -> String {
    let (name, argument) = modifier.split_once(':').unwrap_or((modifier, ""));
    let number = || argument.parse::<usize>().expect("a number as argument");
    match name {
        "upper" => key.to_uppercase(),
        "upperhex" => on_digits(key, str::to_uppercase),
        "upper1" => on_digits(key, upper_first_letter),
        "truncate" => key[..key.len() - number()].to_owned(),
        "head" => key[..number()].to_owned(),
        "append" => format!("{key}{argument}"),
        "prepend" => format!("{argument}{key}"),
        "prefix" => format!("{argument}{}", digits(key)),
        "noprefix" => digits(key).to_owned(),
        "flip" => on_digits(key, |digits| flipped(digits, argument)),
        "replace" => with_character(key, argument, 1),
        "insert" => with_character(key, argument, 0),
        "urlenc" => urlencoded(key),
        "b64" => base64(key.as_bytes()),
        "basic" => base64(format!("{key}:").as_bytes()),
        "digest" => keys::sha256_hex(key),
        "digestkey" => format!("tc_{}", keys::sha256_hex(key)),
        _ => panic!("no such modifier: {name}"),
    }
}

/// Every octet as an escape: a plain encoder would leave a key as it is.
fn urlencoded(key: &str) -> String {
    let escapes = key.bytes().map(|octet| format!("%{octet:02X}"));
    escapes.collect::<Vec<_>>().concat()
}

fn digits(key: &str) -> &str {
    key.strip_prefix("tc_").unwrap_or(key)
}

fn on_digits(key: &str, change: impl FnOnce(&str) -> String) -> String {
    let digits = digits(key);
    let prefix = &key[..key.len() - digits.len()];
    format!("{prefix}{}", change(digits))
}

fn upper_first_letter(digits: &str) -> String {
    let letter = digits
        .find(|digit: char| digit.is_ascii_lowercase())
        .expect("a letter");
    let mut text = digits.to_owned();
    text[letter..=letter].make_ascii_uppercase();
    text
}

/// Another digit in place of the first, the last or the one at an index.
fn flipped(digits: &str, which: &str) -> String {
    let at = match which {
        "first" => 0,
        "last" => digits.len() - 1,
        index => index.parse().expect("an index"),
    };
    let digit = digits[at..]
        .chars()
        .next()
        .and_then(|digit| digit.to_digit(16));
    let other = char::from_digit(digit.expect("a digit") ^ 1, 16).unwrap();
    format!("{}{other}{}", &digits[..at], &digits[at + 1..])
}

/// A character in place of `replaced` ones at an index: `I:C`.
fn with_character(key: &str, argument: &str, replaced: usize) -> String {
    let (at, character) = argument.split_once(':').expect("an index and a character");
    let at: usize = at.parse().expect("an index");
    format!("{}{character}{}", &key[..at], &key[at + replaced..])
}
