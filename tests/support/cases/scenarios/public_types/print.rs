//! Every way to print a value.

use std::fmt::{Debug, Display};

/// The names of types, each with all that a value of it prints.
pub(crate) type Printed = Vec<(&'static str, String)>;

pub(crate) fn debug(name: &'static str, value: &impl Debug) -> (&'static str, String) {
    (name, format!("{value:?} {value:#?}"))
}

pub(crate) fn both<T: Debug + Display>(name: &'static str, value: &T) -> (&'static str, String) {
    (name, format!("{value:?} {value:#?} {value} {value:#}"))
}
