//! `user.ssh_key_add` and `user.ssh_key_remove`: who may log in to a person's account by SSH.
//!
//! Root's keys are the configuration's (`[ssh]`): the service `ssh` puts them in place at each start.

use aios_config::PublicKey;
use aios_tool::argument::{self, AccountName, Text};
use aios_tool::edit::text_at;
use aios_tool::file::meta::Meta;
use aios_tool::file::state::State;
use aios_tool::prelude::*;
use aios_tool::undo::Entry;

use super::keys::{self, KEYS_MAX};
use super::tables::Account;

arguments! {
    /// Arguments of `user.ssh_key_add`.
    pub struct Added {
        /// Name of the account, which must be a person's.
        pub name: AccountName<argument::Modify>,
        /// The public key in one line, without options: `ssh-ed25519 AAAA… ada@example.org`.
        pub key: Text,
    }
}

arguments! {
    /// Arguments of `user.ssh_key_remove`.
    pub struct Removed {
        /// Name of the account, which must be a person's.
        pub name: AccountName<argument::Modify>,
        /// The key's fingerprint as `user.ssh_keys` shows it: `SHA256:…`.
        pub fingerprint: Text,
    }
}

/// The tool `user.ssh_key_add`.
pub struct Add;

/// The tool `user.ssh_key_remove`.
pub struct Remove;

/// Who may log in now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The account's name.
    pub name: String,
    /// The fingerprint of the key that was added or removed.
    pub fingerprint: String,
    /// How many keys may log in now.
    pub keys: u64,
    /// Was it otherwise before?
    pub changed: bool,
}

/// The key of an argument.
fn key(text: &str) -> Result<PublicKey, ToolError> {
    text.parse().map_err(|()| {
        ToolError::Invalid(
            "key: must be a whole public key in one line, such as \"ssh-ed25519 AAAA… name\", without options".into(),
        )
    })
}

fn account(name: &str) -> Result<Account, ToolError> {
    let account = super::read_tables()?.account(name);
    account.ok_or_else(|| ToolError::Precondition(format!("there is no account {name:?}")))
}

/// The plan by which the account's file of keys becomes what `change` makes of it.
fn plan(name: &str, change: impl FnOnce(&str) -> String) -> Result<Plan, ToolError> {
    let account = account(name)?;
    let folder = format!("{}/.ssh", keys::home_of(&account)?);
    let path = keys::path(&account);
    let text = text_at(&path, KEYS_MAX)?;
    let after = change(text.as_deref().unwrap_or_default());
    let owner = (account.uid, account.gid);
    let plan = Plan::new();
    match text {
        Some(text) if text == after => Ok(plan),
        None if after.is_empty() => Ok(plan),
        Some(_) => plan.content(&path, after, 0o600),
        None => {
            let plan = match State::at(&folder)? {
                State::Absent => plan.folder(&folder, Meta::new(0o700, owner))?,
                _ => plan,
            };
            plan.file(&path, after, Meta::new(0o600, owner))
        }
    }
}

fn output(name: &str, fingerprint: String, changed: &[Entry]) -> Result<Output, ToolError> {
    Ok(Output {
        name: name.to_owned(),
        fingerprint,
        keys: keys::of(&account(name)?)?.len() as u64,
        changed: !changed.is_empty(),
    })
}

fn summarize(output: &Output, (done, nothing): (&str, &str)) -> String {
    let Output {
        name,
        fingerprint,
        keys,
        ..
    } = output;
    let what = if output.changed { done } else { nothing };
    format!("key {fingerprint} {what} {name}; {keys} keys may log in")
}

fn declaration(name: &str, description: &str) -> Declaration {
    super::declaration(name, description, &["/home"])
}

impl Tool for Add {
    type Input = Added;
    type Output = Output;

    fn declaration() -> Declaration {
        declaration(
            "user.ssh_key_add",
            "Lets whoever has an SSH key log in to a person's account.",
        )
        .example(json!({
            "name": "ada",
            "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqbG4pAZbDOtMsM7LEcUTjMGBp2IlxiZmTcpn7D4Tzq ada@example.org",
        }))
    }

    fn relate(input: &mut Added, _context: &Context) -> Result<(), ToolError> {
        key(input.key.as_str()).map(drop)
    }

    fn summarize(_input: &Added, output: &Output) -> String {
        summarize(output, ("may log in as", "could log in already as"))
    }
}

impl Edit for Add {
    fn effect() -> Effect {
        Effect::of("the account's file of keys has the key", &["add", "allow"])
            .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Added, _context: &Context) -> Result<Plan, ToolError> {
        let key = key(input.key.as_str())?;
        plan(input.name.as_str(), |text| keys::with(text, &key))
    }

    fn output(input: &Added, changed: &[Entry], _context: &Context) -> Result<Output, ToolError> {
        let fingerprint = keys::fingerprint(&key(input.key.as_str())?);
        output(input.name.as_str(), fingerprint, changed)
    }
}

impl Tool for Remove {
    type Input = Removed;
    type Output = Output;

    fn declaration() -> Declaration {
        declaration(
            "user.ssh_key_remove",
            "Takes an SSH key away from a person's account: whoever has it can no longer log in by it.",
        )
        .example(json!({
            "name": "ada",
            "fingerprint": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGs9QWnzGNZqKlWbXCI",
        }))
    }

    fn summarize(_input: &Removed, output: &Output) -> String {
        summarize(output, ("can no longer log in as", "could not log in as"))
    }
}

impl Edit for Remove {
    fn effect() -> Effect {
        Effect::of(
            "the account's file of keys does not have the key",
            &["remove", "revoke", "forbid"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Removed, _context: &Context) -> Result<Plan, ToolError> {
        let wanted = input.fingerprint.as_str();
        let account = account(input.name.as_str())?;
        keys::home_of(&account)?;
        let all = keys::of(&account)?;
        if !all.iter().any(|one| keys::fingerprint(&one.key) == wanted) {
            return Err(ToolError::Precondition(format!(
                "no key of {} has the fingerprint {:?}; user.ssh_keys shows them",
                account.name,
                format::printable(wanted)
            )));
        }
        plan(input.name.as_str(), |text| keys::without(text, wanted))
    }

    fn output(input: &Removed, changed: &[Entry], _context: &Context) -> Result<Output, ToolError> {
        let fingerprint = format::printable(input.fingerprint.as_str());
        output(input.name.as_str(), fingerprint, changed)
    }
}
