//! What of the verified root the writable layer cannot change: aiOS's programs and manifests.
//!
//! 1. Each folder of [`PINNED`] is bound, read-only, from the verified root over the writable one.
//! 2. **Nothing in the layer decides where it is bound**: a link, a file or a mark of a removal in
//!    the place of a folder on the way is put aside first, and the way is then gone without links.
//! 3. What the layer holds below a pinned folder has no effect. It is put aside into `ignored/`,
//!    beside the layer, for whoever wants to know who put it there, and it is said.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

/// aiOS's programs, its services and its agents.
const PINNED: [&str; 3] = ["usr/lib/aios", "etc/aios/services", "etc/aios/agents"];

/// Put aside under one name at most so often; then the oldest goes. A package that does it at each
/// boot fills no disk.
const KEPT_MAX: u32 = 8;

const NONE: Option<&str> = None;

/// Takes out of the layer `upper` what would stand over a pinned folder or in the way to one, before
/// the layer is mounted. What it was.
pub fn clear(upper: &Path, ignored: &Path) -> Vec<String> {
    let mut said = Vec::new();
    for pinned in PINNED {
        if let Some(found) = in_the_way(upper, Path::new(pinned)) {
            let what = describe(&upper.join(&found), &found);
            let aside = put_aside(&upper.join(&found), ignored, &found);
            said.push(match aside {
                Ok(()) => what,
                // It stays, below the folder that is bound over it.
                Err(error) => format!("{what} (cannot be put aside: {error})"),
            });
        }
    }
    said
}

/// The first part of the way to `pinned` that is no folder of the layer's, or the pinned folder itself.
fn in_the_way(upper: &Path, pinned: &Path) -> Option<PathBuf> {
    let mut way = PathBuf::new();
    for part in pinned {
        way.push(part);
        let found = std::fs::symlink_metadata(upper.join(&way)).ok()?;
        if !found.is_dir() || way == pinned {
            return Some(way);
        }
    }
    None
}

/// `etc/aios/agents (dev.toml, x.toml)`.
fn describe(path: &Path, name: &Path) -> String {
    const SHOWN_MAX: usize = 8;
    if !std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return name.display().to_string();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.take(SHOWN_MAX).collect();
    names.sort();
    format!("{} ({})", name.display(), names.join(", "))
}

fn put_aside(path: &Path, ignored: &Path, name: &Path) -> io::Result<()> {
    std::fs::create_dir_all(ignored)?;
    let name = name.to_string_lossy().replace('/', "-");
    let place = |number: u32| ignored.join(format!("{name}.{number}"));
    let is_there = |number: &u32| std::fs::symlink_metadata(place(*number)).is_ok();
    let number = (0..KEPT_MAX).find(|number| !is_there(number)).unwrap_or(0);
    let place = place(number);
    match std::fs::symlink_metadata(&place) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(&place)?,
        Ok(_) => std::fs::remove_file(&place)?,
        Err(_) => {}
    }
    std::fs::rename(path, place)
}

/// Binds the pinned folders of this root over those of `root`, read-only.
///
/// # Errors
/// Which folder is not bound: `root` must not be entered then.
pub fn bind(root: &Path) -> io::Result<()> {
    for pinned in PINNED {
        let source = Path::new("/").join(pinned);
        if source.is_dir() {
            let named = |error| io::Error::other(format!("/{pinned}: {error}"));
            bind_one(&source, root, Path::new(pinned)).map_err(named)?;
        }
    }
    Ok(())
}

fn bind_one(source: &Path, root: &Path, pinned: &Path) -> io::Result<()> {
    let target = folder_without_links(root, pinned)?;
    // Not by its path: that is what was looked at.
    let path = format!("/proc/self/fd/{}", target.as_raw_fd());
    mount(Some(source), path.as_str(), NONE, MsFlags::MS_BIND, NONE)?;
    // Opened again: what is on top now.
    let bound = open(root, pinned)?;
    let path = format!("/proc/self/fd/{}", bound.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
    Ok(mount(NONE, path.as_str(), NONE, flags, NONE)?)
}

/// The folder, made if the layer hides it (an opaque folder above it).
fn folder_without_links(root: &Path, folder: &Path) -> io::Result<OwnedFd> {
    let mut way = PathBuf::new();
    for part in folder {
        way.push(part);
        match open(root, &way) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir(root.join(&way))?;
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    open(root, folder)
}

/// Opens a folder below `root`; neither a link nor a `..` is followed.
fn open(root: &Path, folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    let strict = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(
        root,
        folder,
        flags,
        Mode::empty(),
        strict,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// What was said of a layer that `make` fills, twice; and what was put aside.
    fn cleared(make: impl Fn(&Path)) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let (upper, ignored) = (folder.path().join("upper"), folder.path().join("ignored"));
        for below in ["etc/aios", "usr/lib"] {
            std::fs::create_dir_all(upper.join(below)).unwrap();
        }
        make(&upper);
        let said = clear(&upper, &ignored);
        assert!(clear(&upper, &ignored).is_empty(), "it is gone");
        let aside = std::fs::read_dir(ignored).into_iter().flatten().flatten();
        let mut aside: Vec<String> = aside
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        aside.sort();
        (said, aside)
    }

    #[test]
    fn what_a_layer_has_in_the_place_of_a_pinned_folder_is_put_aside() {
        let (said, aside) = cleared(|upper| {
            std::fs::create_dir(upper.join("etc/aios/agents")).unwrap();
            std::fs::write(upper.join("etc/aios/agents/dev.toml"), "x").unwrap();
            symlink("/etc", upper.join("usr/lib/aios")).unwrap();
            std::fs::write(upper.join("etc/aios/config.toml"), "x").unwrap();
        });
        assert_eq!(said, ["usr/lib/aios", "etc/aios/agents (dev.toml)"]);
        assert_eq!(aside, ["etc-aios-agents.0", "usr-lib-aios.0"]);
        let (said, aside) = cleared(|upper| {
            std::fs::remove_dir(upper.join("usr/lib")).unwrap();
            symlink("/etc", upper.join("usr/lib")).unwrap();
        });
        assert_eq!(said, ["usr/lib"], "a link on the way would lead elsewhere");
        assert_eq!(aside, ["usr-lib.0"]);
        let (said, aside) = cleared(|_| {});
        assert!(said.is_empty() && aside.is_empty(), "{said:?}");
    }

    #[test]
    fn what_is_put_aside_again_and_again_fills_no_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (upper, ignored) = (folder.path().join("upper"), folder.path().join("ignored"));
        for _ in 0..3 * KEPT_MAX {
            std::fs::create_dir_all(upper.join("etc/aios/services/x")).unwrap();
            assert_eq!(clear(&upper, &ignored), ["etc/aios/services (x)"]);
        }
        let kept = std::fs::read_dir(ignored).unwrap().count();
        assert_eq!(kept, usize::try_from(KEPT_MAX).unwrap());
    }

    #[test]
    fn no_link_is_followed_to_where_a_folder_is_bound() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/aios")).unwrap();
        symlink("/etc", root.path().join("usr")).unwrap();
        assert!(folder_without_links(root.path(), Path::new("usr/lib/aios")).is_err());
        folder_without_links(root.path(), Path::new("etc/aios/agents")).unwrap();
        assert!(root.path().join("etc/aios/agents").is_dir());
    }
}
