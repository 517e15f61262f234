//! `user.list`: the accounts of this machine.

use aios_tool::prelude::*;

use super::keys;
use super::tables::{Account, Sort, Tables};
use crate::procfs::printable;

/// So many are given back at most.
const LISTED: usize = 2_000;
/// So many are repeated in the summary.
const SHOWN: usize = 20;

choices! {
    /// Whose accounts are listed.
    pub enum Of {
        /// Root and people.
        People = "people",
        /// Of aiOS, the system and packages.
        Services = "services",
        /// All.
        All = "all",
    }
}

arguments! {
    /// Arguments of `user.list`.
    pub struct Input {
        /// Whose: `people` (with root), `services` (of aiOS, the system and packages) or `all`.
        /// Default: `people`.
        pub of: Option<Of>,
    }
}

/// The tool `user.list`.
pub struct List;

/// One account.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// Whose it is, in words.
    pub full_name: String,
    /// `root`, `aios`, `person`, `service`.
    pub sort: String,
    /// Its groups by name, its own first.
    pub groups: Vec<String>,
    /// Its home folder.
    pub home: String,
    /// What a login runs.
    pub shell: String,
    /// `set`, `locked` (no login by a password), `empty` (a login without one) or `unknown`.
    pub password: String,
    /// How many SSH keys may log in to it; of others than root and people, none are looked for.
    pub ssh_keys: u64,
}

/// The accounts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Those that were asked for, as the table has them.
    pub accounts: Vec<Row>,
    /// How many there are of them.
    pub count: u64,
}

impl Of {
    fn has(self, sort: Sort) -> bool {
        let is_service = matches!(sort, Sort::Own | Sort::Service);
        match self {
            Self::All => true,
            Self::Services => is_service,
            Self::People => !is_service,
        }
    }
}

impl Tool for List {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "user.list",
            "Lists accounts with their groups, and whether a password or SSH keys let somebody in.",
        )
        .needing("user", "read", "accounts")
        .kernel(file::READING)
        .reading_the_machine()
        .example(json!({"of": "people"}))
    }

    fn complete(input: &mut Input) {
        input.of.get_or_insert(Of::People);
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let one = |row: &Row| {
            format!(
                "{} ({}, {}): groups {}, password {}, {} SSH keys",
                printable(&row.name),
                row.uid,
                row.sort,
                printable(&row.groups.join(" ")),
                row.password,
                row.ssh_keys
            )
        };
        let mut lines = vec![format!("{} accounts", output.count)];
        lines.extend(output.accounts.iter().take(SHOWN).map(one));
        lines.join("\n")
    }
}

impl Look for List {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let tables = super::read_tables()?;
        let of = *argument::defaulted(&input.of)?;
        let mut accounts = tables.accounts();
        accounts.retain(|account| of.has(account.sort()));
        let count = accounts.len() as u64;
        accounts.truncate(LISTED);
        Ok(Output {
            accounts: accounts.iter().map(|one| row(one, &tables)).collect(),
            count,
        })
    }
}

fn row(account: &Account, tables: &Tables) -> Row {
    let has_keys = matches!(account.sort(), Sort::Root | Sort::Person);
    // A file that cannot be read as keys lets nobody in.
    let keys = has_keys.then(|| keys::of(account).unwrap_or_default());
    let password = tables.password(&account.name);
    Row {
        name: printable(&account.name),
        uid: account.uid,
        gid: account.gid,
        full_name: printable(&account.full_name),
        sort: account.sort().word().to_owned(),
        groups: tables
            .groups(account)
            .iter()
            .map(|name| printable(name))
            .collect(),
        home: printable(&account.home),
        shell: printable(&account.shell),
        password: password.map_or("unknown", |one| one.word()).to_owned(),
        ssh_keys: keys.map_or(0, |keys| keys.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_listed_and_no_hash_is() {
        let tables = super::super::example();
        let accounts = tables.accounts();
        let names = |of: Of| -> Vec<String> {
            let all = accounts.iter().filter(|one| of.has(one.sort()));
            all.map(|one| one.name.clone()).collect()
        };
        assert_eq!(names(Of::People), ["root", "ada", "bob"]);
        assert_eq!(names(Of::Services), ["www-data", "aios-tools"]);
        let rows: Vec<Row> = accounts.iter().map(|one| row(one, &tables)).collect();
        let output = Output {
            count: rows.len() as u64,
            accounts: rows,
        };
        let text = List::summarize(&Input { of: None }, &output);
        assert!(
            text.contains("ada (1000, person): groups ada docker bob, password set, 0"),
            "{text}"
        );
        assert!(
            text.contains("bob (1001, person): groups bob docker, password empty"),
            "{text}"
        );
        assert!(!serde_json::to_string(&output).unwrap().contains("hash"));
    }

    #[test]
    fn this_machines_accounts_can_be_listed() {
        let done = crate::trial::call::<List>(json!({"of": "all"})).unwrap();
        assert_eq!(
            done.output["accounts"][0]["name"], "root",
            "{}",
            done.summary
        );
    }
}
