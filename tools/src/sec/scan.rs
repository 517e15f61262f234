//! `sec.scan`: what on this machine lets somebody do more than they should.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_tool::argument::Nothing;
use aios_tool::file::name;
use aios_tool::prelude::*;

use crate::procfs::{printable, sockets};
use crate::service::fetch_all;
use crate::user::tables::{Account, Password, Sort, Tables};

/// So many files and folders are looked at; a Debian with much installed has some 300,000.
const ENTRIES_MAX: u64 = 500_000;
/// So much of the call's time is left for what comes after the files.
const TIME_KEPT: Duration = Duration::from_secs(5);
/// So many findings of one sort are given back; the rest is counted.
const LISTED: usize = 100;
/// So many findings are repeated in the summary.
const SHOWN: usize = 20;

/// The tool `sec.scan`.
pub struct Scan;

/// How much a finding matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Somebody should look at it.
    Warning,
    /// It may be as it should be.
    Note,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `warning` or `note`.
    pub weight: Weight,
    /// `privileged program`, `writable by everyone`, `listening`, `account`, `service`.
    pub sort: String,
    /// What it is about: a path, an address and port, a name.
    pub object: String,
    /// What was found.
    pub text: String,
}

/// All findings.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Warnings first; of each sort 100 at most.
    pub findings: Vec<Finding>,
    /// How many warnings there are in all.
    pub warnings: u64,
    /// How many notes there are in all.
    pub notes: u64,
    /// How many files and folders were looked at.
    pub files: u64,
    /// What could not be looked at, or not wholly.
    pub not_looked_at: Vec<String>,
}

impl Tool for Scan {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.scan",
            "Looks for privileged programs, files that everyone may write, open ports, accounts without a lock \
             and services that are down.",
        )
        .needing("sec", "read", "scan")
        .timeout_ms(60_000)
        .kernel(file::READING)
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |finding: &Finding| {
            let weight = match finding.weight {
                Weight::Warning => "warning",
                Weight::Note => "note",
            };
            format!(
                "{weight}: {} {}: {}",
                finding.sort, finding.object, finding.text
            )
        };
        let head = format!(
            "{} warnings and {} notes; {} files and folders were looked at",
            output.warnings, output.notes, output.files
        );
        let mut lines = vec![head];
        lines.extend(
            output
                .not_looked_at
                .iter()
                .map(|what| format!("not looked at: {what}")),
        );
        lines.extend(output.findings.iter().take(SHOWN).map(one));
        lines.join("\n")
    }
}

impl Look for Scan {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let mut not_looked_at = Vec::new();
        let mut part = |what: &str, found: Result<Vec<Finding>, ToolError>| {
            found.unwrap_or_else(|error| {
                not_looked_at.push(format!("{what}: {error}"));
                Vec::new()
            })
        };
        let mut findings = part(
            "accounts",
            crate::user::read_tables().map(|tables| accounts(&tables)),
        );
        findings.extend(part("ports", ports()));
        findings.extend(part("services", services(context)));
        let files = walk(Path::new("/"), &|| context.remaining() > TIME_KEPT);
        if !files.is_whole {
            not_looked_at
                .push("files: not all, there are too many for the time of a call".to_owned());
        }
        findings.extend(files.findings);
        Ok(output(findings, files.count, not_looked_at))
    }
}

fn output(mut findings: Vec<Finding>, files: u64, not_looked_at: Vec<String>) -> Output {
    findings.sort_by(|one, other| (one.weight, &one.sort).cmp(&(other.weight, &other.sort)));
    let count = |weight| findings.iter().filter(|one| one.weight == weight).count() as u64;
    let (warnings, notes) = (count(Weight::Warning), count(Weight::Note));
    let mut of_sort = std::collections::HashMap::new();
    findings.retain(|one| {
        let seen: &mut usize = of_sort
            .entry((one.weight as u8, one.sort.clone()))
            .or_default();
        *seen += 1;
        *seen <= LISTED
    });
    Output {
        findings,
        warnings,
        notes,
        files,
        not_looked_at,
    }
}

fn finding(weight: Weight, sort: &str, object: String, text: impl Into<String>) -> Finding {
    Finding {
        weight,
        sort: sort.to_owned(),
        object,
        text: text.into(),
    }
}

fn accounts(tables: &Tables) -> Vec<Finding> {
    let one = |account: &Account| {
        let name = printable(&account.name);
        let password = tables.password(&account.name);
        let (weight, text) = match (account.sort(), password) {
            (Sort::Root, _) if account.name != "root" => {
                (Weight::Warning, "is root by another name")
            }
            (_, Some(Password::Empty)) => (Weight::Warning, "has an empty password"),
            (Sort::Own | Sort::Service, Some(Password::Set)) => {
                (Weight::Warning, "is no person's and has a password")
            }
            (_, Some(Password::Set)) => (Weight::Note, "has a password"),
            _ => return None,
        };
        Some(finding(weight, "account", name, text))
    };
    tables.accounts().iter().filter_map(one).collect()
}

fn ports() -> Result<Vec<Finding>, ToolError> {
    let owners = sockets::Owners::look();
    let listeners = sockets::listeners()?.into_iter();
    let open = listeners.filter(|one| !one.local.ip().is_loopback());
    Ok(open
        .map(|one| {
            let process = owners.of(&one).map_or_else(
                || format!("a process of uid {}", one.uid),
                |process| printable(&process.name),
            );
            let object = format!("{} port {}", one.local.ip(), one.local.port());
            finding(Weight::Note, "listening", object, process)
        })
        .collect())
}

fn services(context: &Context) -> Result<Vec<Finding>, ToolError> {
    let all = fetch_all(context)?.into_iter();
    let down = all.filter(|one| matches!(one.state.as_str(), "degraded" | "backoff"));
    Ok(down
        .map(|one| finding(Weight::Warning, "service", one.name.clone(), one.describe()))
        .collect())
}

/// What a walk found.
struct Files {
    findings: Vec<Finding>,
    count: u64,
    is_whole: bool,
}

/// Walks through the file system of a folder, not through what is mounted in it, as long as there is
/// time. No link is followed.
fn walk(root: &Path, has_time: &dyn Fn() -> bool) -> Files {
    let mut files = Files {
        findings: Vec::new(),
        count: 0,
        is_whole: true,
    };
    let Ok(device) = root.symlink_metadata().map(|meta| meta.dev()) else {
        files.is_whole = false;
        return files;
    };
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            if files.count == ENTRIES_MAX || (files.count.is_multiple_of(256) && !has_time()) {
                files.is_whole = false;
                return files;
            }
            files.count += 1;
            let path = entry.path();
            let Ok(meta) = path.symlink_metadata() else {
                continue; // gone meanwhile
            };
            if meta.dev() != device {
                continue;
            }
            files.findings.extend(judged(&path, &meta));
            if meta.is_dir() {
                open.push(path);
            }
        }
    }
    files
}

fn judged(path: &Path, meta: &Metadata) -> Option<Finding> {
    const SET_UID: u32 = 0o4000;
    const SET_GID: u32 = 0o2000;
    const STICKY: u32 = 0o1000;
    const EVERYONE: u32 = 0o002;
    let mode = meta.mode();
    let shown = || name::encode(path);
    if meta.is_file() && mode & (SET_UID | SET_GID) != 0 && mode & 0o111 != 0 {
        let weight = match path.starts_with("/usr") {
            true => Weight::Note,
            false => Weight::Warning,
        };
        let who = match (mode & SET_UID != 0, meta.uid(), meta.gid()) {
            (true, uid, _) => format!("runs as uid {uid}, whoever starts it"),
            (false, _, gid) => format!("runs with group {gid}, whoever starts it"),
        };
        return Some(finding(weight, "privileged program", shown(), who));
    }
    let open_folder = meta.is_dir() && mode & STICKY == 0;
    if mode & EVERYONE != 0 && (meta.is_file() || open_folder) {
        let text = format!("everyone may change it (mode {:o})", mode & 0o7777);
        return Some(finding(
            Weight::Warning,
            "writable by everyone",
            shown(),
            text,
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn privileged_programs_and_open_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put("suid", 0o4755);
        put("sgid", 0o2755);
        put("data-suid", 0o4644);
        put("open", 0o666);
        put("plain", 0o644);
        for (name, mode) in [("tmp", 0o1777), ("drop", 0o777)] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        let files = walk(folder.path(), &|| true);
        let mut names: Vec<&str> = files
            .findings
            .iter()
            .map(|one| one.object.rsplit('/').next().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["drop", "open", "sgid", "suid"]);
        assert_eq!((files.count, files.is_whole), (8, true));
        assert!(!walk(folder.path(), &|| false).is_whole);
    }

    #[test]
    fn accounts_that_are_open_are_warned_of() {
        let found = accounts(&crate::user::example());
        let told: Vec<(&str, Weight)> = found
            .iter()
            .map(|one| (one.object.as_str(), one.weight))
            .collect();
        assert_eq!(told, [("ada", Weight::Note), ("bob", Weight::Warning)]);
        assert!(!format!("{found:?}").contains("hash"));
    }

    #[test]
    fn findings_are_bounded_and_warnings_come_first() {
        let many = (0..150).map(|n| finding(Weight::Note, "listening", n.to_string(), "x"));
        let warning = finding(Weight::Warning, "account", "ada".into(), "x");
        let output = output(many.chain([warning]).collect(), 7, vec!["ports: x".into()]);
        assert_eq!(
            (output.notes, output.warnings, output.findings.len()),
            (150, 1, 101)
        );
        assert_eq!(output.findings[0].object, "ada");
        let text = Scan::summarize(&Nothing {}, &output);
        assert!(
            text.starts_with("1 warnings and 150 notes; 7 files"),
            "{text}"
        );
        assert!(text.contains("not looked at: ports: x"), "{text}");
    }
}
