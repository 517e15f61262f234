//! The machine's disks, for init, for the installer, for updates and for the image.
//!
//! 1. [`layout`]: the names of a disk's partitions, and its units. [`gpt`]: partition tables, read,
//!    made and grown.
//! 2. [`partitions`]: which device a partition is, by what sysfs says.
//! 3. [`grow`]: the data partition and its file system grow to the disk's end, in use.
//! 4. [`unlock`]: the encrypted data partition, by LUKS2, a TPM, or a person.
//! 5. [`sources`]: where the files come from that an operator gives a new node.
//!
//! What must not live here: when a disk is mounted, and what is on it once it is.

// PID 1 runs parts of this before its loop, and must not panic.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::disallowed_macros))]

pub mod gpt;
pub mod grow;
pub mod layout;
pub mod partitions;
pub mod sources;
pub mod unlock;
