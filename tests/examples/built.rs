//! The examples, built the way the test was.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// What is built: all that the features allow.
pub(crate) fn examples() -> impl Iterator<Item = &'static str> {
    let of_full = ["management", "sqlite", "trucustom"].into_iter();
    let of_full = of_full.filter(|_| cfg!(feature = "full"));
    ["axum", "hyper", "custom_store"].into_iter().chain(of_full)
}

/// A call of an example.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(BUILT.join(format!("{name}{}", env::consts::EXE_SUFFIX)));
    command.env_remove("KEYS").stdin(Stdio::null());
    command
}

/// The directory of the examples, once all are built the way this test was.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    // This is <target>/<profile>/deps/<test>-<hash>.
    let this = env::current_exe().unwrap();
    let profile_dir = this.ancestors().nth(2).unwrap();
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut build = Command::new(env!("CARGO"));
    build
        .args([
            "build",
            "--quiet",
            "--profile",
            profile,
            "--features",
            FEATURES,
        ])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(profile_dir.parent().unwrap());
    // A build script that asks for what cargo set for this test would be run again, now and after.
    for (name, _) in env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    for name in examples().chain(["client"]) {
        build.args(["--example", name]);
    }
    let output = build.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the examples do not build:\n{errors}"
    );
    profile_dir.join("examples")
});

/// What the examples need, and what this test was built with, so that little is built again.
const FEATURES: &str = if cfg!(feature = "full") {
    "full"
} else {
    "axum"
};
