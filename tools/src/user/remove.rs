//! `user.remove`: takes a person's account away.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use aios_tool::argument::{self, AccountName};
use aios_tool::file::name;
use aios_tool::prelude::*;
use aios_tool::undo::Entry;

use super::tables::Account;
use crate::procfs::process;

/// The largest home that is deleted here, in files and bytes: all of it is kept for undo.
const HOME_MAX: (usize, u64) = (20_000, 256 << 20);

choices! {
    /// What becomes of the home folder.
    pub enum Home {
        /// It stays.
        Keep = "keep",
        /// It is deleted.
        Delete = "delete",
    }
}

arguments! {
    /// Arguments of `user.remove`.
    pub struct Input {
        /// Name of the account.
        pub name: AccountName<argument::Remove>,
        /// What becomes of its home folder: `keep` or `delete` (at most 20,000 files and 256 MiB; undo
        /// brings them back). Default: `keep`.
        pub home: Option<Home>,
    }
}

/// The tool `user.remove`.
pub struct Remove;

/// What was removed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The account's name.
    pub name: String,
    /// How many files and folders of its home were deleted.
    pub deleted: u64,
}

impl Tool for Remove {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        super::declaration(
            "user.remove",
            "Removes a person's account from all tables. Its home folder stays unless it is to be deleted.",
            &["/etc", "/home"],
        )
        .example(json!({"name": "ada"}))
    }

    fn complete(input: &mut Input) {
        input.home.get_or_insert(Home::Keep);
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let home = match (input.home, output.deleted) {
            (Some(Home::Delete), count) => {
                format!("its home is deleted ({count} files and folders)")
            }
            _ => "its home folder stays".to_owned(),
        };
        format!("account {} is removed; {home}", output.name)
    }
}

impl Edit for Remove {
    fn effect() -> Effect {
        Effect::of("no table has the account", &["remove", "delete"]).undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
        let before = super::read_tables()?;
        let account = super::person(&before, input.name.as_str())?;
        runs_nothing(&account)?;
        let plan = super::plan_of(&before, &before.without(&account))?;
        match argument::defaulted(&input.home)? {
            Home::Keep => Ok(plan),
            Home::Delete => without_home(plan, &account),
        }
    }

    fn output(input: &Input, changed: &[Entry], _context: &Context) -> Result<Output, ToolError> {
        let home = format!("/home/{}", input.name);
        let below = |entry: &&Entry| aios_tool::changes::is_within(&entry.path, &home);
        Ok(Output {
            name: input.name.to_string(),
            deleted: changed.iter().filter(below).count() as u64,
        })
    }

    fn verify(input: &Input, _context: &Context) -> Result<(), ToolError> {
        match super::read_tables()?.account(input.name.as_str()) {
            None => Ok(()),
            Some(_) => Err(ToolError::Unverified(format!(
                "there is an account {}",
                input.name
            ))),
        }
    }
}

/// Refuses to remove an account of which processes run: their files would be nobody's.
fn runs_nothing(account: &Account) -> Result<(), ToolError> {
    let is_its = |pid: &u32| {
        let meta = Path::new("/proc").join(pid.to_string()).metadata();
        meta.is_ok_and(|meta| meta.uid() == account.uid)
    };
    let mut all = process::pids()?.into_iter();
    match all.find(is_its) {
        None => Ok(()),
        Some(pid) => Err(ToolError::Precondition(format!(
            "process {pid} of {} runs; end its processes first",
            account.name
        ))),
    }
}

/// Takes the home folder away too, with everything in it.
fn without_home(plan: Plan, account: &Account) -> Result<Plan, ToolError> {
    let home = &account.home;
    if *home != format!("/home/{}", account.name) {
        return Err(ToolError::Precondition(format!(
            "{} is no folder below /home of this name; it stays",
            format::printable(home)
        )));
    }
    let mut plan = plan;
    for path in tree(Path::new(home), HOME_MAX)? {
        plan = plan.absent(&path)?;
    }
    Ok(plan)
}

/// A folder and all that is in it, parents first; nothing when it is not there.
///
/// # Errors
/// `Precondition` when it is larger.
fn tree(folder: &Path, (files, bytes): (usize, u64)) -> Result<Vec<String>, ToolError> {
    let mut found = Vec::new();
    let mut size = 0_u64;
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let shown = name::encode(&path);
        let meta = match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            meta => meta.map_err(|error| ToolError::io(&shown, error))?,
        };
        size += meta.len();
        if found.len() == files || size > bytes {
            return Err(ToolError::Precondition(format!(
                "{} has more than {files} files or {}: keep it here, and delete it by fs.delete",
                folder.display(),
                format::bytes(bytes)
            )));
        }
        if meta.is_dir() {
            let entries = path
                .read_dir()
                .map_err(|error| ToolError::io(&shown, error))?;
            let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            entries.sort();
            open.extend(entries.into_iter().rev());
        }
        found.push(shown);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_named_parents_first_within_its_bounds() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/c"), "xx").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("a")).unwrap();
        let all = tree(folder.path(), (4, 1 << 20)).unwrap();
        let root = folder.path().to_str().unwrap();
        let ends: Vec<&str> = all
            .iter()
            .map(|path| path.strip_prefix(root).unwrap())
            .collect();
        assert_eq!(ends, ["", "/a", "/b", "/b/c"]);
        tree(folder.path(), (3, 1 << 20)).unwrap_err();
        assert_eq!(tree(&folder.path().join("none"), (1, 1)), Ok(Vec::new()));
    }
}
