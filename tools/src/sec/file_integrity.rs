//! `sec.file_integrity`: are the files of installed packages as the packages brought them?
//!
//! By the sums that dpkg keeps (`/var/lib/dpkg/info/*.md5sums`). They find what was damaged or changed by
//! hand; whoever can change a program can change its sum too. What boots is protected otherwise
//! (docs/security.md). Configuration files have no sums: they are there to be changed.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_tool::argument::{PackageName, Read};
use aios_tool::file::name;
use aios_tool::file::state::hex;
use aios_tool::prelude::*;
use md5::{Digest as _, Md5};
use rustix::fs::OFlags;

use crate::procfs::printable;

/// Where dpkg keeps sums, and which files a package has put elsewhere (dpkg-divert(1)).
const DATABASE: &str = "/var/lib/dpkg";
/// The largest list of sums that is read, in bytes; Debian's largest has some 5 MB.
const LIST_MAX: u64 = 64 << 20;
/// So much of the call's time is left for the answer.
const TIME_KEPT: Duration = Duration::from_secs(2);
/// So many changed files are given back; the rest is counted.
const LISTED: usize = 1_000;
/// So many are repeated in the summary.
const SHOWN: usize = 20;
/// Left out on purpose where room is scarce: a file of here that is missing is no finding.
const MAY_BE_MISSING: [&str; 5] = [
    "/usr/share/doc",
    "/usr/share/info",
    "/usr/share/lintian",
    "/usr/share/locale",
    "/usr/share/man",
];

arguments! {
    /// Arguments of `sec.file_integrity`.
    pub struct Input {
        /// Only the files of this package. Default: of all packages.
        pub package: Option<PackageName<Read>>,
    }
}

/// The tool `sec.file_integrity`.
pub struct FileIntegrity;

/// One file that is not as it was brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The package.
    pub package: String,
    /// The file.
    pub path: String,
    /// `changed`, `missing`, `no file` or `unreadable`.
    pub found: String,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The files that are not as they were brought, the first 1,000.
    pub files: Vec<Row>,
    /// How many there are.
    pub count: u64,
    /// How many files were looked at.
    pub checked: u64,
    /// Of how many packages.
    pub packages: u64,
    /// Was there too little time for all?
    pub partial: bool,
}

impl Tool for FileIntegrity {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.file_integrity",
            "Compares the files of installed packages with the sums that the packages brought.",
        )
        .needing("sec", "read", "files")
        .timeout_ms(300_000)
        .kernel(file::READING)
        .reading_the_machine()
        .example(json!({"package": "bash"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            count,
            checked,
            packages,
            ..
        } = output;
        let partial = if output.partial {
            "; there was no time for the rest"
        } else {
            ""
        };
        let head = format!("{checked} files of {packages} packages were compared{partial}");
        match count {
            0 => format!("{head}; all are as they were brought"),
            count => {
                let one = |row: &Row| format!("{} ({}): {}", row.path, row.package, row.found);
                let lines: Vec<String> = output.files.iter().take(SHOWN).map(one).collect();
                format!(
                    "{head}; {count} are not as they were brought:\n{}",
                    lines.join("\n")
                )
            }
        }
    }
}

impl Look for FileIntegrity {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let wanted = input.package.as_ref().map(PackageName::as_str);
        let has_time = || context.remaining() > TIME_KEPT;
        compare(Path::new("/"), wanted, &has_time)
    }
}

/// Compares the files of a Debian below `root`.
fn compare(
    root: &Path,
    wanted: Option<&str>,
    has_time: &dyn Fn() -> bool,
) -> Result<Output, ToolError> {
    let database = root.join(DATABASE.trim_start_matches('/'));
    let lists = lists(&database.join("info"), wanted)?;
    if let (Some(package), true) = (wanted, lists.is_empty()) {
        return Err(ToolError::Precondition(format!(
            "there are no sums of {package}: is it installed?"
        )));
    }
    let diverted = read(&database.join("diversions"))
        .map(|text| diversions(&text))
        .unwrap_or_default();
    let mut output = Output::default();
    for (package, list) in lists {
        output.packages += 1;
        for (sum, path) in sums(&read(&list)?) {
            if !has_time() {
                output.partial = true;
                return Ok(output);
            }
            let real = match diverted.get(&path) {
                Some((to, by)) if *by != package => to,
                _ => &path,
            };
            output.checked += 1;
            let found = state(&root.join(real.trim_start_matches('/')), &sum);
            let is_left_out = found == "missing"
                && MAY_BE_MISSING
                    .iter()
                    .any(|folder| Path::new(real).starts_with(folder));
            if found == "as brought" || is_left_out {
                continue;
            }
            output.count += 1;
            if output.files.len() < LISTED {
                output.files.push(Row {
                    package: printable(&package),
                    path: name::encode(real),
                    found: found.to_owned(),
                });
            }
        }
    }
    Ok(output)
}

/// The lists of sums by package, in the order of their names.
fn lists(folder: &Path, wanted: Option<&str>) -> Result<Vec<(String, PathBuf)>, ToolError> {
    let entries = folder
        .read_dir()
        .map_err(|error| ToolError::io(folder.display(), error))?;
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let package = name.to_str()?.strip_suffix(".md5sums")?;
            let package = package.split(':').next()?.to_owned();
            wanted
                .is_none_or(|wanted| wanted == package)
                .then(|| (package, entry.path()))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Sum and absolute path of each line.
fn sums(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (sum, path) = line.split_once("  ")?;
        let is_sum = sum.len() == 32 && sum.chars().all(|c| c.is_ascii_hexdigit());
        let climbs = path.split('/').any(|part| part == "..");
        (is_sum && !path.is_empty() && !climbs).then(|| {
            (
                sum.to_ascii_lowercase(),
                format!("/{}", path.trim_start_matches('/')),
            )
        })
    };
    text.lines().filter_map(line).collect()
}

/// Where files are that were put elsewhere, and which package did: three lines each.
fn diversions(text: &str) -> HashMap<String, (String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let one = |three: &[&str]| match three {
        [from, to, by] => Some(((*from).to_owned(), ((*to).to_owned(), (*by).to_owned()))),
        _ => None,
    };
    lines.chunks(3).filter_map(one).collect()
}

fn read(path: &Path) -> Result<String, ToolError> {
    let fault = |error: std::io::Error| ToolError::io(path.display(), error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fault)?;
    file.take(LIST_MAX).read_to_end(&mut bytes).map_err(fault)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a file is, in a word. Nothing that was put in its place is waited for.
fn state(path: &Path, sum: &str) -> &'static str {
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return "missing",
        Err(_) => return "unreadable",
        Ok(meta) if !meta.is_file() => return "no file",
        Ok(_) => {}
    }
    match digest(path) {
        Ok(found) if found == sum => "as brought",
        Ok(_) => "changed",
        Err(_) => "unreadable",
    }
}

fn digest(path: &Path) -> std::io::Result<String> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let mut digest = Md5::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let sum = |text: &str| hex(&Md5::digest(text));
        put("usr/bin/good", "good");
        put("usr/bin/bad", "bad now");
        put("usr/bin/sh.distrib", "sh");
        put("usr/bin/sh", "another");
        std::fs::create_dir_all(root.path().join("usr/bin/folder")).unwrap();
        let list = format!(
            "{}  usr/bin/good\n{}  usr/bin/bad\n{}  usr/bin/gone\n{}  usr/bin/folder\n{}  usr/share/doc/x/README\n\
             {}  usr/bin/sh\nnosum  usr/bin/x\n{}  ../../etc/shadow\n",
            sum("good"),
            sum("bad"),
            sum("x"),
            sum("x"),
            sum("x"),
            sum("sh"),
            sum("x")
        );
        put("var/lib/dpkg/info/tools:amd64.md5sums", &list);
        put(
            "var/lib/dpkg/info/dash.md5sums",
            &format!("{}  usr/bin/sh\n", sum("another")),
        );
        put(
            "var/lib/dpkg/diversions",
            "/usr/bin/sh\n/usr/bin/sh.distrib\ndash\n",
        );
        root
    }

    #[test]
    fn files_that_are_not_as_brought_are_named() {
        let root = debian();
        let output = compare(root.path(), None, &|| true).unwrap();
        let found: Vec<(&str, &str)> = output
            .files
            .iter()
            .map(|row| (row.path.as_str(), row.found.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("/usr/bin/bad", "changed"),
                ("/usr/bin/gone", "missing"),
                ("/usr/bin/folder", "no file")
            ]
        );
        assert_eq!((output.count, output.checked, output.packages), (3, 7, 2));
        let text = FileIntegrity::summarize(&Input { package: None }, &output);
        assert!(text.contains("/usr/bin/bad (tools): changed"), "{text}");
    }

    #[test]
    fn one_package_or_as_many_as_there_is_time_for() {
        let root = debian();
        let one = compare(root.path(), Some("dash"), &|| true).unwrap();
        assert_eq!((one.checked, one.count), (1, 0));
        let none = compare(root.path(), Some("none"), &|| true).unwrap_err();
        assert!(none.to_string().contains("is it installed"), "{none}");
        let late = compare(root.path(), None, &|| false).unwrap();
        assert!(late.partial && late.checked == 0);
    }
}
