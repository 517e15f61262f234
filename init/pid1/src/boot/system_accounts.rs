//! aiOS's lines of `/etc/passwd` and `/etc/group` are the verified root's, at each boot.
//!
//! PID 1 itself asks neither file who aiOS's accounts are (`aios_service::accounts`). Others do, who
//! show an owner's name or look for one. A package may add accounts of its own, but neither change a
//! line of aiOS's, nor take one of its numbers, nor be root by another name.

use std::io;
use std::path::Path;

use aios_files::{OWN_IDS, durable};

/// No account table is larger; what is larger is not read.
const SIZE_MAX: u64 = 1 << 20;

/// The tables, and where in a line the numbers are that must not be aiOS's: uid and gid, gid.
const TABLES: [(&str, &[usize]); 2] = [("etc/passwd", &[2, 3]), ("etc/group", &[2])];

/// The verified root's tables, read before anything lies over them.
pub struct Verified([String; 2]);

impl Verified {
    /// Reads them below `root`.
    pub fn read(root: &Path) -> Self {
        Self(TABLES.map(|(path, _)| read(&root.join(path)).unwrap_or_default()))
    }

    /// Makes the tables below `root` right. What was not, line by line.
    pub fn restore(&self, root: &Path) -> Vec<String> {
        let mut said = Vec::new();
        for ((path, numbers), verified) in TABLES.into_iter().zip(&self.0) {
            let present = read(&root.join(path));
            let (text, wrong) = match &present {
                Some(present) => repair(verified, present, numbers),
                None => (
                    verified.clone(),
                    vec!["no file that can be read".to_owned()],
                ),
            };
            if wrong.is_empty() || verified.is_empty() {
                continue;
            }
            let written = write(&root.join(path), &text);
            let failed =
                written.map_or_else(|error| format!(" (stays: {error})"), |()| String::new());
            said.extend(wrong.iter().map(|wrong| format!("{path}: {wrong}{failed}")));
        }
        said
    }
}

/// A plain file's text: nothing that PID 1 would have to wait for.
fn read(path: &Path) -> Option<String> {
    let found = std::fs::symlink_metadata(path).ok()?;
    if !found.is_file() || found.len() > SIZE_MAX {
        return None;
    }
    Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        std::fs::remove_dir_all(path)?;
    }
    durable::replace(path, text.as_bytes())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

/// The table that is right, and what was wrong with the present one.
fn repair(verified: &str, present: &str, numbers: &[usize]) -> (String, Vec<String>) {
    let field = |line: &str, at: usize| line.split(':').nth(at).map(str::to_owned);
    let number = |line: &str, at: usize| field(line, at).and_then(|text| text.parse::<u32>().ok());
    let has = |line: &str, is_it: &dyn Fn(u32) -> bool| {
        let mut all = numbers.iter().filter_map(|at| number(line, *at));
        all.any(is_it)
    };
    let is_own = |line: &str| has(line, &|id| OWN_IDS.contains(&id));
    let own: Vec<&str> = verified.lines().filter(|line| is_own(line)).collect();
    let is_own_name = |line: &str| own.iter().any(|own| field(own, 0) == field(line, 0));
    let is_root = |line: &str| number(line, 2) == Some(0);
    let (mut kept, mut wrong) = (Vec::new(), Vec::new());
    for line in present.lines() {
        let claims = is_own(line) || is_own_name(line);
        let is_second_root = is_root(line) && field(line, 0).as_deref() != Some("root");
        let is_first = !kept.contains(&line);
        if (claims && !own.contains(&line)) || is_second_root {
            wrong.push(format!("{line:?} is ignored"));
        } else if !claims || is_first {
            kept.push(line);
        }
    }
    for line in own {
        if !kept.contains(&line) {
            kept.push(line);
            wrong.push(format!("{line:?} was missing"));
        }
    }
    let text = kept.iter().map(|line| format!("{line}\n")).collect();
    (text, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";
    const OWN: &str = "aios-tools:x:904:900:aiOS:/nonexistent:/usr/sbin/nologin\n";
    const REDIS: &str = "redis:x:103:104::/var/lib/redis:/usr/sbin/nologin\n";

    #[test]
    fn packages_add_accounts_and_change_none_of_aioss() {
        let verified = format!("{ROOT}{OWN}");
        let check = |present: String, right: String, wrong: usize| {
            let (text, said) = repair(&verified, &present, &[2, 3]);
            assert_eq!((text, said.len()), (right, wrong), "{present} {said:?}");
        };
        let right = format!("{ROOT}{OWN}{REDIS}");
        check(right.clone(), right.clone(), 0);
        check(format!("{ROOT}{REDIS}"), format!("{ROOT}{REDIS}{OWN}"), 1);
        let renumbered = OWN.replace("904", "33");
        check(
            format!("{ROOT}{renumbered}{REDIS}"),
            format!("{ROOT}{REDIS}{OWN}"),
            2,
        );
        check(
            right.clone() + "mallory:x:904:100::/:/bin/sh\n",
            right.clone(),
            1,
        );
        check(
            right.clone() + "mallory:x:1000:900::/:/bin/sh\n",
            right.clone(),
            1,
        );
        check(
            right.clone() + "toor:x:0:0::/root:/bin/sh\n",
            right.clone(),
            1,
        );
        check(right.clone() + OWN, right, 0);
    }

    #[test]
    fn the_group_of_aios_has_no_members_of_packages() {
        let (text, said) = repair("aios:x:900:\n", "www:x:33:\naios:x:900:www\n", &[2]);
        assert_eq!(text, "www:x:33:\naios:x:900:\n");
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn a_table_that_is_no_file_is_made_again() {
        let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for root in [&good, &bad] {
            std::fs::create_dir(root.path().join("etc")).unwrap();
        }
        std::fs::write(good.path().join("etc/passwd"), format!("{ROOT}{OWN}")).unwrap();
        std::fs::write(good.path().join("etc/group"), "aios:x:900:\n").unwrap();
        std::fs::create_dir(bad.path().join("etc/passwd")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", bad.path().join("etc/group")).unwrap();
        let verified = Verified::read(good.path());
        assert_eq!(verified.restore(bad.path()).len(), 2);
        let text = |name: &str| std::fs::read_to_string(bad.path().join("etc").join(name)).unwrap();
        assert_eq!(
            (text("passwd"), text("group")),
            (format!("{ROOT}{OWN}"), "aios:x:900:\n".to_owned())
        );
        assert!(verified.restore(bad.path()).is_empty());
    }
}
