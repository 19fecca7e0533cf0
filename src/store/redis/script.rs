//! The scripts that Redis runs: each is one atomic step.

/// A script, and the hash that Redis calls it by.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: &'static str,
    pub(super) hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let hash = ::redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    /// The command that runs it, without keys and arguments.
    pub(super) fn command(&self, keys: usize) -> ::redis::Cmd {
        let mut command = ::redis::cmd("EVALSHA");
        command.arg(&self.hash).arg(keys);
        command
    }

    /// The command that teaches it to the server.
    pub(super) fn load(&self) -> ::redis::Cmd {
        let mut command = ::redis::cmd("SCRIPT");
        command.arg("LOAD").arg(self.text);
        command
    }
}

/// All scripts of the store.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) find: Script,
    pub(super) get: Script,
    pub(super) list: Script,
    pub(super) insert: Script,
    pub(super) commit: Script,
    pub(super) audit: Script,
    pub(super) prune_audit: Script,
    pub(super) record_usage: Script,
    pub(super) usage: Script,
    pub(super) prune_usage: Script,
    pub(super) migrate: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            find: Script::new(include_str!("script/find.lua")),
            get: Script::new(include_str!("script/get.lua")),
            list: Script::new(include_str!("script/list.lua")),
            insert: Script::new(include_str!("script/insert.lua")),
            commit: Script::new(include_str!("script/commit.lua")),
            audit: Script::new(include_str!("script/audit.lua")),
            prune_audit: Script::new(include_str!("script/prune_audit.lua")),
            record_usage: Script::new(include_str!("script/record_usage.lua")),
            usage: Script::new(include_str!("script/usage.lua")),
            prune_usage: Script::new(include_str!("script/prune_usage.lua")),
            migrate: Script::new(include_str!("script/migrate.lua")),
        }
    }
}

/// How many buckets or entries are read or deleted in one step: Redis does nothing else meanwhile,
/// for a few milliseconds.
pub(super) const STEP: usize = 500;
