//! `storage.volumes`: the block devices and what they are mounted as.

use crate::procfs::mounts::{self, Mount, Volume};
use crate::procfs::{self, line, printable, read_bytes};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `storage.volumes`.
pub struct Volumes;

/// The kernel counts a block device's size in sectors of 512 bytes, whatever its own are.
const SECTOR: u64 = 512;

/// A disk or partition.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Its node: `/dev/vda1`.
    pub device: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Is it a part of a disk?
    pub partition: bool,
    /// Can it not be written?
    pub read_only: bool,
    /// Where it is mounted.
    pub mounted_at: Vec<String>,
    /// Type of the file system that is mounted.
    pub file_system: Option<String>,
}

/// What can hold data.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Block devices by name; none in a container that does not show them.
    pub devices: Vec<Device>,
    /// Mounted file systems that hold data.
    pub volumes: Vec<Volume>,
}

impl Tool for Volumes {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "storage.volumes",
            "Lists disks, partitions and mounted file systems.",
        )
        .needing("storage", "read", "volumes")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let device = |device: &Device| {
            let size = bytes(device.size_bytes);
            match (device.mounted_at.join(", "), &device.file_system) {
                (places, Some(kind)) => format!("{}: {size}, {kind} at {places}", device.device),
                (_, None) => format!("{}: {size}, not mounted", device.device),
            }
        };
        let mut lines: Vec<String> = output.devices.iter().map(device).collect();
        lines.extend(output.volumes.iter().map(Volume::describe));
        match lines.is_empty() {
            true => "no volumes can be seen".to_owned(),
            false => lines.join("\n"),
        }
    }
}

impl Look for Volumes {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let mounts = mounts::parse(&read_bytes("/proc/self/mounts")?);
        Ok(Output {
            devices: devices(&mounts),
            volumes: mounts::volumes()?,
        })
    }
}

/// From sysfs; what has no size (an empty drive, an unused loop device) is left out.
fn devices(mounts: &[Mount]) -> Vec<Device> {
    procfs::names("/sys/class/block")
        .iter()
        .filter_map(|name| device(name, mounts))
        .collect()
}

fn device(name: &str, mounts: &[Mount]) -> Option<Device> {
    let folder = format!("/sys/class/block/{name}");
    let sectors: u64 = line(&format!("{folder}/size"))?.parse().ok()?;
    let node = format!("/dev/{}", name.replace('!', "/"));
    let mounted: Vec<&Mount> = mounts.iter().filter(|mount| mount.source == node).collect();
    (sectors > 0).then(|| Device {
        size_bytes: sectors.saturating_mul(SECTOR),
        partition: std::path::Path::new(&folder).join("partition").exists(),
        read_only: line(&format!("{folder}/ro")).as_deref() == Some("1"),
        mounted_at: mounted.iter().map(|mount| mount.target.clone()).collect(),
        file_system: mounted.first().map(|mount| mount.kind.clone()),
        device: printable(&node),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn devices_have_the_size_that_the_kernel_lists() {
        let done = call::<Volumes>(json!({})).unwrap();
        let output: Output = serde_json::from_value(done.output).unwrap();
        let partitions = std::fs::read_to_string("/proc/partitions").unwrap_or_default();
        for device in &output.devices {
            let name = device.device.trim_start_matches("/dev/");
            let listed = partitions
                .lines()
                .find(|line| line.ends_with(&format!(" {name}")));
            let Some(kilobytes) = listed.and_then(|line| line.split_whitespace().nth(2)) else {
                continue;
            };
            assert_eq!(
                device.size_bytes / 1024,
                kilobytes.parse::<u64>().unwrap(),
                "{name}"
            );
        }
        assert_eq!(output.volumes[0].path, "/");
    }
}
