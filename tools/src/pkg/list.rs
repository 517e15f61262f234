//! `pkg.list`: the installed packages.

use aios_packages::database::installed;
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `pkg.list`.
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

    fn declaration() -> Declaration {
        Declaration::of("pkg.list", "Lists the installed packages.")
            .needing("pkg", "read", "list")
            .reading_the_machine()
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

impl Look for List {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let row = |package: aios_packages::database::Package| Row {
            name: package.name,
            version: package.version,
        };
        Ok(Output {
            packages: installed()?.into_iter().map(row).collect(),
        })
    }
}
