//! The page of the documentation that lists all keys: `docs/configuration.md`.

use std::fmt::Write as _;

use crate::reader::TakesUp;
use crate::{Config, Force, Key};

const HEAD: &str = "\
# The keys of `config.toml`

Made from the declarations of the tables (`config/schema/src`) by
`cargo run -p aios-config --example documentation > docs/configuration.md`; a test compares them.
An example of each key is in [`config/schema/reference.toml`](../config/schema/reference.toml).
While the file is wrong, the last right configuration holds.
";

/// The whole page.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    let mut table = "";
    for key in Config::keys() {
        if key.table != table {
            table = key.table;
            let head = "| key | meaning | values | default | a change |\n|---|---|---|---|---|\n";
            push(&mut page, format_args!("\n## `[{table}]`\n\n{head}"));
        }
        let cells = [
            format!("`{}`", key.name),
            key.meaning.clone(),
            key.values.clone(),
            key.default.clone(),
            change(&key),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        push(&mut page, format_args!("| {} |\n", cells.join(" | ")));
    }
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    let written = page.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

/// What a change of the key does.
fn change(key: &Key) -> String {
    match &key.force {
        Force::SameAs(other) => format!("another name of `{other}`"),
        Force::Always(why) => format!("holds on every node: {why}"),
        Force::Pending(part) => format!("another value is not in force yet: it needs {part}"),
        Force::Read(services) => {
            let told: Vec<String> = services
                .iter()
                .map(|service| {
                    let name = service.name;
                    match service.takes_up {
                        TakesUp::Reload => format!("{name} reads it again"),
                        TakesUp::Restart => format!("{name} is restarted"),
                        TakesUp::ByItself => format!("{name} sees it by itself"),
                        TakesUp::NextStart => format!("{name} reads it at its next start"),
                    }
                })
                .collect();
            told.join("; ")
        }
    }
}
