//! A Debian root with the services that init's test starts from their own unit files; and in its apt
//! cache the packages themselves, which a machine test installs.

use std::path::PathBuf;

use anyhow::Result;

use crate::{cache, host, rootfs};

/// Raise when this module's steps change what they make.
const RECIPE: u32 = 2;

/// What the test starts.
const PACKAGES: &str = "nginx,openssh-server,postgresql,redis-server";

/// Makes the root, or finds it in the cache. Its files are root's.
///
/// # Errors
/// When the packages cannot be had.
pub fn build() -> Result<PathBuf> {
    host::ensure(&[host::ROOTFS])?;
    let key = cache::Key::new(RECIPE)
        .text("suite", rootfs::SUITE)
        .text("packages", PACKAGES);
    let entry = cache::entry("services", &key, |folder| {
        let what = "services: a root with Debian's services";
        rootfs::plain_debian(what, rootfs::SUITE, PACKAGES, &folder.join("root"), true)
    })?;
    Ok(entry.join("root"))
}
