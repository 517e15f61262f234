//! `pkg.info`: is a package installed, and which version?

use aios_packages::database::{Package, installed};
use aios_tool::argument::{PackageName, Read};
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `pkg.info`.
pub struct Info;

arguments! {
    /// Arguments of `pkg.info`.
    pub struct Input {
        /// Name of the package.
        pub package: PackageName<Read>,
    }
}

/// The package.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Its name.
    pub package: String,
    /// Is it installed? The other fields are empty when it is not.
    pub installed: bool,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// What it is.
    pub summary: String,
    /// What it takes on the disk, in bytes.
    pub size_bytes: u64,
    /// What it needs.
    pub depends: Vec<String>,
    /// Its home page.
    pub homepage: String,
}

impl Tool for Info {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "pkg.info",
            "Shows whether a package is installed, its version and what it is.",
        )
        .example(json!({"package": "nginx"}))
        .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        match output.installed {
            false => format!("{} is not installed", output.package),
            true => format!(
                "{} {} is installed ({}): {}",
                output.package,
                output.version,
                bytes(output.size_bytes),
                output.summary
            ),
        }
    }
}

impl Look for Info {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let found = installed()?
            .into_iter()
            .find(|package| package.name == input.package.as_str());
        let installed = found.is_some();
        let package = found.unwrap_or_else(|| Package {
            name: input.package.to_string(),
            ..Package::default()
        });
        Ok(Output {
            package: package.name,
            installed,
            version: package.version,
            architecture: package.architecture,
            summary: package.summary,
            size_bytes: package.size_bytes,
            depends: package.depends,
            homepage: package.homepage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn an_installed_package_and_one_that_is_not_are_told_apart() {
        if !std::path::Path::new(aios_packages::database::STATUS).exists() {
            return; // not a Debian
        }
        let done = call::<Info>(json!({"package": "dpkg"})).unwrap();
        assert!(done.summary.starts_with("dpkg 1."), "{}", done.summary);
        let done = call::<Info>(json!({"package": "no-such-package"})).unwrap();
        assert_eq!(done.summary, "no-such-package is not installed");
        assert!(matches!(
            call::<Info>(json!({"package": "a b"})),
            Err(ToolError::Invalid(_))
        ));
    }
}
