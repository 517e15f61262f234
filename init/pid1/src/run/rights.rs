//! Takes away from a new process what its manifest does not grant: identity,
//! groups, capabilities, privileges by `exec`.

use std::collections::HashSet;
use std::str::FromStr;

use caps::{CapSet, Capability};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid};

use aios_service::accounts::Account;
use aios_service::manifest::Manifest;

/// Open files a service may have, unless its manifest says otherwise.
const FILES_MAX: u64 = 4096;

type Failed = (&'static str, String);

fn step<E: ToString>(what: &'static str) -> impl Fn(E) -> Failed {
    move |error| (what, error.to_string())
}

/// Resource limits. In the child, while it is still root.
pub fn limit(manifest: &Manifest) -> Result<(), Failed> {
    let files = manifest
        .limits
        .files_max
        .unwrap_or(FILES_MAX)
        .max(FILES_MAX);
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(step("read the limit of open files"))?;
    // More than the hard limit needs CAP_SYS_RESOURCE, which a container may lack.
    let set = setrlimit(Resource::RLIMIT_NOFILE, files, files)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, files.min(hard), files.min(hard)));
    set.map_err(step("limit open files"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(step("forbid core files"))
}

/// Fewer open files than usual, at last: until then PID 1's own descriptors take numbers, and what
/// is opened needs higher ones.
pub fn lower(manifest: &Manifest) -> Result<(), Failed> {
    match manifest.limits.files_max {
        Some(files) if files < FILES_MAX => {
            setrlimit(Resource::RLIMIT_NOFILE, files, files).map_err(step("limit open files"))
        }
        _ => Ok(()),
    }
}

/// Becomes the account, with the capabilities of the manifest and no way to get
/// more. Returns those that PID 1 itself lacks (in a container).
pub fn drop_to(account: &Account, manifest: &Manifest) -> Result<Vec<String>, Failed> {
    let wanted = wanted(manifest);
    if account.uid == 0 && wanted.is_none() {
        return Ok(Vec::new()); // root, with everything
    }
    let wanted = wanted.unwrap_or_default();
    let held = caps::read(None, CapSet::Permitted).map_err(step("read capabilities"))?;
    let keep: HashSet<Capability> = wanted.intersection(&held).copied().collect();
    for capability in caps::read(None, CapSet::Bounding).map_err(step("read capabilities"))? {
        if !keep.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability).map_err(step("drop a capability"))?;
        }
    }
    become_account(account)?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::set(None, set, &keep).map_err(step("set capabilities"))?;
    }
    for &capability in &keep {
        caps::raise(None, CapSet::Ambient, capability).map_err(step("keep a capability"))?;
    }
    nix::sys::prctl::set_no_new_privs().map_err(step("give up new privileges"))?;
    if account.uid != 0 && Uid::effective().is_root() {
        return Err(("become its account", "it is still root".to_owned()));
    }
    Ok(wanted
        .difference(&keep)
        .map(Capability::to_string)
        .collect())
}

fn wanted(manifest: &Manifest) -> Option<HashSet<Capability>> {
    let names = manifest.capabilities.as_ref()?;
    Some(
        names
            .iter()
            .filter_map(|name| Capability::from_str(name).ok())
            .collect(),
    )
}

fn become_account(account: &Account) -> Result<(), Failed> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account
        .groups
        .iter()
        .map(|&group| Gid::from_raw(group))
        .collect();
    nix::sys::prctl::set_keepcaps(true).map_err(step("keep capabilities"))?;
    nix::unistd::setgroups(&groups).map_err(step("set groups"))?;
    nix::unistd::setresgid(gid, gid, gid).map_err(step("set the group"))?;
    nix::unistd::setresuid(uid, uid, uid).map_err(step("set the user"))
}
