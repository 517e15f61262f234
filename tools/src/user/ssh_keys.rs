//! `user.ssh_keys`: who may log in to an account by SSH.

use aios_tool::argument::{self, AccountName};
use aios_tool::prelude::*;

use super::keys;
use crate::procfs::printable;

/// So many are given back at most.
const LISTED: usize = 500;

arguments! {
    /// Arguments of `user.ssh_keys`.
    pub struct Input {
        /// Name of the account.
        pub name: AccountName<argument::Read>,
    }
}

/// The tool `user.ssh_keys`.
pub struct SshKeys;

/// One key.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its fingerprint: `SHA256:…`.
    pub fingerprint: String,
    /// Its kind: `ssh-ed25519`.
    pub kind: String,
    /// What is written behind it: mostly whose it is.
    pub comment: String,
    /// May it do less than a login, by options before it?
    pub restricted: bool,
}

/// The keys.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The account's name.
    pub name: String,
    /// Its keys as they are in the file.
    pub keys: Vec<Row>,
    /// How many there are.
    pub count: u64,
}

impl Tool for SshKeys {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "user.ssh_keys",
            "Shows which SSH keys let somebody log in to an account.",
        )
        .kernel(file::READING)
        .reading_the_machine()
        .example(json!({"name": "ada"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        if output.keys.is_empty() {
            return format!("no SSH key lets anybody log in as {}", output.name);
        }
        let one = |row: &Row| {
            let restricted = if row.restricted { ", restricted" } else { "" };
            format!(
                "{} {} {}{restricted}",
                row.fingerprint, row.kind, row.comment
            )
        };
        let lines: Vec<String> = output.keys.iter().take(20).map(one).collect();
        format!(
            "{} SSH keys let somebody log in as {}:\n{}",
            output.count,
            output.name,
            lines.join("\n")
        )
    }
}

impl Look for SshKeys {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let name = input.name.as_str();
        let account = super::read_tables()?.account(name);
        let account = account
            .ok_or_else(|| ToolError::Precondition(format!("there is no account {name:?}")))?;
        let found = keys::of(&account)?;
        let row = |one: &keys::Allowed| Row {
            fingerprint: keys::fingerprint(&one.key),
            kind: one.key.kind.clone(),
            comment: printable(&one.key.comment),
            restricted: one.is_restricted,
        };
        Ok(Output {
            name: account.name,
            count: found.len() as u64,
            keys: found.iter().take(LISTED).map(row).collect(),
        })
    }
}
