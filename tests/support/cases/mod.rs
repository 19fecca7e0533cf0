//! Runs the request cases: what each line of `requests.jsonl` says, checked on the real layer.

pub(crate) mod case;
pub(crate) mod expect;
pub(crate) mod fixture;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod run;
pub(crate) mod store;
pub(crate) mod template;
pub(crate) mod wire;
