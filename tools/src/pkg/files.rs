//! `pkg.files`: the files that an installed package brought.

use aios_packages::database::installed;
use aios_tool::argument::{PackageName, Read};
use aios_tool::file::name;
use aios_tool::prelude::*;

/// The tool `pkg.files`.
pub struct Files;

/// Where dpkg keeps the list of each package.
const LISTS: &str = "/var/lib/dpkg/info";

/// The largest list that is read, in bytes; Debian's largest has some 10 MB.
const LIST_MAX: u64 = 64 * 1024 * 1024;

/// So many files an answer has.
const FILES_MAX: usize = 5000;

/// So many are named in the summary.
const NAMED: usize = 30;

arguments! {
    /// Arguments of `pkg.files`.
    pub struct Input {
        /// Name of the package.
        pub package: PackageName<Read>,
    }
}

/// The files.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The package.
    pub package: String,
    /// Paths, without folders; the first 5,000.
    pub files: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Tool for Files {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "pkg.files",
            "Lists the files that an installed package brought.",
        )
        .example(json!({"package": "nginx"}))
        .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let named: Vec<&str> = output
            .files
            .iter()
            .take(NAMED)
            .map(String::as_str)
            .collect();
        let more = match output.count > NAMED as u64 {
            true => "\n…",
            false => "",
        };
        format!(
            "{} brought {} files:\n{}{more}",
            output.package,
            output.count,
            named.join("\n")
        )
    }
}

impl Look for Files {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let package = input.package.as_str();
        let known = installed()?.into_iter().find(|one| one.name == package);
        let Some(known) = known else {
            return Err(ToolError::Precondition(format!(
                "{package} is not installed"
            )));
        };
        let plain = format!("{LISTS}/{package}.list");
        let path = match std::path::Path::new(&plain).exists() {
            true => plain,
            false => format!("{LISTS}/{package}:{}.list", known.architecture),
        };
        let text = read(&path)?;
        let is_file =
            |path: &&str| std::fs::symlink_metadata(path).is_ok_and(|data| !data.is_dir());
        let files: Vec<&str> = text.lines().filter(is_file).collect();
        Ok(Output {
            package: package.to_owned(),
            count: files.len() as u64,
            files: files
                .into_iter()
                .take(FILES_MAX)
                .map(name::encode)
                .collect(),
        })
    }
}

fn read(path: &str) -> Result<String, ToolError> {
    let fault = |error: std::io::Error| ToolError::io(path, error);
    if std::fs::metadata(path).map_err(fault)?.len() > LIST_MAX {
        return Err(ToolError::Failed(format!("{path} is no list of files")));
    }
    let read = std::fs::read(path).map_err(fault)?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_files_of_an_installed_package_are_listed() {
        if !std::path::Path::new(aios_packages::database::STATUS).exists() {
            return; // not a Debian
        }
        let done = call::<Files>(json!({"package": "dpkg"})).unwrap();
        let files = done.output["files"].as_array().unwrap();
        assert!(files.contains(&json!("/usr/bin/dpkg")), "{}", done.summary);
        assert!(!files.contains(&json!("/usr")));
        let error = call::<Files>(json!({"package": "no-such-package"})).unwrap_err();
        assert!(matches!(error, ToolError::Precondition(_)), "{error:?}");
    }
}
