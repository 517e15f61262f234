//! What the thread of an act gives up before the act: Linux capabilities that its tool does not
//! declare, and, by Landlock where the kernel has it, files that this call does not concern.
//!
//! The thread ends with the act; nothing is ever given back.

use std::path::PathBuf;

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use aios_tool::demand::Reach;
use aios_tool::error::ToolError;

/// The Landlock interface that is asked for; an older kernel enforces what it knows.
const LANDLOCK: ABI = ABI::V3;

/// Confines the calling thread.
///
/// # Errors
/// When a capability that is held cannot be given up. A kernel without Landlock is no error.
pub fn this_thread(kernel: &[Capability], reach: &Reach) -> Result<(), ToolError> {
    drop_capabilities(kernel)
        .map_err(|error| ToolError::Failed(format!("cannot drop capabilities: {error}")))?;
    restrict(reach).map_err(|error| ToolError::Failed(format!("Landlock: {error}")))?;
    Ok(())
}

fn drop_capabilities(kept: &[Capability]) -> Result<(), caps::errors::CapsError> {
    let declared: CapsHashSet = kept.iter().copied().collect();
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
    fn a_confined_thread_has_no_capability_and_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let path = file.clone();
        let (kept, written, enforced) = std::thread::spawn(move || {
            let reach = Reach {
                read: vec![PathBuf::from("/")],
                write: Vec::new(),
            };
            drop_capabilities(&[]).unwrap();
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
