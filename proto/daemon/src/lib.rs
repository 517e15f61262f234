//! The frame of a daemon: what each of them needs to start, to serve and to end.
//!
//! 1. [`places`] knows where a daemon's files are.
//! 2. [`Places::config`] gives a daemon its tables of the configuration: the last right ones while
//!    `config.toml` is wrong.
//!
//! What must not live here: anything that only one daemon uses.

#![forbid(unsafe_code)]

pub mod places;

pub use places::Places;
