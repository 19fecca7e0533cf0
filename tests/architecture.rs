//! Checks the layout of the crate: its source text against the rules of its design, which the
//! compiler does not know.
//!
//! 1. A file imports only from its own or a lower stage, and no imports form a cycle.
//! 2. `lib.rs` and every `mod.rs` are contents pages, and files import from the file that defines
//!    a name.
//! 3. Nothing below the middleware knows an HTTP request, and what stands beside the request's way
//!    sees neither plaintext nor digest.
//! 4. The middleware sees only the read side of a store.
//! 5. No file has more than 500 lines.

#![allow(
    clippy::unwrap_used,
    reason = "a check that cannot read its files fails"
)]

#[path = "architecture/checks.rs"]
mod checks;
#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use source::{Source, is_contents_page, words};

/// The top-level modules by stage; requests run from the lowest to the highest.
const STAGES: &[&[&str]] = &[
    &["clock"],
    &["scope", "key"],
    &["record", "identity", "denial"],
    &["store"],
    &["policy", "usage", "limit", "observe"],
    &["verify", "manage"],
    &["middleware"],
    &["integration", "testing", "guide"],
];

/// Words that no file of these top-level modules may hold.
const FORBIDDEN: &[(&[&str], &[&str])] = &[
    (
        &["policy", "usage", "limit", "observe"],
        &[
            "ApiKey",
            "KeyDigest",
            "KeyRecord",
            "SecretVersion",
            "IssuedKey",
        ],
    ),
    (&["middleware"], &["KeyRegistry", "KeyManager", "KeyChange"]),
];

const MAX_LINES: usize = 500;

#[test]
fn imports_go_down_the_stages() {
    assert_clean(imports_upwards(&crate_sources()));
}

#[test]
fn imports_form_no_cycle() {
    assert_clean(cycles(&crate_sources()));
}

#[test]
fn contents_pages_hold_no_items() {
    assert_clean(items_in_contents_pages(&crate_sources()));
}

#[test]
fn names_are_imported_from_where_they_are_defined() {
    assert_clean(detours(&crate_sources()));
}

#[test]
fn no_module_names_what_it_may_not_see() {
    assert_clean(forbidden_words(&crate_sources()));
}

#[test]
fn no_file_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests", "examples", "benches"].map(|folder| source::files(root, folder));
    let files = files.into_iter().flatten();
    assert_clean(files.filter_map(|(path, text)| too_long(&path, &text)));
}

#[test]
fn the_readme_lists_every_feature() {
    let listed = features_of_readme(&read("README.md"));
    assert_eq!(listed, features_of_manifest(&read("Cargo.toml")));
}

#[test]
fn the_changelog_has_a_place_for_what_comes() {
    let changelog = read("CHANGELOG.md");
    assert!(changelog.lines().any(|line| line == "## [Unreleased]"));
}

#[test]
fn the_readme_tells_the_minimum_rust_version() {
    let manifest = read("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let readme = read("README.md");
    let section = readme.split("## Minimum Rust version\n\n").nth(1);
    let told = section
        .and_then(|section| section.split_once(". "))
        .unwrap()
        .0;
    assert_eq!(Some(told), version);
}

fn imports_upwards(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let Some(own) = stage(&source.module[0]) else {
            problems.push(format!("{}: its module has no stage", source.path));
            continue;
        };
        for import in source
            .imports()
            .into_iter()
            .filter(|import| !import.is_empty())
        {
            // A name at the root is a detour, which has a check of its own.
            if stage(&import[0]).is_some_and(|stage| stage > own) {
                problems.push(format!("{}: imports {}", source.path, import.join("::")));
            }
        }
    }
    problems
}

fn cycles(sources: &[Source]) -> Vec<String> {
    let mut graph = Imports::new();
    for source in sources
        .iter()
        .filter(|source| !is_contents_page(&source.path))
    {
        // Unit tests may use what uses their file.
        let imports = source.imports_outside_of_tests();
        let targets = imports
            .iter()
            .filter_map(|import| defining(sources, import));
        let targets = targets.map(|target| target.path.as_str());
        let others: BTreeSet<_> = targets.filter(|path| *path != source.path).collect();
        graph.insert(source.path.as_str(), others);
    }
    let cycles = graph.keys().filter_map(|path| way_back(&graph, path));
    cycles
        .map(|way| format!("a cycle: {}", way.join(" -> ")))
        .collect()
}

/// The shortest way along imports from a file to itself.
fn way_back<'a>(graph: &Imports<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![start]]);
    while let Some(way) = ways.pop_front() {
        for next in graph.get(way.last()?).into_iter().flatten().copied() {
            let longer = [way.as_slice(), &[next]].concat();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// What each file imports.
type Imports<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn items_in_contents_pages(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let contents_page = is_contents_page(&source.path);
        for item in source.items() {
            let declares = item.ends_with(';')
                && ["mod ", "pub mod ", "pub(crate) mod ", "pub use "]
                    .iter()
                    .any(|start| item.starts_with(start));
            if contents_page && !(declares || item.starts_with('#')) {
                problems.push(format!("{}: holds an item: {item}", source.path));
            }
            if !contents_page
                && item.starts_with("pub")
                && words(&item).take(4).any(|word| word == "use")
            {
                problems.push(format!("{}: exports again: {item}", source.path));
            }
        }
    }
    problems
}

fn detours(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources
        .iter()
        .filter(|source| !is_contents_page(&source.path))
    {
        for import in source.imports() {
            let target = defining(sources, &import);
            if target.is_none_or(|target| is_contents_page(&target.path)) {
                problems.push(format!(
                    "{}: imports {} from where it is not defined",
                    source.path,
                    import.join("::")
                ));
            }
        }
    }
    problems
}

fn forbidden_words(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let top = source.module[0].as_str();
        let mut forbidden: Vec<_> = FORBIDDEN
            .iter()
            .filter(|(modules, _)| modules.contains(&top))
            .flat_map(|(_, words)| words.iter().copied())
            .collect();
        if stage(top) < stage("middleware") {
            forbidden.push("Request");
        }
        let found: BTreeSet<_> = words(&source.code)
            .filter(|word| forbidden.contains(word))
            .collect();
        problems.extend(
            found
                .iter()
                .map(|word| format!("{}: names {word}", source.path)),
        );
    }
    problems
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("{path}: has {lines} lines"))
}

fn features_of_manifest(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("[features]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "default")
        .collect()
}

fn features_of_readme(readme: &str) -> BTreeSet<String> {
    let section = readme.split("## Features\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with("## "));
    lines
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The file that defines what a path names: that of the longest module in it.
fn defining<'a>(sources: &'a [Source], import: &[String]) -> Option<&'a Source> {
    let within = sources
        .iter()
        .filter(|source| import.starts_with(&source.module));
    within.max_by_key(|source| source.module.len())
}

fn stage(top: &str) -> Option<usize> {
    STAGES.iter().position(|modules| modules.contains(&top))
}

fn crate_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = source::files(&root, "");
    assert!(
        files.len() > 10,
        "expected the crate's files, found {}",
        files.len()
    );
    files
        .iter()
        .map(|(path, text)| Source::new(path, text))
        .collect()
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn assert_clean(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
