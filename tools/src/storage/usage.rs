//! `storage.usage`: how full the file system is that holds a path.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::ToolError;
use crate::fs::path::{self, Last};
use crate::procfs::mounts::{Volume, holding};
use crate::spec::Spec;
use crate::tool::Tool;

/// See the module.
pub struct Usage;

/// Arguments of `storage.usage`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path. Default: `/`.
    pub path: Option<String>,
}

impl Tool for Usage {
    type Input = Input;
    type Output = Volume;
    const SPEC: Spec = Spec::reading(
        "storage.usage",
        "Shows how full the file system is that holds a path.",
        &["storage:read:{path}"],
    );

    fn resolve(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let given = input.path.as_deref().unwrap_or("/");
        input.path = Some(path::resolve(given, Last::Follow)?);
        Ok(())
    }

    fn act(input: &Input, _context: &Context) -> Result<Volume, ToolError> {
        holding(input.path.as_deref().unwrap_or("/"))
    }

    fn summarize(input: &Input, output: &Volume) -> String {
        match input.path.as_deref() {
            Some(path) if path != output.path => format!("{path} is on {}", output.describe()),
            _ => output.describe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{call, prepare};
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
        let needs = |arguments| {
            prepare::<Usage>(arguments, std::path::Path::new("/x"))
                .unwrap()
                .needs
        };
        assert_eq!(needs(json!({})), ["storage:read:/"]);
        assert_eq!(
            needs(json!({"path": "/usr/../proc"})),
            ["storage:read:/proc"]
        );
        assert!(call::<Usage>(json!({"path": "/no/such/path"})).is_err());
    }
}
