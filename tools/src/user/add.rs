//! `user.add`: makes an account for a person.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aios_tool::argument::{self, AccountName, Text};
use aios_tool::edit::text_at;
use aios_tool::file::meta::Meta;
use aios_tool::file::name;
use aios_tool::prelude::*;
use aios_tool::undo::Entry;

use super::tables::{Account, New, Tables};

/// What a new home folder begins with: plain files of here.
const SKELETON: &str = "/etc/skel";
/// So many of them, each of at most so many bytes.
const SKELETON_MAX: (usize, u64) = (32, 64 * 1024);
/// The longest full name, in characters.
const FULL_NAME_MAX: usize = 100;
/// Where the shells are listed that a person may have (shells(5)).
const SHELLS: &str = "/etc/shells";
/// The shell of an account to which nobody logs in.
const NO_LOGIN: &str = "/usr/sbin/nologin";

arguments! {
    /// Arguments of `user.add`.
    pub struct Input {
        /// Name of the account: it begins with a lower-case letter and has at most 32 lower-case
        /// letters, digits, `-` and `_`.
        pub name: AccountName<argument::Add>,
        /// Whose it is, in words, at most 100 characters. Default: empty.
        pub full_name: Option<Text>,
        /// Absolute path of the program that a login runs: one of /etc/shells, or
        /// `/usr/sbin/nologin`. Default: `/bin/bash` where it is there, else `/bin/sh`.
        pub shell: Option<Text>,
    }
}

/// The tool `user.add`.
pub struct Add;

/// The account as it is now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its number, and that of its own group.
    pub uid: u32,
    /// Its home folder.
    pub home: String,
    /// What a login runs.
    pub shell: String,
    /// The home folder was there already and is the account's again.
    pub home_kept: bool,
}

impl Tool for Add {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        super::declaration(
            "user.add",
            "Adds an account for a person, with a home folder and a group of its own. It has no password: \
             an SSH key lets somebody in.",
            &["/etc", "/home"],
        )
        .example(json!({"name": "ada", "full_name": "Ada Lovelace"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        if let Some(name) = &input.full_name {
            full_name(name.as_str()).map_err(ToolError::Invalid)?;
        }
        Ok(())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            name,
            uid,
            home,
            shell,
            ..
        } = output;
        let kept = if output.home_kept {
            ", which was there already"
        } else {
            ""
        };
        format!(
            "account {name} is added (uid {uid}, home {home}{kept}, shell {shell}); it has no password"
        )
    }
}

impl Edit for Add {
    fn effect() -> Effect {
        Effect::of(
            "the account is in the tables, without a password, and its home folder is there",
            &["add", "make"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
        let before = super::read_tables()?;
        let home = format!("/home/{}", input.name);
        let shells = text_at(SHELLS, SKELETON_MAX.1)?.unwrap_or_default();
        let shell = shell(input.shell.as_ref().map(Text::as_str), &shells)?;
        let kept = owner_of(&home)?;
        let new = New {
            name: input.name.as_str(),
            full_name: input.full_name.as_ref().map_or("", Text::as_str),
            shell: &shell,
            uid: kept,
            day: today(),
        };
        let refused = |why: String| match kept {
            Some(_) => ToolError::Precondition(format!(
                "{why}; {home} is there already, move it away first"
            )),
            None => ToolError::Precondition(why),
        };
        let (after, account) = before.with(&new).map_err(refused)?;
        let plan = super::plan_of(&before, &after)?;
        match kept {
            Some(_) => Ok(plan),
            None => with_home(plan, &account),
        }
    }

    fn output(input: &Input, changed: &[Entry], _context: &Context) -> Result<Output, ToolError> {
        let account = added(input, &super::read_tables()?)?;
        Ok(Output {
            name: account.name,
            uid: account.uid,
            home_kept: !changed.iter().any(|entry| entry.path == account.home),
            home: account.home,
            shell: account.shell,
        })
    }

    fn verify(input: &Input, _context: &Context) -> Result<(), ToolError> {
        let tables = super::read_tables()?;
        let account = added(input, &tables)?;
        match tables.password(&account.name).map(|one| one.word()) {
            None | Some("locked") => {}
            Some(word) => {
                return Err(ToolError::Unverified(format!(
                    "the password of {} is {word}",
                    account.name
                )));
            }
        }
        match owner_of(&account.home)? {
            Some(uid) if uid == account.uid => Ok(()),
            _ => Err(ToolError::Unverified(format!(
                "{} is not its home",
                account.home
            ))),
        }
    }
}

fn added(input: &Input, tables: &Tables) -> Result<Account, ToolError> {
    let account = tables.account(input.name.as_str());
    account.ok_or_else(|| ToolError::Unverified(format!("there is no account {}", input.name)))
}

/// Who owns the folder, if it is there.
fn owner_of(home: &str) -> Result<Option<u32>, ToolError> {
    match Path::new(home).symlink_metadata() {
        Ok(meta) if meta.is_dir() => Ok(Some(meta.uid())),
        Ok(_) => Err(ToolError::Precondition(format!(
            "{home} is there already and no folder"
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ToolError::io(home, error)),
    }
}

/// Days since 1970: shadow(5).
fn today() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() / 86_400)
}

/// Adds the home folder with what every home begins with.
fn with_home(plan: Plan, account: &Account) -> Result<Plan, ToolError> {
    let owner = (account.uid, account.gid);
    let mut plan = plan.folder(&account.home, Meta::new(0o700, owner))?;
    let mut names: Vec<_> = Path::new(SKELETON)
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| name::encode(entry.file_name()))
        .collect();
    names.sort();
    for file in names.iter().take(SKELETON_MAX.0) {
        if let Some(text) = text_at(&format!("{SKELETON}/{file}"), SKELETON_MAX.1)? {
            let path = format!("{}/{file}", account.home);
            plan = plan.file(&path, text, Meta::new(0o644, owner))?;
        }
    }
    Ok(plan)
}

/// Can it be the full name in a line of passwd(5)?
fn full_name(text: &str) -> Result<(), String> {
    let fits = text.chars().count() <= FULL_NAME_MAX;
    match fits
        && !text
            .chars()
            .any(|c| c.is_control() || ":,=\\\"".contains(c))
    {
        true => Ok(()),
        false => Err(format!(
            "full_name: has at most {FULL_NAME_MAX} characters, and none of : , = \\ \" or control characters"
        )),
    }
}

/// The shell that was asked for, or the default, by the list of shells.
fn shell(asked: Option<&str>, shells: &str) -> Result<String, ToolError> {
    let listed = |shell: &str| shells.lines().any(|line| line.trim() == shell);
    match asked {
        Some(shell) if shell == NO_LOGIN || (shell.starts_with('/') && listed(shell)) => {
            Ok(shell.to_owned())
        }
        Some(shell) => Err(ToolError::Precondition(format!(
            "{:?} is no shell of {SHELLS}, nor {NO_LOGIN}",
            format::printable(shell)
        ))),
        None if listed("/bin/bash") => Ok("/bin/bash".to_owned()),
        None => Ok("/bin/sh".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_cannot_make_another_field_or_line() {
        for good in ["Ada Lovelace", "Åse", ""] {
            assert_eq!(full_name(good), Ok(()), "{good}");
        }
        for bad in ["a:0:0", "a\nroot::0", "a,b", &"a".repeat(101)] {
            full_name(bad).unwrap_err();
        }
    }

    #[test]
    fn a_shell_is_one_of_the_machines() {
        let list = "# shells\n/bin/sh\n/bin/bash\n";
        let check = |asked, shell: Option<&str>| {
            let found = super::shell(asked, list).ok();
            assert_eq!(found.as_deref(), shell, "{asked:?}");
        };
        check(None, Some("/bin/bash"));
        check(Some("/bin/sh"), Some("/bin/sh"));
        check(Some(NO_LOGIN), Some(NO_LOGIN));
        check(Some("/tmp/evil"), None);
        check(Some("# shells"), None);
        assert_eq!(super::shell(None, "").unwrap(), "/bin/sh");
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["Root", "a:b", "../x", "a\nb", "-x", ""] {
            let tool = aios_tool::tool::edit::<Add>();
            let refused = crate::trial::needs(tool.as_ref(), json!({ "name": name }));
            assert!(
                matches!(refused, Err(ToolError::Invalid(_))),
                "{name:?}: {refused:?}"
            );
        }
        let tool = aios_tool::tool::edit::<Add>();
        let needs = crate::trial::needs(tool.as_ref(), json!({"name": "ada"})).unwrap();
        assert_eq!(needs, ["user:write:accounts", "user:add:ada"]);
    }
}
