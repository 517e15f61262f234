//! `storage.cleanup`: deletes what apt and logs keep needlessly, to make room.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aios_tool::argument::{self, Whole};
use aios_tool::file::name;
use aios_tool::file::place::open_folder;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use rustix::fs::AtFlags;

/// Where apt keeps packages that it fetched; it fetches them again when it needs them.
const ARCHIVES: &str = "/var/cache/apt/archives";
/// Where services write logs.
const LOGS: &str = "/var/log";
/// aiOS's own logs: their daemon keeps them within bounds itself.
const OWN_LOGS: &str = "/var/log/aios";
/// So many files are looked at; of more, the rest waits for the next call.
const FILES_MAX: usize = 20_000;
/// How deep logs are searched for.
const DEPTH_MAX: usize = 6;
/// A log that was put away is kept so many days by default: long enough to look into last week.
const KEPT_DAYS: i64 = 7;
/// So many files an answer names.
const LISTED: usize = 500;

arguments! {
    /// Arguments of `storage.cleanup`.
    pub struct Input {
        /// Logs that were put away (`x.log.1`, `x.log.2.gz`) are deleted when they are older than so many
        /// days, 0 to 3650. Default: 7.
        pub older_than_days: Option<Whole<0, 3650>>,
    }
}

/// The tool `storage.cleanup`.
pub struct Cleanup;

/// What was deleted.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The files, the first 500.
    pub files: Vec<String>,
    /// How many there were.
    pub count: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// Files that could not be deleted, and why; the first 500.
    pub left: Vec<String>,
}

/// A file that is not needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Needless {
    path: PathBuf,
    size: u64,
}

impl Tool for Cleanup {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "storage.cleanup",
            "Deletes packages that apt keeps after installing, and logs that were put away long ago.",
        )
        .risk(Risk::Medium)
        .least(Least::Admin)
        .timeout_ms(60_000)
        .kernel(file::WRITING)
        .needing("storage", "clean", "caches")
        .reading_the_machine()
        .changing(&[ARCHIVES, LOGS])
        .making_room()
        .example(json!({"older_than_days": 30}))
    }

    fn complete(input: &mut Input) {
        input.older_than_days.get_or_insert(Whole::of(KEPT_DAYS));
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let left = match output.left.len() {
            0 => String::new(),
            count => format!("; {count} could not be deleted: {}", output.left[0]),
        };
        match output.count {
            0 => format!("there is nothing to clean up{left}"),
            count => format!(
                "{count} files ({}) are deleted{left}",
                format::bytes(output.bytes)
            ),
        }
    }
}

impl Change for Cleanup {
    fn effect() -> Effect {
        Effect::of("the files that were found are gone", &["clean", "free"])
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        let one = |file: Needless| {
            let before = format!("file, {}", format::bytes(file.size));
            Foreseen::of(name::encode(&file.path), &before, "absent")
        };
        Ok(needless(Path::new("/"), input)?
            .into_iter()
            .map(one)
            .collect())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let mut output = Output::default();
        for file in needless(Path::new("/"), input)? {
            if context.remaining() < Duration::from_secs(2) {
                break;
            }
            let shown = name::encode(&file.path);
            match delete(&file.path) {
                Ok(()) => {
                    output.count += 1;
                    output.bytes += file.size;
                    if output.files.len() < LISTED {
                        output.files.push(shown);
                    }
                }
                Err(why) if output.left.len() < LISTED => {
                    output.left.push(format!("{shown}: {why}"))
                }
                Err(_) => {}
            }
        }
        Ok(output)
    }

    fn verify(_input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let there = |path: &&String| name::decode(path).symlink_metadata().is_ok();
        match output.files.iter().find(there) {
            None => Ok(()),
            Some(path) => Err(ToolError::Unverified(format!("{path} is still there"))),
        }
    }
}

/// Deletes a file through folders that are no links: who owns a folder of logs leads nobody elsewhere.
fn delete(path: &Path) -> Result<(), ToolError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ToolError::Failed("it has no folder".into()));
    };
    let folder = open_folder(folder)?;
    rustix::fs::unlinkat(&folder, name, AtFlags::empty())
        .map_err(|error| ToolError::io("deleting it", error))
}

/// All that is not needed below `root`, by path.
fn needless(root: &Path, input: &Input) -> Result<Vec<Needless>, ToolError> {
    let days = u64::try_from(argument::defaulted(&input.older_than_days)?.get()).unwrap_or(0);
    let before = SystemTime::now().checked_sub(Duration::from_secs(days * 86_400));
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let mut found = Vec::new();
    let archives = below(ARCHIVES);
    for folder in [archives.join("partial"), archives] {
        search(&folder, 0, &mut found, &|path, _| is_archive(path));
    }
    let own = below(OWN_LOGS);
    search(&below(LOGS), DEPTH_MAX, &mut found, &|path, modified| {
        !path.starts_with(&own)
            && is_put_away(path)
            && before.is_some_and(|before| modified < before)
    });
    found.sort();
    Ok(found)
}

/// Adds the files of a folder that fit, and of folders in it so deep. No link is followed.
fn search(
    folder: &Path,
    depth: usize,
    found: &mut Vec<Needless>,
    fits: &dyn Fn(&Path, SystemTime) -> bool,
) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = path.symlink_metadata() else {
            continue; // gone meanwhile
        };
        if meta.is_dir() && depth > 0 {
            search(&path, depth - 1, found, fits);
        } else if meta.is_file()
            && found.len() < FILES_MAX
            && fits(&path, meta.modified().unwrap_or(SystemTime::UNIX_EPOCH))
        {
            found.push(Needless {
                path,
                size: meta.len(),
            });
        }
    }
}

fn is_archive(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("deb"))
}

/// Is it a log that logrotate(8) put away: `x.log.1`, `x.log.2.gz`, `x.log-20260131.xz`, `x.old`?
fn is_put_away(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let compressed = [".gz", ".xz", ".bz2", ".zst"];
    if compressed.iter().any(|end| name.ends_with(end.as_bytes())) {
        return true;
    }
    let Some(dot) = name.iter().rposition(|byte| matches!(byte, b'.' | b'-')) else {
        return false;
    };
    let end = &name[dot + 1..];
    let is_number = !end.is_empty() && end.iter().all(u8::is_ascii_digit);
    match name[dot] {
        b'.' => (is_number && end.len() <= 3) || end == b"old",
        _ => is_number && end.len() == 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_that_were_put_away_are_told_from_logs() {
        let check = |name: &str, is: bool| assert_eq!(is_put_away(Path::new(name)), is, "{name}");
        for name in [
            "syslog.1",
            "x.log.2.gz",
            "x.log-20260131",
            "x.log-20260131.xz",
            "x.old",
        ] {
            check(name, true);
        }
        for name in [
            "syslog",
            "x.log",
            "nginx-1",
            "10.0.0.2024",
            "backup-2026",
            "x.1a",
            ".",
            "x.",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn only_what_is_not_needed_is_found_and_no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "12345").unwrap();
        };
        for path in [
            "var/cache/apt/archives/a.deb",
            "var/cache/apt/archives/partial/b.deb",
            "var/cache/apt/archives/lock",
            "var/log/nginx/access.log",
            "var/log/nginx/access.log.1",
            "var/log/aios/tools.log.1",
            "etc/x.1",
        ] {
            put(path);
        }
        std::os::unix::fs::symlink("/etc", root.path().join("var/log/link")).unwrap();
        let found = |days: i64| -> Vec<String> {
            let input = Input {
                older_than_days: Some(Whole::of(days)),
            };
            let all = needless(root.path(), &input).unwrap().into_iter();
            all.map(|file| {
                file.path
                    .strip_prefix(root.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect()
        };
        let packages = [
            "var/cache/apt/archives/a.deb",
            "var/cache/apt/archives/partial/b.deb",
        ];
        assert_eq!(found(7), packages);
        assert_eq!(
            found(0),
            [packages[0], packages[1], "var/log/nginx/access.log.1"]
        );
    }

    #[test]
    fn a_folder_that_is_a_link_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/x.1"), "").unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        delete(&root.join("link/x.1")).unwrap_err();
        assert!(root.join("real/x.1").exists());
        delete(&root.join("real/x.1")).unwrap();
        assert!(!root.join("real/x.1").exists());
    }
}
