//! Where unit files are: folders, templates, links, drop-ins (systemd.unit(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::read as meaning;
use super::text::{self, Assignment, FILE_MAX};
use super::unit::Unit;
use super::words::Name;

/// Searched in this order.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The links in it name the services that start at boot (systemd.unit(5), "\[Install\]").
pub const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants";

/// So many services start at boot; more links are passed over.
const ENABLED_MAX: usize = 256;

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

/// Where the unit of this name is described; for an instance, its template's file.
pub fn path_of(name: &str) -> Option<PathBuf> {
    let name = Name::new(name).ok()?;
    let folders = FOLDERS.map(PathBuf::from);
    let mut files = file_names(&name).into_iter();
    files.find_map(|file| first(&folders, &file))
}

/// The services that start at boot, by their names without `.service`.
pub fn enabled() -> Vec<String> {
    enabled_in(Path::new(ENABLED))
}

fn enabled_in(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| {
        let file = entry.file_name();
        let name = file.to_str()?.strip_suffix(".service")?;
        Name::new(name).ok().map(|_| name.to_owned())
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names.truncate(ENABLED_MAX);
    names
}

/// What a text would mean as the unit file of this name, drop-ins aside.
///
/// # Errors
/// Why it cannot be run here.
pub fn check(name: &str, text: &str) -> Result<Unit, String> {
    let name = Name::new(name).map_err(|_| format!("{name:?} is no name of a service"))?;
    if text.len() > FILE_MAX {
        return Err(format!("is longer than {FILE_MAX} bytes"));
    }
    let mut odd = Vec::new();
    let lines = text::parse(text.as_bytes(), &mut odd)?;
    meaning::read(name, &lines, odd)
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
                let mut odd = Vec::new();
                let lines = assignments(folders, &path, &name, &mut odd).map_err(failed)?;
                return meaning::read(name, &lines, odd)
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

/// The assignments of a unit and its drop-ins. A drop-in that cannot be read costs
/// only itself, which goes to `odd`.
fn assignments(
    folders: &[PathBuf],
    path: &Path,
    name: &Name,
    odd: &mut Vec<String>,
) -> Result<Vec<Assignment>, String> {
    let text = match read(path)? {
        Content::Text(text) => text,
        Content::Nothing => return Err("is masked: it is empty or no file".to_owned()),
    };
    let mut lines = parse(&text, path, odd)?;
    for path in drop_ins(folders, name) {
        let more = match read(&path) {
            Ok(Content::Text(text)) => parse(&text, &path, odd),
            Ok(Content::Nothing) => Ok(Vec::new()), // so an operator takes one back
            Err(why) => Err(why),
        };
        match more {
            Ok(more) => lines.extend(more),
            Err(why) => odd.push(format!("{} is passed over: {why}", path.display())),
        }
    }
    Ok(lines)
}

fn parse(text: &[u8], path: &Path, odd: &mut Vec<String>) -> Result<Vec<Assignment>, String> {
    let mut own = Vec::new();
    let lines = text::parse(text, &mut own);
    odd.extend(own.iter().map(|odd| format!("{}: {odd}", path.display())));
    lines
}

/// What a file holds.
enum Content {
    Text(Vec<u8>),
    /// It is empty or no file. Above all a link to `/dev/null`, by which an operator
    /// forbids a unit or a drop-in.
    Nothing,
}

fn read(path: &Path) -> Result<Content, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(Content::Nothing);
    }
    if metadata.len() > FILE_MAX as u64 {
        return Err(format!("is longer than {FILE_MAX} bytes"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    Ok(Content::Text(text))
}

/// The names that folders of drop-ins may have: for it, for its template, for all whose names
/// begin as its name does up to a dash, and for all services.
fn drop_in_names(name: &Name) -> Vec<String> {
    let mut names = file_names(name);
    let dashes = name.prefix.char_indices().rev().filter(|(_, c)| *c == '-');
    names.extend(dashes.filter_map(|(place, _)| {
        let begin = name.prefix.get(..=place)?;
        Some(format!("{begin}.service"))
    }));
    names.push("service".to_owned());
    names
}

/// `NAME.service.d/*.conf` in the order of their names; of two of the same name,
/// the one whose folder is more about this unit, then the one in the earlier folder.
fn drop_ins(folders: &[PathBuf], name: &Name) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for file in drop_in_names(name) {
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
        write("etc/empty.service", "");
        for name in ["masked", "empty"] {
            let masked = find_in(&folders, name).unwrap_err();
            assert!(matches!(masked, Missing::Unusable(why) if why.contains("masked")));
        }
    }

    #[test]
    fn links_and_files_of_services_are_enabled_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let link = |name: &str| {
            std::os::unix::fs::symlink("/usr/lib/x.service", root.path().join(name)).unwrap();
        };
        for name in [
            "web.service",
            "db@1.service",
            "x.timer",
            "service",
            "b d.service",
        ] {
            link(name);
        }
        assert_eq!(enabled_in(root.path()), ["db@1", "web"]);
        assert_eq!(enabled_in(&root.path().join("none")), Vec::<String>::new());
    }

    #[test]
    fn a_text_is_checked_before_it_is_a_file() {
        let unit = check("web", "[Service]\nExecStart=/bin/web\nReload=x\n").unwrap();
        assert_eq!(unit.start[0].words, ["/bin/web"]);
        for (name, text) in [
            ("web", ""),
            (
                "web",
                "[Service]\nType=dbus\nBusName=a.b\nExecStart=/bin/web\n",
            ),
            ("../web", "[Service]\nExecStart=/bin/web\n"),
        ] {
            check(name, text).unwrap_err();
        }
        check("web", &"#".repeat(FILE_MAX + 1)).unwrap_err();
    }

    #[test]
    fn a_drop_in_that_cannot_be_used_costs_only_itself() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["etc", "lib"].map(|folder| root.path().join(folder));
        let write = |path: &str, text: &[u8]| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("lib/a-b.service", b"[Service]\nExecStart=/bin/x\n");
        for (place, folder) in ["service.d", "a-.service.d", "a-b.service.d"]
            .iter()
            .enumerate()
        {
            let text = format!("[Service]\nEnvironment=V{place}={place}\n");
            write(&format!("lib/{folder}/{place}.conf"), text.as_bytes());
        }
        // The vendor's is taken back; others are broken, each in its way.
        write("lib/a-b.service.d/vendor.conf", b"[Service]\nUser=vendor\n");
        write("etc/a-b.service.d/x.conf", b"[Service\nUser=x\n");
        let etc = root.path().join("etc/a-b.service.d");
        for (target, name) in [("/dev/null", "vendor.conf"), ("/nowhere", "gone.conf")] {
            std::os::unix::fs::symlink(target, etc.join(name)).unwrap();
        }
        std::fs::create_dir(etc.join("folder.conf")).unwrap();
        write("etc/a-b.service.d/empty.conf", b"");

        let unit = find_in(&folders, "a-b").unwrap();
        assert_eq!(unit.user, None);
        let values: Vec<&str> = unit.environment.iter().map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, ["0", "1", "2"]);
        let warnings = unit.warnings.join("\n");
        assert_eq!(unit.warnings.len(), 2, "{warnings}");
        assert!(warnings.contains("gone.conf is passed over"), "{warnings}");
        assert!(warnings.contains("x.conf is passed over"), "{warnings}");
    }
}
