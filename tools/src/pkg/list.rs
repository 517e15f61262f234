//! `pkg.list`: the installed packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database::installed;
use crate::context::Context;
use crate::error::ToolError;
use crate::monitor::Nothing;
use crate::spec::Spec;
use crate::tool::Tool;

/// See the module.
pub struct List;

/// So many are named in the summary.
const NAMED: usize = 30;

/// One installed package.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The installed packages.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By name.
    pub packages: Vec<Row>,
}

impl Tool for List {
    type Input = Nothing;
    type Output = Output;
    const SPEC: Spec = Spec::reading(
        "pkg.list",
        "Lists the installed packages.",
        &["pkg:read:list"],
    );

    fn act(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let row = |package: super::database::Package| Row {
            name: package.name,
            version: package.version,
        };
        Ok(Output {
            packages: installed()?.into_iter().map(row).collect(),
        })
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let named: Vec<String> = output
            .packages
            .iter()
            .take(NAMED)
            .map(|package| format!("{} {}", package.name, package.version))
            .collect();
        let more = match output.packages.len() > NAMED {
            true => ", …",
            false => "",
        };
        format!(
            "{} packages are installed: {}{more}",
            output.packages.len(),
            named.join(", ")
        )
    }
}
