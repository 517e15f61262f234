//! How a disk of aiOS is laid out: the names of its partitions, and its units.
//!
//! The boot loader (`image/grub/disk.cfg`) knows partitions by number, everything else by these
//! names. Numbers, types and sizes are given when an image is made (`xtask/src/layout.rs`).

/// Bytes of a sector. The kernel counts in these whatever the disk's own are, and a disk writes one
/// whole or not at all. Disks with larger sectors of their own are not installed to.
pub const SECTOR: u64 = 512;

/// The same, for lengths of buffers.
pub const SECTOR_LENGTH: usize = SECTOR as usize;

/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// Sectors of a mebibyte: partitions begin and end at whole ones.
pub const MIB_SECTORS: u64 = MIB / SECTOR;

/// GRUB's second stage for BIOS.
pub const BIOS: &str = "bios";
/// The EFI system partition: GRUB for UEFI.
pub const ESP: &str = "esp";
/// GRUB's environment block: which slot is started, how often it may be tried.
pub const ENVIRONMENT: &str = "grubenv";
/// Kernel and command line of slot A.
pub const BOOT_A: &str = "boot-a";
/// The root file system of slot A.
pub const ROOT_A: &str = "root-a";
/// Kernel and command line of slot B.
pub const BOOT_B: &str = "boot-b";
/// The root file system of slot B.
pub const ROOT_B: &str = "root-b";
/// Kernel and command line, by slot.
pub const BOOT: [&str; 2] = [BOOT_A, BOOT_B];
/// Root file systems, by slot.
pub const ROOT: [&str; 2] = [ROOT_A, ROOT_B];
/// A node's state. Physically the last, so that it can grow. Also the label of its file system.
pub const DATA: &str = "aios-data";
/// What mke2fs(8) is told of the data file system: 1 % for root, and the label by which a file system
/// that nobody has used yet is known (`unlock/volume.rs`).
pub const DATA_OPTIONS: [&str; 6] = ["-t", "ext4", "-m", "1", "-L", DATA];
/// A node's provisioning; only there when there is any.
pub const CONFIG: &str = "AIOS-CONFIG";
