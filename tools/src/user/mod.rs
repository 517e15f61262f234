//! `user.*`: accounts of this machine, their groups, and who may log in to them by SSH.
//!
//! Accounts are changed as text of `/etc/passwd` and the files beside it ([`tables`], pure), never by
//! programs. Only accounts of people are made, changed or removed: those of aiOS, of the system and of
//! packages belong to others.

pub mod add;
pub mod keys;
pub mod list;
pub mod membership;
pub mod remove;
pub mod ssh_key;
pub mod ssh_keys;
pub mod tables;

use std::sync::Arc;

use aios_tool::edit::{Plan, text_at};
use aios_tool::error::ToolError;
use aios_tool::spec::{Declaration, Least, Risk};
use aios_tool::tool::{ErasedTool, edit, look};

use tables::{Account, FILES, File, Tables};

/// No table of accounts is larger, in bytes: PID 1 reads no larger ones at boot.
const TABLE_MAX: u64 = 1 << 20;

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<list::List>(),
        edit::<add::Add>(),
        edit::<remove::Remove>(),
        edit::<membership::GroupAdd>(),
        edit::<membership::GroupRemove>(),
        look::<ssh_keys::SshKeys>(),
        edit::<ssh_key::Add>(),
        edit::<ssh_key::Remove>(),
    ]
}

/// A tool that changes accounts. All come one after the other: each changes the same files.
fn declaration(name: &str, description: &str, writes: &[&str]) -> Declaration {
    Declaration::of(name, description)
        .risk(Risk::High)
        .least(Least::Admin)
        .timeout_ms(30_000)
        .kernel(aios_tool::file::WRITING)
        .needing("user", "write", "accounts")
        .reading_the_machine()
        .changing(writes)
}

/// The tables of this machine.
///
/// # Errors
/// `Precondition` when one cannot be read, or `/etc/passwd` is missing.
pub(crate) fn read_tables() -> Result<Tables, ToolError> {
    let mut tables = Tables::default();
    for file in FILES {
        *tables.text_mut(file) = text_at(file.path(), TABLE_MAX)?;
    }
    if tables.text(File::Passwd).is_none() {
        let path = File::Passwd.path();
        return Err(ToolError::Precondition(format!("{path} does not exist")));
    }
    Ok(tables)
}

/// The account of this name, which must be a person's.
fn person(tables: &Tables, name: &str) -> Result<Account, ToolError> {
    let account = tables
        .account(name)
        .ok_or_else(|| ToolError::Precondition(format!("there is no account {name:?}")))?;
    match account.sort() {
        tables::Sort::Person => Ok(account),
        sort => Err(ToolError::Denied(format!(
            "{name} is {}, and only accounts of people are changed by tools",
            sort.described()
        ))),
    }
}

/// The plan by which the tables of this machine become these.
fn plan_of(before: &Tables, after: &Tables) -> Result<Plan, ToolError> {
    let mut plan = Plan::new();
    for file in FILES {
        let (Some(old), Some(new)) = (before.text(file), after.text(file)) else {
            continue;
        };
        if old == new {
            continue;
        }
        plan = match file.has_secrets() {
            true => plan.secret(file.path(), new, 0o640, tables::without_secrets)?,
            false => plan.content(file.path(), new, 0o644)?,
        };
    }
    Ok(plan)
}

#[cfg(test)]
pub(crate) use tables::example;
