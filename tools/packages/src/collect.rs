//! What was written in a shadow of the root, as a list of planned changes.

use std::fs::Metadata;
use std::path::Path;

use aios_tool::changes::layer::{Layer, below};
use aios_tool::changes::{Planned, is_within};
use aios_tool::error::ToolError;
use aios_tool::file::name;
use aios_tool::file::state::State;

/// What is mounted over, or is only of the moment: it is not part of what a package changes.
const PASSING: [&str; 16] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/cache/apt",
    "/var/cache/debconf/tmp.ci",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/apt/lists",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/log/alternatives.log",
    "/var/log/apt",
    "/var/log/dpkg.log",
    "/var/tmp",
];

/// Former versions of a database, which its programs keep beside it.
const FORMER: [(&str, &str); 3] = [
    ("/etc/", "-"),
    ("/var/cache/debconf/", "-old"),
    ("/var/lib/dpkg/", "-old"),
];

/// What the changes need on the disk, in bytes; below 0: what they give back.
pub fn bytes(root: &Path, planned: &[Planned]) -> i64 {
    let change = |one: &Planned| {
        let after = match one.after {
            State::File { size, .. } => i64::try_from(size).unwrap_or(i64::MAX),
            _ => 0,
        };
        let before = below(root, &name::decode(&one.path))
            .symlink_metadata()
            .ok()
            .filter(Metadata::is_file);
        let before = before.map_or(0, |data| i64::try_from(data.len()).unwrap_or(i64::MAX));
        after.saturating_sub(before)
    };
    planned.iter().map(change).fold(0, i64::saturating_add)
}

/// All that differs in the shadow from the root, parents before what is in them.
///
/// # Errors
/// As [`Layer::changes`].
pub fn changes(upper: &Path, root: &Path) -> Result<Vec<Planned>, ToolError> {
    let layer = Layer {
        upper,
        lower: root,
        at: Path::new("/"),
        passing: is_passing,
    };
    layer.changes()
}

fn is_passing(path: &str) -> bool {
    PASSING.iter().any(|folder| is_within(path, folder)) || is_former(path)
}

/// `passwd-`, `status-old`, `templates.dat-old`: directly in their folder.
fn is_former(path: &str) -> bool {
    FORMER.iter().any(|(folder, ending)| {
        path.strip_prefix(folder)
            .is_some_and(|name| !name.contains('/') && name.ends_with(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_of_the_moment_is_left_out() {
        let check = |path: &str, left: bool| assert_eq!(is_passing(path), left, "{path}");
        check("/var/log/apt/term.log", true);
        check("/var/log/apt", true);
        check("/var/log/aptitude", false);
        check("/etc/passwd-", true);
        check("/etc/nginx/x-", false);
        check("/var/lib/dpkg/status-old", true);
        check("/var/lib/dpkg/status", false);
        check("/var/lib/dpkg/info/a-old", false);
        check("/run/nginx.pid", true);
        check("/var/log/nginx/error.log", false);
    }

    #[test]
    fn an_upper_layer_is_read_as_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (upper, root) = (folder.path().join("upper"), folder.path().join("root"));
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("root/etc/same", "1");
        put("root/etc/changed", "1");
        put("upper/etc/same", "1");
        put("upper/etc/changed", "2");
        put("upper/usr/bin/new", "3");
        put("upper/var/log/dpkg.log", "4");
        let planned = changes(&upper, &root).unwrap();
        let paths: Vec<&str> = planned.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/etc/changed",
                "/usr",
                "/usr/bin",
                "/usr/bin/new",
                "/var",
                "/var/log"
            ]
        );
        assert_eq!(
            planned[0].content.as_deref(),
            Some(&*upper.join("etc/changed"))
        );
        assert_eq!(bytes(&root, &planned), 1);
    }

    #[test]
    fn a_change_of_aios_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let upper = folder.path().join("upper");
        std::fs::create_dir_all(upper.join("etc/aios/services")).unwrap();
        std::fs::write(upper.join("etc/aios/services/x.toml"), "user = \"root\"").unwrap();
        let refused = changes(&upper, &folder.path().join("root")).unwrap_err();
        assert!(matches!(refused, ToolError::Denied(_)), "{refused}");
    }
}
