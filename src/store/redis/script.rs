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
    pub(super) change: Script,
    pub(super) note: Script,
    pub(super) migrate: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            find: Script::new(include_str!("script/find.lua")),
            get: Script::new(include_str!("script/get.lua")),
            list: Script::new(include_str!("script/list.lua")),
            insert: Script::new(include_str!("script/insert.lua")),
            change: Script::new(include_str!("script/change.lua")),
            note: Script::new(include_str!("script/note.lua")),
            migrate: Script::new(include_str!("script/migrate.lua")),
        }
    }
}
