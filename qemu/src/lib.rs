//! The appliance in a virtual machine or in a container, for people
//! (`cargo xtask run`) and for the tests in `qemu/tests`.
//!
//! 1. All three ways boot the same root file system with the same PID 1:
//!    [`Way::Vm`] (kernel loaded by QEMU), [`Way::Disk`] (firmware, boot loader,
//!    disk image) and [`Way::Container`] (an OCI runtime, at native speed).
//! 2. The management port is reached at 127.0.0.1 in every way; nothing is
//!    bound to another address.
//! 3. Whatever waits has a deadline, and a machine that is dropped is killed.
//!
//! What does not live here: how the artefacts are built (`xtask`).

#![allow(
    clippy::disallowed_methods,
    reason = "plain threads that wait; there is no executor here"
)]

mod arguments;
pub mod artefacts;
pub mod console;
pub mod container;
pub mod credentials;
pub mod ctl;
mod data_folder;
pub mod former;
pub mod forward;
pub mod hardware;
pub mod machine;
pub mod qmp;
mod tpm;
pub mod vm;

pub use artefacts::Artefacts;
pub use ctl::Ctl;
pub use hardware::{Bus, Firmware, Hardware};
pub use machine::{Boot, EmulatorCrashed, Machine, Options, Way};
