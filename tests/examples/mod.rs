//! The examples as a reader meets them: built, started, and asked what they print.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test crate uses a part of it"
)]

mod built;
mod request;
mod running;

pub(crate) use built::{command, examples};
pub(crate) use request::Request;
pub(crate) use running::{Example, assert_does_not_start};
