//! Reading Rust source text, as far as the checks need it.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the crate.
pub(crate) struct Source {
    /// From `src`, such as `key/token.rs`.
    pub(crate) path: String,
    /// The names of its modules, from the top; those of `lib.rs` are none.
    pub(crate) module: Vec<String>,
    /// The text without comments and without what stands in literals.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<_> = path
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        if is_contents_page(path) {
            module.pop();
        }
        Self {
            path: path.to_owned(),
            module,
            code: code_of(text),
        }
    }

    /// Every path that starts at `crate` or `super`, from the top module on.
    pub(crate) fn imports(&self) -> Vec<Vec<String>> {
        self.imports_in(&self.code)
    }

    /// Those outside of unit tests, which come last in a file.
    pub(crate) fn imports_outside_of_tests(&self) -> Vec<Vec<String>> {
        let (before, _) = self.split_at_tests();
        self.imports_in(before)
    }

    /// The attributes and items at the top of the file; of an item with a body, what precedes it.
    pub(crate) fn items(&self) -> Vec<String> {
        let mut items = Vec::new();
        let (mut item, mut depth) = (String::new(), 0_usize);
        let in_use = |item: &str| words(item).take(4).any(|word| word == "use");
        for letter in self.code.chars() {
            let braces_of_body = !in_use(&item) && !item.trim_start().starts_with('#');
            match letter {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            item.push(letter);
            let ends = match letter {
                ';' => true,
                '}' => braces_of_body,
                ']' => item.trim_start().starts_with('#'),
                _ => false,
            };
            if depth == 0 && ends {
                items.push(item.split_whitespace().collect::<Vec<_>>().join(" "));
                item.clear();
            }
        }
        items.extend(Some(item.trim().to_owned()).filter(|rest| !rest.is_empty()));
        items
    }

    fn split_at_tests(&self) -> (&str, &str) {
        let at = self.code.find("\nmod tests {").unwrap_or(self.code.len());
        self.code.split_at(at)
    }

    fn imports_in(&self, code: &str) -> Vec<Vec<String>> {
        let (before, _) = self.split_at_tests();
        let mut imports = Vec::new();
        for start in ["crate::", "super::"] {
            for (at, _) in code.match_indices(start) {
                let goes_on = code[..at].ends_with(|letter: char| {
                    letter == ':' || letter == '_' || letter.is_alphanumeric()
                });
                if goes_on {
                    continue;
                }
                // `super` in the tests is the file itself.
                let mut base = self.module.clone();
                if at > before.len() {
                    base.push("tests".to_owned());
                }
                for path in expand(&code[at..]) {
                    imports.extend(self.resolve(&base, &path));
                }
            }
        }
        imports
    }

    /// The path from the top module on; `None` when it stays within the file.
    fn resolve(&self, base: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut from = base.to_vec();
        let mut names = path.iter().peekable();
        while let Some(name) = names.next_if(|name| *name == "crate" || *name == "super") {
            if name == "crate" {
                from.clear();
            } else {
                from.pop();
            }
        }
        from.extend(
            names
                .filter(|name| *name != "self" && *name != "*")
                .cloned(),
        );
        let within = !is_contents_page(&self.path) && from.starts_with(&self.module);
        (!within).then_some(from)
    }
}

/// Whether a file is to hold nothing but documentation, `mod` and `pub use`.
pub(crate) fn is_contents_page(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("lib.rs" | "mod.rs"))
}

/// The names and keywords of some code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| letter != '_' && !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// The Rust files under `root`/`folder`, by their path from `root`, and their texts.
pub(crate) fn files(root: &Path, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().components();
                let name: Vec<_> = name
                    .map(|part| part.as_os_str().to_str().unwrap())
                    .collect();
                found.push((name.join("/"), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The paths that start here: one, or several where it has braces.
fn expand(code: &str) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = code;
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let paths = branches(group).into_iter().flat_map(expand);
            return paths.map(|path| [names.clone(), path].concat()).collect();
        }
        let end = rest.find(|letter: char| letter != '_' && !letter.is_alphanumeric());
        let end = end.unwrap_or(rest.len());
        names.push(if end == 0 { "*" } else { &rest[..end] }.to_owned());
        match rest[end..].trim_start().strip_prefix("::") {
            Some(after) if !after.starts_with('<') => rest = after,
            _ => return vec![names],
        }
    }
}

/// The parts of a group, up to its closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The text without comments, and with nothing in its literals.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if letter == '"' {
            code += "\"\"";
            string_len(rest)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") {
            code += "\"\"";
            raw_string_len(rest)
        } else if letter == '\'' {
            code += "'";
            char_len(rest)
        } else {
            code.push(letter);
            letter.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if letter == '"' && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

fn raw_string_len(text: &str) -> usize {
    let hashes = text[1..]
        .chars()
        .take_while(|letter| *letter == '#')
        .count();
    if !text[1 + hashes..].starts_with('"') {
        return 1 + hashes; // A raw identifier.
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    text[body..]
        .find(&close)
        .map_or(text.len(), |end| body + end + close.len())
}

/// The length of a character literal; of a lifetime, that of its quote.
fn char_len(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((at, _))) => text[at + 1..].find('\'').map_or(1, |end| at + end + 2),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn comments_and_literals_are_no_code() {
    for (text, code) in [
        ("a // b \"c\nd", "a \nd"),
        ("a /* b */ c", "a  c"),
        (r#"f("a \" // b", c)"#, "f(\"\", c)"),
        ("f(\"\")", "f(\"\")"),
        ("r#\"a \" b\"# c", "\"\" c"),
        ("for r in x", "for r in x"),
        ("b'\"' 'a' '\\'' '\\u{7}' c", "b' ' ' ' c"),
        ("fn f<'a>(_: &'a str)", "fn f<'a>(_: &'a str)"),
    ] {
        assert_eq!(code_of(text), code, "{text}");
    }
}
