//! Where a member of an archive goes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// The longest name of a file, in bytes (NAME_MAX of Linux).
const NAME_MAX: usize = 255;

/// The path of a member below the new folder; empty for the folder itself.
///
/// # Errors
/// Why no member may be there: it climbs out, is absolute, or is no path.
pub fn path(name: &[u8]) -> Result<PathBuf, &'static str> {
    if name.contains(&0) {
        return Err("has a NUL in its name");
    }
    let mut path = PathBuf::new();
    for part in Path::new(OsStr::from_bytes(name)).components() {
        match part {
            Component::Normal(part) if part.len() > NAME_MAX => return Err("has too long a name"),
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("climbs out by \"..\""),
            Component::RootDir | Component::Prefix(_) => return Err("has an absolute name"),
        }
    }
    Ok(path)
}

/// Does a symbolic link at this path point to something in the new folder, whatever other links the
/// archive has? What is above a link are folders (checked elsewhere), so `..` at its beginning goes up by
/// one folder each. Behind a name it may go up from wherever another link of that name leads: `a/..` is
/// outside when `a` is a link to the new folder itself. So there is none behind a name; a name only goes
/// further down, or along a link that stays within, too.
pub fn stays_within(link: &Path, target: &[u8]) -> bool {
    let mut above = link.components().count().saturating_sub(1);
    let mut named = false;
    for part in Path::new(OsStr::from_bytes(target)).components() {
        match part {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if !named && above > 0 => above -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.is_empty() && !target.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_member_climbs_out() {
        let check = |name: &[u8], expected: Option<&str>| {
            let found = path(name).ok();
            assert_eq!(found.as_deref(), expected.map(Path::new), "{name:?}");
        };
        check(b"a/b", Some("a/b"));
        check(b"./a//b/.", Some("a/b"));
        check(b"./", Some(""));
        check(b"..a/b..", Some("..a/b.."));
        check(b"/etc/passwd", None);
        check(b"../a", None);
        check(b"a/../../b", None);
        check(b"a/..", None);
        check(b"a\0b", None);
        check(&[b'x'; 256], None);
    }

    #[test]
    fn links_stay_within() {
        let check = |link: &str, target: &[u8], expected| {
            assert_eq!(
                stays_within(Path::new(link), target),
                expected,
                "{link} {target:?}"
            );
        };
        check("a/link", b"../b", true);
        check("a/link", b"../../b", false);
        check("link", b"..", false);
        check("link", b"/etc", false);
        check("a/b/link", b"../../c/d", true);
        check("a/link", b"./../b/.", true);
        // Wherever `a` leads.
        check("link", b"a/../b", false);
        check("a/b/link", b"../c/../d", false);
        check("link", b"", false);
    }
}
