//! The data partition grows to its disk's end, and its file system to the
//! partition's, while both are in use.
//!
//! Only the last partition, only when there is more than 8 MiB to gain, and only
//! on the disk that `/data` is mounted from. ext4 grows by itself (in the kernel),
//! in transactions of its journal. An encrypted partition grows before it is opened
//! (`unlock`), as its mapping could not without the key; here only its file system.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::gpt;
use crate::layout::{SECTOR, SECTOR_LENGTH};

const DATA: &str = "/data";

mod call {
    // linux/blkpg.h
    #[repr(C)]
    pub struct Partition {
        pub start: i64,
        pub length: i64,
        pub number: i32,
        pub names: [u8; 128],
    }
    #[repr(C)]
    pub struct Argument {
        pub what: i32,
        pub flags: i32,
        pub length: i32,
        pub data: *mut Partition,
    }
    pub const RESIZE: i32 = 3;
    // BLKPG: a number without size.
    nix::ioctl_write_ptr_bad!(partition, nix::libc::c_ulong::from(0x1269_u16), Argument);
    // EXT4_IOC_RESIZE_FS: the new size in blocks.
    nix::ioctl_write_ptr!(resize, b'f', 16, u64);
}

/// Where the data is, as sysfs says.
struct Place {
    /// Folder of the partition, or of the disk without partitions.
    device: PathBuf,
    /// Number of the partition and folder of its disk.
    partition: Option<(usize, PathBuf)>,
}

/// Grows partition and file system. What was done, if anything was.
pub fn grow() -> io::Result<Option<String>> {
    let Some(place) = place(fs::metadata(DATA)?.dev()) else {
        return Ok(None); // in memory
    };
    place.grow()?;
    let before = size_of_file_system()?;
    grow_file_system(sectors(&place.device)?)?;
    let after = size_of_file_system()?;
    let mib = |bytes: u64| bytes >> 20;
    let grown = format!(
        "the data file system grew from {} to {} MiB",
        mib(before),
        mib(after)
    );
    Ok((after > before).then_some(grown))
}

/// Grows the partition that is this device, in use or not; nothing when it is no partition.
///
/// # Errors
/// The table cannot be changed, or the disk does not take it.
pub fn grow_partition(device: &Path) -> io::Result<()> {
    let place = place(fs::metadata(device)?.rdev());
    place.map_or(Ok(()), |place| place.grow())
}

impl Place {
    fn grow(&self) -> io::Result<()> {
        match &self.partition {
            Some((number, disk)) => grow_table(&self.device, *number, disk),
            None => Ok(()),
        }
    }
}

fn place(device: u64) -> Option<Place> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let device = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let number = fs::read_to_string(device.join("partition")).ok();
    let partition = number
        .and_then(|number| number.trim().parse().ok())
        .zip(device.parent().map(Path::to_owned));
    Some(Place { device, partition })
}

/// sysfs counts in sectors of 512 bytes, whatever the disk's are.
fn sectors(device: &Path) -> io::Result<u64> {
    number(&device.join("size"))
}

fn number(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(io::Error::other)
}

fn grow_table(device: &Path, number_: usize, disk: &Path) -> io::Result<()> {
    if number(&disk.join("queue/logical_block_size"))? != SECTOR {
        return Ok(());
    }
    let name = disk.file_name().unwrap_or_default();
    let file = File::options()
        .read(true)
        .write(true)
        .open(Path::new("/dev").join(name))?;
    let mut header = vec![0; SECTOR_LENGTH];
    file.read_exact_at(&mut header, SECTOR)?;
    let mut entries = vec![0; gpt::ENTRIES_LENGTH];
    let at = gpt::entries_at(&header).map_err(io::Error::other)?;
    file.read_exact_at(&mut entries, at * SECTOR)?;
    let change = gpt::grow(&header, &entries, number_, sectors(disk)?);
    let Some(change) = change.map_err(io::Error::other)? else {
        return Ok(());
    };
    for (sector, bytes) in &change.writes {
        file.write_all_at(bytes, sector * SECTOR)?;
        file.sync_all()?;
    }
    let bytes = |sectors: u64| i64::try_from(sectors * SECTOR).map_err(io::Error::other);
    let mut partition = call::Partition {
        start: bytes(number(&device.join("start"))?)?,
        length: bytes(change.length)?,
        number: i32::try_from(number_).map_err(io::Error::other)?,
        names: [0; 128],
    };
    let argument = call::Argument {
        what: call::RESIZE,
        flags: 0,
        length: size_of::<call::Partition>() as i32,
        data: &raw mut partition,
    };
    // SAFETY: both structures have the kernel's layout and live through the call.
    // Needed: a partition in use is resized in the kernel by this call alone.
    #[allow(unsafe_code)]
    let resized = unsafe { call::partition(file.as_raw_fd(), &raw const argument) };
    resized.map(drop).map_err(io::Error::from)
}

fn size_of_file_system() -> io::Result<u64> {
    let stat = rustix::fs::statvfs(DATA)?;
    Ok(stat.f_blocks * stat.f_frsize)
}

fn grow_file_system(sectors: u64) -> io::Result<()> {
    let block = rustix::fs::statvfs(DATA)?.f_bsize;
    let blocks = sectors * SECTOR / block.max(1);
    let data = File::open(DATA)?;
    // SAFETY: the kernel reads the one number that is passed. Needed: ext4 grows
    // in use by this call alone; it does nothing when there is nothing to grow.
    #[allow(unsafe_code)]
    let resized = unsafe { call::resize(data.as_raw_fd(), &raw const blocks) };
    resized.map(drop).map_err(io::Error::from)
}
