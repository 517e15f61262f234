//! The files that a service may use (`sandbox.landlock`), by Landlock.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use aios_service::manifest::{Manifest, Paths};

/// The Landlock interface that is asked for; an older kernel enforces what it knows.
const LANDLOCK: ABI = ABI::V3;

/// Leaves the calling process, for good, only the manifest's paths, its state
/// folders and its program. False: the kernel has no Landlock.
///
/// # Errors
/// When the kernel has it and refuses.
pub fn restrict(manifest: &Manifest, paths: &Paths) -> Result<bool, RulesetError> {
    let all = AccessFs::from_all(LANDLOCK);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = all & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar);
    let program = manifest.command.first().map(Path::new);
    let status = Ruleset::default()
        .handle_access(all)?
        .create()?
        .add_rules(path_beneath_rules(&paths.read, read))?
        .add_rules(path_beneath_rules(&paths.execute, read | AccessFs::Execute))?
        .add_rules(path_beneath_rules(program, read | AccessFs::Execute))?
        .add_rules(path_beneath_rules(&paths.write, write))?
        .add_rules(path_beneath_rules(&manifest.state_dirs, write))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
