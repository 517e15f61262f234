//! `pkg.search`: which packages can be had?

use std::time::Duration;

use aios_contracts::v1;

use super::order::daemon;
use aios_tool::argument::{Text, Whole, defaulted};
use aios_tool::format::{printable, time};
use aios_tool::prelude::*;

/// The tool `pkg.search`.
pub struct Search;

/// So long reading the lists may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);

/// So many are named in the summary.
const NAMED: usize = 20;

arguments! {
    /// Arguments of `pkg.search`.
    pub struct Input {
        /// Words that the package's name or summary has, all of them.
        pub words: Text,
        /// How many are listed; 50 when it is absent.
        pub limit: Option<Whole<1, 1000>>,
    }
}

/// A package that can be had.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub package: String,
    /// What it is, in a line.
    pub summary: String,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By name.
    pub packages: Vec<Row>,
    /// There are more.
    pub more: bool,
    /// When the lists were fetched, in milliseconds of Unix time; 0: never, and nothing can be found.
    pub lists_ms: i64,
}

impl Tool for Search {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "pkg.search",
            "Finds Debian packages that can be installed, by words of their names and summaries.",
        )
        .example(json!({"words": "web server", "limit": 10}))
        .timeout_ms(60_000)
        .needing("pkg", "read", "lists")
    }

    fn complete(input: &mut Input) {
        input.limit.get_or_insert_with(|| Whole::of(50));
    }

    fn summarize(input: &Input, output: &Output) -> String {
        if output.lists_ms == 0 {
            return "the lists of packages were never fetched; installing one fetches them".into();
        }
        let as_of = time(output.lists_ms);
        if output.packages.is_empty() {
            return format!(
                "no package has {:?} (lists of {as_of})",
                input.words.as_str()
            );
        }
        let named = output.packages.iter().take(NAMED);
        let named: Vec<String> = named
            .map(|row| format!("{}: {}", row.package, row.summary))
            .collect();
        let more = match output.packages.len() > NAMED || output.more {
            true => "\n…",
            false => "",
        };
        format!("{}{more}", named.join("\n"))
    }
}

impl Look for Search {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let (demand, client) = daemon(context)?;
        let request = v1::SearchRequest {
            words: input
                .words
                .as_str()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            limit: u32::try_from(defaulted(&input.limit)?.get()).unwrap_or(u32::MAX),
        };
        let found = context.block_on(demand.ask(LIMIT, || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.search(request).await }
        }))?;
        let row = |one: v1::FoundPackage| Row {
            package: printable(&one.name),
            summary: printable(&one.summary),
        };
        Ok(Output {
            packages: found.packages.into_iter().map(row).collect(),
            more: found.more,
            lists_ms: found.lists_ms,
        })
    }
}
