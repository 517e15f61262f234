//! For tests only: what several crates' tests share.
//!
//! 1. **A test that could not run is a failed test** under `cargo xtask test`: what a test needs of
//!    its machine it asks of [`needs`], which fails there and skips, with the reason, elsewhere.
//! 2. A daemon that several crates' tests play is played here once: [`doubles`].
//! 3. What fills a disk has one of its own: [`disk`].
//!
//! What must not live here: anything that the appliance runs. Crates depend on this one under
//! `[dev-dependencies]` alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up should stop"
)]

pub mod disk;
pub mod doubles;
pub mod needs;
