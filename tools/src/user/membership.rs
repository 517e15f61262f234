//! `user.group_add` and `user.group_remove`: which groups an account is in.

use std::marker::PhantomData;

use aios_tool::argument::{self, AccountName, GroupName};
use aios_tool::prelude::*;
use aios_tool::undo::Entry;

use super::tables::is_reserved;

arguments! {
    /// Arguments of `user.group_add` and `user.group_remove`.
    pub struct Input {
        /// Name of the account, which must be a person's.
        pub name: AccountName<argument::Modify>,
        /// Name of the group.
        pub group: GroupName<argument::Modify>,
    }
}

/// In or out.
pub trait Way: Send + Sync + 'static {
    /// Is the account in the group afterwards?
    const IS_IN: bool;
    /// The tool's name.
    const NAME: &'static str;
    /// What it does, in one sentence.
    const DESCRIPTION: &'static str;
    /// What people call it.
    const VERBS: &'static [&'static str];
}

/// Into the group.
pub enum In {}

impl Way for In {
    const IS_IN: bool = true;
    const NAME: &'static str = "user.group_add";
    const DESCRIPTION: &'static str = "Puts a person's account into a group; new logins have it.";
    const VERBS: &'static [&'static str] = &["add", "put"];
}

/// Out of it.
pub enum Out {}

impl Way for Out {
    const IS_IN: bool = false;
    const NAME: &'static str = "user.group_remove";
    const DESCRIPTION: &'static str =
        "Takes a person's account out of a group; new logins no longer have it.";
    const VERBS: &'static [&'static str] = &["remove", "take"];
}

/// The tool of a way.
pub struct Membership<W>(PhantomData<fn() -> W>);

/// The tool `user.group_add`.
pub type GroupAdd = Membership<In>;
/// The tool `user.group_remove`.
pub type GroupRemove = Membership<Out>;

/// The groups as they are now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The account's name.
    pub name: String,
    /// Its groups by name, its own first.
    pub groups: Vec<String>,
    /// Was it otherwise before?
    pub changed: bool,
}

impl<W: Way> Tool for Membership<W> {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        super::declaration(W::NAME, W::DESCRIPTION, &["/etc"])
            .example(json!({"name": "ada", "group": "www-data"}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let now = match (W::IS_IN, output.changed) {
            (true, true) => "is in the group",
            (true, false) => "was in the group already:",
            (false, true) => "is no longer in the group",
            (false, false) => "was not in the group",
        };
        let groups = format::printable(&output.groups.join(", "));
        format!(
            "{} {now} {}; its groups are {groups}",
            output.name, input.group
        )
    }
}

impl<W: Way> Edit for Membership<W> {
    fn effect() -> Effect {
        let is = if W::IS_IN { "is" } else { "is not" };
        Effect::of(&format!("the account {is} in the group"), W::VERBS).undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
        let before = super::read_tables()?;
        let account = super::person(&before, input.name.as_str())?;
        let group = input.group.as_str();
        if before
            .group(group)
            .is_some_and(|gid| is_reserved(group, gid))
        {
            return Err(ToolError::Denied(format!(
                "group {group} opens the whole machine to its members; tools change no membership of it"
            )));
        }
        let after = before
            .with_membership(&account.name, group, W::IS_IN)
            .map_err(ToolError::Precondition)?;
        super::plan_of(&before, &after)
    }

    fn output(input: &Input, changed: &[Entry], _context: &Context) -> Result<Output, ToolError> {
        let tables = super::read_tables()?;
        let account = super::person(&tables, input.name.as_str())?;
        Ok(Output {
            groups: tables.groups(&account),
            name: account.name,
            changed: !changed.is_empty(),
        })
    }
}
