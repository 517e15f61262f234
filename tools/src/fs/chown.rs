//! `fs.chown`: gives files and folders another owner or group.

use rustix::fs::FileType;

use super::metadata::{self, Subject, Turned};
use aios_daemon::identity::Principal;
use aios_tool::argument::{Flag, Text, WritePath};
use aios_tool::file::MOVING;
use aios_tool::file::meta::Meta;
use aios_tool::prelude::*;

/// Where accounts and groups are; passwd(5), group(5).
const ACCOUNTS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The tool `fs.chown`.
pub struct Act;

arguments! {
    /// Arguments of `fs.chown`.
    pub struct Input {
        /// Absolute path of the file or folder.
        pub path: WritePath,
        /// The new owner: the name of an account, or a user id. Absent: it stays.
        pub owner: Option<Text>,
        /// The new group: its name, or a group id. Absent: it stays.
        pub group: Option<Text>,
        /// With everything below a folder? Symbolic links get it themselves; what they point to
        /// stays as it is.
        pub below: Option<Flag>,
    }
}

/// What was changed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// User id of the owner that it was given.
    pub uid: Option<u32>,
    /// Group id that it was given.
    pub gid: Option<u32>,
    /// Files and folders that were looked at.
    pub entries: u64,
    /// Those that had another owner or group before.
    pub changed: u64,
    /// Files that were set-user-ID, set-group-ID or had capabilities, and are not any more: they
    /// would work for the new owner.
    pub privileges_dropped: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        let mut declaration = Declaration::of(
            "fs.chown",
            "Changes owner and group of a file or folder, also of all below it.",
        )
        .example(
            json!({"path": "/srv/site", "owner": "www-data", "group": "www-data", "below": true}),
        )
        .risk(Risk::High)
        .timeout_ms(60_000)
        .kernel(MOVING);
        declaration.reads = vec![ACCOUNTS.to_owned(), GROUPS.to_owned()];
        declaration
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        if input.owner.is_none() && input.group.is_none() {
            return Err(ToolError::Invalid(
                "owner: is missing, and so is group".into(),
            ));
        }
        Ok(())
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let part = |word: &str, name: &Option<Text>, id: Option<u32>| match (name, id) {
            (Some(name), Some(id)) if name.as_str().parse() == Ok(id) => {
                Some(format!("{word} {id}"))
            }
            (Some(name), Some(id)) => Some(format!("{word} {name} ({id})")),
            _ => None,
        };
        let parts: Vec<String> = [
            part("owner", &input.owner, output.uid),
            part("group", &input.group, output.gid),
        ]
        .into_iter()
        .flatten()
        .collect();
        let dropped = match output.privileges_dropped {
            0 => String::new(),
            count => format!("; {count} lost set-user-ID, set-group-ID or capabilities"),
        };
        let counted = metadata::counted(&output.path, output.changed, output.entries);
        format!("{}: {counted}{dropped}", parts.join(", "))
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "everything it names has the owner and the group",
            &["change", "set"],
        )
        .undone_by(Undo::Files)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        with(input, |subject, _| subject.preview(context))
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        with(input, |subject, _| subject.capture(capture, context))
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        with(input, |subject, ids| {
            Ok(output(input, subject.turn(context)?, ids))
        })
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        with(input, |subject, _| subject.verify(context))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        with(input, |subject, ids| {
            let found = subject.found_done(interrupted.steps, context)?;
            Ok(found.map(|turned| output(input, turned, ids)))
        })
    }
}

/// The ids that are given: of the owner, of the group.
type Ids = [Option<u32>; 2];

fn output(input: &Input, turned: Turned, [uid, gid]: Ids) -> Output {
    Output {
        path: input.path.to_string(),
        uid,
        gid,
        entries: turned.entries,
        changed: turned.changed,
        privileges_dropped: turned.privileges_dropped,
    }
}

fn with<T>(
    input: &Input,
    work: impl FnOnce(&Subject<'_>, Ids) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let owner = input
        .owner
        .as_ref()
        .map(|name| id("account", name.as_str(), ACCOUNTS));
    let group = input
        .group
        .as_ref()
        .map(|name| id("group", name.as_str(), GROUPS));
    let ids = [owner.transpose()?, group.transpose()?];
    if let Some(uid) = ids[0] {
        is_not_aioss(uid)?;
    }
    let subject = Subject {
        path: &input.path,
        below: Flag::is_set(input.below),
        wanted: &|kind, meta| Some(wanted(ids, kind, meta)),
    };
    work(&subject, ids)
}

/// What an object of this kind is to have. A file that gets another owner or group loses what it may
/// do for whoever runs it, as by chown(2).
fn wanted([uid, gid]: Ids, kind: FileType, before: &Meta) -> Meta {
    let mut after = before.clone();
    after.uid = uid.unwrap_or(before.uid);
    after.gid = gid.unwrap_or(before.gid);
    let given = (after.uid, after.gid) != (before.uid, before.gid);
    if given && kind == FileType::RegularFile {
        after.drop_privileges();
    }
    after
}

/// The id of an account or a group, by its name or as a number.
fn id(what: &str, name: &str, list: &str) -> Result<u32, ToolError> {
    // The largest id stands for "no change" in chown(2).
    if let Some(id) = name.parse().ok().filter(|id| *id != u32::MAX) {
        return Ok(id);
    }
    find(&crate::procfs::read(list)?, name).ok_or_else(|| {
        let shown = format::printable(&name.chars().take(64).collect::<String>());
        ToolError::Precondition(format!("there is no {what} {shown:?}"))
    })
}

/// The id in a list like passwd(5) and group(5): the third field.
fn find(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(name);
        named.then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// aiOS's own accounts own what aiOS made itself, and nothing that a tool gives them.
fn is_not_aioss(uid: u32) -> Result<(), ToolError> {
    match Principal::from_uid(uid) {
        Principal::Daemon(_) | Principal::Agent(_) => Err(ToolError::Denied(format!(
            "the account {uid} is one of aiOS's own; nothing is given to it"
        ))),
        Principal::Root | Principal::Other(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call_change as call;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn ids_are_found_by_name() {
        let list = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\nbad\nodd:x:y\n";
        let check = |name, expected| assert_eq!(find(list, name), expected, "{name}");
        check("root", Some(0));
        check("www-data", Some(33));
        check("bad", None);
        check("odd", None);
        check("www", None);
        assert!(id("account", "4294967295", "/nonexistent").is_err());
    }

    #[test]
    fn nothing_is_given_to_aioss_own_accounts() {
        for identity in aios_daemon::identity::identities() {
            assert!(is_not_aioss(identity.uid).is_err(), "{}", identity.uid);
        }
        assert!(is_not_aioss(0).is_ok());
        assert!(is_not_aioss(1000).is_ok());
    }

    #[test]
    fn a_file_that_is_given_away_loses_its_privileges() {
        let before = Meta::new(0o4755, (0, 0));
        let after = wanted([Some(1000), None], FileType::RegularFile, &before);
        assert_eq!((after.mode, after.uid, after.gid), (0o755, 1000, 0));
        let same = wanted([Some(0), None], FileType::RegularFile, &before);
        assert_eq!(same, before);
        let folder = wanted(
            [None, Some(7)],
            FileType::Directory,
            &Meta::new(0o2775, (0, 0)),
        );
        assert_eq!((folder.mode, folder.gid), (0o2775, 7));
    }

    #[test]
    fn owner_and_group_are_given_to_links_themselves() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("outside"), "").unwrap();
        std::fs::create_dir(root.join("tree")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("tree/link")).unwrap();
        let arguments =
            json!({"path": root.join("tree"), "owner": "4711", "group": "4712", "below": true});
        let done = call::<Act>(arguments).unwrap();
        let ids = |path: &str| {
            let stat = root.join(path).symlink_metadata().unwrap();
            (stat.uid(), stat.gid())
        };
        assert_eq!(
            (ids("tree"), ids("tree/link")),
            ((4711, 4712), (4711, 4712))
        );
        assert_eq!(ids("outside"), (0, 0));
        assert!(
            done.summary.starts_with("owner 4711, group 4712: 2 of 2"),
            "{}",
            done.summary
        );
        let error = call::<Act>(json!({"path": root.join("tree")})).unwrap_err();
        assert!(error.to_string().contains("owner: is missing"), "{error}");
    }
}
