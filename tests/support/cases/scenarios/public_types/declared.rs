//! Which public types there are.

use std::fs;
use std::path::Path;

use regex::Regex;

/// Types that are a plain list of words, or that hold what no key can get into.
pub(crate) const WITHOUT_CONTENT: [&str; 15] = [
    "ConfigErrorKind",
    "DenialKind",
    "EnvKeyErrorKind",
    "Fault",
    "ImportRefusalKind",
    "KeyStatus",
    "ManageErrorKind",
    "ProblemCode",
    "StoreErrorKind",
    // Only the operating system's random source makes one, and only when it fails.
    "RandomnessError",
    // Has no fields.
    "TracingObserver",
    // A length of time, a number and scopes.
    "IssuePolicy",
    // An id and a number.
    "ActingKey",
    // Numbers.
    "HourlyExcess",
    // Numbers, and a store's error, which is printed by itself.
    "UsageNotWritten",
];

/// Types of features that may be off, and are not printed then.
const OF_FEATURES: [(bool, &[&str]); 8] = [
    (cfg!(feature = "axum"), &["MissingIdentity"]),
    (
        cfg!(feature = "cache"),
        &[
            "CacheEvent",
            "CacheOptions",
            "CacheStats",
            "CachedStore",
            "FeedState",
            "InvalidCacheOptions",
        ],
    ),
    (
        cfg!(feature = "management"),
        &[
            "ApiKeySecurity",
            "ManagementApi",
            "OwnerAuthoriser",
            "Principal",
        ],
    ),
    (
        cfg!(feature = "postgres"),
        &["PostgresOptions", "PostgresStore"],
    ),
    (cfg!(feature = "redis"), &["RedisOptions", "RedisStore"]),
    (cfg!(feature = "sqlite"), &["SqliteOptions", "SqliteStore"]),
    (cfg!(feature = "test-util"), &["FaultyStore"]),
    (
        cfg!(feature = "tokio"),
        &[
            "TimeoutStore",
            "FlusherStats",
            "UsageEvent",
            "UsageFlusher",
            "UsageFlusherError",
            "UsageFlusherOptions",
        ],
    ),
];

/// Whether a type is one of a feature that is off.
pub(crate) fn is_off(name: &str) -> bool {
    let mut features = OF_FEATURES.iter();
    features.any(|(is_on, names)| !is_on && names.contains(&name))
}

/// The names of the types that the source declares as public.
pub(crate) fn declared() -> Vec<String> {
    let declaration = Regex::new(r"(?m)^    ?pub (?:struct|enum) (\w+)|^pub (?:struct|enum) (\w+)");
    let declaration = declaration.unwrap();
    let mut names = Vec::new();
    for_each_source(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut |source| {
            let found = declaration.captures_iter(source);
            names.extend(found.filter_map(|found| {
                let name = found.get(1).or(found.get(2))?;
                Some(name.as_str().to_owned())
            }));
        },
    );
    assert!(
        names.len() > 50,
        "expected the public types, found {names:?}"
    );
    names
}

fn for_each_source(folder: &Path, read: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_source(&path, read);
        } else {
            read(&fs::read_to_string(path).unwrap());
        }
    }
}
