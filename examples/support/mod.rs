//! What every example needs around its server: an address, an end, and commands to paste.

mod command;
mod serving;

pub(crate) use command::Command;
pub(crate) use serving::{finish, listen, stop_signal};
