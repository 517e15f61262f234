//! `aios-update`: new releases for a machine with two slots, and the way back.
//!
//! 1. **What runs is never written to.** A release goes to the other slot; the boot
//!    loader is told in one write of one sector ([`environment`]). A power cut at any
//!    instant leaves exactly the old system or exactly the new one ([`slots`]).
//! 2. **A bundle is verified wholly before the other slot is touched**: signature,
//!    both images, architecture, age, sizes, and that the boot image asks the kernel
//!    for the very root that comes with it ([`bundle`], [`boot_image`]).
//! 3. **Everything in a bundle is hostile until its signature was checked.** Lengths
//!    are bounded before memory is taken; memory does not grow with the bundle.
//! 4. **Only partitions of the disk that the running root is on are written** ([`place`]),
//!    found through the kernel's own view of the device under the root, not by label.
//! 5. What is decided ([`slots`], [`bundle`], [`environment`]) is pure; what is done is in
//!    [`install`] and [`disk`], over paths that tests can choose.
//!
//! What must not live here: when a slot is good (the orchestrator knows what is
//! healthy), who may order an update (the management API), and how the disk is laid
//! out when it is made (`xtask`).

pub mod boot_image;
pub mod bundle;
mod daemon;
pub mod disk;
pub mod environment;
pub mod error;
pub mod install;
pub mod keys;
pub mod place;
pub mod service;
pub mod slots;
pub mod within;

use std::process::ExitCode;

/// The daemon: started when it is asked for; ends when nobody has called for a minute.
pub fn main() -> ExitCode {
    aios_daemon::run::run(daemon::run())
}
