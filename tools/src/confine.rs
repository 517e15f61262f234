//! What the thread of an act gives up before the act: Linux capabilities that its tool does not
//! declare, and, by Landlock where the kernel has it, files that this call does not concern.
//!
//! The thread ends with the act; nothing is ever given back.

use std::path::{Path, PathBuf};

use caps::{CapSet, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use crate::error::ToolError;
use crate::spec::Spec;

/// The Landlock interface that is asked for; an older kernel enforces what it knows.
const LANDLOCK: ABI = ABI::V3;

/// The files that one call concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// May be read, with all below.
    pub read: Vec<PathBuf>,
    /// May be changed, with all below.
    pub write: Vec<PathBuf>,
}

/// What a call needs, from its capabilities: tools of `fs` what they name, others may look.
pub fn reach(spec: &Spec, needs: &[String], state_dir: &Path) -> Reach {
    let mut reach = Reach::default();
    if spec.namespace() != "fs" {
        reach.read.push(PathBuf::from("/"));
        return reach;
    }
    for need in needs {
        if let Some(path) = need.strip_prefix("fs:read:") {
            reach.read.push(existing(Path::new(path)));
        }
        if let Some(path) = need.strip_prefix("fs:write:") {
            let parent = Path::new(path).parent().unwrap_or(Path::new("/"));
            reach.write.push(existing(parent));
        }
    }
    if spec.mutating {
        reach.write.push(state_dir.join("quarantine"));
        reach.read.push(state_dir.join("undo"));
    }
    reach
}

/// The path, or the nearest folder above it that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors()
        .find(|ancestor| ancestor.symlink_metadata().is_ok())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// Confines the calling thread.
///
/// # Errors
/// When a capability that is held cannot be given up. A kernel without Landlock is no error.
pub fn this_thread(spec: &Spec, reach: &Reach) -> Result<(), ToolError> {
    drop_capabilities(spec)
        .map_err(|error| ToolError::Failed(format!("cannot drop capabilities: {error}")))?;
    restrict(reach).map_err(|error| ToolError::Failed(format!("Landlock: {error}")))?;
    Ok(())
}

fn drop_capabilities(spec: &Spec) -> Result<(), caps::errors::CapsError> {
    let declared: CapsHashSet = spec.kernel.iter().copied().collect();
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept = permitted.intersection(&declared).copied().collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

fn restrict(reach: &Reach) -> Result<RulesetStatus, RulesetError> {
    let all: BitFlags<AccessFs> = AccessFs::from_all(LANDLOCK);
    let status = Ruleset::default()
        .handle_access(all)?
        .create()?
        .add_rules(path_beneath_rules(
            &reach.read,
            AccessFs::from_read(LANDLOCK),
        ))?
        .add_rules(path_beneath_rules(&reach.write, all))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Says once, at the start, what the kernel can do. In a thread of its own: restricting is for good.
pub fn log_support() {
    let tried = std::thread::spawn(|| {
        restrict(&Reach {
            read: vec![PathBuf::from("/")],
            write: Vec::new(),
        })
    });
    match tried.join() {
        Ok(Ok(RulesetStatus::NotEnforced)) => {
            tracing::warn!("the kernel has no Landlock: acts are confined by capabilities only");
        }
        Ok(Ok(status)) => tracing::debug!("Landlock: {status:?}"),
        Ok(Err(error)) => tracing::warn!("Landlock cannot be used: {error}"),
        Err(_) => tracing::warn!("Landlock could not be tried"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tool_reaches_what_its_call_names_and_no_more() {
        let spec = Spec {
            mutating: true,
            ..Spec::reading("fs.x", "", &[])
        };
        let needs = ["fs:read:/usr/none/y".into(), "fs:write:/usr/x".into()];
        let found = reach(&spec, &needs, Path::new("/state"));
        assert_eq!(found.read, [PathBuf::from("/usr"), "/state/undo".into()]);
        assert_eq!(
            found.write,
            [PathBuf::from("/usr"), "/state/quarantine".into()]
        );
        let looking = reach(&Spec::reading("hw.x", "", &[]), &[], Path::new("/state"));
        assert_eq!(looking.read, [PathBuf::from("/")]);
        assert!(looking.write.is_empty());
    }

    #[test]
    fn a_confined_thread_has_no_capability_and_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let path = file.clone();
        let (kept, written, enforced) = std::thread::spawn(move || {
            let spec = Spec::reading("hw.x", "", &[]);
            let reach = reach(&spec, &[], Path::new("/state"));
            drop_capabilities(&spec).unwrap();
            let enforced = restrict(&reach).unwrap() != RulesetStatus::NotEnforced;
            let kept = caps::read(None, CapSet::Effective).unwrap();
            (kept, std::fs::write(&path, "x").is_ok(), enforced)
        })
        .join()
        .unwrap();
        assert!(kept.is_empty());
        assert!(
            !(enforced && written),
            "Landlock is on but the file was written"
        );
        std::fs::write(&file, "x").unwrap(); // only that thread was confined
    }
}
