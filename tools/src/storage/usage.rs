//! `storage.usage`: how full the file system is that holds a path.

use crate::procfs::mounts::{Volume, holding};
use aios_tool::argument::VolumePath;
use aios_tool::prelude::*;

/// The tool `storage.usage`.
pub struct Usage;

arguments! {
    /// Arguments of `storage.usage`.
    pub struct Input {
        /// Absolute path. Default: `/`.
        pub path: Option<VolumePath>,
    }
}

impl Tool for Usage {
    type Input = Input;
    type Output = Volume;

    fn declaration() -> Declaration {
        Declaration::of(
            "storage.usage",
            "Shows how full the file system is that holds a path.",
        )
        .example(json!({"path": "/srv"}))
        .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.path.get_or_insert_with(|| VolumePath::of("/"));
    }

    fn summarize(input: &Input, output: &Volume) -> String {
        match input.path.as_ref().map(VolumePath::as_str) {
            Some(path) if path != output.path => format!("{path} is on {}", output.describe()),
            _ => output.describe(),
        }
    }
}

impl Look for Usage {
    fn look(input: &Input, _context: &Context) -> Result<Volume, ToolError> {
        holding(input.path.as_ref().map_or("/", VolumePath::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{call, needs};
    use aios_tool::tool::look;
    use serde_json::json;

    #[test]
    fn the_numbers_are_those_of_statvfs() {
        let folder = tempfile::tempdir().unwrap();
        let done = call::<Usage>(json!({"path": folder.path()})).unwrap();
        let stat = nix::sys::statvfs::statvfs(folder.path()).unwrap();
        let size = stat.fragment_size() as u64;
        assert_eq!(done.output["total_bytes"], stat.blocks() as u64 * size);
        let used = done.output["used_bytes"].as_u64().unwrap();
        let expected = (stat.blocks() - stat.blocks_free()) as u64 * size;
        assert!(
            used.abs_diff(expected) < 1 << 30,
            "{used} against {expected}"
        );
    }

    #[test]
    fn the_capability_is_for_the_resolved_path() {
        let needs = |arguments| needs(look::<Usage>().as_ref(), arguments);
        assert_eq!(needs(json!({})).unwrap(), ["storage:read:/"]);
        assert_eq!(
            needs(json!({"path": "/usr/../proc"})).unwrap(),
            ["storage:read:/proc"]
        );
        assert!(call::<Usage>(json!({"path": "/no/such/path"})).is_err());
    }
}
