//! Making, changing and stopping keys.
