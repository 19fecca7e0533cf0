//! What the names of a store's tables or keys may start with.

/// Whether this is 1 to 32 of `a-z`, `0-9` and `_`, a letter first: a plain word, which needs no
/// quoting in SQL nor in the names of Redis.
pub(crate) fn is_plain(prefix: &str) -> bool {
    prefix.len() <= 32
        && prefix.starts_with(|first: char| first.is_ascii_lowercase())
        && prefix
            .bytes()
            .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_taken() {
        let longest = "a".repeat(32);
        for prefix in ["a", "tower_api_key_", "a1_", &longest] {
            assert!(is_plain(prefix), "{prefix}");
        }
        let longer = "a".repeat(33);
        for prefix in [
            "", "1a", "_a", "A", "aB", "a-b", "a b", "a\"", "a;", "a.b", "é", "aé", &longer,
        ] {
            assert!(!is_plain(prefix), "{prefix}");
        }
    }
}
