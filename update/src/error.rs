//! Why something was not done. Logged and passed on once, with its whole chain.

use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::Refusal;
use crate::environment::BlockError;
use crate::keys::KeyError;
use crate::place::NoSlots;
use crate::slots::No;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// This way of running has no slots.
    #[error(transparent)]
    NoSlots(#[from] NoSlots),
    /// The bundle is not what it should be.
    #[error("the bundle is refused")]
    Refused(#[from] Refusal),
    /// It is a good bundle, but not for this machine now.
    #[error("nothing was changed")]
    No(#[from] No),
    /// An image is larger than the partition for it.
    #[error(
        "the bundle is refused: its {name} image has {length} bytes, and the partition for it {room}"
    )]
    TooBig {
        /// Which image.
        name: &'static str,
        /// Its bytes.
        length: u64,
        /// The partition's bytes.
        room: u64,
    },
    /// Kernel and root do not belong together.
    #[error("the bundle is refused: its boot image {0}")]
    BootImage(String),
    /// No room to keep it while it is verified.
    #[error(
        "nothing was changed: there is no room for the bundle: {needed} bytes are needed in {folder}, {free} are free"
    )]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// Bytes needed, what must stay free included.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Who ordered it no longer listens.
    #[error("the order was given up; what runs now also boots next")]
    GivenUp,
    /// What is on the disk is not what was written.
    #[error(
        "slot partition {path} does not give back what was written; what runs now also boots next. Is the disk failing?"
    )]
    ReadBack {
        /// Which device.
        path: PathBuf,
    },
    /// The boot loader's environment cannot be used.
    #[error(transparent)]
    Environment(#[from] BlockError),
    /// There is no key to verify bundles with.
    #[error("bundles cannot be verified")]
    Keys(#[from] KeyError),
    /// A call to the kernel failed.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Failure {
    /// For `map_err` after a call to the kernel.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }
}
