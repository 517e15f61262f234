//! `aiosctl mcp`: its arguments. The server itself belongs to the executable for the operator's
//! machine (`src/mcp`), not to this library: the appliance's `aios` holds the library, and nothing
//! that speaks MCP.

use crate::error::Failure;

/// Arguments of `mcp`.
#[derive(Debug, Default, clap::Args)]
pub struct Arguments {
    /// Offer only the tools that look, none that changes something
    #[arg(long)]
    pub read_only: bool,
    /// Offer only tools whose name fits the pattern, as fs.* or *.list; may be given again
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
}

/// What an `aiosctl` without the server answers.
pub(super) fn elsewhere() -> Failure {
    Failure::usage("this aiosctl has no MCP server").hint(
        "run `aiosctl mcp` on your own machine, with the aiosctl from `cargo install --path ctl`",
    )
}
