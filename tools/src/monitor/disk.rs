//! `monitor.disk`: how full the file systems are.

use crate::procfs::mounts::{Volume, volumes};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `monitor.disk`.
pub struct DiskUse;

/// The file systems that hold data.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Each once, the one at `/` first.
    pub volumes: Vec<Volume>,
}

impl Tool for DiskUse {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("monitor.disk", "Shows how full the disks are.")
            .needing("monitor", "read", "disk")
            .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let all: Vec<String> = output.volumes.iter().map(Volume::describe).collect();
        match all.is_empty() {
            true => "no file system that holds data is mounted".to_owned(),
            false => all.join("\n"),
        }
    }
}

impl Look for DiskUse {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        Ok(Output {
            volumes: volumes()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_root_file_system_is_reported_with_its_true_size() {
        let done = call::<DiskUse>(json!({})).unwrap();
        let stat = nix::sys::statvfs::statvfs("/").unwrap();
        let total = stat.blocks() as u64 * stat.fragment_size() as u64;
        assert_eq!(done.output["volumes"][0]["total_bytes"], total);
        let shown = aios_tool::format::bytes(total);
        assert!(
            done.summary.starts_with("/: ") && done.summary.contains(&shown),
            "{}",
            done.summary
        );
    }
}
