//! dpkg's status file: paragraphs of `Field: value` lines; deb-control(5).

use std::path::Path;

use aios_tool::error::ToolError;
use aios_tool::format::printable;

/// The database.
pub const STATUS: &str = "/var/lib/dpkg/status";
/// A Debian with everything has some 100 MB of it; more is no database.
const SIZE_MAX: u64 = 256 * 1024 * 1024;

/// One installed package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// What it is, in a line.
    pub summary: String,
    /// What it takes on the disk, in bytes.
    pub size_bytes: u64,
    /// What it needs.
    pub depends: Vec<String>,
    /// Its home page.
    pub homepage: String,
}

/// The installed packages of a status file, by name. What was removed but left
/// its configuration behind is not installed.
pub fn parse(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = text.split("\n\n").filter_map(package).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

fn package(paragraph: &str) -> Option<Package> {
    let field = |name: &str| {
        paragraph.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| printable(value.trim()))
        })
    };
    field("Status")?.ends_with(" installed").then_some(())?;
    let kilobytes: u64 = field("Installed-Size")
        .and_then(|size| size.parse().ok())
        .unwrap_or(0);
    let depends = field("Depends").unwrap_or_default();
    Some(Package {
        name: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture").unwrap_or_default(),
        summary: field("Description").unwrap_or_default(),
        size_bytes: kilobytes.saturating_mul(1024),
        depends: depends
            .split(", ")
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect(),
        homepage: field("Homepage").unwrap_or_default(),
    })
}

/// The installed packages of this machine.
///
/// # Errors
/// When there is no database or it cannot be read.
pub fn installed() -> Result<Vec<Package>, ToolError> {
    installed_in(Path::new("/"))
}

/// The installed packages of the root file system in a folder.
///
/// # Errors
/// When there is no database or it cannot be read.
pub fn installed_in(root: &Path) -> Result<Vec<Package>, ToolError> {
    let status = root.join(STATUS.trim_start_matches('/'));
    let doing = format!("cannot read the package database {STATUS}");
    let error = |error: std::io::Error| ToolError::io(&doing, error);
    let size = std::fs::metadata(&status).map_err(error)?.len();
    if size > SIZE_MAX {
        return Err(ToolError::Failed(format!(
            "{STATUS} has {size} bytes: it is no database"
        )));
    }
    let bytes = std::fs::read(&status).map_err(error)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_is_listed_with_its_fields() {
        let text = "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\n\
            Installed-Size: 168\nDescription: library\n Status: install ok forged\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: broken\nStatus: install ok installed\n\n\
            Package: bash\nStatus: install ok installed\nVersion: 5\nDepends: a (>= 1), b | c\n";
        let packages = parse(text);
        let names: Vec<_> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(names, ["bash", "zlib1g"]);
        assert_eq!(packages[0].depends, ["a (>= 1)", "b | c"]);
        assert_eq!(packages[1].version, "1:1.2");
        assert_eq!(packages[1].size_bytes, 168 * 1024);
        assert_eq!(packages[1].summary, "library");
        assert!(parse("").is_empty());
    }
}
