//! `pkg.info`: is a package installed, and which version?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database::{Package, installed};
use crate::context::Context;
use crate::error::ToolError;
use crate::format::bytes;
use crate::spec::Spec;
use crate::tool::Tool;

/// See the module.
pub struct Info;

/// The longest name that is asked for; Debian's longest has some 80 characters.
const NAME_MAX: usize = 128;

/// Arguments of `pkg.info`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the package.
    pub package: String,
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
    const SPEC: Spec = Spec::reading(
        "pkg.info",
        "Shows whether a package is installed, its version and what it is.",
        &["pkg:read:{package}"],
    );

    fn resolve(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        input.package.make_ascii_lowercase();
        match (1..=NAME_MAX).contains(&input.package.len()) && input.package.chars().all(allowed) {
            true => Ok(()),
            false => Err(ToolError::Invalid(
                "package: a name has letters, digits, and any of + - .".into(),
            )),
        }
    }

    fn act(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let found = installed()?
            .into_iter()
            .find(|package| package.name == input.package);
        let installed = found.is_some();
        let package = found.unwrap_or_else(|| Package {
            name: input.package.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn an_installed_package_and_one_that_is_not_are_told_apart() {
        if !std::path::Path::new(super::super::database::STATUS).exists() {
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
