//! Where unit files are: three folders, templates, links, drop-ins (systemd.unit(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::read as meaning;
use super::text::{self, Assignment, FILE_MAX};
use super::unit::Unit;
use super::words::Name;

/// Searched in this order.
const FOLDERS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Links are followed at most so often.
const LINKS_MAX: usize = 8;

/// Why there is no unit.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// No file has this name.
    Unknown,
    /// There is one, which cannot be used, and why.
    Unusable(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => write!(f, "there is no such service, and no unit file for it"),
            Self::Unusable(why) => write!(f, "{why}"),
        }
    }
}

/// The unit of this name.
///
/// # Errors
/// There is none, or none that can be run here.
pub fn find(name: &str) -> Result<Unit, Missing> {
    find_in(&FOLDERS.map(PathBuf::from), name)
}

fn find_in(folders: &[PathBuf], name: &str) -> Result<Unit, Missing> {
    // What can be no unit's name has no unit.
    let mut name = Name::new(name).map_err(|_| Missing::Unknown)?;
    for _ in 0..LINKS_MAX {
        let Some(path) = file_names(&name)
            .iter()
            .find_map(|file| first(folders, file))
        else {
            return Err(Missing::Unknown);
        };
        match alias(&path, &name) {
            Some(real) => name = real,
            None => {
                let shown = path.display().to_string();
                let failed = |why: String| Missing::Unusable(format!("{shown}: {why}"));
                let lines = assignments(folders, &path, &name).map_err(failed)?;
                return meaning::read(name, &lines)
                    .map_err(|why| Missing::Unusable(format!("{shown}: {why}")));
            }
        }
    }
    Err(Missing::Unusable(format!("{}: too many links", name.full)))
}

/// The names that its file may have: its own, and its template's.
fn file_names(name: &Name) -> Vec<String> {
    let mut names = vec![format!("{}.service", name.full)];
    if name.instance.is_some() {
        names.push(format!("{}@.service", name.prefix));
    }
    names
}

fn first(folders: &[PathBuf], file: &str) -> Option<PathBuf> {
    let mut paths = folders.iter().map(|folder| folder.join(file));
    paths.find(|path| path.symlink_metadata().is_ok())
}

/// The real name of a unit whose file is a link to another unit's.
fn alias(path: &Path, name: &Name) -> Option<Name> {
    let target = std::fs::read_link(path).ok()?;
    let real = Name::new(target.file_name()?.to_str()?).ok()?;
    let own = path.file_name()?.to_str()?;
    let other = target.extension()? == "service" && target.file_name()?.to_str()? != own;
    (other && real != *name).then_some(real)
}

fn assignments(folders: &[PathBuf], path: &Path, name: &Name) -> Result<Vec<Assignment>, String> {
    let mut lines = text::parse(&read(path)?)?;
    for path in drop_ins(folders, name) {
        let more = read(&path).and_then(|text| text::parse(&text));
        lines.extend(more.map_err(|why| format!("{}: {why}", path.display()))?);
    }
    Ok(lines)
}

fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        // Also a link to /dev/null, by which an operator forbids a unit.
        return Err("is masked: it is no file".to_owned());
    }
    if metadata.len() > FILE_MAX as u64 {
        return Err(format!("is longer than {FILE_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// `NAME.service.d/*.conf` in the order of their names; of two of the same name,
/// the one in the earlier folder.
fn drop_ins(folders: &[PathBuf], name: &Name) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for file in file_names(name) {
        for folder in folders {
            let entries = std::fs::read_dir(folder.join(format!("{file}.d")));
            for entry in entries.into_iter().flatten().flatten() {
                let path = entry.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "conf")
                {
                    found.entry(entry.file_name()).or_insert(path);
                }
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_links_drop_ins_and_masks() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["etc", "lib"].map(|folder| root.path().join(folder));
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let link =
            |to: &str, path: &str| std::os::unix::fs::symlink(to, root.path().join(path)).unwrap();
        write("lib/db@.service", "[Service]\nExecStart=/bin/db %i\n");
        write("etc/db@.service.d/b.conf", "[Service]\nUser=two\n");
        write(
            "etc/db@1.service.d/a.conf",
            "[Service]\nUser=one\nGroup=g\n",
        );
        write("lib/web-server.service", "[Service]\nExecStart=/bin/web\n");
        link("/lib/systemd/system/web-server.service", "etc/web.service");
        link("/dev/null", "etc/masked.service");
        write("lib/masked.service", "[Service]\nExecStart=/bin/web\n");

        let db = find_in(&folders, "db@1").unwrap();
        assert_eq!(db.start[0].words, ["/bin/db", "1"]);
        assert_eq!(
            (db.user.as_deref(), db.group.as_deref()),
            (Some("two"), Some("g"))
        );
        let web = find_in(&folders, "web.service").unwrap();
        assert_eq!(web.name.full, "web-server");
        assert_eq!(find_in(&folders, "none"), Err(Missing::Unknown));
        assert_eq!(find_in(&folders, "../x"), Err(Missing::Unknown));
        let masked = find_in(&folders, "masked").unwrap_err();
        assert!(matches!(masked, Missing::Unusable(why) if why.contains("masked")));
    }
}
