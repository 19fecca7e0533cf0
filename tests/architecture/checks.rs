//! The checks find what they are there to find.

use super::*;

/// A small crate: `key/token.rs` and `store/memory.rs`, with what a test adds.
fn sources(changed: &[(&str, &str)]) -> Vec<Source> {
    let mut files = BTreeMap::from([
        ("lib.rs", "pub mod key;\npub mod store;\n"),
        (
            "key/mod.rs",
            "pub(crate) mod token;\npub use token::ApiKey;\n",
        ),
        ("key/token.rs", "pub struct ApiKey;\n"),
        (
            "store/mod.rs",
            "pub(crate) mod memory;\npub use memory::MemoryStore;\n",
        ),
        (
            "store/memory.rs",
            "use crate::key::token::ApiKey;\npub struct MemoryStore;\n",
        ),
    ]);
    files.extend(changed.iter().copied());
    files
        .into_iter()
        .map(|(path, text)| Source::new(path, text))
        .collect()
}

#[track_caller]
fn assert_finds(check: fn(&[Source]) -> Vec<String>, path: &str, text: &str, problem: &str) {
    assert_clean(check(&sources(&[])));
    let found = check(&sources(&[(path, text)]));
    assert!(
        found.iter().any(|found| found.contains(problem)),
        "{text} gave {found:?}"
    );
}

#[test]
fn an_import_from_a_higher_stage_is_found() {
    for text in [
        "use crate::store::memory::store::MemoryStore;",
        "use super::super::store::memory::store::MemoryStore;",
        "use crate::{store::memory::{self, MemoryStore}, clock::Clock};",
        "fn f() -> crate::store::memory::store::MemoryStore { todo!() }",
        "mod tests {\n    use super::*;\n    use crate::store::memory::store::MemoryStore;\n}",
    ] {
        assert_finds(
            imports_upwards,
            "key/token.rs",
            text,
            "key/token.rs: imports store::memory",
        );
    }
    assert_finds(
        imports_upwards,
        "misc.rs",
        "",
        "misc.rs: its module has no stage",
    );
    let comment =
        "/// See [`crate::store`], \"crate::store\".\nconst A: &str = \"crate::store::B\";";
    assert_clean(imports_upwards(&sources(&[("key/token.rs", comment)])));
}

#[test]
fn a_cycle_is_found() {
    let files = [
        ("key/token.rs", "use super::format::KeyFormat;"),
        ("key/format.rs", "use super::digest;\n"),
        ("key/digest.rs", "fn f() { super::token::f() }"),
    ];
    assert_eq!(
        cycles(&sources(&files)),
        [
            "a cycle: key/digest.rs -> key/token.rs -> key/format.rs -> key/digest.rs",
            "a cycle: key/format.rs -> key/digest.rs -> key/token.rs -> key/format.rs",
            "a cycle: key/token.rs -> key/format.rs -> key/digest.rs -> key/token.rs",
        ]
    );
    assert_clean(cycles(&sources(&files[..2])));
    let test = "#[cfg(test)]\nmod tests {\n    use super::super::token::ApiKey;\n}";
    let files = [files[0], ("key/format.rs", test)];
    assert_clean(cycles(&sources(&files)));
}

#[test]
fn an_item_in_a_contents_page_is_found() {
    let pages = items_in_contents_pages;
    assert_finds(
        pages,
        "key/mod.rs",
        "pub mod token { }",
        "key/mod.rs: holds an item",
    );
    assert_finds(
        pages,
        "key/mod.rs",
        "use token::ApiKey;",
        "key/mod.rs: holds an item",
    );
    assert_finds(
        pages,
        "lib.rs",
        "#[doc(hidden)]\npub struct A;",
        "lib.rs: holds an item: pub struct",
    );
    assert_finds(
        pages,
        "key/token.rs",
        "pub use a::B;",
        "key/token.rs: exports again",
    );
    assert_finds(
        pages,
        "key/token.rs",
        "pub(crate) use a::B;",
        "key/token.rs: exports again",
    );
    let page =
        "//! Docs.\n#![forbid(unsafe_code)]\n#[cfg(feature = \"a\")]\npub use a::{\n B, C };";
    assert_clean(pages(&sources(&[("lib.rs", page)])));
}

#[test]
fn a_detour_is_found() {
    for text in [
        "use crate::key::ApiKey;",
        "use crate::ApiKey;",
        "use crate::key::{ApiKey, token};",
        "fn f(_: crate::key::ApiKey) {}",
        "use super::MemoryStore;",
    ] {
        assert_finds(
            detours,
            "store/memory.rs",
            text,
            "from where it is not defined",
        );
    }
}

#[test]
fn a_forbidden_word_is_found() {
    let words = forbidden_words;
    let request = "fn f(_: &http::Request<()>) {}";
    assert_finds(
        words,
        "key/token.rs",
        request,
        "key/token.rs: names Request",
    );
    assert_finds(
        words,
        "policy/head.rs",
        request,
        "policy/head.rs: names Request",
    );
    assert_finds(
        words,
        "observe/a.rs",
        "fn f(_: &ApiKey) {}",
        "observe/a.rs: names ApiKey",
    );
    let digest = "use crate::key::digest::KeyDigest;";
    assert_finds(words, "policy/a.rs", digest, "policy/a.rs: names KeyDigest");
    let registry = "use crate::store::contract::registry::KeyRegistry as R;";
    assert_finds(
        words,
        "middleware/a.rs",
        registry,
        "middleware/a.rs: names KeyRegistry",
    );
    let fine = "// A Request, no ApiKey.\nuse a::{PageRequest, Requirement};";
    assert_clean(words(&sources(&[
        ("policy/a.rs", fine),
        ("middleware/a.rs", request),
    ])));
}

#[test]
fn a_long_file_and_a_forgotten_feature_are_found() {
    assert_eq!(too_long("a.rs", &"\n".repeat(500)), None);
    assert_eq!(
        too_long("a.rs", &"\n".repeat(501)).unwrap(),
        "a.rs: has 501 lines"
    );
    let manifest =
        "[features]\ndefault = []\n## Docs.\na-b = [\"dep:c\"]\nd = []\n\n[lib]\ne = []\n";
    let both = BTreeSet::from(["a-b".to_owned(), "d".to_owned()]);
    assert_eq!(features_of_manifest(manifest), both);
    let readme =
        "| `x` | y |\n## Features\n| `a-b` | c |\n| `d` | e `f` |\n\n## More\n| `g` | h |\n";
    assert_eq!(features_of_readme(readme), both);
}
